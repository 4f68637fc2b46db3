//! What there is to say about a file.

use std::fmt;

use crate::span::Span;

/// Says one thing about one place in a file.
///
/// `Display` prints the message alone, in one line; whoever shows it adds the
/// file, the line, the excerpt and the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Says whether the file can be built.
    pub severity: Severity,
    /// Names the kind of mistake for machines: `unknown-flag`. Words in lower
    /// case with `-` between them, or the name of a [`Rule`](crate::Rule) that
    /// found it; they do not change between versions.
    pub code: &'static str,
    /// What is wrong: lower case, no final period, values in backticks.
    pub message: String,
    /// Where it is wrong.
    pub span: Span,
    /// What would be right.
    pub hint: Option<String>,
}

/// Says whether a file can be built in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It can not.
    Error,
    /// It can, but it may not do what was meant.
    Warning,
}

impl Diagnostic {
    /// Says that a file can not be built.
    #[must_use]
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            span,
            hint: None,
        }
    }

    /// Says that a file may not do what was meant.
    #[must_use]
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    /// Says what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Is how many characters of a value a message shows.
pub(crate) const MAX_EXCERPT: usize = 60;

/// Shows a value in one line, at a length that can be read.
pub(crate) fn excerpt(value: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in value.chars().enumerate() {
        if count == MAX_EXCERPT {
            shown.push('…');
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}
