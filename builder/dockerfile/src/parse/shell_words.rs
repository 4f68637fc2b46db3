//! Where the words of a shell's line are, to find heredocs in it. Nothing is
//! expanded; an expansion that is malformed makes the line unreadable.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

/// Is how deep expansions may lie in each other.
const MAX_DEPTH: usize = 64;

/// Splits a line; `None` is a line that can not be read.
pub(crate) fn split(line: &str) -> Option<Vec<Range<usize>>> {
    let mut scanner = Scanner {
        letters: line.char_indices().peekable(),
        line,
        words: Vec::new(),
        word: None,
    };
    scanner.read()?;
    Some(scanner.words)
}

/// Takes the quotes from a word, and says whether there were none; `None` is
/// text that is not one word.
pub(crate) fn unquote(text: &str) -> Option<(String, bool)> {
    let mut name = String::new();
    let mut plain = true;
    let mut quote = None;
    let mut letters = text.trim().chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, '\'' | '"') => {
                quote = Some(letter);
                plain = false;
            }
            (Some(open), _) if open == letter => quote = None,
            (None, '\\') => name.extend(letters.next()),
            (Some('"'), '\\') => match letters.next() {
                Some(escaped @ ('"' | '$' | '\\')) => name.push(escaped),
                other => {
                    name.push('\\');
                    name.extend(other);
                }
            },
            (None, blank) if blank.is_whitespace() => return None,
            _ => name.push(letter),
        }
    }
    quote.is_none().then_some((name, plain))
}

/// Walks over a line; every `None` is one that can not be read.
struct Scanner<'a> {
    letters: Peekable<CharIndices<'a>>,
    line: &'a str,
    words: Vec<Range<usize>>,
    /// The word that is being read.
    word: Option<Range<usize>>,
}

impl Scanner<'_> {
    fn read(&mut self) -> Option<()> {
        while let Some(letter) = self.peek() {
            let start = self.position();
            match letter {
                '\'' | '"' | '<' => {
                    self.piece(letter, 0)?;
                    self.extend(start);
                }
                '$' => {
                    self.piece(letter, 0)?;
                    self.split_piece(start);
                }
                '\\' => {
                    self.next();
                    self.next();
                    self.extend(start);
                }
                blank if blank.is_whitespace() => {
                    self.next();
                    self.words.extend(self.word.take());
                }
                _ => {
                    self.next();
                    self.extend(start);
                }
            }
        }
        self.words.extend(self.word.take());
        Some(())
    }

    /// Adds what was read since `start` to the word.
    fn extend(&mut self, start: usize) {
        let end = self.position();
        self.word.get_or_insert(start..end).end = end;
    }

    /// Adds what was read since `start` to the words: blanks in an expansion
    /// divide them too.
    fn split_piece(&mut self, start: usize) {
        let end = self.position();
        let piece = self.line.get(start..end).unwrap_or_default();
        for (at, letter) in piece.char_indices() {
            if letter.is_whitespace() {
                self.words.extend(self.word.take());
                continue;
            }
            let at = start + at;
            let end = at + letter.len_utf8();
            self.word.get_or_insert(at..end).end = end;
        }
    }

    /// Reads what one of the characters begins that mean something.
    fn piece(&mut self, letter: char, depth: usize) -> Option<()> {
        match letter {
            '\'' => {
                self.next();
                while self.next()? != '\'' {}
                Some(())
            }
            '"' => self.double_quotes(depth),
            '$' => self.dollar(depth),
            _ => {
                self.next();
                if self.peek() == Some('<') {
                    self.next();
                    while matches!(self.peek(), Some(' ' | '\t')) {
                        self.next();
                    }
                }
                Some(())
            }
        }
    }

    fn double_quotes(&mut self, depth: usize) -> Option<()> {
        self.next();
        loop {
            match self.peek()? {
                '"' => {
                    self.next();
                    return Some(());
                }
                '$' => self.dollar(depth)?,
                '\\' => {
                    self.next();
                    if matches!(self.peek(), Some('"' | '$' | '\\')) {
                        self.next();
                    }
                }
                _ => {
                    self.next();
                }
            }
        }
    }

    fn dollar(&mut self, depth: usize) -> Option<()> {
        self.next();
        if self.peek() != Some('{') {
            self.name();
            return Some(());
        }
        self.next();
        if matches!(self.peek()?, '{' | '}' | ':') || depth == MAX_DEPTH {
            return None;
        }
        self.name();
        match self.next()? {
            '}' => Some(()),
            ':' => match self.next()? {
                '+' | '-' | '?' => self.until('}', depth + 1),
                _ => None,
            },
            '+' | '-' | '?' | '#' | '%' => self.until('}', depth + 1),
            '/' => {
                if self.peek() == Some('/') {
                    self.next();
                }
                self.until('/', depth + 1)?;
                self.until('}', depth + 1)
            }
            _ => None,
        }
    }

    /// Reads a variable's name, which may be missing.
    fn name(&mut self) {
        let Some(first) = self.peek() else {
            return;
        };
        if first.is_ascii_digit() {
            while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
                self.next();
            }
        } else if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            self.next();
        } else {
            while self
                .peek()
                .is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
            {
                self.next();
            }
        }
    }

    /// Reads the word of an expansion, up to its last character.
    fn until(&mut self, stop: char, depth: usize) -> Option<()> {
        loop {
            match self.peek()? {
                letter if letter == stop => {
                    self.next();
                    return Some(());
                }
                letter @ ('\'' | '"' | '$' | '<') => self.piece(letter, depth)?,
                '\\' => {
                    self.next();
                    self.next();
                }
                _ => {
                    self.next();
                }
            }
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.letters.peek().map(|(_, letter)| *letter)
    }

    fn next(&mut self) -> Option<char> {
        self.letters.next().map(|(_, letter)| letter)
    }

    fn position(&mut self) -> usize {
        let next = self.letters.peek();
        next.map_or(self.line.len(), |(at, _)| *at)
    }
}
