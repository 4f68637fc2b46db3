//! Copying: blobs first, then children, then the topmost manifest and its
//! name, so that whatever stops a copy leaves no image that is not whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use oci::{Descriptor, Digest, ImageName, MediaType};

use crate::error::{Error, ErrorKind};
use crate::plan::{Need, Needed, Plan};
use crate::platform::PlatformChoice;
use crate::progress::{Event, How, Progress, Silent};
use crate::source::Source;
use crate::target::{Feed, Target};

/// How many blobs are copied at once unless somebody says otherwise: enough
/// to fill a line, few enough for a registry not to mind.
pub const AT_ONCE: usize = 4;

/// Says how an image is copied.
#[derive(Clone)]
pub struct CopyOptions {
    /// How many blobs at once; archives are written one blob after another.
    pub at_once: usize,
    /// Which images of an index.
    pub platform: PlatformChoice,
    /// Further names that a layout or an archive lists the image under, beside
    /// that of its place: those that have a tag. A layout lists a tag once.
    pub names: Vec<ImageName>,
    /// What the list of a layout says of the image, beside its name.
    pub annotations: BTreeMap<String, String>,
    /// Who is told how it comes on.
    pub progress: Arc<dyn Progress>,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            at_once: AT_ONCE,
            platform: PlatformChoice::All,
            names: Vec::new(),
            annotations: BTreeMap::new(),
            progress: Arc::new(Silent),
        }
    }
}

impl std::fmt::Debug for CopyOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyOptions")
            .field("at_once", &self.at_once)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

/// Says what a copy did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The digest of the topmost manifest, at source and target alike; for a
    /// docker archive, which keeps no manifest, that of the source.
    pub digest: Digest,
    /// The type of the topmost manifest.
    pub media_type: MediaType,
    /// How many blobs were moved.
    pub blobs_copied: u64,
    /// The bytes of those.
    pub bytes_copied: u64,
    /// How many blobs were there already.
    pub blobs_present: u64,
    /// How many blobs the registry took over from another repository.
    pub blobs_mounted: u64,
    /// What the image points at and the source does not have: children of a
    /// sparse index, layers that are not distributed.
    pub absent: Vec<Descriptor>,
}

/// Is a copy that is planned.
pub(crate) struct Job {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) plan: Plan,
    pub(crate) progress: Arc<dyn Progress>,
}

impl Job {
    /// Copies to a target that takes blobs in any order.
    pub(crate) async fn run(self, target: &dyn Target, at_once: usize) -> Result<Copied, Error> {
        let mut copied = self.begin()?;
        let turns: Vec<_> = self
            .plan
            .blobs
            .iter()
            .map(|needed| self.blob(target, needed))
            .collect();
        let mut turns = futures_util::stream::iter(turns).buffer_unordered(at_once.max(1));
        while let Some((descriptor, how)) = turns.try_next().await? {
            self.finished(&mut copied, &descriptor, how);
        }
        let (top, children) = self
            .plan
            .manifests
            .split_last()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "there is no manifest to copy"))?;
        for (digest, manifest) in children {
            target.put(digest, manifest).await?;
        }
        target.name(&top.0, &top.1).await?;
        Ok(copied)
    }

    /// Tells what is planned, and starts to count.
    pub(crate) fn begin(&self) -> Result<Copied, Error> {
        let (digest, manifest) = self.plan.top()?;
        let sizes = self.plan.blobs.iter().map(|blob| blob.descriptor.size);
        self.progress.note(&Event::Planned {
            blobs: self.plan.blobs.len() as u64,
            bytes: sizes.fold(0, u64::saturating_add),
        });
        Ok(Copied {
            digest: *digest,
            media_type: manifest.media_type().clone(),
            blobs_copied: 0,
            bytes_copied: 0,
            blobs_present: 0,
            blobs_mounted: 0,
            absent: self.plan.absent.clone(),
        })
    }

    /// Tells that the turn of a blob has come, and gives its bytes.
    pub(crate) fn start(&self, descriptor: &Descriptor) -> Feed {
        self.progress.note(&Event::Started {
            descriptor,
            total: descriptor.size,
        });
        Feed {
            source: Arc::clone(&self.source),
            descriptor: descriptor.clone(),
            progress: Arc::clone(&self.progress),
        }
    }

    /// Tells what became of a blob, and counts it.
    pub(crate) fn finished(&self, copied: &mut Copied, descriptor: &Descriptor, how: How) {
        match how {
            How::Copied => {
                copied.blobs_copied += 1;
                copied.bytes_copied += descriptor.size;
            }
            How::Present => copied.blobs_present += 1,
            How::Mounted => copied.blobs_mounted += 1,
            How::Absent => copied.absent.push(descriptor.clone()),
        }
        self.progress.note(&Event::Finished {
            digest: &descriptor.digest,
            how,
        });
    }

    /// Says whether the source lacks a blob that need not be there.
    pub(crate) async fn lacks(&self, needed: &Needed) -> Result<bool, Error> {
        let optional = needed.need == Need::Optional;
        Ok(optional && self.source.open(&needed.descriptor, 0).await?.is_none())
    }

    async fn blob(&self, target: &dyn Target, needed: &Needed) -> Result<(Descriptor, How), Error> {
        let descriptor = &needed.descriptor;
        let feed = self.start(descriptor);
        let how = if target.has(descriptor).await? {
            How::Present
        } else if target.mount(descriptor, self.source.as_ref()).await? {
            How::Mounted
        } else if self.lacks(needed).await? {
            How::Absent
        } else {
            target.take(feed).await?;
            How::Copied
        };
        Ok((descriptor.clone(), how))
    }
}
