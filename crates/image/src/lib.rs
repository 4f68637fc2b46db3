//! An image somewhere, and copying between places.
//!
//! A [`Place`] says where an image is: in a registry, in the local
//! [`Library`] of names, in an OCI layout, in an archive of one, or in what
//! `docker save` wrote. [`Images`] looks at images in places and copies them.
//!
//! Digests never change in a copy: manifests and configs go over byte for
//! byte, and a blob is compressed at its target exactly as at its source. The
//! docker archive is the one exception, because it keeps no manifests and no
//! compressed layers: what stays the same there are the config and the diff
//! IDs.
//!
//! Referrers (signatures, SBOMs) that point *at* an image are not copied with
//! it; only what the image itself points at is. The crate reads neither
//! environment nor clock, prints nothing, and unpacks no archive into files.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use image::{Bare, CopyOptions, Images, Place};
//!
//! let client = client::Client::new(client::Options::new("example/1"))?;
//! let images = Images::new(client, None, "scratch".into());
//! let from = Place::parse("localhost:5000/base:1", Bare::Registry)?;
//! let to = Place::parse("oci:layout:1", Bare::Registry)?;
//! let copied = images.copy(&from, &to, &CopyOptions::default()).await?;
//! println!("{}", copied.digest);
//! # Ok(()) }
//! ```

mod blocking;
mod copy;
mod docker;
mod error;
mod file;
mod images;
mod layout;
mod library;
mod place;
mod plan;
mod platform;
mod progress;
mod registry;
mod source;
mod tape;
mod target;

pub use copy::{AT_ONCE, Copied, CopyOptions};
pub use error::{End, Error, ErrorKind};
pub use file::Replacement;
pub use images::delivery::Delivery;
pub use images::send::Sent;
pub use images::{Images, Inspected, UNPACKED_LIMIT};
pub use library::{Incoming, Library, Named, Origin, Topic};
pub use place::{Bare, Place, PlaceError};
pub use platform::{PlatformChoice, PlatformError};
pub use progress::{Event, How, Progress, Silent};
pub use source::BlobStream;
