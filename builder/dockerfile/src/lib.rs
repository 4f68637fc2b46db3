//! The text of Dockerfiles and ignore files.
//!
//! Everything here is pure: text in, an answer and [`Diagnostic`]s out. Any
//! input has an answer; nothing is looked up, built or printed, and no name of
//! an image or path is checked against the world.

mod ast;
mod check;
mod diagnostic;
mod expand;
mod format;
mod ignore;
mod json;
mod mount;
mod outline;
mod parse;
mod print;
mod span;
mod text;
mod trigger;

pub use ast::{
    Argument, Command, Copy, Directive, Dockerfile, Escape, Flag, From, HealthOptions, Healthcheck,
    Heredoc, Instruction, Kind, Network, Pair, Run, Security, Source, Stage,
};
pub use check::{Asked, BaseFacts, Facts, Families, Family, RULES, Rule, check};
pub use diagnostic::{Diagnostic, Severity};
pub use expand::{ExpandError, Expanded, Variables, expand_heredoc, expand_word, expand_words};
pub use format::format;
pub use ignore::{Ignore, IgnoreState};
pub use json::to_json;
pub use mount::{Mount, MountError, MountKind, Sharing, expand_mount, mount_from, parse_mount};
pub use outline::{
    Outline, OutlineArgument, OutlineMount, Scope, Target, outline, outline_default, targets,
};
pub use parse::{nearest, parse, parse_duration};
pub use print::to_dockerfile;
pub use span::Span;
pub use text::Text;
pub use trigger::parse_trigger;
