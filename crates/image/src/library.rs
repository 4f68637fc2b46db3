//! The local library: images by name on this machine, for several processes
//! at once.
//!
//! ```text
//! ROOT/blobs/<algorithm>/<hex>             content
//! ROOT/names/<registry>/<repo>/<reference> {"digest","mediaType","size"}
//! ROOT/origins/<algorithm>/<hex>           [{"registry":"...","repository":"..."}, ...]
//! ROOT/notes/<topic>/<algorithm>/<hex>     small records of who builds images
//! ROOT/uploads/<owner>                     locked as long as a process uses the library
//! ROOT/uploads/<owner>-<n>                 content of that process that has no digest yet
//! ROOT/library                             says what this is
//! ```
//!
//! An image may be here without some of its layers, where it is known which
//! registry has them (its `origins`): a build needs the bytes of a base as
//! rarely as a push to the registry that it came from.
//!
//! `<repo>` is the repository's name with `.~` for each `/`; `<reference>` is
//! a tag, or a digest where the image was put in by digest alone. Content is
//! not collected here: removing a name removes the name.

use std::path::Path;
use std::sync::Arc;

use blob::{Backend, Blobs, Expected, Key, Local, Mark, Owner, Sharing};
use oci::{Descriptor, Digest, ImageName, MediaType, Reference};

use crate::error::{Error, ErrorKind};
use crate::registry::check_name;

mod content;
mod copy;
mod origins;

pub use content::{Incoming, Topic};
pub(crate) use copy::{LibrarySource, LibraryTarget};
pub use origins::Origin;

/// Keeps images by name in a directory that several processes may share.
#[derive(Debug, Clone)]
pub struct Library {
    backend: Arc<dyn Backend>,
    /// For notes: whoever finds one damaged does without.
    notes: Arc<dyn Backend>,
    blobs: Blobs,
    /// Tells this process's uploads from those of others.
    owner: Arc<Owner>,
    root: Arc<Path>,
}

/// How a directory says that it is a library. Those that were made before
/// there was the mark have nothing but what is named here.
const MARK: Mark = Mark {
    what: "library of images",
    name: "library",
    value: br#"{"library":1}"#,
    before: &[
        "blobs", "lock", "names", "notes", "origins", "tmp", "turn", "uploads",
    ],
};

/// Is an image of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: ImageName,
    /// Its manifest: media type, digest, and size in bytes.
    pub descriptor: Descriptor,
}

/// Says what a name points at, as it is stored.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    digest: Digest,
    media_type: MediaType,
    size: u64,
}

/// How many names are listed at once.
const PAGE: usize = 1000;

impl Library {
    /// Opens a library, and makes it if it is not there. What processes left
    /// that were killed while they took in content is removed. It blocks.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Home`] when the directory can not be made,
    /// written or locked, and when it has something else in it.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let failed = |error| {
            let context = format!("can not use `{}` as the local library", root.display());
            Error::caused(ErrorKind::Home, context, error)
        };
        let opened = |sync| Local::open(root, &MARK, Sharing::Shared, sync).map_err(failed);
        let local = opened(blob::Sync::Always)?;
        check_version(&local)?;
        let owner = local.own(&Key::top("uploads")).map_err(failed)?;
        let backend: Arc<dyn Backend> = Arc::new(local);
        Ok(Self {
            blobs: Blobs::new(Arc::clone(&backend)),
            backend,
            notes: Arc::new(opened(blob::Sync::Never)?),
            owner: Arc::new(owner),
            root: root.into(),
        })
    }

    /// Gives its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finds what a name points at. A digest that stands beside a tag has to
    /// be what the tag points at; a lone one may be named by any tag of its
    /// repository.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] when there is no such name, with
    /// [`ErrorKind::Invalid`] when its record can not be read, and with
    /// [`ErrorKind::Storage`].
    pub async fn resolve(&self, name: &ImageName) -> Result<Named, Error> {
        if let Some(found) = self.record(name, &name_key(name)).await? {
            if name.digest().is_none_or(|digest| digest == found.digest) {
                return Ok(Named {
                    name: name.clone(),
                    descriptor: found,
                });
            }
        } else if let (Some(digest), None) = (name.digest(), name.tag()) {
            for reference in self.names(&repository_key(name)).await? {
                let key = repository_key(name).child(&reference);
                if let Some(found) = self.record(name, &key).await?
                    && found.digest == digest
                {
                    return Ok(Named {
                        name: name.clone(),
                        descriptor: found,
                    });
                }
            }
        }
        Err(absent(name))
    }

    /// Lists all names, ordered by registry, repository and reference.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Invalid`] when a record can not be read, and
    /// with [`ErrorKind::Storage`].
    pub async fn list(&self) -> Result<Vec<Named>, Error> {
        let mut all = Vec::new();
        let top = Key::top("names");
        for registry in self.names(&top).await? {
            let host = top.child(&registry);
            for encoded in self.names(&host).await? {
                let repository = host.child(&encoded);
                for reference in self.names(&repository).await? {
                    let path = encoded.replace(".~", "/");
                    // What somebody else put here is no name.
                    let Some(name) = name_of(&registry, &path, &reference) else {
                        continue;
                    };
                    let key = repository.child(&reference);
                    if let Some(descriptor) = self.record(&name, &key).await? {
                        all.push(Named { name, descriptor });
                    }
                }
            }
        }
        Ok(all)
    }

    /// Points a name at a manifest; what it pointed at before is not lost,
    /// but has this name no more.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the name has another digest,
    /// and with [`ErrorKind::Storage`].
    pub async fn set(&self, name: &ImageName, descriptor: &Descriptor) -> Result<(), Error> {
        check_name(name, &descriptor.digest)?;
        let stored = Stored {
            digest: descriptor.digest,
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
        };
        let value = serde_json::to_vec(&stored).map_err(|error| {
            Error::caused(ErrorKind::Storage, format!("can not name `{name}`"), error)
        })?;
        let swapped = self
            .backend
            .swap(&name_key(name), Expected::Anything, value.into())
            .await
            .map_err(|error| Error::stored(format!("can not name `{name}`"), error))?;
        match swapped {
            blob::Swapped::Done => Ok(()),
            blob::Swapped::Lost => Err(Error::new(
                ErrorKind::Storage,
                format!("can not name `{name}`: another process did at the same time"),
            )),
        }
    }

    /// Takes a name away. The content stays.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] when there is no such name, and with
    /// [`ErrorKind::Storage`].
    pub async fn remove(&self, name: &ImageName) -> Result<(), Error> {
        let key = name_key(name);
        let failed = |error| Error::stored(format!("can not remove `{name}`"), error);
        let found = self.record(name, &key).await?;
        let fits = |found: &Descriptor| name.digest().is_none_or(|d| d == found.digest);
        if !found.as_ref().is_some_and(fits) {
            return Err(absent(name));
        }
        self.backend.delete(&key).await.map_err(failed)
    }

    async fn record(&self, name: &ImageName, key: &Key) -> Result<Option<Descriptor>, Error> {
        let record = self.backend.read(key).await;
        let record =
            record.map_err(|error| Error::stored(format!("can not look up `{name}`"), error))?;
        let Some(record) = record else {
            return Ok(None);
        };
        let stored: Stored = serde_json::from_slice(&record.value).map_err(|error| {
            Error::caused(
                ErrorKind::Invalid,
                format!("the library's record of `{name}` is damaged"),
                error,
            )
        })?;
        Ok(Some(Descriptor::new(
            stored.media_type,
            stored.digest,
            stored.size,
        )))
    }

    /// Lists the names below a key, as they were before they were escaped.
    async fn names(&self, key: &Key) -> Result<Vec<String>, Error> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.backend.page(key, &after, PAGE).await;
            let page =
                page.map_err(|error| Error::stored("can not list the local library", error))?;
            let Some(last) = page.names.last() else {
                return Ok(all);
            };
            after.clone_from(last);
            all.extend(page.names.iter().filter_map(|name| unescape(name)));
            if !page.more {
                return Ok(all);
            }
        }
    }
}

fn absent(name: &ImageName) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the local library has no image `{name}`"),
    )
}

fn repository_key(name: &ImageName) -> Key {
    Key::top("names")
        .child(name.registry().as_str())
        .child(&name.repository().as_str().replace('/', ".~"))
}

/// Names the record of a name: under its tag where it has one.
fn name_key(name: &ImageName) -> Key {
    let reference = match name.tag() {
        Some(tag) => tag.to_string(),
        None => name.reference().to_string(),
    };
    repository_key(name).child(&reference)
}

fn name_of(registry: &str, repository: &str, reference: &str) -> Option<ImageName> {
    let reference: Reference = reference.parse().ok()?;
    Some(ImageName::new(
        registry.parse().ok()?,
        repository.parse().ok()?,
        reference,
    ))
}

/// Reads a segment as [`Key`] escapes it.
fn unescape(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let code = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Refuses what another version made, before anything is changed in it.
fn check_version(local: &Local) -> Result<(), Error> {
    let path = local.root().join(MARK.name);
    let mark = fs_err::read(&path).map_err(|error| {
        let context = format!("can not read `{}`", path.display());
        Error::caused(ErrorKind::Home, context, error)
    })?;
    if mark == MARK.value {
        return Ok(());
    }
    let (root, expected) = (local.root().display(), String::from_utf8_lossy(MARK.value));
    let message =
        format!("`{root}` is a library of another version: its file `library` is not `{expected}`");
    Err(Error::new(ErrorKind::Home, message))
}
