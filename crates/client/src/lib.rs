//! The registry protocol seen from outside (distribution-spec), with Docker's
//! token authentication.
//!
//! A [`Client`] knows how to reach registries; a [`Repository`] is one
//! repository of one of them, and every verb is a method on it. The crate
//! opens no file and reads neither environment nor clock: credentials,
//! certificates, proxies and randomness are handed in by [`Options`].
//!
//! Bytes are checked where they can be checked cheaply. Manifests are at most
//! 4 MiB and are verified before they are returned. Blobs can be of any size,
//! and hashing them here would sit on a reactor thread; a [`Blob`] therefore
//! has no bytes to give until its taker says who hashes: [`Blob::read`] for
//! small ones, [`Blob::unverified`] for a taker that hashes on a thread of its
//! own and compares with the digest before it keeps anything.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use client::{Client, Options};
//! use oci::ImageName;
//!
//! let name: ImageName = "localhost:5000/base:1".parse()?;
//! let client = Client::new(Options::new("example/1"))?;
//! let repository = client.repository(name.registry(), name.repository()).mirrored();
//! let fetched = repository.manifest(&name.reference()).await?;
//! for layer in fetched.manifest.layers() {
//!     let blob = repository.blob(layer).await?;
//!     println!("{} has {} bytes", blob.digest(), blob.size());
//! }
//! # Ok(()) }
//! ```

mod auth;
mod client;
mod credentials;
mod error;
mod options;
mod progress;
mod registry;
mod repository;
mod roots;
mod source;
mod transport;

pub use client::Client;
pub use credentials::{Anonymous, Credential, Credentials, Secret};
pub use error::{BoxError, Error, ErrorKind, Reason};
pub use options::{
    Fallback, HostRule, Mirror, MirrorRule, Options, OptionsError, Proxies, Retries, Scheme,
    Verification,
};
pub use progress::{Event, Progress, Silent};
pub use registry::{Access, Registry};
pub use repository::{Blob, BlobStream, Fetched, Mounted, Pages, Repository};
pub use roots::Roots;
pub use source::{Once, Replay, Source, SourceStream};
