//! A layout in a directory as target.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use oci::{Descriptor, Digest, Index, LAYOUT_MANIFEST_LIMIT, Manifest, Tag};
use serde_json::{Map, Value};

use super::{Area, INDEX, Label, MARK, MARK_CONTENT, MARK_LIMIT, blob_name, entries, pick};
use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::file::{PREFIX, Temporary, directory_of};
use crate::source::Pieces;
use crate::tape::show;
use crate::target::{Feed, Target};

/// Where the content of a layout is.
pub(super) const BLOBS: &str = "blobs";

/// Takes an image into a layout.
pub(crate) struct LayoutTarget {
    directory: PathBuf,
    label: Label,
    /// Keeps others from tidying the layout until the image has its name.
    _writing: fs_err::File,
}

impl LayoutTarget {
    /// Makes the directory, if it is not there. Whatever is there has to be a
    /// layout that can be added to.
    pub(crate) async fn create(directory: &Path, label: Label) -> Result<Self, Error> {
        let directory = directory.to_owned();
        blocking::run(move || {
            let area = Area::Directory(directory.clone());
            match area.read(MARK, MARK_LIMIT)? {
                Some(mark) => area.check_mark(&mark)?,
                None => check_free(&area, &directory)?,
            }
            area.list()?;
            prepare(&directory).map_err(|error| failed(&directory, error))?;
            let failed = |error| failed(&directory, error);
            let writing = fs_err::File::open(directory.join(BLOBS)).map_err(failed)?;
            writing.file().lock_shared().map_err(failed)?;
            Ok(Self {
                directory,
                label,
                _writing: writing,
            })
        })
        .await
    }

    /// Writes a blob whose bytes were checked, or fail before their end.
    async fn write(&self, digest: &Digest, mut pieces: Pieces) -> Result<(), Error> {
        let path = self.directory.join(blob_name(digest));
        let directory = self.directory.clone();
        let beside = path.clone();
        let mut file = blocking::run(move || {
            let begin = || {
                fs_err::create_dir_all(directory_of(&beside))?;
                Temporary::in_directory(&directory)
            };
            begin().map_err(|error| failed(&directory, error))
        })
        .await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            let directory = self.directory.clone();
            file = blocking::run(move || {
                let written = file.file().write_all(&piece);
                written.map_err(|error| failed(&directory, error))?;
                Ok(file)
            })
            .await?;
        }
        let directory = self.directory.clone();
        blocking::run(move || file.keep(&path).map_err(|error| failed(&directory, error))).await
    }
}

pub(super) fn failed(directory: &Path, error: std::io::Error) -> Error {
    Error::caused(
        ErrorKind::Storage,
        format!("can not write the layout `{}`", directory.display()),
        error,
    )
}

/// What the top of a file system has from the start.
const ANYBODYS: &str = "lost+found";

/// Refuses a directory that has what no layout has, such as somebody's
/// sources. One that another program began and did not finish is a layout.
fn check_free(area: &Area, directory: &Path) -> Result<(), Error> {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(directory, error)),
    };
    let mut foreign: Option<OsString> = None;
    for entry in entries {
        let name = entry.map_err(|error| failed(directory, error))?.file_name();
        let own = name == ANYBODYS
            || name == BLOBS
            || name == INDEX
            || name.as_bytes().starts_with(PREFIX.as_bytes());
        // The first by name, whatever order the directory has.
        if !own && foreign.as_ref().is_none_or(|first| name < *first) {
            foreign = Some(name);
        }
    }
    foreign.map_or(Ok(()), |name| {
        let name = show(&name.to_string_lossy());
        let error = area.invalid(&format!(
            "is no OCI layout: it has `{name}`, and no file `{MARK}`"
        ));
        Err(error.advised("choose a directory that is empty, absent or an OCI layout"))
    })
}

fn prepare(directory: &Path) -> std::io::Result<()> {
    fs_err::create_dir_all(directory.join(BLOBS).join("sha256"))?;
    let mark = directory.join(MARK);
    if fs_err::metadata(&mark).is_err() {
        let mut file = Temporary::beside(&mark)?;
        file.file().write_all(MARK_CONTENT)?;
        file.keep(&mark)?;
    }
    Ok(())
}

#[async_trait]
impl Target for LayoutTarget {
    async fn has(&self, blob: &Descriptor) -> Result<bool, Error> {
        let (area, name) = (
            Area::Directory(self.directory.clone()),
            blob_name(&blob.digest),
        );
        let part = blocking::run(move || area.part(&name)).await?;
        Ok(part.is_some_and(|part| part.size == blob.size))
    }

    async fn take(&self, feed: Feed) -> Result<(), Error> {
        let pieces = feed.checked().await?;
        self.write(&feed.descriptor.digest, pieces).await
    }

    async fn put(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        let bytes = manifest.bytes().clone();
        let whole: Pieces = Box::pin(futures_util::stream::iter([Ok::<Bytes, Error>(bytes)]));
        self.write(digest, whole).await
    }

    async fn name(&self, digest: &Digest, manifest: &Manifest) -> Result<(), Error> {
        self.put(digest, manifest).await?;
        let entries = entries::entries(digest, manifest, &self.label);
        edit(&self.directory, move |list| {
            let mut all = entries.iter();
            all.try_for_each(|entry| entries::add(list, entry))
        })
        .await
    }
}

/// Takes an image off the list of a layout.
pub(crate) async fn remove(directory: &Path, tag: Option<Tag>) -> Result<(), Error> {
    let area = Area::Directory(directory.to_owned());
    let (shown, listing, meant) = (area.shown(), area.clone(), tag.clone());
    blocking::run(move || {
        let index = listing.index()?;
        pick(&index.manifests, meant.as_ref(), &shown).map(drop)
    })
    .await?;
    edit(directory, move |list| {
        entries::remove(list, tag.as_ref()).map(drop)
    })
    .await
}

/// Changes the list of a layout: by one process at a time, and at once.
async fn edit(
    directory: &Path,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<(), entries::Wrong> + Send + 'static,
) -> Result<(), Error> {
    let directory = directory.to_owned();
    blocking::run(move || {
        let failed = |error| failed(&directory, error);
        let turn = fs_err::File::open(directory.join(MARK)).map_err(failed)?;
        turn.file().lock().map_err(failed)?;
        let area = Area::Directory(directory.clone());
        let wrong = || area.invalid(&format!("has an `{INDEX}` that is no image index"));
        let mut list = match area.read(INDEX, LAYOUT_MANIFEST_LIMIT)? {
            Some(bytes) => serde_json::from_slice(&bytes),
            None => serde_json::from_slice(&Index::new(Vec::new()).to_bytes()),
        }
        .map_err(|_error| wrong())?;
        change(&mut list).map_err(|_wrong| wrong())?;
        let bytes = serde_json::to_vec(&list).map_err(|_error| wrong())?;
        let path = directory.join(INDEX);
        let mut file = Temporary::beside(&path).map_err(failed)?;
        file.file().write_all(&bytes).map_err(failed)?;
        file.keep(&path).map_err(failed)
    })
    .await
}
