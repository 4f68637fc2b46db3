//! Variables, quotes and escapes in the text of instructions.
//!
//! The rules are those of `BuildKit`, which are nearly those of a shell: every
//! form of `${}` that is known there, and what a shell would do differently is
//! done as there. Where a variable has its value from is not known here, and
//! which texts are expanded at all is for the caller to know.

mod collected;
mod lexer;
mod pattern;
mod replacement;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use crate::ast::Escape;
use crate::expand::lexer::{Lexer, Quotes};

/// Is how deep expansions may lie in each other.
const MAX_DEPTH: usize = 64;
/// Is how many bytes the values in one text may have together, each counted
/// wherever it is written on the way: 8 MiB.
const MAX_WRITTEN: usize = 8 << 20;
/// Is how many steps the patterns of one text may take together.
const MAX_STEPS: usize = 1 << 25;

/// Knows the values of variables.
pub trait Variables {
    /// Gives the value of a variable; `None` is one that is not set, which is
    /// not the same as an empty one.
    fn value(&self, name: &str) -> Option<&str>;
}

impl Variables for BTreeMap<String, String> {
    fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Of several values for one name the last counts.
impl Variables for [(&str, &str)] {
    fn value(&self, name: &str) -> Option<&str> {
        let last = self.iter().rev().find(|(key, _)| *key == name);
        last.map(|(_, value)| *value)
    }
}

impl<const N: usize> Variables for [(&str, &str); N] {
    fn value(&self, name: &str) -> Option<&str> {
        self.as_slice().value(name)
    }
}

/// Is a text with the values of its variables in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// What it says.
    pub value: String,
    /// The variables that were to be written and are neither set nor have
    /// something in their place, once each, in the order of the text.
    pub unset: Vec<String>,
}

/// Says why a text can not be expanded.
///
/// `Display` prints the message alone, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpandError {
    /// Where in the text it is wrong, in bytes.
    pub range: Range<usize>,
    /// What is wrong: lower case, no final period, values in backticks.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl ExpandError {
    /// Makes an error with what would be right.
    fn new(range: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExpandError {}

/// Expands a text to one value: variables are replaced by their values, quotes
/// and escapes are removed, blanks are kept.
///
/// # Errors
///
/// Fails for a quote or a `${` that is not closed, for a form of `${}` that is
/// not known, for a variable that `?` demands and is not set, and for a text
/// that lies too deep in itself or becomes too large.
pub fn expand_word(
    text: &str,
    escape: Escape,
    variables: &dyn Variables,
) -> Result<Expanded, ExpandError> {
    let mut lexer = Lexer::new(text, escape.character(), Quotes::Removed, variables);
    let value = lexer.all()?.value;
    Ok(Expanded {
        value,
        unset: once_each(lexer.unset()),
    })
}

/// Expands a text to words: as [`expand_word`], then split at the blanks that
/// are neither quoted nor escaped, those in values included. A word that would
/// be empty is none.
///
/// # Errors
///
/// Fails as [`expand_word`] does.
pub fn expand_words(
    text: &str,
    escape: Escape,
    variables: &dyn Variables,
) -> Result<Vec<String>, ExpandError> {
    let mut lexer = Lexer::new(text, escape.character(), Quotes::Removed, variables);
    Ok(lexer.all()?.into_words())
}

/// Expands the content of a heredoc: variables are replaced by their values,
/// escapes are removed, quotes are letters as any other.
///
/// As in `BuildKit` it is always `\` that escapes here, and it does so before
/// every letter; the file's own escape is taken so that all three expansions
/// are called alike.
///
/// # Errors
///
/// Fails as [`expand_word`] does, but not for quotes.
pub fn expand_heredoc(
    text: &str,
    _escape: Escape,
    variables: &dyn Variables,
) -> Result<Expanded, ExpandError> {
    let escape = Escape::Backslash.character();
    let mut lexer = Lexer::new(text, escape, Quotes::Kept, variables);
    let value = lexer.all()?.value;
    Ok(Expanded {
        value,
        unset: once_each(lexer.unset()),
    })
}

/// Leaves out the names that came before.
fn once_each(names: Vec<&str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut names = names;
    names.retain(|name| seen.insert(*name));
    names.into_iter().map(str::to_owned).collect()
}
