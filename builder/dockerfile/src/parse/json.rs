//! Arrays of strings in JSON, where each string knows where it stands. Other
//! JSON is recognised, since an array that holds it is a mistake where text
//! that is no JSON at all is none.

use crate::span::Span;
use crate::text::{Builder, Text};

/// Is how deep arrays and objects may lie in each other; deeper ones are no
/// JSON.
const MAX_DEPTH: usize = 10_000;

/// Is what a text is as an array of strings.
#[derive(Debug)]
pub(crate) enum Array {
    /// One, with the strings as they are meant.
    Strings(Vec<Text>),
    /// One that holds something else, which stands here.
    Others(Vec<Span>),
    /// None.
    No,
}

impl Array {
    /// Reads a text.
    pub(crate) fn read(text: &Text) -> Self {
        if !text.as_str().trim_start().starts_with('[') {
            return Self::No;
        }
        Reader::new(text).array().unwrap_or(Self::No)
    }
}

/// Reads JSON; every `None` is a text that is none.
struct Reader<'a> {
    text: &'a Text,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(text: &'a Text) -> Self {
        let rest = text.as_str().trim_start().as_bytes();
        Self { text, rest }
    }

    fn array(&mut self) -> Option<Array> {
        self.expect(b'[')?;
        self.blanks();
        let mut strings = Vec::new();
        let mut others = Vec::new();
        let mut more = !self.take(b']');
        while more {
            self.blanks();
            let start = self.position();
            if self.peek() == Some(b'"') {
                strings.push(self.string()?);
            } else {
                self.value()?;
                others.push(self.text.span_of(start..self.position()));
            }
            self.blanks();
            more = self.take(b',');
            if !more {
                self.expect(b']')?;
            }
        }
        self.blanks();
        if !self.rest.is_empty() {
            return None;
        }
        Some(if others.is_empty() {
            Array::Strings(strings)
        } else {
            Array::Others(others)
        })
    }

    /// Reads any value, without its meaning. It keeps its own stack: text that
    /// is only brackets must not use up that of the program.
    fn value(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            self.blanks();
            let begun = self.begin(&mut open)?;
            if begun {
                continue;
            }
            loop {
                let Some(closing) = open.last().copied() else {
                    return Some(());
                };
                self.blanks();
                if self.take(b',') {
                    self.key(closing)?;
                    break;
                }
                self.expect(closing)?;
                open.pop();
            }
        }
    }

    /// Reads a value that holds no other, or the start of one that does: then
    /// it gives `true`.
    fn begin(&mut self, open: &mut Vec<u8>) -> Option<bool> {
        let closing = match self.peek()? {
            b'"' => return self.string().map(|_| false),
            b't' => return self.literal(b"true"),
            b'f' => return self.literal(b"false"),
            b'n' => return self.literal(b"null"),
            b'[' => b']',
            b'{' => b'}',
            _ => return self.number(),
        };
        self.rest = self.rest.get(1..)?;
        // The array around it is one level too.
        if open.len() + 2 > MAX_DEPTH {
            return None;
        }
        self.blanks();
        if self.take(closing) {
            return Some(false);
        }
        open.push(closing);
        self.key(closing)?;
        Some(true)
    }

    /// Reads the key of an object's next value.
    fn key(&mut self, closing: u8) -> Option<()> {
        if closing == b']' {
            return Some(());
        }
        self.blanks();
        self.string()?;
        self.blanks();
        self.expect(b':')
    }

    fn literal(&mut self, word: &[u8]) -> Option<bool> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(false)
    }

    fn number(&mut self) -> Option<bool> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(false)
    }

    fn digits(&mut self) -> Option<()> {
        let count = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.rest = self.rest.get(count..)?;
        (count > 0).then_some(())
    }

    fn string(&mut self) -> Option<Text> {
        let start = self.position();
        self.expect(b'"')?;
        let inside = self.text.span_of(start..start + 1).end;
        let mut value = Builder::new(inside);
        loop {
            let plain = self.rest.iter().take_while(|byte| is_plain(**byte)).count();
            if plain > 0 {
                let start = self.position();
                let text = self.text.slice(start..start + plain);
                value.push_text(&text);
                self.rest = self.rest.get(plain..)?;
            }
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape(&mut value)?,
                _ => return None,
            }
        }
        self.expect(b'"')?;
        Some(value.finish())
    }

    /// Reads a backslash and what it stands for.
    fn escape(&mut self, value: &mut Builder) -> Option<()> {
        let start = self.position();
        self.expect(b'\\')?;
        let byte = self.peek()?;
        self.rest = self.rest.get(1..)?;
        let letter = match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return None,
        };
        let span = self.text.span_of(start..self.position());
        value.push_as(letter.encode_utf8(&mut [0; 4]), span);
        Some(())
    }

    /// Reads the digits behind `\u`, of both halves where there are two. A
    /// half alone stands for the replacement character.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        let mut ahead = Self {
            text: self.text,
            rest: self.rest,
        };
        if let Some(second) = ahead.second_half() {
            let pair = char::decode_utf16([first, second]).next();
            if let Some(Ok(letter)) = pair.filter(|_| is_first_half(first)) {
                self.rest = ahead.rest;
                return Some(letter);
            }
        }
        let letter = char::from_u32(u32::from(first));
        Some(letter.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn second_half(&mut self) -> Option<u16> {
        self.rest = self.rest.strip_prefix(b"\\u")?;
        self.four_digits()
    }

    fn four_digits(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        let digits = str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = rest;
        u16::from_str_radix(digits, 16).ok()
    }

    fn blanks(&mut self) {
        let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n');
        let count = self.rest.iter().take_while(is_blank).count();
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn take(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn position(&self) -> usize {
        self.text.as_str().len() - self.rest.len()
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

fn is_first_half(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}
