//! The words of an instruction that blanks divide and that can be moved.

use std::ops::Range;

use crate::ast::Escape;
use crate::format::joined::Joined;
use crate::format::legacy;
use crate::parse::json::Array;
use crate::parse::keyword::Keyword;
use crate::parse::{flags, words};
use crate::text::Text;

/// Is a word, or text that is not looked into.
#[derive(Debug)]
pub(super) struct Token {
    /// Where it stands in the joined text.
    pub(super) range: Range<usize>,
    pub(super) shown: Shown,
    /// What is written before it.
    pub(super) lead: String,
    /// What is written behind it.
    pub(super) trail: String,
    /// No blank is written before it.
    pub(super) is_glued: bool,
    /// It is not indented at the start of a line.
    pub(super) is_closing: bool,
}

/// Says what is written for a token.
#[derive(Debug)]
pub(super) enum Shown {
    /// What stands in the file, with its breaks.
    Source,
    /// This; breaks in it are written behind it.
    Word(String),
}

impl Token {
    /// Takes a text as it is.
    pub(super) fn new(text: &Text) -> Self {
        Self {
            range: text.span().range(),
            shown: Shown::Source,
            lead: String::new(),
            trail: String::new(),
            is_glued: false,
            is_closing: false,
        }
    }

    fn word(text: &Text, word: &str) -> Self {
        Self {
            shown: Shown::Word(word.to_owned()),
            ..Self::new(text)
        }
    }
}

/// Gives the first word of an instruction.
pub(super) fn keyword(line: &Text) -> Option<Keyword> {
    let (word, _) = words::split_first(&line.trim());
    Keyword::find(word.as_str())
}

/// Reads an instruction; nothing is one that is not known.
pub(super) fn read(joined: &Joined, escape: Escape) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut line = joined.text.trim();
    loop {
        let (word, rest) = words::split_first(&line);
        let keyword = Keyword::find(word.as_str())?;
        tokens.push(Token::word(&word, keyword.name()));
        line = flags(&rest, &mut tokens);
        if keyword != Keyword::Onbuild {
            arguments(keyword, &line, &mut tokens);
            if matches!(keyword, Keyword::Env | Keyword::Label | Keyword::Arg) {
                pairs(keyword, &line, joined, escape, &mut tokens);
            }
            return Some(tokens);
        }
    }
}

/// Reads flags, and gives what follows them.
fn flags(text: &Text, tokens: &mut Vec<Token>) -> Text {
    let value = text.as_str();
    let mut start = 0;
    loop {
        let rest = value.get(start..).unwrap_or_default();
        start = value.len() - rest.trim_start().len();
        if !rest.trim_start().starts_with("--") {
            break;
        }
        let (word, end) = flags::word(text, start);
        tokens.push(Token::new(&text.slice(start..end)));
        start = end;
        if word.as_str() == "--" {
            break;
        }
    }
    text.slice(start..value.len()).trim()
}

fn arguments(keyword: Keyword, text: &Text, tokens: &mut Vec<Token>) {
    match keyword {
        Keyword::From => {
            let words = words::split(text);
            let is_as = |word: &Text| word.as_str().eq_ignore_ascii_case("as");
            tokens.extend(words.iter().enumerate().map(|(number, word)| match number {
                1 if is_as(word) => Token::word(word, "AS"),
                _ => Token::new(word),
            }));
        }
        Keyword::Run | Keyword::Cmd | Keyword::Entrypoint | Keyword::Shell => {
            command(text, tokens);
        }
        Keyword::Healthcheck => {
            let (word, rest) = words::split_first(text);
            tokens.push(Token::word(&word, &word.as_str().to_ascii_uppercase()));
            command(&rest, tokens);
        }
        Keyword::Add | Keyword::Copy | Keyword::Volume => {
            if !array(text, tokens) {
                tokens.extend(words::split(text).iter().map(Token::new));
            }
        }
        Keyword::Expose => tokens.extend(words::split(text).iter().map(Token::new)),
        Keyword::Maintainer | Keyword::StopSignal | Keyword::User | Keyword::Workdir => {
            whole(text, tokens);
        }
        // They are read with their quotes, or hold another instruction.
        Keyword::Arg | Keyword::Env | Keyword::Label | Keyword::Onbuild => {}
    }
}

fn pairs(keyword: Keyword, text: &Text, joined: &Joined, escape: Escape, tokens: &mut Vec<Token>) {
    let words = words::split_quoted(text, escape);
    let first = words.first();
    let is_old = first.is_some_and(|first| !first.as_str().contains('='));
    if is_old && keyword != Keyword::Arg {
        legacy::pair(text, joined, escape, tokens);
        return;
    }
    tokens.extend(words.iter().map(Token::new));
}

fn command(text: &Text, tokens: &mut Vec<Token>) {
    if !array(text, tokens) {
        whole(text, tokens);
    }
}

fn whole(text: &Text, tokens: &mut Vec<Token>) {
    if !text.is_empty() {
        tokens.push(Token::new(text));
    }
}

/// Reads an array of strings, if it is one.
fn array(text: &Text, tokens: &mut Vec<Token>) -> bool {
    if !matches!(Array::read(text), Array::Strings(_)) {
        return false;
    }
    let mut bytes = text.as_str().bytes().enumerate();
    let mut is_glued = false;
    while let Some((start, byte)) = bytes.next() {
        let mut end = start + 1;
        match byte {
            b'"' => {
                while let Some((at, byte)) = bytes.next() {
                    end = at + 1;
                    if byte == b'"' {
                        break;
                    }
                    if byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            b',' => {
                if let Some(last) = tokens.last_mut() {
                    last.trail.push(',');
                }
                continue;
            }
            b'[' | b']' => {}
            _ => continue,
        }
        tokens.push(Token {
            is_glued: is_glued || byte == b']',
            is_closing: byte == b']',
            ..Token::new(&text.slice(start..end))
        });
        is_glued = byte == b'[';
    }
    true
}
