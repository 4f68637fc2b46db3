//! What the result of a `RUN` depends on, as one digest: two steps with equal
//! keys make the same layer.
//!
//! It does not hold what must not matter: the values of secrets, the content
//! of caches, proxies and resolvers of the machine, and how commands are kept
//! apart from it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dockerfile::{Network, Security};
use layer::LAYER_FORMAT;
use oci::{Algorithm, Digest, Hasher, Platform};

use crate::step::run::command::Started;
use crate::step::run::files::Host;
use crate::step::run::user::User;

/// Holds what a key is made of.
#[derive(Debug, Clone)]
pub(crate) struct Depends<'a> {
    /// The layers below, uncompressed; none for `scratch`.
    pub(crate) parent: &'a [Digest],
    /// What is built for.
    pub(crate) platform: &'a Platform,
    /// What is started.
    pub(crate) started: &'a Started,
    /// The variables that count (`Environment::kept`).
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// The directory where it starts.
    pub(crate) directory: &'a str,
    /// Who runs it.
    pub(crate) user: &'a User,
    /// The network that it asks for.
    pub(crate) network: Network,
    /// The rights that it asks for.
    pub(crate) security: Security,
    /// What is mounted, in the order of mounting.
    pub(crate) mounts: &'a [Mounted],
    /// The further hosts.
    pub(crate) hosts: &'a [Host],
    /// The time of the build, in seconds since 1970.
    pub(crate) epoch: i64,
}

/// Is what counts of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// Where it is, or for a secret in a variable the name of that.
    pub(crate) target: Vec<u8>,
    /// What it is.
    pub(crate) kind: MountedKind,
}

/// Says what is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountedKind {
    /// Files.
    Bind {
        /// The digest of their content and metadata.
        content: Digest,
        /// Whether they can not be written.
        read_only: bool,
    },
    /// A cache; its content does not count. Its name does, so that another one
    /// is taken where somebody asks for it.
    Cache {
        /// Its name.
        id: String,
        /// The digest of what a new one has; none for an empty one.
        content: Option<Digest>,
        /// Whether it can not be written.
        read_only: bool,
        /// Mode, user and group of a new one.
        access: [u32; 3],
    },
    /// An empty directory in memory.
    Tmpfs {
        /// How many bytes it can hold; none as many as the machine allows.
        size: Option<u64>,
    },
    /// A secret in a file; its value does not count.
    Secret {
        /// Its name.
        id: String,
        /// Mode, user and group.
        access: [u32; 3],
    },
    /// A secret in a variable; its value does not count.
    Variable {
        /// Its name.
        id: String,
    },
    /// The socket of an agent.
    Agent {
        /// Its name.
        id: String,
        /// Mode, user and group.
        access: [u32; 3],
    },
}

/// The version of how commands are run. It is raised where a command sees
/// something else than before with the same key.
pub(crate) const RUN_FORMAT: u32 = 1;

/// Digests what a result depends on. Each field stands behind its length, and
/// each list behind its own, so that no two are the same bytes.
pub(crate) fn key(depends: &Depends<'_>) -> Digest {
    let mut fields = Fields::new();
    fields.text("run");
    fields.number(u64::from(RUN_FORMAT));
    fields.number(u64::from(LAYER_FORMAT));
    fields.list(depends.parent, |fields, digest| {
        fields.text(&digest.to_string());
    });
    fields.platform(depends.platform);
    let started = depends.started;
    fields.list(&started.arguments, |fields, word| fields.text(word));
    fields.list(&started.scripts, |fields, script| {
        fields.text(&script.name);
        fields.text(&script.content);
    });
    fields.number(depends.environment.len() as u64);
    for (name, value) in depends.environment {
        fields.text(name);
        fields.text(value);
    }
    fields.text(depends.directory);
    let user = depends.user;
    fields.number(u64::from(user.uid));
    fields.number(u64::from(user.gid));
    fields.list(&user.groups, |fields, gid| fields.number(u64::from(*gid)));
    fields.text(match depends.network {
        Network::Default => "default",
        Network::None => "none",
        Network::Host => "host",
    });
    fields.text(match depends.security {
        Security::Sandbox => "sandbox",
        Security::Insecure => "insecure",
    });
    fields.list(depends.mounts, Fields::mount);
    fields.list(depends.hosts, |fields, host| {
        fields.text(&host.name);
        match host.address {
            IpAddr::V4(address) => fields.bytes(&address.octets()),
            IpAddr::V6(address) => fields.bytes(&address.octets()),
        }
    });
    fields.bytes(&depends.epoch.to_le_bytes());
    fields.hasher.finish()
}

/// Takes fields one after the other.
struct Fields {
    hasher: Hasher,
}

impl Fields {
    fn new() -> Self {
        Self {
            hasher: Hasher::unbroken(Algorithm::Sha256),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Takes what may not be there: no value and an empty one differ.
    fn maybe(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => {
                self.text("some");
                self.bytes(bytes);
            }
            None => self.text("none"),
        }
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.number(items.len() as u64);
        for item in items {
            each(self, item);
        }
    }

    fn platform(&mut self, platform: &Platform) {
        self.text(&platform.os);
        self.text(&platform.architecture);
        self.maybe(platform.variant.as_deref().map(str::as_bytes));
        self.maybe(platform.os_version.as_deref().map(str::as_bytes));
        self.list(&platform.os_features, |fields, feature| {
            fields.text(feature);
        });
    }

    fn mount(&mut self, mounted: &Mounted) {
        self.bytes(&mounted.target);
        match &mounted.kind {
            MountedKind::Bind { content, read_only } => {
                self.text("bind");
                self.text(&content.to_string());
                self.number(u64::from(*read_only));
            }
            MountedKind::Cache {
                id,
                content,
                read_only,
                access,
            } => {
                self.text("cache");
                self.text(id);
                let content = content.map(|content| content.to_string());
                self.maybe(content.as_deref().map(str::as_bytes));
                self.number(u64::from(*read_only));
                self.access(*access);
            }
            MountedKind::Tmpfs { size } => {
                self.text("tmpfs");
                self.maybe(size.map(u64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
            }
            MountedKind::Secret { id, access } => {
                self.text("secret");
                self.text(id);
                self.access(*access);
            }
            MountedKind::Variable { id } => {
                self.text("variable");
                self.text(id);
            }
            MountedKind::Agent { id, access } => {
                self.text("agent");
                self.text(id);
                self.access(*access);
            }
        }
    }

    fn access(&mut self, access: [u32; 3]) {
        for number in access {
            self.number(u64::from(number));
        }
    }
}

#[cfg(test)]
mod tests;
