//! Where the mounts of a `RUN` go, and what each is, worked out on the tree of
//! the stage alone. What is mounted is made elsewhere: secrets, caches and
//! agents are only named here.

mod place;

use std::collections::BTreeSet;

use dockerfile::{Mount, MountKind, Sharing};
use layer::{EntryPath, Follow, NodeKind, Tree};

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;
use crate::step::run::mounts::place::Placed;
use crate::step::workdir;

/// Says whether something is a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It is.
    Directory,
    /// It is anything else.
    File,
}

/// Is a mount that is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// What the file says.
    pub(crate) mount: &'a Mount,
    /// Of a bind what its source is ([`source`]); of others it is not looked
    /// at.
    pub(crate) shape: Shape,
}

/// Is what a `RUN` has mounted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Planned {
    /// The mounts in an order in which they can be mounted: each after what it
    /// is in.
    pub(crate) mounts: Vec<PlannedMount>,
    /// The secrets that are variables, in the order of the file.
    pub(crate) variables: Vec<SecretVariable>,
    /// Where the socket of the first agent is, as the file says it.
    pub(crate) agent: Option<String>,
}

/// Is one mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedMount {
    /// Which `--mount` of the instruction it is, from 0.
    pub(crate) number: usize,
    /// Where it is, without links on the way.
    pub(crate) target: EntryPath,
    /// What has to be there to mount it on.
    pub(crate) stub: Stub,
    /// Whether that is a directory.
    pub(crate) shape: Shape,
    /// What it is.
    pub(crate) kind: PlannedKind,
}

/// Says where the thing is that a mount is laid on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stub {
    /// In the tree of the stage.
    Tree,
    /// In what is mounted by the mount with this index in
    /// [`Planned::mounts`], which comes before.
    Inside {
        /// The index.
        mount: usize,
        /// The path from its root. Links on it are not known.
        path: EntryPath,
    },
    /// In `/dev`, which every command has its own of.
    Devices {
        /// The path from there.
        path: EntryPath,
    },
}

/// Says what is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlannedKind {
    /// Files of the context, a stage or an image.
    Bind {
        /// The stage, named context or image; none is the context.
        from: Option<String>,
        /// What of it, from its root, as the file says it.
        source: String,
        /// Whether it can not be written. What is written is thrown away.
        read_only: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// Its name.
        id: String,
        /// What happens when two commands want it.
        sharing: Sharing,
        /// The mode, user and group of a new one.
        access: Access,
        /// The stage, named context or image that a new one is filled from.
        from: Option<String>,
        /// What of it, from its root, as the file says it.
        source: String,
        /// Whether it can not be written.
        read_only: bool,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// How many bytes it can hold.
        size: Option<u64>,
        /// Whether it can not be written.
        read_only: bool,
    },
    /// A file with a secret.
    Secret {
        /// Its name.
        id: String,
        /// Whether the step fails without it.
        required: bool,
        /// The mode, user and group of the file.
        access: Access,
    },
    /// The socket of an agent.
    Ssh {
        /// Its name.
        id: String,
        /// Whether the step fails without it.
        required: bool,
        /// The mode, user and group of the socket.
        access: Access,
    },
}

/// Says who may do what with something that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    /// The permission bits.
    pub(crate) mode: u32,
    /// The number of the user.
    pub(crate) uid: u32,
    /// The number of the group.
    pub(crate) gid: u32,
}

/// Is a secret in a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretVariable {
    /// The name of the variable.
    pub(crate) name: String,
    /// The name of the secret.
    pub(crate) id: String,
    /// Whether the step fails without it.
    pub(crate) required: bool,
}

/// The most mounts of one instruction. Each is some system calls of its own.
const MOUNTS_LIMIT: usize = 100;
/// Where the sockets of agents are that the file gives no place to.
const AGENTS: &str = "/run/wharf";

impl Shape {
    /// Says what a node is.
    pub(crate) fn of(kind: &NodeKind) -> Self {
        match kind {
            NodeKind::Directory(_) => Self::Directory,
            _ => Self::File,
        }
    }
}

/// Finds what a bind or cache mounts in the tree where that is: the path
/// without links, and what is there.
pub(crate) fn source(tree: &Tree, mount: &Mount) -> Result<(EntryPath, Shape), Error> {
    let text = source_of(mount);
    let wrong = format!("the source `{}` of the mount", excerpt(&text));
    let found = tree
        .resolve(text.as_bytes(), Follow::All)
        .map_err(|error| {
            Error::caused(ErrorKind::Step, format!("{wrong} can not be found"), error)
        })?;
    match found.node {
        Some(node) => Ok((found.path, Shape::of(&node.kind))),
        None => {
            let place = match &mount.from {
                Some(from) => format!("`{}`", excerpt(from)),
                None => "the context".to_owned(),
            };
            let error = Error::new(ErrorKind::Step, format!("{wrong} is not in {place}"));
            Err(error.with_hint("`source` is a path from its root, and no pattern; see that no ignore file leaves it out"))
        }
    }
}

/// Plans the mounts of a command that starts in a directory.
pub(crate) fn plan(wanted: &[Wanted<'_>], directory: &str, tree: &Tree) -> Result<Planned, Error> {
    if wanted.len() > MOUNTS_LIMIT {
        let message = format!("`RUN` has more than {MOUNTS_LIMIT} mounts");
        return Err(Error::new(ErrorKind::Step, message).with_hint("mount a directory above them"));
    }
    let mut planned = Planned::default();
    let mut asked = Vec::new();
    let mut agents = 0;
    for (number, Wanted { mount, shape }) in wanted.iter().enumerate() {
        let mut target = mount.target.clone();
        match mount.kind {
            MountKind::Secret => planned.variables.extend(variable(mount)),
            MountKind::Ssh => {
                let own = target.get_or_insert_with(|| format!("{AGENTS}/agent.{agents}"));
                planned.agent.get_or_insert_with(|| own.clone());
                agents += 1;
            }
            _ => {}
        }
        // Without a target it is a secret that is a variable alone.
        if let Some(target) = target {
            asked.push(Asked {
                number,
                text: workdir::absolute(directory, &target),
                shape: shape_of(mount, *shape),
            });
        }
    }
    for Placed {
        asked,
        target,
        stub,
    } in place::place(asked, tree)?
    {
        if let Some(Wanted { mount, .. }) = wanted.get(asked.number) {
            planned.mounts.push(PlannedMount {
                number: asked.number,
                target,
                stub,
                shape: asked.shape,
                kind: kind(mount),
            });
        }
    }
    distinct(&planned.variables)?;
    Ok(planned)
}

/// Is a target that is to be placed.
#[derive(Debug, Clone)]
struct Asked {
    number: usize,
    /// From the root, without parts that lead nowhere.
    text: String,
    shape: Shape,
}

fn shape_of(mount: &Mount, source: Shape) -> Shape {
    match mount.kind {
        MountKind::Bind => source,
        MountKind::Cache | MountKind::Tmpfs => Shape::Directory,
        MountKind::Secret | MountKind::Ssh => Shape::File,
    }
}

fn source_of(mount: &Mount) -> String {
    workdir::absolute("/", mount.source.as_deref().unwrap_or_default())
}

fn kind(mount: &Mount) -> PlannedKind {
    let id = mount.id.clone().unwrap_or_default();
    let required = mount.required;
    let access = |mode| Access {
        mode: mount.mode.unwrap_or(mode),
        uid: mount.uid.unwrap_or_default(),
        gid: mount.gid.unwrap_or_default(),
    };
    match mount.kind {
        MountKind::Bind => PlannedKind::Bind {
            from: mount.from.clone(),
            source: source_of(mount),
            read_only: mount.read_only,
        },
        MountKind::Cache => PlannedKind::Cache {
            id,
            sharing: mount.sharing,
            access: access(0o755),
            from: mount.from.clone(),
            source: source_of(mount),
            read_only: mount.read_only,
        },
        MountKind::Tmpfs => PlannedKind::Tmpfs {
            size: mount.size,
            read_only: mount.read_only,
        },
        MountKind::Secret => PlannedKind::Secret {
            id,
            required,
            access: access(0o400),
        },
        MountKind::Ssh => PlannedKind::Ssh {
            id,
            required,
            access: access(0o600),
        },
    }
}

fn variable(mount: &Mount) -> Option<SecretVariable> {
    Some(SecretVariable {
        name: mount.env.clone()?,
        id: mount.id.clone().unwrap_or_default(),
        required: mount.required,
    })
}

/// Sees to it that no variable is two secrets.
fn distinct(variables: &[SecretVariable]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    match variables
        .iter()
        .find(|variable| !names.insert(&variable.name))
    {
        None => Ok(()),
        Some(SecretVariable { name, .. }) => {
            let message = format!("two mounts set the variable `{}`", excerpt(name));
            Err(Error::new(ErrorKind::Step, message).with_hint("give one of them another `env`"))
        }
    }
}

#[cfg(test)]
mod tests;
