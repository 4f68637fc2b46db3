//! Rust text seen as code: comments gone, literals emptied, tests told apart.
//!
//! This is a scanner and no parser: it knows where comments and literals begin
//! and end, which is all that the checks need, and it accepts any text at all.

use crate::repository::TextFile;

/// The code of one Rust file, line by line.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The path from the root of the repository.
    pub(crate) path: &'a str,
    /// As many lines as the file has up to its inline tests; in each the
    /// comments are gone and the literals are empty.
    pub(crate) lines: Vec<String>,
}

impl<'a> Source<'a> {
    /// Scans a file, or returns none when it is not Rust.
    pub(crate) fn scan(file: &'a TextFile) -> Option<Self> {
        file.path.ends_with(".rs").then(|| {
            let stripped = strip(&file.text);
            let lines: Vec<String> = stripped.lines().map(str::to_owned).collect();
            let end = inline_tests(&lines).unwrap_or(lines.len());
            Self {
                path: &file.path,
                lines: lines.into_iter().take(end).collect(),
            }
        })
    }

    /// Returns whether the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        let mut folders: Vec<&str> = self.path.split('/').collect();
        let file = folders.pop();
        file == Some("tests.rs") || folders.contains(&"tests") || folders.contains(&"benches")
    }

    /// Returns how many lines hold code, inline tests not counted.
    pub(crate) fn size(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| !line.trim().is_empty())
            .count()
    }

    /// Returns the lines, counted from one, on which a path such as `env::var`
    /// stands as whole words.
    pub(crate) fn mentions(&self, words: &str) -> Vec<usize> {
        let hits = self.lines.iter().enumerate();
        hits.filter(|(_, line)| contains_words(line, words))
            .map(|(index, _)| index + 1)
            .collect()
    }
}

fn contains_words(line: &str, words: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(words).any(|(start, found)| {
        let before = line[..start].chars().next_back();
        let after = line[start + found.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// Finds the line of `#[cfg(test)]` above an inline module.
fn inline_tests(lines: &[String]) -> Option<usize> {
    lines.iter().enumerate().position(|(index, line)| {
        line.trim() == "#[cfg(test)]"
            && lines[index + 1..]
                .iter()
                .map(|line| line.trim())
                .find(|line| !line.is_empty() && !line.starts_with("#["))
                .is_some_and(|line| {
                    let declared = line.trim_start_matches("pub ");
                    declared.starts_with("mod ") && declared.ends_with('{')
                })
    })
}

/// Returns the text with the same lines, comments removed and literals emptied.
fn strip(text: &str) -> String {
    let mut scanner = Scanner {
        text: text.chars().collect(),
        at: 0,
        code: String::with_capacity(text.len()),
    };
    while scanner.step() {}
    scanner.code
}

struct Scanner {
    text: Vec<char>,
    at: usize,
    code: String,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    /// Consumes one token-like piece; returns whether there was one.
    fn step(&mut self) -> bool {
        let Some(current) = self.peek(0) else {
            return false;
        };
        match (current, self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            ('r', Some('"' | '#')) if !self.inside_word() && self.raw_string() => {}
            _ => self.keep(),
        }
        true
    }

    fn keep(&mut self) {
        self.code.extend(self.peek(0));
        self.at += 1;
    }

    /// Passes over one character and keeps its line break, so that lines stay
    /// where they are.
    fn drop(&mut self) {
        if self.peek(0) == Some('\n') {
            self.code.push('\n');
        }
        self.at += 1;
    }

    /// Whether the character here continues an identifier. `b` and `c` are
    /// the prefixes of literals when nothing stands before them.
    fn inside_word(&self) -> bool {
        let mut before = self.text[..self.at].iter().rev().copied();
        let part = |c: char| c.is_alphanumeric() || c == '_';
        match before.next() {
            Some('b' | 'c') => before.next().is_some_and(part),
            other => other.is_some_and(part),
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(current) = self.peek(0) {
            match (current, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.drop(),
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while let Some(current) = self.peek(0) {
            match current {
                '"' => return self.keep(),
                '\\' => {
                    self.at += 1;
                    self.literal();
                }
                _ => self.literal(),
            }
        }
    }

    /// Passes over one character of a literal. A line inside a literal is code,
    /// so a mark is left on it.
    fn literal(&mut self) {
        let broke = self.peek(0) == Some('\n');
        self.drop();
        if broke {
            self.code.push('"');
        }
    }

    /// Empties a raw string; returns false when this is a raw identifier.
    fn raw_string(&mut self) -> bool {
        let hashes = (1..)
            .take_while(|ahead| self.peek(*ahead) == Some('#'))
            .count();
        if self.peek(1 + hashes) != Some('"') {
            return false;
        }
        self.code.push('"');
        self.at += hashes + 2;
        while self.peek(0).is_some() {
            let closes = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closes {
                self.at += hashes + 1;
                self.code.push('"');
                break;
            }
            self.literal();
        }
        true
    }

    /// A character literal is emptied; a lifetime is kept.
    fn quote(&mut self) {
        let escaped = self.peek(1) == Some('\\');
        if !escaped && self.peek(2) != Some('\'') {
            return self.keep();
        }
        self.code.push_str("''");
        // Past the quote and the character, or past the quote, the backslash
        // and what it escapes, which may itself be a quote.
        self.at += if escaped { 3 } else { 2 };
        while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
            self.at += 1;
        }
        if self.peek(0) == Some('\'') {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests;
