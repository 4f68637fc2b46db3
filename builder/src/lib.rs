//! Builds images from Dockerfiles.
//!
//! A build is a pure function: the same Dockerfile, context, base and request
//! come to the same digest on every machine, with or without what earlier
//! builds left. [`Prepared`] reads the Dockerfile and opens the context;
//! [`Prepared::build`] walks the plan and keeps the image in the library, and
//! [`Prepared::export`] writes caches for other machines.
//!
//! The crate prints nothing and reads neither environment nor clock: events
//! tell how a build comes on, and times are asked for.

mod blocking;
mod cache;
mod context;
mod error;
mod events;
mod fetch;
mod image;
mod pack;
mod plan;
mod prepare;
mod request;
mod snapshot;
mod solve;
mod step;
mod verify;
mod worker;

pub use dockerfile::{
    Diagnostic, Dockerfile, Family, Outline, OutlineMount, RULES, Rule, Severity, Span, Target,
    format, outline, outline_default, parse, targets, to_dockerfile, to_json,
};
pub use layer::{Compression, Method as CompressionMethod, THREADS_LIMIT};
pub use sandbox::{
    Check, Facts, Finding, Given, Launch, Limits, Marks, Probe, TierName, UnknownTier,
};

pub use crate::cache::mounts::{
    MOUNT_QUOTA, MOUNT_UNPACKED_LIMIT, MountCaches, MountExported, MountFailure, MountKey,
    MountPlace, MountSource, MountTarget,
};
pub use crate::cache::remote::{
    CacheDestination, CacheExtent, CacheFailure, CacheSent, CacheSource, CacheTarget, InlineCache,
    cache_tag,
};
pub use crate::cache::{Change, ChangeKind};
pub use crate::context::ContextSource;
pub use crate::error::{Error, ErrorKind, Mistaken};
pub use crate::events::{Event, Outcome, Progress, Silent, Source, Stream};
pub use crate::fetch::Network;
pub use crate::image::export::{Exported, Rooted, export_directory, export_tar};
pub use crate::image::{Annotations, Format, PlatformAnnotations};
pub use crate::prepare::{Prepared, SourceText};
pub use crate::request::{
    Cache, Caches, DockerfileSource, Fidelity, Grant, Modes, NamedContext, OciRuntime, Reach,
    Request, RunNetwork, Running, SandboxChoice, Secret, Xattrs,
};
pub use crate::snapshot::{Prune, Pruned, Store, Usage};
pub use crate::solve::{Built, BuiltImage, BuiltLayer, BuiltStep, Checked, Exports, untagged};
pub use crate::verify::{Difference, DifferenceKind, FieldDifference, Origin, Report, StepReport};
pub use crate::worker::dispatch;
