//! OCI layouts (image-spec, "OCI Image Layout"): in a directory or in a tar
//! archive, as source.
//!
//! ```text
//! oci-layout              {"imageLayoutVersion":"1.0.0"}
//! index.json              the images, with their tags as annotations
//! blobs/<algorithm>/<hex> content, manifests among it
//! ```
//!
//! Paths are made of parsed digests alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oci::{Descriptor, Digest, Index, LAYOUT_MANIFEST_LIMIT, Manifest, Tag};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::source::{Child, Part, Pieces, Source, stored_child, stored_top};
use crate::tape::{Tape, show};

mod archive;
mod directory;
mod entries;
mod tidy;

pub(crate) use archive::{Writing, archive, write_failed};
pub(crate) use directory::{LayoutTarget, remove};
pub(crate) use entries::Label;
pub(crate) use tidy::tidy;

/// The file that says that a directory is a layout.
const MARK: &str = "oci-layout";
/// The file that lists the images.
const INDEX: &str = "index.json";
/// What is written into the mark.
const MARK_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The largest mark that is read, in bytes.
const MARK_LIMIT: u64 = 4096;
/// The annotation that holds an image's tag.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation beside it that holds the whole name, as BuildKit writes it.
/// By the tag alone, programs that load a layout know no name.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// How many tags a message lists.
const LISTED_LIMIT: usize = 20;

/// Has an image in a layout.
pub(crate) struct LayoutSource {
    area: Area,
    tag: Option<Tag>,
}

/// Is where the files of a layout lie.
#[derive(Clone)]
enum Area {
    Directory(PathBuf),
    Archive(Arc<Tape>),
}

impl LayoutSource {
    pub(crate) fn directory(directory: &Path, tag: Option<Tag>) -> Self {
        let area = Area::Directory(directory.to_owned());
        Self { area, tag }
    }

    pub(crate) fn archive(tape: Arc<Tape>, tag: Option<Tag>) -> Self {
        let area = Area::Archive(tape);
        Self { area, tag }
    }
}

#[async_trait]
impl Source for LayoutSource {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        let area = self.area.clone();
        let index = blocking::run(move || area.index()).await?;
        let descriptor = pick(&index.manifests, self.tag.as_ref(), &self.area.shown())?;
        stored_top(self, descriptor).await
    }

    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error> {
        stored_child(self, descriptor).await
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        let (area, name) = (self.area.clone(), blob_name(&descriptor.digest));
        let Some(part) = blocking::run(move || area.part(&name)).await? else {
            return Ok(None);
        };
        part.promised(descriptor)?;
        Ok(Some(part.stream(offset)))
    }
}

/// Names the file of a blob.
fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

impl Area {
    fn shown(&self) -> String {
        match self {
            Self::Directory(directory) => directory.display().to_string(),
            Self::Archive(tape) => tape.shown().to_owned(),
        }
    }

    fn invalid(&self, what: &str) -> Error {
        Error::new(ErrorKind::Invalid, format!("`{}` {what}", self.shown()))
    }

    /// Finds a file of the layout; `None` where there is none. It blocks.
    fn part(&self, name: &str) -> Result<Option<Part>, Error> {
        let directory = match self {
            Self::Archive(tape) => return tape.part(name),
            Self::Directory(directory) => directory,
        };
        let path = directory.join(name);
        let failed =
            |error| Error::file(format!("can not read the layout `{}`", self.shown()), error);
        // Opening what is no file, such as a pipe, might never end.
        let metadata = match fs_err::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_file() {
            return Err(self.invalid(&format!("has something at `{name}` that is no file")));
        }
        let file = fs_err::File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        Ok(Some(Part {
            file: Arc::new(file),
            offset: 0,
            size,
        }))
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some(part) = self.part(name)? else {
            return Ok(None);
        };
        if part.size > limit {
            return Err(self.invalid(&format!(
                "has a `{name}` of {} bytes, more than the {limit} that are read",
                part.size
            )));
        }
        part.read(0, part.size).map(Some)
    }

    /// Reads the list of images. It blocks.
    fn index(&self) -> Result<Index, Error> {
        if let Self::Directory(directory) = self
            && fs_err::metadata(directory).is_err_and(|error| is_absence(&error))
        {
            let shown = self.shown();
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no layout at `{shown}`"),
            ));
        }
        let lacks = |name| self.invalid(&format!("is no OCI layout: it has no `{name}`"));
        let mark = self.read(MARK, MARK_LIMIT)?.ok_or_else(|| lacks(MARK))?;
        self.check_mark(&mark)?;
        self.list()?.ok_or_else(|| lacks(INDEX))
    }

    /// Reads the list of images, where there is one. It blocks.
    fn list(&self) -> Result<Option<Index>, Error> {
        let Some(index) = self.read(INDEX, LAYOUT_MANIFEST_LIMIT)? else {
            return Ok(None);
        };
        serde_json::from_slice(&index).map(Some).map_err(|error| {
            Error::caused(
                ErrorKind::Invalid,
                format!("`{}` has an `{INDEX}` that is no image index", self.shown()),
                error,
            )
        })
    }

    fn check_mark(&self, mark: &[u8]) -> Result<(), Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mark {
            image_layout_version: String,
        }
        let mark: Mark = serde_json::from_slice(mark).map_err(|error| {
            Error::caused(
                ErrorKind::Invalid,
                format!("`{}` has an `{MARK}` that can not be read", self.shown()),
                error,
            )
        })?;
        if mark.image_layout_version.starts_with("1.") {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "`{}` is an OCI layout of version `{}`, only 1.x is supported",
                self.shown(),
                show(&mark.image_layout_version)
            ),
        ))
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
    )
}

/// Finds the image that is meant: by tag, or the only one.
fn pick<'a>(
    images: &'a [Descriptor],
    tag: Option<&Tag>,
    shown: &str,
) -> Result<&'a Descriptor, Error> {
    let tag_of = |image: &Descriptor| image.annotations.get(REF_NAME).cloned();
    let meant: Vec<&Descriptor> = images
        .iter()
        .filter(|image| tag.is_none_or(|tag| tag_of(image).as_deref() == Some(tag.as_str())))
        .collect();
    let same = meant
        .windows(2)
        .all(|pair| pair[0].digest == pair[1].digest);
    match (meant.first(), tag) {
        (Some(image), _) if same => Ok(image),
        (None, Some(tag)) => Err(Error::new(
            ErrorKind::NotFound,
            format!("`{shown}` has no image `{tag}`, only {}", listed(images)),
        )),
        (None, None) => Err(Error::new(
            ErrorKind::NotFound,
            format!("`{shown}` has no image"),
        )),
        (Some(_), Some(tag)) => Err(Error::new(
            ErrorKind::Ambiguous,
            format!("`{shown}` has several images with the tag `{tag}`"),
        )),
        (Some(_), None) => Err(Error::new(
            ErrorKind::Ambiguous,
            format!(
                "`{shown}` has several images, choose one: {}",
                listed(images)
            ),
        )),
    }
}

fn listed(images: &[Descriptor]) -> String {
    let mut names: Vec<String> = images
        .iter()
        .filter_map(|image| image.annotations.get(REF_NAME))
        .map(|name| format!("`{}`", show(name)))
        .collect();
    let untagged = images.len() - names.len();
    let more = names.len().saturating_sub(LISTED_LIMIT);
    names.truncate(LISTED_LIMIT);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    if untagged > 0 {
        names.push(format!("{untagged} without a tag"));
    }
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.join(", ")
}
