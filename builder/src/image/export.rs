//! Outputs that are no images: the file system of an image, in a directory or
//! in a tar archive.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::image::Images;
use layer::{Contents as _, Directory, Entry, EntryPath, Kind, Metadata, NodeKind, Tree};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::Silent;
use crate::image::LayerOf;
use crate::pack::contents::{FilesOf, Shelf};
use crate::pack::layers::Layers;
use crate::pack::shared::Shared;
use crate::request::Cache;
use crate::solve::{BuiltImage, here};

/// Says what was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// What could not be written, as paths from the root: devices, which need
    /// more rights than a build has.
    pub skipped: Vec<String>,
    /// Files that are written without their set-id bits, since their owner is
    /// another one than in the image.
    pub weakened: Vec<String>,
}

/// Writes the file system of an image into a directory, as whoever runs it:
/// permissions and times are those of the image, owners and set-id bits are not. What is in
/// the directory already stays, unless the image has something there.
///
/// # Errors
///
/// Fails with [`ErrorKind::Storage`] when the directory can not be written,
/// and with [`ErrorKind::Image`] when a layer can not be read.
pub async fn export_directory(
    images: &Images,
    built: &BuiltImage,
    directory: &Path,
    scratch: &Path,
) -> Result<Exported, Error> {
    let (tree, shelf) = whole(images, built, scratch).await?;
    let path = directory.to_owned();
    blocking::run(move || {
        let failed = |error| {
            let context = format!(
                "can not write the files of the image to `{}`",
                path.display()
            );
            Error::layer(context, error)
        };
        fs_err::create_dir_all(&path).map_err(|error| {
            Error::caused(
                ErrorKind::Storage,
                format!("can not make `{}`", path.display()),
                error,
            )
        })?;
        let into = Directory::open(&path).map_err(failed)?;
        let unpacked = layer::unpack(&tree, &shelf, &into).map_err(failed)?;
        Ok(Exported {
            skipped: unpacked.skipped.iter().map(ToString::to_string).collect(),
            weakened: unpacked.weakened.iter().map(ToString::to_string).collect(),
        })
    })
    .await
}

/// Is an image whose files are written, and where they begin.
#[derive(Debug, Clone, Copy)]
pub struct Rooted<'a> {
    /// The directory of the archive that has them: one name, or nothing for
    /// the top.
    pub directory: &'a str,
    /// The image.
    pub image: &'a BuiltImage,
}

/// Writes the file systems of images as one tar archive: the same bytes for
/// the same images.
///
/// # Errors
///
/// Fails with [`ErrorKind::Storage`] when it can not be written, and with
/// [`ErrorKind::Image`] when a layer can not be read.
pub async fn export_tar(
    images: &Images,
    all: &[Rooted<'_>],
    out: impl Write + Send + 'static,
    scratch: &Path,
) -> Result<(), Error> {
    let mut writer = layer::Writer::new(out);
    for rooted in all {
        // One after the other: no more than one is unpacked at a time.
        let (tree, shelf) = whole(images, rooted.image, scratch).await?;
        let top = EntryPath::parse(rooted.directory.as_bytes()).map_err(|error| {
            let context = format!("no directory can be called `{}`", rooted.directory);
            Error::caused(ErrorKind::Unsupported, context, error)
        })?;
        writer = blocking::run(move || {
            write_tree(&mut writer, &top, (&tree, &shelf)).map_err(tar_failed)?;
            Ok(writer)
        })
        .await?;
    }
    blocking::run(move || {
        let (mut out, _) = writer.finish().map_err(tar_failed)?;
        out.flush().map_err(|error| {
            Error::caused(
                ErrorKind::Storage,
                "can not write the files of the image",
                error,
            )
        })
    })
    .await
}

fn tar_failed(error: layer::Error) -> Error {
    Error::layer("can not write the files of the image", error)
}

/// Writes a file system below a directory of an archive.
fn write_tree<W: Write>(
    writer: &mut layer::Writer<W>,
    top: &EntryPath,
    (tree, shelf): (&Tree, &Shelf),
) -> Result<(), layer::Error> {
    let mut first = BTreeMap::new();
    for (path, node) in tree.walk(&EntryPath::root()) {
        // The top of the archive is whatever it is unpacked to.
        if path.is_root() && top.is_root() {
            continue;
        }
        let mut entry = Entry {
            path: path.below(top),
            kind: node.kind.to_entry(),
            metadata: node.metadata.clone(),
        };
        let NodeKind::File(file) = &node.kind else {
            writer.entry(&entry)?;
            continue;
        };
        if let Some(target) = first.get(&file.place) {
            entry.kind = Kind::HardLink {
                target: EntryPath::clone(target),
            };
            entry.metadata = Metadata::default();
            writer.entry(&entry)?;
        } else {
            first.insert(file.place, entry.path.clone());
            let mut content = shelf.open(file.place, file.size)?;
            writer.file(&entry, &mut content)?;
        }
    }
    Ok(())
}

/// Has the whole file system of an image at hand.
async fn whole(
    images: &Images,
    built: &BuiltImage,
    scratch: &Path,
) -> Result<(Tree, Shelf), Error> {
    let library = images.library().ok_or_else(|| {
        Error::new(
            ErrorKind::Image,
            "there is no local library that has the image",
        )
    })?;
    let layers = Layers {
        images: images.clone(),
        library: library.clone(),
        scratch: PathBuf::from(scratch),
        packing: NonZeroUsize::MIN.into(),
        cache: Cache::Use,
        progress: Arc::new(Silent),
        indexes: Shared::default(),
        unpacked: Shared::default(),
    };
    let (mut tree, mut shelf) = (Tree::new(), Shelf::default());
    for (origin, built) in (1..).zip(&built.layers) {
        let layer = LayerOf {
            descriptor: built.descriptor.clone(),
            diff_id: built.diff_id,
        };
        let digest = layer.descriptor.digest;
        let unpacked = layers.unpack(0, &here(&digest), &layer).await?;
        tree.apply(origin, &unpacked.index)
            .map_err(|error| Error::layer(format!("the layer `{digest}` does not fit"), error))?;
        shelf.layers.insert(origin, FilesOf::Archive(unpacked));
    }
    Ok((tree, shelf))
}
