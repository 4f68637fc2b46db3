//! The text of Dockerfiles and ignore files.
//!
//! Everything here is pure: text in, an answer and [`Diagnostic`]s out. Any
//! input has an answer; nothing is looked up, built or printed, and no name of
//! an image or path is checked against the world.

mod ast;
mod diagnostic;
mod expand;
mod ignore;
mod parse;
mod span;
mod text;

pub use ast::{
    Argument, Command, Copy, Directive, Dockerfile, Escape, Flag, From, Healthcheck, Heredoc,
    Instruction, Kind, Pair, Run, Source, Stage,
};
pub use diagnostic::{Diagnostic, Severity};
pub use expand::{ExpandError, Expanded, Variables, expand_heredoc, expand_word, expand_words};
pub use ignore::{Ignore, IgnoreState};
pub use parse::{nearest, parse};
pub use span::Span;
pub use text::Text;
