//! Ignore files: which paths of a context are left out.
//!
//! The rules are those of `.dockerignore` as `BuildKit` reads it, with the ways
//! it differs from its own documentation and from a shell. No path is looked
//! up here, and whether something is a directory makes no difference.

mod class;
mod clean;
mod lines;
mod pattern;
mod program;
mod symbol;
mod translate;

#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, Severity};
use crate::ignore::lines::{Lines, Read};
use crate::ignore::pattern::Pattern;
use crate::ignore::program::Program;
use crate::span::Span;

pub use crate::ignore::program::IgnoreState;

/// Is how many bytes a file may have: 1 MiB.
const MAX_FILE: usize = 1 << 20;
/// Is how many patterns a file may have.
const MAX_PATTERNS: usize = 10_000;
/// Is how many things are said about one file.
const MAX_DIAGNOSTICS: usize = 1_000;

/// The codes of what is said about ignore files; each occurs in the corpus.
mod code {
    /// A file that is larger than one may be.
    pub(super) const FILE_TOO_LARGE: &str = "file-too-large";
    /// A line that is longer than one may be.
    pub(super) const LINE_TOO_LONG: &str = "line-too-long";
    /// More patterns than a file may have.
    pub(super) const TOO_MANY_PATTERNS: &str = "too-many-patterns";
    /// A pattern that can not be read.
    pub(super) const INVALID_PATTERN: &str = "invalid-pattern";
    /// A `!` with nothing behind it.
    pub(super) const EMPTY_EXCEPTION: &str = "empty-exception";
    /// A pattern that no path matches.
    pub(super) const UNUSED_PATTERN: &str = "unused-pattern";
    /// A `\` before a letter, which is no separator.
    pub(super) const ESCAPED_LETTER: &str = "escaped-letter";
    /// A `#` that begins no comment.
    pub(super) const LATE_COMMENT: &str = "late-comment";
}

/// Knows which paths are left out.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    program: Program,
}

impl Ignore {
    /// Reads an ignore file.
    ///
    /// Any bytes have an answer: the patterns that could be read, and all that
    /// is wrong with the others, in the order of the file.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> (Self, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut patterns = Vec::new();
        if bytes.len() > MAX_FILE {
            diagnostics.push(too_large(bytes.len()));
            return (Self::default(), diagnostics);
        }
        for line in Lines::new(bytes) {
            match line {
                Read::TooLong(diagnostic) => diagnostics.push(diagnostic),
                Read::Pattern(line) if patterns.len() == MAX_PATTERNS => {
                    diagnostics.push(too_many(line.span));
                    break;
                }
                Read::Pattern(line) => patterns.extend(Pattern::parse(&line, &mut diagnostics)),
            }
            if is_refused(&mut diagnostics) {
                break;
            }
        }
        let program = Program::new(&patterns);
        (Self { program }, diagnostics)
    }

    /// Says whether a path is left out; `path` has its names separated by `/`
    /// and begins at the root of the context. The root itself never is.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let mut state = self.root();
        let mut excluded = false;
        for name in path.split(|byte| *byte == b'/') {
            if !name.is_empty() {
                (state, excluded) = state.enter(name);
            }
        }
        excluded
    }

    /// Starts a walk at the root of the context.
    #[must_use]
    pub fn root(&self) -> IgnoreState {
        IgnoreState::root(&self.program)
    }
}

/// Takes out what is more than is said of one file; `true` if an error was the
/// first thing too many.
///
/// Warnings alone never end the reading: each pattern behind them counts.
fn is_refused(diagnostics: &mut Vec<Diagnostic>) -> bool {
    let more = diagnostics.split_off(diagnostics.len().min(MAX_DIAGNOSTICS));
    let error = more
        .into_iter()
        .find(|diagnostic| diagnostic.severity == Severity::Error);
    let is_refused = error.is_some();
    diagnostics.extend(error);
    is_refused
}

fn too_large(size: usize) -> Diagnostic {
    let message = format!("the file has {size} bytes, more than {MAX_FILE}");
    Diagnostic::error(code::FILE_TOO_LARGE, Span::new(0, size), message)
        .hint("an ignore file has one pattern in a line; `*` and `**` say much in few of them")
}

fn too_many(span: Span) -> Diagnostic {
    let message = format!("the file has more than {MAX_PATTERNS} patterns");
    Diagnostic::error(code::TOO_MANY_PATTERNS, span, message)
        .hint("`*` and `**` say much in few patterns")
}
