//! What a Dockerfile says, before anything in it is expanded.

mod flags;

pub use flags::{HealthOptions, Network, Security};

use crate::span::Span;
use crate::text::Text;

/// Is a whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// The parser directives at its top, in their order.
    pub directives: Vec<Directive>,
    /// The byte that escapes and continues lines.
    pub escape: Escape,
    /// The arguments before the first stage.
    pub arguments: Vec<Argument>,
    /// The stages, in their order.
    pub stages: Vec<Stage>,
}

/// Is a line such as `# escape=` at the top of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Its name, in lower case.
    pub name: Text,
    /// What stands behind the `=`.
    pub value: Text,
}

/// Is the byte that escapes and continues lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// `\`
    #[default]
    Backslash,
    /// `` ` ``, as files for Windows choose.
    Backtick,
}

impl Escape {
    /// Gives it as a character.
    #[must_use]
    pub fn character(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// Is one `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its first line.
    pub from: From,
    /// What follows, in its order.
    pub instructions: Vec<Instruction>,
}

/// Is a `FROM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The whole instruction.
    pub span: Span,
    /// The instruction as it is written, in one line.
    pub text: String,
    /// The image or stage, before expansion.
    pub base: Text,
    /// The value of `--platform`, before expansion.
    pub platform: Option<Text>,
    /// What stands behind `AS`, in lower case.
    pub name: Option<Text>,
}

/// Is an instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The whole instruction, with its heredocs.
    pub span: Span,
    /// The instruction as it is written: its keyword in capitals, its lines
    /// joined, without comments and heredocs' bodies.
    pub text: String,
    /// What it says.
    pub kind: Kind,
}

/// Says what an instruction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `ADD`
    Add(Copy),
    /// `ARG`
    Arg(Vec<Argument>),
    /// `CMD`
    Cmd(Command),
    /// `COPY`
    Copy(Copy),
    /// `ENTRYPOINT`
    Entrypoint(Command),
    /// `ENV`
    Env(Vec<Pair>),
    /// `EXPOSE`: ports, before expansion.
    Expose(Vec<Text>),
    /// `HEALTHCHECK`
    Healthcheck(Healthcheck),
    /// `LABEL`
    Label(Vec<Pair>),
    /// `MAINTAINER`
    Maintainer(Text),
    /// `ONBUILD`: an instruction for the images that are built on this one.
    Onbuild(Box<Instruction>),
    /// `RUN`
    Run(Run),
    /// `SHELL`
    Shell(Vec<String>),
    /// `STOPSIGNAL`, before expansion.
    StopSignal(Text),
    /// `USER`, before expansion.
    User(Text),
    /// `VOLUME`: paths, before expansion.
    Volume(Vec<Text>),
    /// `WORKDIR`, before expansion.
    Workdir(Text),
}

/// Is one argument of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: Text,
    /// Its default, before expansion, with its quotes.
    pub default: Option<Text>,
}

/// Is one pair of an `ENV` or `LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Its key, before expansion, with its quotes.
    pub key: Text,
    /// Its value, before expansion, with its quotes.
    pub value: Text,
}

/// Is what `CMD`, `ENTRYPOINT`, `RUN` and `HEALTHCHECK` start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A line for a shell, as it is written.
    Shell(Text),
    /// A program and its arguments, from the JSON form.
    Exec(Vec<String>),
}

/// Is a `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// `--from`, before expansion.
    pub from: Option<Text>,
    /// `--chown`, before expansion.
    pub chown: Option<Text>,
    /// `--chmod`, before expansion.
    pub chmod: Option<Text>,
    /// Every other flag, valid for the instruction, in its order.
    pub flags: Vec<Flag>,
    /// Where from, before expansion; heredocs among them.
    pub sources: Vec<Source>,
    /// Where to, before expansion.
    pub destination: Text,
}

/// Is one source of a `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path, or for `ADD` a URL.
    Path(Text),
    /// A file that stands in the Dockerfile.
    Heredoc(Heredoc),
}

/// Is a flag such as `--link` or `--mount=type=cache`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The whole flag.
    pub span: Span,
    /// Its name, without `--`.
    pub name: String,
    /// What stands behind the `=`, before expansion.
    pub value: Option<Text>,
}

/// Is a `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its flags, valid for the instruction, in their order.
    pub flags: Vec<Flag>,
    /// What it starts.
    pub command: Command,
    /// The heredocs of its line.
    pub heredocs: Vec<Heredoc>,
}

/// Is a `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: the base's is taken away.
    None,
    /// `CMD`
    Command {
        /// Its flags, valid for the instruction, in their order.
        flags: Vec<Flag>,
        /// What it starts.
        command: Command,
    },
}

/// Is a document between `<<NAME` and `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that begins and ends it, without quotes.
    pub name: String,
    /// Where `<<NAME` stands.
    pub span: Span,
    /// Says whether variables in it are expanded: its name has no quotes.
    pub expands: bool,
    /// Its lines; of `<<-` without the tabs at their starts.
    pub content: String,
    /// Where its lines stand.
    pub body: Span,
}
