//! What has been said about a file so far, and how values are shown in it.

use crate::diagnostic::{Diagnostic, MAX_EXCERPT, Severity};
use crate::parse::code;
use crate::span::Span;

/// Is how many mistakes are said of one file, and how many warnings.
pub(crate) const MAX_DIAGNOSTICS: usize = 1_000;
/// Is how many changes a word may be away from one that was meant.
const MAX_DISTANCE: usize = 2;

/// Collects what there is to say about a file.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Report {
    /// Says a mistake.
    pub(crate) fn error(&mut self, code: &'static str, span: Span, message: String) -> Hint<'_> {
        self.push(Diagnostic::error(code, span, message))
    }

    /// Says what may not be meant.
    pub(crate) fn warning(&mut self, code: &'static str, span: Span, message: String) -> Hint<'_> {
        self.push(Diagnostic::warning(code, span, message))
    }

    /// Says whether no more mistakes can be said; then reading on is of no use.
    pub(crate) fn is_full(&self) -> bool {
        self.errors >= MAX_DIAGNOSTICS
    }

    /// Gives all of it in the order of the file.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by_key(|diagnostic| {
            let severity = matches!(diagnostic.severity, Severity::Warning);
            (diagnostic.span.start, diagnostic.span.end, severity)
        });
        if self.is_full() {
            self.diagnostics.truncate(MAX_DIAGNOSTICS - 1);
            let message = format!("there are more than {} mistakes", MAX_DIAGNOSTICS - 1);
            let error = Diagnostic::error(code::TOO_MANY_MISTAKES, self.last(), message);
            self.diagnostics
                .push(error.hint("this may not be a Dockerfile"));
        } else if self.warnings >= MAX_DIAGNOSTICS {
            // In the place of the last one.
            let is_warning = |said: &Diagnostic| said.severity == Severity::Warning;
            if let Some(last) = self
                .diagnostics
                .iter_mut()
                .rev()
                .find(|said| is_warning(said))
            {
                let message = format!("there are more than {} warnings", MAX_DIAGNOSTICS - 1);
                *last = Diagnostic::warning(code::TOO_MANY_WARNINGS, last.span, message)
                    .hint("those of the rest are not said");
            }
        }
        self.diagnostics
    }

    /// Gives where the last thing that is said stands.
    fn last(&self) -> Span {
        let last = self.diagnostics.last();
        last.map(|diagnostic| diagnostic.span).unwrap_or_default()
    }

    fn push(&mut self, diagnostic: Diagnostic) -> Hint<'_> {
        let count = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        // One more than is shown, so that the end is known to be cut.
        if *count >= MAX_DIAGNOSTICS {
            return Hint(None);
        }
        *count += 1;
        self.diagnostics.push(diagnostic);
        Hint(self.diagnostics.last_mut())
    }
}

/// Is where a hint about what was said last can be put.
#[derive(Debug)]
pub(crate) struct Hint<'a>(Option<&'a mut Diagnostic>);

impl Hint<'_> {
    /// Says what would be right.
    pub(crate) fn hint(self, hint: impl Into<String>) {
        if let Some(diagnostic) = self.0 {
            diagnostic.hint = Some(hint.into());
        }
    }
}

/// Finds the word that was most likely meant by one that is none of those that
/// are valid.
#[must_use]
pub fn nearest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    // Words this long are near to nothing, and costly to compare.
    if word.chars().count() > MAX_EXCERPT {
        return None;
    }
    let distance = |valid: &str| strsim::osa_distance(&word.to_lowercase(), &valid.to_lowercase());
    let near = valid.iter().map(|valid| (distance(valid), *valid)).min()?;
    // A short word is a few changes away from anything.
    let limit = (near.1.len() / 3).clamp(1, MAX_DISTANCE);
    (near.0 <= limit).then_some(near.1)
}
