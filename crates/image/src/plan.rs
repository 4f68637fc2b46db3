//! What there is to copy: everything that a manifest points at, found before
//! the first blob is moved.

use std::collections::HashSet;

use oci::{Descriptor, Digest, Manifest, ManifestKind};

use crate::error::{Error, ErrorKind};
use crate::source::{Child, Source, refuse_schema1};

/// Lists what there is to copy.
pub(crate) struct Plan {
    /// Blobs, each once.
    pub(crate) blobs: Vec<Needed>,
    /// Manifests, each once, children before those that list them; the last
    /// one is what the place names.
    pub(crate) manifests: Vec<(Digest, Manifest)>,
    /// Children that the source does not have.
    pub(crate) absent: Vec<Descriptor>,
}

/// Is a blob, and whether the image is whole without it.
pub(crate) struct Needed {
    pub(crate) descriptor: Descriptor,
    pub(crate) need: Need,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The image has to have it.
    Required,
    /// It may lie elsewhere (non-distributable layers), or is of a manifest
    /// whose type is not known.
    Optional,
}

/// How deep indexes may lie in indexes.
const DEPTH_LIMIT: usize = 8;
/// How many manifests one image may have.
const MANIFESTS_LIMIT: usize = 10_000;
/// The bytes of all manifests of one image, which are in memory at once.
const BYTES_LIMIT: u64 = 64 * 1024 * 1024;

/// Is a manifest whose children are being visited.
struct Frame {
    digest: Digest,
    manifest: Manifest,
    next: usize,
}

struct Walk {
    plan: Plan,
    path: Vec<Frame>,
    seen: HashSet<Digest>,
    blobs: HashSet<Digest>,
    bytes: u64,
}

impl Plan {
    /// Finds everything below a manifest. Digests can not form a circle, so
    /// this ends; the limits say when it has to end early.
    pub(crate) async fn below(
        source: &dyn Source,
        digest: Digest,
        top: Manifest,
    ) -> Result<Self, Error> {
        let mut walk = Walk {
            plan: Self {
                blobs: Vec::new(),
                manifests: Vec::new(),
                absent: Vec::new(),
            },
            path: Vec::new(),
            seen: HashSet::from([digest]),
            blobs: HashSet::new(),
            bytes: 0,
        };
        walk.enter(digest, top)?;
        while let Some(frame) = walk.path.last_mut() {
            let Some(child) = frame.manifest.children().get(frame.next).cloned() else {
                if let Some(done) = walk.path.pop() {
                    walk.plan.manifests.push((done.digest, done.manifest));
                }
                continue;
            };
            frame.next += 1;
            if !walk.seen.insert(child.digest) {
                continue;
            }
            match source.child(&child).await? {
                Child::Manifest(manifest) => walk.enter(child.digest, *manifest)?,
                Child::Blob => walk.need(&child, Need::Optional),
                Child::Absent => walk.plan.absent.push(child),
            }
        }
        Ok(walk.plan)
    }

    /// Gives the manifest that the place names.
    pub(crate) fn top(&self) -> Result<&(Digest, Manifest), Error> {
        self.manifests
            .last()
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "there is no manifest to copy"))
    }
}

impl Walk {
    fn enter(&mut self, digest: Digest, manifest: Manifest) -> Result<(), Error> {
        refuse_schema1(&manifest)?;
        self.bytes += manifest.bytes().len() as u64;
        let manifests = self.plan.manifests.len() + self.path.len() + 1;
        if self.path.len() >= DEPTH_LIMIT || manifests > MANIFESTS_LIMIT || self.bytes > BYTES_LIMIT
        {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the index is larger than any that is copied: more than {DEPTH_LIMIT} deep, \
                     {MANIFESTS_LIMIT} manifests or {BYTES_LIMIT} bytes of them"
                ),
            ));
        }
        let children: HashSet<Digest> = manifest.children().iter().map(|c| c.digest).collect();
        let image = manifest.kind() == ManifestKind::Image;
        for blob in manifest.references() {
            if children.contains(&blob.digest) {
                continue;
            }
            let need = if image && blob.media_type.is_distributable() {
                Need::Required
            } else {
                Need::Optional
            };
            self.need(blob, need);
        }
        self.path.push(Frame {
            digest,
            manifest,
            next: 0,
        });
        Ok(())
    }

    fn need(&mut self, blob: &Descriptor, need: Need) {
        if self.blobs.insert(blob.digest) {
            self.plan.blobs.push(Needed {
                descriptor: blob.clone(),
                need,
            });
        } else if need == Need::Required {
            for known in &mut self.plan.blobs {
                if known.descriptor.digest == blob.digest {
                    known.need = Need::Required;
                }
            }
        }
    }
}
