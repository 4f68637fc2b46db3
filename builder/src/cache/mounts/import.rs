//! A cache filled from an artefact. Nothing of it is trusted: what it says is
//! checked on trees before the first file is made, and where anything is wrong,
//! the cache is empty, and somebody is told.

use std::collections::BTreeSet;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use image::{ErrorKind as ImageErrorKind, Images, Inspected, Place, PlatformChoice};
use layer::{EntryPath, Form, Kind, LayerIndex, Operation, Rights, Tree};

use crate::blocking;
use crate::cache::mounts::unpack::{Room, Unpacked, unpack};
use crate::cache::mounts::{MountId, MountSource, chain, compose, is_meant};
use crate::error::{Error, ErrorKind};
use crate::events::{Event, Progress};
use crate::request::Request;
use crate::worker::Handle;

/// How long it is waited for what a place has of a cache, before the command
/// that has the cache is run without it.
const FINDING_LIMIT: Duration = Duration::from_secs(10);
/// How long a layer of an artefact may not come on.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

/// Is what a cache is filled from.
#[derive(Debug)]
pub(crate) struct Seed {
    /// Files with layers, uncompressed, and what is to be done with each layer,
    /// in this order.
    pub(super) parts: Vec<(Arc<fs_err::File>, Vec<Operation>)>,
}

impl Seed {
    /// Fills a directory that is not there yet. It blocks.
    pub(crate) fn fill(
        &self,
        handle: &Handle,
        rights: Rights,
        directory: &Path,
    ) -> Result<(), Error> {
        handle.make(directory)?;
        for (file, operations) in &self.parts {
            let how = (Form::Plain, rights);
            let file = file.file().as_fd();
            handle.perform(directory, operations.clone(), file, how)?;
        }
        Ok(())
    }
}

/// Finds the artefact of a cache, and fetches it: by the first source that has
/// one that is sound. Whatever is wrong is told and no more, and who does not
/// answer is not waited for.
pub(crate) async fn find(
    images: &Images,
    request: &Request,
    sources: &[MountSource],
    id: &MountId,
) -> Option<Seed> {
    let finding = Finding {
        images,
        scratch: &request.scratch,
        progress: request.progress.as_ref(),
        limit: FINDING_LIMIT,
        silence: SILENCE_LIMIT,
    };
    finding.find(sources, id).await
}

/// Looks for artefacts.
pub(super) struct Finding<'a> {
    pub(super) images: &'a Images,
    pub(super) scratch: &'a Path,
    pub(super) progress: &'a dyn Progress,
    /// How long it is waited for what a place has.
    pub(super) limit: Duration,
    /// How long a layer may not come on.
    pub(super) silence: Duration,
}

impl Finding<'_> {
    pub(super) async fn find(&self, sources: &[MountSource], id: &MountId) -> Option<Seed> {
        for source in sources.iter().filter(|source| is_meant(&source.ids, id)) {
            for tag in id.tags(&source.key) {
                let place = source.place.at(&tag);
                let inspecting = self.images.inspect(&place, &PlatformChoice::All);
                let inspected = match tokio::time::timeout(self.limit, inspecting).await {
                    Ok(Ok(inspected)) => inspected,
                    Ok(Err(error)) if error.kind() == ImageErrorKind::NotFound => continue,
                    Ok(Err(error)) => {
                        let error = Error::image("it can not be read", error);
                        warn(self.progress, id, &place, &error);
                        continue;
                    }
                    Err(_elapsed) => {
                        let message = format!("there was no answer after {:?}", self.limit);
                        let error = Error::new(ErrorKind::Image, message);
                        warn(self.progress, id, &place, &error);
                        // Nor would there be one for another tag.
                        break;
                    }
                };
                match self.fetch(&inspected, id, Room::new(source.quota)).await {
                    Ok(seed) => return Some(seed),
                    Err(error) => warn(self.progress, id, &place, &error),
                }
            }
        }
        None
    }

    /// Fetches an artefact.
    pub(super) async fn fetch(
        &self,
        inspected: &Inspected,
        id: &MountId,
        room: Room,
    ) -> Result<Seed, Error> {
        let layers = compose::layers(&inspected.manifest, id)?;
        let from = (self.images, &inspected.place);
        let unpacked = unpack(from, layers, self.scratch, room, self.silence).await?;
        blocking::run(move || seed(unpacked)).await
    }
}

/// Decides what is to be done with layers. It blocks.
fn seed(layers: Vec<Unpacked>) -> Result<Seed, Error> {
    let indexes: Vec<&LayerIndex> = layers.iter().map(|layer| &layer.index).collect();
    let all = operations(&indexes)?;
    let parts = layers.into_iter().zip(all).map(|(layer, mut operations)| {
        for operation in &mut operations {
            if let Operation::File { offset, .. } = operation {
                *offset = offset.saturating_add(layer.start);
            }
        }
        (layer.file, operations)
    });
    Ok(Seed {
        parts: parts.collect(),
    })
}

fn warn(progress: &dyn Progress, id: &MountId, place: &Place, error: &Error) {
    let message = format!(
        "the cache `{}` can not be filled from `{place}`: {}",
        crate::plan::excerpt(id.id()),
        chain(error)
    );
    progress.note(&Event::Warned {
        message: &message,
        hint: "it starts without what is there; `quota=` allows more of it, where that is the reason",
    });
}

/// Lists what is to be done to an empty directory: for the first layer, which
/// has directories, links and pipes, and then for each of the others, which
/// have files in those, each path once.
pub(super) fn operations(layers: &[&LayerIndex]) -> Result<Vec<Vec<Operation>>, Error> {
    let wrong = |error| Error::layer("its layers do not fit", error);
    let Some((frame, others)) = layers.split_first() else {
        return Ok(Vec::new());
    };
    check_frame(frame)?;
    let mut tree = Tree::new();
    let mut all = vec![layer::operations(&tree, frame).map_err(wrong)?];
    tree.apply(ORIGIN, frame).map_err(wrong)?;
    let mut paths = BTreeSet::new();
    for layer in others {
        check_files(layer, &tree, &mut paths)?;
        all.push(layer::operations(&tree, layer).map_err(wrong)?);
    }
    Ok(all)
}

/// The origin of the first layer; it has no content.
const ORIGIN: u32 = 0;

fn check_frame(frame: &LayerIndex) -> Result<(), Error> {
    let mut paths = BTreeSet::new();
    for record in frame.records() {
        let path = &record.entry.path;
        let is_right = matches!(
            record.entry.kind,
            Kind::Directory | Kind::Symlink { .. } | Kind::Fifo
        );
        if !is_right || !paths.insert(path) {
            return Err(out_of_place(path));
        }
    }
    Ok(())
}

/// Checks that a layer has files and their names alone, in directories of the
/// frame, where nothing else is.
fn check_files<'a>(
    layer: &'a LayerIndex,
    frame: &Tree,
    paths: &mut BTreeSet<&'a EntryPath>,
) -> Result<(), Error> {
    for record in layer.records() {
        let path = &record.entry.path;
        let is_right = matches!(record.entry.kind, Kind::File { .. } | Kind::HardLink { .. });
        let parent = path.parent().and_then(|parent| frame.node(&parent));
        let is_in = parent.is_some_and(layer::Node::is_directory) && frame.node(path).is_none();
        if !is_right || !is_in || !paths.insert(path) {
            return Err(out_of_place(path));
        }
    }
    Ok(())
}

fn out_of_place(path: &EntryPath) -> Error {
    let message = format!("it has `{path}` where no artefact of a cache has it");
    Error::new(ErrorKind::Image, message)
}
