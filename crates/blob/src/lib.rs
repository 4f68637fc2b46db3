//! Bytes by digest, and the one narrow [`Backend`] under everything that is
//! stored.
//!
//! The crate knows digests and keys only: no names of images, no tags, no
//! HTTP. What lies under a key is either a *record* (small, read whole,
//! changed by compare-and-swap) or a *blob* (large, streamed, never changed).
//!
//! | module | what it is |
//! |---|---|
//! | [`Backend`], [`Upload`] | what a place must be able to do |
//! | [`Local`] | a directory, through `rustix`, synced before it says yes |
//! | [`Object`] | an object store, through `object_store`, whose types stay inside |
//! | [`Blobs`], [`Intake`] | content by digest, hashed while it is written |
//! | [`testing`] | the conformance suite that every backend passes, and one that fails on command |

mod backend;
mod blobs;
mod error;
mod key;
mod local;
mod object;
mod stream;
pub mod testing;

pub use backend::{Backend, Expected, Page, Record, Saved, Swapped, Upload, Version};
pub use blobs::{Blobs, Intake, blob_key};
pub use error::{Error, ErrorKind};
pub use key::Key;
pub use local::{Local, Mark, Owner, Sharing, Sync};
pub use object::{
    AzureOptions, GcsOptions, Object, S3Addressing, S3Credentials, S3Encryption, S3Options,
    Variables,
};
pub use stream::{ByteRange, ByteStream};
