//! Caches that a build had, packed and sent where they are asked for.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use image::{AT_ONCE, ErrorKind as ImageErrorKind, Images, Place, PlatformChoice, Sent};
use layer::{ContentPlace, Contents, EntryPath, Form, Observation, Time};
use oci::{Descriptor, Digest, Manifest, MediaType};

use crate::blocking;
use crate::cache::mounts::collect::{Collected, collect};
use crate::cache::mounts::pack::{Contained, Parcel};
use crate::cache::mounts::{
    Ledger, MountExported, MountFailure, MountId, MountTarget, chain, compose, group, is_meant,
    quota,
};
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress};
use crate::plan::excerpt;
use crate::request::Request;
use crate::snapshot::{Cache, Left, Snapshots};

/// Sends the caches that commands of a build had to every target. The sandbox
/// is one of its own, since those of the build may be gone.
pub(crate) async fn export(
    images: &Images,
    request: &Request,
    targets: &[MountTarget],
    ledger: &Ledger,
) -> Result<Vec<MountExported>, Error> {
    let mut exported = Vec::new();
    let mut sandbox = None;
    for (id, directory) in ledger.used() {
        let targets: Vec<_> = targets
            .iter()
            .filter(|target| is_meant(&target.ids, &id))
            .collect();
        if targets.is_empty() {
            continue;
        }
        let sandbox = match &mut sandbox {
            Some(sandbox) => Arc::clone(sandbox),
            none => {
                let running = request.running.clone();
                let made = Arc::new(blocking::run(move || Snapshots::start(&running)).await?);
                Arc::clone(none.insert(made))
            }
        };
        let one = Exporting {
            images,
            request,
            sandbox,
            id,
            directory,
        };
        one.to_all(&targets, &mut exported).await?;
    }
    Ok(exported)
}

/// Is one cache on its way.
struct Exporting<'a> {
    images: &'a Images,
    request: &'a Request,
    sandbox: Arc<Snapshots>,
    id: MountId,
    directory: PathBuf,
}

/// Is what was seen of a cache that nobody changes.
struct Looked {
    observation: Observation,
    uses: BTreeMap<EntryPath, Time>,
    /// Held until all is packed.
    cache: Cache,
}

impl Exporting<'_> {
    async fn to_all(
        &self,
        targets: &[&MountTarget],
        exported: &mut Vec<MountExported>,
    ) -> Result<(), Error> {
        let looked = self.look(targets).await;
        for target in targets {
            let sent = match &looked {
                Ok(looked) => self.to(target, looked).await,
                Err(error) => Err(Error::new(error.kind(), chain(error))),
            };
            match sent {
                Ok(one) => exported.push(one),
                Err(error) if target.failure == MountFailure::Ignored => self.warn(target, &error),
                Err(error) => {
                    let message = format!(
                        "the image is built, but its cache `{}` can not go to `{}`",
                        excerpt(self.id.id()),
                        target.place
                    );
                    return Err(Error::caused(error.kind(), message, error)
                        .with_hint("`ignore-error=true` makes this a warning"));
                }
            }
        }
        Ok(())
    }

    fn warn(&self, target: &MountTarget, error: &Error) {
        let message = format!(
            "the cache `{}` can not go to `{}`: {}",
            excerpt(self.id.id()),
            target.place,
            chain(error)
        );
        self.request.progress.note(&Event::Warned {
            message: &message,
            hint: "what is there stays as it was",
        });
    }

    /// Looks at the cache, and holds it.
    async fn look(&self, targets: &[&MountTarget]) -> Result<Looked, Error> {
        let (sandbox, directory) = (Arc::clone(&self.sandbox), self.directory.clone());
        let progress = Arc::clone(&self.request.progress);
        let quotas = targets.iter().map(|target| target.quota);
        let (quota, id) = (quotas.min().unwrap_or(u64::MAX), self.id.clone());
        blocking::run(move || {
            let cache = sandbox.home().held_cache(&directory, &|| {
                waits(progress.as_ref(), &id);
            })?;
            let room = sandbox.room();
            let handle = room.handle();
            // Looked up before anything is read, should reading be noted.
            let uses = match handle.measure(&cache.files)? > quota {
                true => handle.uses(&cache.files)?.into_iter().collect(),
                false => BTreeMap::new(),
            };
            let how = (Form::Plain, sandbox.how().1);
            Ok(Looked {
                observation: handle.observe(&cache.files, how)?,
                uses,
                cache,
            })
        })
        .await
    }

    /// Sends it to one target.
    async fn to(&self, target: &MountTarget, looked: &Looked) -> Result<MountExported, Error> {
        // As the next command would find it.
        let epoch = i64::try_from(self.request.epoch).unwrap_or(i64::MAX);
        let youngest = Time::from_seconds(epoch.saturating_sub(1));
        let Collected { frame, files } = collect(looked.observation.clone(), youngest);
        let (files, left_out) = quota::choose(files, &looked.uses, target.quota);
        let mut exported = MountExported {
            id: self.id.id().to_owned(),
            platform: self.id.platform().to_owned(),
            place: target.place.clone(),
            digest: Digest::sha256(b""),
            bytes: files.iter().map(|file| file.size).sum(),
            files: files.len() as u64,
            left_out,
            sent: 0,
        };
        let contained = Arc::new(Contained::new(frame, group::groups(files)));
        let there = self.there(target).await?;
        let known = there.iter().flatten().map(Manifest::layers);
        let known = known.flat_map(compose::known).collect();
        let files = &looked.cache.files;
        let sending = (target, there.as_slice());
        let sent = self.send(sending, (&contained, files), known).await;
        let (digest, sent) = match sent {
            // What the manifest there names was taken away since: all is packed.
            Err(error) if lacks(&error) => {
                self.send(sending, (&contained, files), BTreeMap::new())
                    .await?
            }
            sent => sent?,
        };
        exported.digest = digest;
        exported.sent = sent;
        Ok(exported)
    }

    /// Reads what the target has under each of the tags.
    async fn there(&self, target: &MountTarget) -> Result<Vec<Option<Manifest>>, Error> {
        let mut there = Vec::new();
        for tag in self.id.tags(&target.key) {
            let place = target.place.at(&tag);
            let inspected = self.images.inspect(&place, &PlatformChoice::All).await;
            there.push(match inspected {
                Ok(inspected) => {
                    let manifest = inspected.manifest;
                    let is_ours = compose::layers(&manifest, &self.id).is_ok();
                    is_ours.then_some(manifest)
                }
                // What can not be read is replaced.
                Err(error)
                    if matches!(
                        error.kind(),
                        ImageErrorKind::NotFound | ImageErrorKind::Invalid
                    ) =>
                {
                    None
                }
                Err(error) => return Err(Error::image(format!("can not read `{place}`"), error)),
            });
        }
        Ok(there)
    }

    /// Packs what is not known, and sends what the target lacks. Gives the
    /// digest of the artefact, and the bytes that were sent.
    async fn send(
        &self,
        (target, there): (&MountTarget, &[Option<Manifest>]),
        (contained, files): (&Arc<Contained>, &Path),
        known: BTreeMap<Digest, Descriptor>,
    ) -> Result<(Digest, u64), Error> {
        let parcel = Arc::new(Parcel::new(&self.request.scratch)?);
        let contents = Files {
            left: Left::of(self.sandbox.room(), files.to_owned()),
            contained: Arc::clone(contained),
        };
        let (packing, threads) = (Arc::clone(&parcel), self.request.threads);
        let layers = blocking::run(move || {
            let contained = Arc::clone(&contents.contained);
            contained.pack(&contents, &known, (&packing, threads))
        })
        .await?;
        let manifest = compose::compose(&self.id, &target.key, &layers);
        let manifest = Manifest::parse(manifest, &MediaType::OCI_MANIFEST).map_err(|error| {
            let message = "the cache has more than a manifest can say";
            Error::caused(ErrorKind::Unsupported, message, error)
        })?;
        let mut sent = 0_u64;
        let tags = self.id.tags(&target.key);
        for (tag, there) in tags.iter().zip(there) {
            let is_same = |there: &Manifest| there.bytes() == manifest.bytes();
            if there.as_ref().is_some_and(is_same) {
                continue;
            }
            let place = target.place.at(tag);
            sent = sent.saturating_add(self.deliver(&place, &parcel, &manifest).await?);
        }
        Ok((manifest.descriptor().digest, sent))
    }

    /// Has a place get all layers that it lacks, and the manifest under a tag.
    async fn deliver(
        &self,
        place: &Place,
        parcel: &Parcel,
        manifest: &Manifest,
    ) -> Result<u64, Error> {
        let failed = |error| Error::image(format!("can not write `{place}`"), error);
        let delivery = self.images.delivery(place).await.map_err(failed)?;
        let from = parcel.place();
        let layers = manifest.layers().iter();
        let layers = layers.map(|layer| delivery.blob(layer, &from));
        let layers = futures_util::stream::iter(layers.collect::<Vec<_>>());
        let mut sent: Vec<Sent> = layers
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
            .map_err(failed)?;
        if let Some(config) = manifest.config() {
            let empty = compose::EMPTY.into();
            sent.push(delivery.bytes(config, empty).await.map_err(failed)?);
        }
        let blobs = sent.iter().map(|sent| match sent {
            Sent::Uploaded { bytes } => *bytes,
            _ => 0,
        });
        let bytes = blobs.fold(manifest.bytes().len() as u64, u64::saturating_add);
        delivery.name(manifest).await.map_err(failed)?;
        delivery.finish().await.map_err(failed)?;
        Ok(bytes)
    }
}

/// Says whether something that was to be sent was nowhere.
fn lacks(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    let cause = cause.and_then(|cause| cause.downcast_ref::<image::Error>());
    cause.is_some_and(|cause| cause.kind() == ImageErrorKind::NotFound)
}

/// Says that somebody else has the cache.
fn waits(progress: &dyn Progress, id: &MountId) {
    let message = format!("another command has the cache `{}`", excerpt(id.id()));
    progress.note(&Event::Warned {
        message: &message,
        hint: "it is waited for, so that what it leaves is exported",
    });
}

/// Has the content of the files of a cache.
struct Files {
    left: Left,
    contained: Arc<Contained>,
}

impl Contents for Files {
    fn open(
        &self,
        place: ContentPlace,
        size: u64,
    ) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        let number = usize::try_from(place.position).unwrap_or(usize::MAX);
        let path = self.contained.paths.get(number).ok_or_else(|| {
            let message = "the content of a file is not where it should be";
            layer::Error::new(layer::ErrorKind::Invalid, message)
        })?;
        let file = self.left.open(path).map_err(|error| {
            layer::Error::io(
                format!("can not read `{path}`"),
                std::io::Error::other(error),
            )
        })?;
        Ok(Box::new(std::fs::File::from(file).take(size)))
    }
}
