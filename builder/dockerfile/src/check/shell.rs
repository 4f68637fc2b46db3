//! As much of a shell's language as rules need: which commands a text runs,
//! and their words. What is quoted, expanded or nested deeper is not read.

use std::ops::Range;

/// Words that stand before a command and are none.
const PREFIXES: [&str; 16] = [
    "!",
    "command",
    "do",
    "eatmydata",
    "elif",
    "else",
    "env",
    "exec",
    "if",
    "nice",
    "nohup",
    "sudo",
    "then",
    "time",
    "until",
    "while",
];

/// Is a word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says, without quotes.
    pub(super) text: String,
    /// Where it stands in the text, with quotes.
    pub(super) range: Range<usize>,
    /// What it says is not known before it is run.
    pub(super) expands: bool,
}

/// Is a command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// Its name and arguments; at least one.
    pub(super) words: Vec<Word>,
}

impl Command {
    /// Gives the name of the program, without the directory it is in.
    pub(super) fn name(&self) -> &str {
        let first = self.words.first().map_or("", |word| word.text.as_str());
        first.rsplit('/').next().unwrap_or_default()
    }

    /// Gives the arguments.
    pub(super) fn arguments(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Gives where its name and one of its words stand, and what is between.
    pub(super) fn up_to(&self, word: &Word) -> Range<usize> {
        let start = self
            .words
            .first()
            .map_or(word.range.start, |it| it.range.start);
        start..word.range.end
    }
}

/// Lists the commands of a text, in their order.
pub(super) fn commands(text: &str) -> Vec<Command> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    for token in Tokens::new(text) {
        match token {
            Token::Word(word) => words.push(word),
            Token::End => push(&mut commands, &mut words),
        }
    }
    push(&mut commands, &mut words);
    commands
}

fn push(commands: &mut Vec<Command>, words: &mut Vec<Word>) {
    let mut words = std::mem::take(words).into_iter().peekable();
    let mut prefixed = false;
    while let Some(word) = words.peek() {
        let is_prefix = PREFIXES.contains(&word.text.as_str()) || matches!(&*word.text, "{" | "}");
        // The options of `sudo` and the like.
        let is_option = prefixed && word.text.starts_with('-');
        if !is_prefix && !is_option && !is_assignment(&word.text) {
            break;
        }
        prefixed |= is_prefix;
        words.next();
    }
    let words: Vec<Word> = words.collect();
    if !words.is_empty() {
        commands.push(Command { words });
    }
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else {
        return false;
    };
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    !name.is_empty() && name.chars().all(is_letter)
}

enum Token {
    Word(Word),
    /// A command ends.
    End,
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads a word that begins here.
    fn word(&mut self) -> Word {
        let start = self.at;
        let mut text = String::new();
        let mut expands = false;
        let mut quote = None;
        let mut before = '\0';
        let mut letters = self.rest().char_indices();
        let mut end = self.rest().len();
        while let Some((at, letter)) = letters.next() {
            // `>&` and `<&` are redirections.
            let joins = letter == '&' && matches!(before, '>' | '<');
            if quote.is_none() && !joins && (letter.is_whitespace() || ";&|()".contains(letter)) {
                end = at;
                break;
            }
            before = letter;
            match letter {
                '\\' if quote != Some('\'') => {
                    let next = letters.next().map(|(_, next)| next);
                    text.extend(next.filter(|next| *next != '\n'));
                }
                '\'' | '"' if quote == Some(letter) => quote = None,
                '\'' | '"' if quote.is_none() => quote = Some(letter),
                _ => {
                    expands |= matches!(letter, '$' | '`') && quote != Some('\'');
                    text.push(letter);
                }
            }
        }
        self.at = start + end;
        Word {
            text,
            range: start..self.at,
            expands,
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = self.rest();
            let letter = rest.chars().next()?;
            if letter == '\n' || ";&|()".contains(letter) {
                self.at += 1;
                return Some(Token::End);
            }
            if rest.starts_with("\\\n") {
                self.at += 2;
            } else if letter.is_whitespace() {
                self.at += letter.len_utf8();
            } else if letter == '#' {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                return Some(Token::Word(self.word()));
            }
        }
    }
}
