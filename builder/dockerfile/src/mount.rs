//! The values of `RUN --mount`: which options there are, which kind of mount
//! takes which of them, and what they are when nothing is said. Whether there
//! is such a stage, path or secret is not looked at here.

mod fields;
mod option;
mod reader;
mod value;

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use crate::ast::Escape;
use crate::expand::{Variables, expand_word};
use crate::mount::option::Key;
use crate::mount::reader::{Known, Reader};

/// Is what one `--mount` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where, in the file system of the command; what is relative is below the
    /// working directory. Bind, cache and tmpfs always have one, a secret has
    /// `/run/secrets/NAME` or none if only `env` is given, and of an agent's
    /// socket without one the executor chooses the place.
    pub target: Option<String>,
    /// What of [`from`](Self::from) is mounted, below its root; without one all of
    /// it. Only of bind and cache.
    pub source: Option<String>,
    /// The stage, named context or image where the source is; without one it is
    /// the context, and for a cache an empty directory. Only of bind and cache.
    pub from: Option<String>,
    /// The name of the cache, secret or agent, with its default. Never of bind
    /// and tmpfs.
    pub id: Option<String>,
    /// Says whether the command can not write there. Of bind, secret and ssh that
    /// is so unless something else is said.
    pub read_only: bool,
    /// Says whether the command fails where there is no such secret or agent.
    pub required: bool,
    /// The mode of what is made: of a cache's new directory, which is `0755`
    /// otherwise, of a secret's file (`0400`) or an agent's socket (`0600`).
    pub mode: Option<u32>,
    /// The owner of what is made; otherwise 0.
    pub uid: Option<u32>,
    /// The group of what is made; otherwise 0.
    pub gid: Option<u32>,
    /// How many bytes a tmpfs can hold; otherwise there is no limit but the
    /// machine's.
    pub size: Option<u64>,
    /// What happens when two commands want one cache.
    pub sharing: Sharing,
    /// The environment variable that holds a secret's value.
    pub env: Option<String>,
}

/// Says what is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MountKind {
    /// Files of the context, a stage or an image.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// An empty directory in memory.
    Tmpfs,
    /// A file with a secret.
    Secret,
    /// The socket of an SSH agent.
    Ssh,
}

impl MountKind {
    /// Every one, in the order of the language reference.
    const ALL: [Self; 5] = [
        Self::Bind,
        Self::Cache,
        Self::Tmpfs,
        Self::Secret,
        Self::Ssh,
    ];

    /// Gives its name, as `type=` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

/// Says what happens when two commands want one cache at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Sharing {
    /// Both have it.
    #[default]
    Shared,
    /// The second one has another.
    Private,
    /// The second one waits.
    Locked,
}

impl Sharing {
    /// Every one, in the order of the language reference.
    const ALL: [Self; 3] = [Self::Shared, Self::Private, Self::Locked];

    /// Gives its name, as `sharing=` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Private => "private",
            Self::Locked => "locked",
        }
    }
}

/// Says what is wrong with the value of a `--mount`.
///
/// `Display` prints the message alone, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountError {
    /// Where in the value it is wrong, in bytes.
    pub range: Range<usize>,
    /// What is wrong: lower case, no final period, values in backticks.
    pub message: String,
    /// What would be right.
    pub hint: String,
}

impl MountError {
    fn new(range: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MountError {}

/// Reads the value of a `--mount` in which nothing is to be expanded:
/// `type=cache,target=/home/.cache`.
///
/// # Errors
///
/// Gives the first thing that is wrong with it.
pub fn parse_mount(text: &str) -> Result<Mount, MountError> {
    let known = &mut |value: &str, _: Range<usize>| Ok(Known::Value(value.to_owned()));
    first(Reader::read(text, known).mount(), text)
}

/// Reads the value of a `--mount` as it is written: it is divided at its commas
/// first, then the value of each option is expanded, so that a variable is never
/// more than one value. Gives the mount and the variables that are not set, once
/// each.
///
/// # Errors
///
/// Gives the first thing that is wrong with it or with what it becomes; ranges
/// are of what is written.
pub fn expand_mount(
    text: &str,
    escape: Escape,
    variables: &dyn Variables,
) -> Result<(Mount, Vec<String>), MountError> {
    let mut unset: Vec<String> = Vec::new();
    let known = &mut |value: &str, range: Range<usize>| {
        let expanded = expand_word(value, escape, variables).map_err(|error| {
            let hint = error.hint.unwrap_or_default();
            MountError::new(range, error.message, hint)
        })?;
        for name in expanded.unset {
            if !unset.contains(&name) {
                unset.push(name);
            }
        }
        Ok(Known::Value(expanded.value))
    };
    let mount = first(Reader::read(text, known).mount(), text)?;
    Ok((mount, unset))
}

/// Gives what `from` says in the value of a `--mount`, as it is written: no
/// variable is expanded there.
#[must_use]
pub fn mount_from(text: &str) -> Option<String> {
    let fields = fields::split(text).ok()?;
    let mut last = fields.iter().rev();
    last.find_map(|field| {
        let (name, value) = field.split();
        (Key::find(&name) == Some(Key::From)).then(|| value.unwrap_or_default().to_owned())
    })
}

/// Checks the value of a `--mount` as it is written, and gives all that is wrong
/// with it whatever its variables are.
pub(crate) fn check_mount(text: &str, escape: Escape) -> Vec<MountError> {
    let dynamic = ['$', '\'', '"', escape.character()];
    let known = &mut |value: &str, _: Range<usize>| {
        Ok(if value.contains(dynamic) {
            Known::Later
        } else {
            Known::Value(value.to_owned())
        })
    };
    let mut reader = Reader::read(text, known);
    reader.check_from();
    reader.mount().err().unwrap_or_default()
}

fn first(found: Result<Mount, Vec<MountError>>, text: &str) -> Result<Mount, MountError> {
    found.map_err(|errors| {
        let first = errors.into_iter().next();
        first.unwrap_or_else(|| {
            MountError::new(0..text.len(), "it has values that are not known", "")
        })
    })
}
