//! From text to value, letter by letter. What a pattern matches is not known
//! here.

use std::borrow::Cow;
use std::ops::Range;

use crate::diagnostic::excerpt;
use crate::expand::collected::Collected;
use crate::expand::pattern::{Budget, Exhausted, Pattern, Reach};
use crate::expand::{ExpandError, MAX_DEPTH, MAX_STEPS, MAX_WRITTEN, Variables, replacement};

/// Names the forms that are known, for those who meant one of them.
const FORMS: &str =
    "behind the name can stand `:-`, `:+`, `:?`, `-`, `+`, `?`, `#`, `##`, `%`, `%%`, `/` or `//`";

/// Says what becomes of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// They hold a text together and go away.
    Removed,
    /// They are letters as any other.
    Kept,
}

/// Says what a variable that is set but empty counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    Set,
    Unset,
}

/// Walks over a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    escape: char,
    quotes: Quotes,
    /// Whether escapes are kept, because a pattern needs them.
    raw: bool,
    depth: usize,
    written: usize,
    steps: Budget,
    variables: &'a dyn Variables,
    unset: Vec<&'a str>,
}

impl<'a> Lexer<'a> {
    /// Makes one at the start of a text.
    pub(super) fn new(
        text: &'a str,
        escape: char,
        quotes: Quotes,
        variables: &'a dyn Variables,
    ) -> Self {
        Self {
            text,
            at: 0,
            escape,
            quotes,
            raw: false,
            depth: 0,
            written: 0,
            steps: Budget::new(MAX_STEPS),
            variables,
            unset: Vec::new(),
        }
    }

    /// Expands all of the text.
    pub(super) fn all(&mut self) -> Result<Collected, ExpandError> {
        let mut collected = Collected::default();
        self.collect(None, &mut collected)?;
        Ok(collected)
    }

    /// Gives the variables without a value, as often as they were met.
    pub(super) fn unset(self) -> Vec<&'a str> {
        self.unset
    }

    fn peek(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    /// Expands up to a letter, and goes behind it; `false` if it never comes.
    fn collect(&mut self, stop: Option<char>, to: &mut Collected) -> Result<bool, ExpandError> {
        while let Some(letter) = self.peek() {
            let quotes = self.quotes == Quotes::Removed;
            match letter {
                _ if stop == Some(letter) => {
                    self.next();
                    return Ok(true);
                }
                '$' => to.push(&self.dollar()?),
                '\'' if quotes => to.push_whole(self.single_quoted()?),
                '"' if quotes => to.push_whole(&self.double_quoted()?),
                _ if letter == self.escape => {
                    let start = self.at;
                    self.next();
                    let shown = if self.raw { start } else { self.at };
                    // At the very end it escapes nothing.
                    self.next();
                    to.push_whole(self.since(shown));
                }
                _ => {
                    let plain = self.plain(stop);
                    to.push(plain);
                }
            }
        }
        Ok(stop.is_none())
    }

    /// Goes over letters that mean nothing but themselves, the first of all.
    fn plain(&mut self, stop: Option<char>) -> &'a str {
        let start = self.at;
        self.next();
        while let Some(letter) = self.peek() {
            let special = matches!(letter, '$' | '\'' | '"') || letter == self.escape;
            if special || stop == Some(letter) {
                break;
            }
            self.next();
        }
        self.since(start)
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn single_quoted(&mut self) -> Result<&'a str, ExpandError> {
        let open = self.at;
        self.next();
        let start = self.at;
        while let Some(letter) = self.peek() {
            if letter == '\'' {
                let inside = self.since(start);
                self.next();
                return Ok(inside);
            }
            self.next();
        }
        Err(self.unclosed_quote(open))
    }

    fn double_quoted(&mut self) -> Result<String, ExpandError> {
        let open = self.at;
        self.next();
        let mut inside = String::new();
        while let Some(letter) = self.peek() {
            match letter {
                '"' => {
                    self.next();
                    return Ok(inside);
                }
                '$' => inside.push_str(&self.dollar()?),
                _ if letter == self.escape => {
                    self.next();
                    let escaped = self.peek();
                    let escapes = escaped
                        .is_some_and(|next| matches!(next, '"' | '$') || next == self.escape);
                    if self.raw || !escapes {
                        inside.push(letter);
                    }
                    if escapes {
                        inside.extend(self.next());
                    } else if self.raw {
                        // As there: the escape of nothing is kept, and stands
                        // for itself.
                        inside.push(letter);
                    }
                }
                _ => {
                    inside.push(letter);
                    self.next();
                }
            }
        }
        Err(self.unclosed_quote(open))
    }

    fn unclosed_quote(&self, open: usize) -> ExpandError {
        let quote = self.text.get(open..open + 1).unwrap_or_default();
        let escape = self.escape;
        ExpandError::new(
            open..open + quote.len(),
            format!("the quote `{quote}` is not closed"),
            format!("close it with another `{quote}`, or write `{escape}{quote}` for the letter"),
        )
    }

    /// Expands what a `$` begins.
    fn dollar(&mut self) -> Result<Cow<'a, str>, ExpandError> {
        let start = self.at;
        self.next();
        if self.peek() == Some('{') {
            self.next();
            let value = self.braced(start)?;
            self.charge(start, value.len())?;
            return Ok(value);
        }
        let name = self.name();
        if name.is_empty() {
            return Ok(Cow::Borrowed("$"));
        }
        let value = self.value_or_nothing(name);
        self.charge(start, value.len())?;
        Ok(Cow::Borrowed(value))
    }

    /// Takes a name, a number or one of the letters that a shell has values
    /// for; empty if there is none.
    fn name(&mut self) -> &'a str {
        let start = self.at;
        match self.peek() {
            Some(first) if is_digit(first) => {
                while self.peek().is_some_and(is_digit) {
                    self.next();
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.next();
            }
            _ => {
                while self.peek().is_some_and(|letter| {
                    letter.is_alphabetic() || is_digit(letter) || letter == '_'
                }) {
                    self.next();
                }
            }
        }
        self.since(start)
    }

    fn value_or_nothing(&mut self, name: &'a str) -> &'a str {
        let value = self.variables.value(name);
        if value.is_none() && !name.is_empty() {
            self.unset.push(name);
        }
        value.unwrap_or_default()
    }

    /// Expands what a `${` at `start` begins.
    fn braced(&mut self, start: usize) -> Result<Cow<'a, str>, ExpandError> {
        if let Some(wrong @ ('{' | '}' | ':')) = self.peek() {
            return Err(ExpandError::new(
                start..self.at + wrong.len_utf8(),
                format!("`${{{wrong}` has no name of a variable"),
                "a variable is written as `$name` or `${name}`, and the letter itself as `\\$`",
            ));
        }
        let name = self.name();
        let modifier = self.at;
        match self.next() {
            None => Err(self.unclosed(start)),
            Some('}') => Ok(Cow::Borrowed(self.value_or_nothing(name))),
            Some(operator @ ('-' | '+' | '?')) => {
                self.conditional(start, name, operator, Empty::Set)
            }
            Some(side @ ('#' | '%')) => self.trimmed(start, name, side),
            Some('/') => self.replaced(start, name),
            Some(':') => match self.next() {
                None => Err(self.unclosed(start)),
                Some(operator @ ('-' | '+' | '?')) => {
                    self.conditional(start, name, operator, Empty::Unset)
                }
                Some(_) => Err(self.unknown_form(modifier)),
            },
            Some(_) => Err(self.unknown_form(modifier)),
        }
    }

    fn unclosed(&self, start: usize) -> ExpandError {
        ExpandError::new(
            start..self.at,
            format!("`{}` has no `}}` at its end", excerpt(self.since(start))),
            "close it with `}`",
        )
    }

    fn unknown_form(&self, modifier: usize) -> ExpandError {
        let form = excerpt(self.since(modifier));
        ExpandError::new(
            modifier..self.at,
            format!("`{form}` can not stand behind the name of a variable"),
            FORMS,
        )
    }

    /// Expands a part of a `${`, up to the letter that ends it.
    fn part(&mut self, start: usize, stop: char, raw: bool) -> Result<String, ExpandError> {
        if self.depth == MAX_DEPTH {
            return Err(ExpandError::new(
                start..self.at,
                format!("variables lie more than {MAX_DEPTH} deep in each other"),
                "give a part of it a name of its own",
            ));
        }
        let outer = std::mem::replace(&mut self.raw, raw);
        self.depth += 1;
        let mut collected = Collected::default();
        let closed = self.collect(Some(stop), &mut collected);
        self.depth -= 1;
        self.raw = outer;
        match closed? {
            true => Ok(collected.value),
            false if stop == '/' => Err(ExpandError::new(
                start..self.at,
                format!(
                    "`{}` has no `/` between pattern and replacement",
                    excerpt(self.since(start))
                ),
                "it is written as `${name/pattern/replacement}`",
            )),
            false => Err(self.unclosed(start)),
        }
    }

    /// Expands `-`, `+` and `?`, with or without `:`.
    fn conditional(
        &mut self,
        start: usize,
        name: &'a str,
        operator: char,
        empty: Empty,
    ) -> Result<Cow<'a, str>, ExpandError> {
        let before = self.unset.len();
        let word = self.part(start, '}', false)?;
        let value = self.variables.value(name);
        let given = value.filter(|value| !value.is_empty() || empty == Empty::Set);
        let (result, used) = match (operator, given) {
            ('+', Some(_)) => (Cow::Owned(word), true),
            ('+', None) => (Cow::Borrowed(""), false),
            (_, Some(value)) => (Cow::Borrowed(value), false),
            ('-', None) => (Cow::Owned(word), true),
            (_, None) => return Err(self.missing(start..self.at, name, &word, value)),
        };
        if !used {
            // What is not written may be unset.
            self.unset.truncate(before);
        }
        Ok(result)
    }

    fn missing(
        &self,
        range: Range<usize>,
        name: &str,
        word: &str,
        value: Option<&str>,
    ) -> ExpandError {
        let state = if value.is_some() { "empty" } else { "not set" };
        let name = excerpt(name);
        let message = if word.is_empty() {
            format!("`{name}` is {state}")
        } else {
            format!("`{name}` is {state}: {}", excerpt(word))
        };
        ExpandError::new(
            range,
            message,
            format!("give `{name}` a value with `ARG` or `ENV`, or from outside"),
        )
    }

    /// Expands `#`, `##`, `%` and `%%`.
    fn trimmed(
        &mut self,
        start: usize,
        name: &'a str,
        side: char,
    ) -> Result<Cow<'a, str>, ExpandError> {
        let word = self.part(start, '}', true)?;
        let value = self.value_or_nothing(name);
        let (reach, pattern) = match word.strip_prefix(side) {
            Some(pattern) => (Reach::Longest, pattern),
            None => (Reach::Shortest, word.as_str()),
        };
        let pattern = self.pattern(start, pattern)?;
        let rest = if side == '#' {
            pattern.without_prefix(value, reach, &mut self.steps)
        } else {
            pattern.without_suffix(value, reach, &mut self.steps)
        };
        rest.map(Cow::Borrowed)
            .map_err(|error| self.exhausted(start, error))
    }

    /// Expands `/` and `//`.
    fn replaced(&mut self, start: usize, name: &'a str) -> Result<Cow<'a, str>, ExpandError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern = self.part(start, '/', true)?;
        let with = self.part(start, '}', true)?;
        let value = self.value_or_nothing(name);
        let pattern = self.pattern(start, &pattern)?;
        let most = MAX_WRITTEN.saturating_sub(self.written);
        let result = if all {
            replacement::all(&pattern, value, &with, most, &mut self.steps)
        } else {
            replacement::first(&pattern, value, &with, &mut self.steps)
        };
        result
            .map(Cow::Owned)
            .map_err(|error| self.exhausted(start, error))
    }

    fn pattern(&self, start: usize, pattern: &str) -> Result<Pattern, ExpandError> {
        Pattern::parse(pattern).map_err(|invalid| {
            ExpandError::new(
                start..self.at,
                format!(
                    "`{}` in the pattern `{}` escapes nothing",
                    excerpt(&invalid.0),
                    excerpt(pattern)
                ),
                "a pattern knows `\\*`, `\\?` and `\\\\`",
            )
        })
    }

    fn exhausted(&self, start: usize, _: Exhausted) -> ExpandError {
        ExpandError::new(
            start..self.at,
            "the pattern takes too long on a value of this size",
            "use a pattern with less `*` in it",
        )
    }

    /// Counts the bytes that were written.
    fn charge(&mut self, start: usize, bytes: usize) -> Result<(), ExpandError> {
        self.written = self.written.saturating_add(bytes);
        if self.written > MAX_WRITTEN {
            return Err(ExpandError::new(
                start..self.at,
                format!(
                    "the values are more than {} MiB together",
                    MAX_WRITTEN >> 20
                ),
                "use smaller values, or less of them",
            ));
        }
        Ok(())
    }
}

/// Says whether a letter is a digit of any script.
fn is_digit(letter: char) -> bool {
    letter.is_numeric() && !letter.is_alphabetic()
}
