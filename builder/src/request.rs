//! What a build is asked for.

mod running;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use layer::{Compression, Method};
use oci::{ImageName, Platform, Tag};

use crate::cache::mounts::MountCaches;
use crate::cache::remote::{CacheSource, CacheTarget};
use crate::context::ContextSource;
use crate::events::Progress;
use crate::fetch::Network;
use crate::image::{Annotations, Format};
use crate::pack::layers::PackedAs;

pub use running::{Grant, OciRuntime, Reach, RunNetwork, Running, SandboxChoice, Secret};

/// Says what to build, of what, and how.
#[derive(Clone)]
pub struct Request {
    /// Where the files are.
    pub context: ContextSource,
    /// Further places of files and images, by the names that the Dockerfile
    /// has for them; such a name counts before a stage or image of its name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// Where the Dockerfile is.
    pub dockerfile: DockerfileSource,
    /// The names that the image gets in the library; by its digest alone where
    /// there is none.
    pub names: Vec<ImageName>,
    /// The stage to build, by name or number; the last one where there is
    /// none.
    pub target: Option<String>,
    /// Values for `ARG`.
    pub arguments: BTreeMap<String, String>,
    /// The machines that the image is for; at least one. Of more than one an
    /// index is made, in this order.
    pub platforms: Vec<Platform>,
    /// The machine that builds it.
    pub build_platform: Platform,
    /// The time of every file that is copied and of the image, in seconds
    /// since 1970 (reproducible-builds.org, `SOURCE_DATE_EPOCH`).
    pub epoch: u64,
    /// What is taken over of the context's files beside their content.
    pub fidelity: Fidelity,
    /// Whose types the image is written in.
    pub format: Format,
    /// What manifests say beside what they need to.
    pub annotations: Annotations,
    /// Labels of the image, which count before those of the Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// Whether layers that were packed before are taken.
    pub cache: Cache,
    /// Which caches on other machines are read and written.
    pub caches: Caches,
    /// How layers are compressed that are made. Those of bases stay as they
    /// are.
    pub compression: Compression,
    /// How many threads compress a layer.
    pub threads: NonZeroUsize,
    /// How many steps are done at a time, of stages that do not need each
    /// other.
    pub jobs: NonZeroUsize,
    /// How URLs and git repositories are reached.
    pub network: Network,
    /// How commands are run.
    pub running: Running,
    /// A directory for files that have no name.
    pub scratch: PathBuf,
    /// Where the image will be pushed: its layers are sent there as soon as they
    /// are made, as far as that works. The push itself is for whoever asked.
    pub sending: Vec<ImageName>,
    /// Who is told how it comes on.
    pub progress: Arc<dyn Progress>,
}

impl Request {
    /// Gives the type of the layers that are made.
    pub(crate) fn layer_type(&self) -> oci::MediaType {
        self.format.layer(self.compression.method())
    }

    /// Says as what layers of the image are packed.
    pub(crate) fn of_image(&self) -> PackedAs {
        PackedAs {
            media_type: self.layer_type(),
            compression: self.compression,
        }
    }

    /// Says whether layers of a type are compressed as those of the image are.
    pub(crate) fn is_of_image(&self, media_type: &oci::MediaType) -> bool {
        let method = self.compression.method();
        [Format::Oci, Format::Docker]
            .iter()
            .any(|format| format.layer(method) == *media_type)
    }

    /// Says as what layers are packed that no image has: as quickly as can be,
    /// since they are only read again here.
    pub(crate) fn of_stage(&self) -> PackedAs {
        match (self.compression.method(), Compression::at(Method::Zstd, 1)) {
            (Method::Gzip, Ok(compression)) => PackedAs {
                media_type: self.format.layer(Method::Zstd),
                compression,
            },
            _ => self.of_image(),
        }
    }

    /// Says how layers are compressed, where that is not as usual: then it
    /// decides what is found of earlier builds.
    pub(crate) fn compression_key(&self) -> Option<String> {
        (self.compression != Compression::default()).then(|| self.compression.name())
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Arguments may be secrets, against all advice.
        f.debug_struct("Request")
            .field("context", &self.context)
            .field("dockerfile", &self.dockerfile)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Says where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerfileSource {
    /// In the context, under this path.
    Context(PathBuf),
    /// At this path of the machine; a relative one counts from where the
    /// program runs.
    Path(PathBuf),
    /// Here: what was read from standard input.
    Bytes(Vec<u8>),
    /// At a URL (`https://`, `http://`).
    Remote(String),
}

/// Says what a name of the Dockerfile means that was given one from outside.
#[derive(Debug, Clone)]
pub enum NamedContext {
    /// Files; a stage on it has them and nothing else.
    Files(ContextSource),
    /// An image, in the library or its registry.
    Image(ImageName),
    /// An image of an OCI layout on this machine.
    Layout {
        /// The layout's directory.
        directory: PathBuf,
        /// Which of its images; the only one where there is none.
        tag: Option<Tag>,
    },
    /// Another stage of the same file, by its name.
    Stage(String),
}

/// Says what is taken over of the context's files beside their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fidelity {
    /// Which permission bits.
    pub modes: Modes,
    /// Which extended attributes.
    pub xattrs: Xattrs,
}

/// Says which permission bits are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Modes {
    /// Whether the owner may execute, and nothing else: 0644 and 0755.
    #[default]
    Normalized,
    /// All, as they are on this machine.
    Preserved,
}

/// Says which extended attributes are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Xattrs {
    /// None.
    #[default]
    Dropped,
    /// All that the machine lets the builder read.
    Preserved,
}

/// Says which caches on other machines are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Caches {
    /// Where steps are looked for that this machine does not know, in this
    /// order.
    pub from: Vec<CacheSource>,
    /// Where the steps of the build are put.
    pub to: Vec<CacheTarget>,
    /// Where cache mounts come from and go to.
    pub mounts: MountCaches,
}

/// Says whether layers that were packed before are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cache {
    /// Where their content is the same.
    #[default]
    Use,
    /// Never; what is packed replaces them.
    Refresh,
    /// Never; and what is packed is not noted for other builds.
    Apart,
}
