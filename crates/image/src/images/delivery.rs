//! Manifests of what is no image, such as caches, and their blobs: piece by
//! piece to a repository or a layout.
//!
//! Who delivers composes the manifest, and says when it gets its name. Whole
//! images are copied instead; see [`Images::copy`].

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oci::{Algorithm, Descriptor, Digest, Manifest, Reference, Tag};

use crate::error::{Error, ErrorKind};
use crate::images::Images;
use crate::images::send::Sent;
use crate::layout::{self, Label, LayoutTarget};
use crate::place::Place;
use crate::progress::Silent;
use crate::source::{Child, Pieces, Source};
use crate::target::{Feed, Target};

/// Takes blobs and manifests to one place. What it was given has no name
/// until [`Delivery::name`].
pub struct Delivery {
    images: Images,
    place: Place,
    target: Box<dyn Target>,
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Images {
    /// Starts a delivery to a repository, or to a layout in a directory, which
    /// is made if it is not there.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Unsupported`] for places of other kinds, and
    /// when the directory is no layout or can not be written.
    pub async fn delivery(&self, place: &Place) -> Result<Delivery, Error> {
        let target: Box<dyn Target> = match place {
            Place::Registry(name) => Box::new(self.registry_target(name)),
            Place::Layout { directory, tag } => {
                let label = Label::new(tag.clone(), None);
                Box::new(LayoutTarget::create(directory, label).await?)
            }
            Place::Library(_) | Place::OciArchive { .. } | Place::DockerArchive { .. } => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("`{place}` is no registry and no directory of a layout"),
                ));
            }
        };
        Ok(Delivery {
            images: self.clone(),
            place: place.clone(),
            target,
        })
    }

    /// Lists what refers to a manifest of a repository and is of one artifact
    /// type (distribution-spec, "Listing Referrers"). Layouts list nothing.
    ///
    /// # Errors
    ///
    /// Fails when the registry does.
    pub async fn referrers(
        &self,
        place: &Place,
        digest: &Digest,
        artifact_type: &str,
    ) -> Result<Vec<Descriptor>, Error> {
        let Place::Registry(name) = place else {
            return Ok(Vec::new());
        };
        let repository = self.client().repository(name.registry(), name.repository());
        let found = repository.referrers_of_type(digest, artifact_type).await;
        found.map_err(|error| {
            let context = format!("can not list what refers to `{digest}` of `{name}`");
            Error::remote(context, error)
        })
    }
}

impl Delivery {
    /// Has the place get a blob that is in the library or at `from`; see
    /// [`Images::send`].
    ///
    /// # Errors
    ///
    /// Fails as [`Images::send`] does.
    pub async fn blob(&self, blob: &Descriptor, from: &Place) -> Result<Sent, Error> {
        match &self.place {
            Place::Registry(name) => self.images.send(blob, from, name).await,
            _ => self.images.send_to(blob, from, self.target.as_ref()).await,
        }
    }

    /// Has the place get a blob that is in memory.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the bytes are not what the
    /// descriptor says, and when the place does.
    pub async fn bytes(&self, blob: &Descriptor, bytes: Bytes) -> Result<Sent, Error> {
        if self.target.has(blob).await? {
            return Ok(Sent::Present);
        }
        let feed = Feed {
            source: Arc::new(Held(bytes)),
            descriptor: blob.clone(),
            progress: Arc::new(Silent),
        };
        self.target.take(feed).await?;
        Ok(Sent::Uploaded { bytes: blob.size })
    }

    /// Keeps a manifest under its digest, which is SHA-256, and gives that.
    /// What it points at has to be there.
    ///
    /// # Errors
    ///
    /// Fails when the place does.
    pub async fn keep(&self, manifest: &Manifest) -> Result<Digest, Error> {
        let digest = manifest.digest(Algorithm::Sha256);
        self.target.put(&digest, manifest).await?;
        Ok(digest)
    }

    /// Keeps a manifest under the name of the place, and gives its digest,
    /// which is SHA-256. What it points at has to be there.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the place names another digest,
    /// and when the place fails.
    pub async fn name(&self, manifest: &Manifest) -> Result<Digest, Error> {
        let digest = manifest.digest(Algorithm::Sha256);
        self.target.name(&digest, manifest).await?;
        Ok(digest)
    }

    /// Ends the delivery. In a layout what no image of its list needs any more
    /// is removed, unless another process writes to it just now, or the list
    /// has something that is not understood; a repository collects its garbage
    /// itself.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Storage`] when something can not be removed.
    pub async fn finish(self) -> Result<(), Error> {
        // The place is tidied by one that does not write to it.
        drop(self.target);
        match self.place {
            Place::Layout { directory, .. } => layout::tidy(&directory).await,
            _ => Ok(()),
        }
    }
}

impl Place {
    /// Gives the place of another manifest beside one: by its digest, in the
    /// same repository; elsewhere by its tag alone, which stays.
    #[must_use]
    pub fn beside(&self, digest: &Digest) -> Self {
        match self {
            Self::Registry(name) => Self::Registry(name.with_reference(Reference::Digest(*digest))),
            other => other.clone(),
        }
    }

    /// Gives a layout in a directory, and of it the image of a tag.
    #[must_use]
    pub fn layout(directory: impl Into<std::path::PathBuf>, tag: Tag) -> Self {
        Self::Layout {
            directory: directory.into(),
            tag: Some(tag),
        }
    }
}

/// Has one blob, in memory.
struct Held(Bytes);

#[async_trait]
impl Source for Held {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        Err(Error::new(ErrorKind::NotFound, "a blob is no image"))
    }

    async fn child(&self, _descriptor: &Descriptor) -> Result<Child, Error> {
        Ok(Child::Absent)
    }

    async fn open(&self, _descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.0.slice(start.min(self.0.len())..);
        Ok(Some(Box::pin(futures_util::stream::iter([Ok(rest)]))))
    }
}
