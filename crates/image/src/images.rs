//! Images in places: looking at them, copying, naming and removing them.

pub(crate) mod delivery;
pub(crate) mod send;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use client::Client;
use oci::{Config, Descriptor, Digest, ImageName, Manifest, ManifestKind, MediaType, Tag};

pub(crate) use self::send::Sending;
use crate::blocking;
use crate::copy::{Copied, CopyOptions, Job};
use crate::docker::{self, DockerSource};
use crate::error::{End, Error, ErrorKind};
use crate::layout::{self, Label, LayoutSource, LayoutTarget};
use crate::library::{Library, LibrarySource, LibraryTarget, Origin};
use crate::place::Place;
use crate::plan::Plan;
use crate::platform::{PlatformChoice, check, select};
use crate::registry::{RegistrySource, RegistryTarget};
use crate::source::{self, Blamed, BlobStream, Child, Source, of_source};
use crate::tape::Tape;
use crate::target::Target;

/// The most bytes that a compressed archive, or a compressed layer of one, may
/// have when it is decompressed. Real images stay far below; a bomb does not.
pub const UNPACKED_LIMIT: u64 = 256 * 1024 * 1024 * 1024;

/// Reaches the images of all places.
#[derive(Clone)]
pub struct Images {
    client: Client,
    library: Option<Library>,
    scratch: PathBuf,
    unpacked: u64,
    sending: Arc<Sending>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images")
            .field("library", &self.library)
            .field("scratch", &self.scratch)
            .field("unpacked", &self.unpacked)
            .finish_non_exhaustive()
    }
}

/// Is an image that was looked at.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Where it is.
    pub place: Place,
    /// The digest of the manifest.
    pub digest: Digest,
    /// The type of the manifest.
    pub media_type: MediaType,
    /// The manifest; of an index the index itself unless a platform was
    /// chosen.
    pub manifest: Manifest,
    /// The exact bytes of the config, where the manifest has one.
    pub config: Option<Bytes>,
}

impl Images {
    /// Reaches registries through a client, names through a library where
    /// there is one, and decompresses archives into the directory `scratch`.
    #[must_use]
    pub fn new(client: Client, library: Option<Library>, scratch: PathBuf) -> Self {
        Self {
            client,
            library,
            scratch,
            unpacked: UNPACKED_LIMIT,
            sending: Arc::default(),
        }
    }

    /// Lets archives and their layers have at most this many bytes when they
    /// are decompressed, instead of [`UNPACKED_LIMIT`].
    #[must_use]
    pub fn unpacking_at_most(self, bytes: u64) -> Self {
        Self {
            unpacked: bytes,
            ..self
        }
    }

    /// Gives the local library, where there is one.
    #[must_use]
    pub fn library(&self) -> Option<&Library> {
        self.library.as_ref()
    }

    /// Looks at an image: its manifest and, unless that is an index, its
    /// config.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] or [`ErrorKind::Ambiguous`] when the
    /// place has no or several such images, and when it can not be read.
    pub async fn inspect(
        &self,
        place: &Place,
        platform: &PlatformChoice,
    ) -> Result<Inspected, Error> {
        let source = self.source(place).await?;
        let Chosen {
            digest,
            manifest,
            config,
        } = chosen(source.as_ref(), platform).await?;
        let config = match config {
            Some(config) => Some(config),
            None => config_of(source.as_ref(), &manifest).await?,
        };
        Ok(Inspected {
            place: place.clone(),
            digest,
            media_type: manifest.media_type().clone(),
            manifest,
            config,
        })
    }

    /// Reads the manifest that a place names; `None` where it names nothing. Of
    /// a registry itself, whatever its mirrors have: it says what a push would
    /// replace.
    ///
    /// # Errors
    ///
    /// Fails when that can not be told: as [`Images::inspect`] does, but where
    /// there is none.
    pub async fn named(&self, place: &Place) -> Result<Option<Manifest>, Error> {
        let top = match place {
            Place::Registry(name) => {
                let own = RegistrySource {
                    repository: self.client.repository(name.registry(), name.repository()),
                    name: name.clone(),
                };
                own.top().await
            }
            _ => self.source(place).await?.top().await,
        };
        match top {
            Ok((_, manifest)) => Ok(Some(manifest)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Copies an image with everything that it points at, and leaves its
    /// digests as they are. Of an index all images are copied unless one
    /// platform was chosen. What points at the image is not copied.
    ///
    /// An archive is written anew, in the place of a file that may be there;
    /// to a layout and to the library the image is added.
    ///
    /// # Errors
    ///
    /// Fails when source or target do, with [`ErrorKind::Mismatch`] when
    /// content is not what its digest says, and with
    /// [`ErrorKind::Unsupported`] when the target can not hold the image. What
    /// the target names is then as it was. [`Error::end`] says which failed.
    pub async fn copy(
        &self,
        from: &Place,
        to: &Place,
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        let job = self.plan(from, to, options).await.map_err(of_source)?;
        let copied = self.deliver(job, (from, to), options).await;
        copied.map_err(|error| error.at(End::Target))
    }

    async fn plan(&self, from: &Place, to: &Place, options: &CopyOptions) -> Result<Job, Error> {
        let source = Arc::new(Blamed(self.source(from).await?));
        let Chosen {
            mut digest,
            mut manifest,
            ..
        } = chosen(source.as_ref(), &options.platform).await?;
        if let Place::DockerArchive { .. } = to {
            (digest, manifest) = docker::only_image(source.as_ref(), digest, manifest).await?;
        }
        Ok(Job {
            plan: Plan::below(source.as_ref(), digest, manifest).await?,
            source,
            progress: Arc::clone(&options.progress),
        })
    }

    async fn deliver(
        &self,
        job: Job,
        (from, to): (&Place, &Place),
        options: &CopyOptions,
    ) -> Result<Copied, Error> {
        let at_once = options.at_once;
        let label =
            |tag: &Option<Tag>| Label::new(tag.clone(), name_of(from).as_ref()).with(options);
        match to {
            Place::Registry(name) => job.run(&self.registry_target(name), at_once).await,
            Place::Library(name) => {
                let library = self.local()?.clone();
                let blobs = job.plan.blobs.iter().map(|needed| needed.descriptor.digest);
                let blobs: Vec<Digest> = blobs.collect();
                let target = LibraryTarget {
                    library: library.clone(),
                    name: name.clone(),
                };
                let copied = job.run(&target, at_once).await?;
                // What is pushed there later has them taken over.
                if let Place::Registry(from) = from {
                    let origin = Origin {
                        registry: from.registry().clone(),
                        repository: from.repository().clone(),
                    };
                    for blob in &blobs {
                        library.add_origin(blob, &origin).await?;
                    }
                }
                Ok(copied)
            }
            Place::Layout { directory, tag } => {
                let target = LayoutTarget::create(directory, label(tag)).await?;
                job.run(&target as &dyn Target, at_once).await
            }
            Place::OciArchive { file, tag } => layout::archive(job, file, &label(tag)).await,
            Place::DockerArchive { file, name } => {
                let name = name.clone().or_else(|| name_of(from));
                let names: Vec<ImageName> = name.into_iter().chain(options.names.clone()).collect();
                docker::save(job, file, &names, self.unpacked).await
            }
        }
    }

    /// Streams a blob that an image points at, and fails before its last piece
    /// where it is not what its digest says. The library fetches what it lacks
    /// from where the image came from.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] when the place does not have it, and
    /// when it can not be read.
    pub async fn blob(&self, place: &Place, descriptor: &Descriptor) -> Result<BlobStream, Error> {
        let source = self.source(place).await?;
        match source.open(descriptor, 0).await? {
            Some(pieces) => Ok(source::verified(pieces, descriptor)),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!("`{place}` does not have `{}`", descriptor.digest),
            )),
        }
    }

    /// Says whether a place has a blob of this size; none of its bytes are
    /// fetched.
    ///
    /// # Errors
    ///
    /// Fails when the place does.
    pub async fn has(&self, place: &Place, descriptor: &Descriptor) -> Result<bool, Error> {
        if let Place::Registry(name) = place {
            let repository = self.client.repository(name.registry(), name.repository());
            // As it would be fetched.
            let size = repository.mirrored().blob_size(&descriptor.digest).await;
            let size = size.map_err(|error| {
                let context = format!("can not look for `{}` in `{name}`", descriptor.digest);
                Error::remote(context, error)
            })?;
            return Ok(size == Some(descriptor.size));
        }
        let opened = self.source(place).await?.open(descriptor, 0).await?;
        Ok(opened.is_some())
    }

    /// Takes an image's name away: from the library, a registry (where a
    /// digest names the manifest itself) or a layout. Its content stays until
    /// the place collects it.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] when there is no such name, with
    /// [`ErrorKind::Unsupported`] for archives, and when the place fails.
    pub async fn remove(&self, place: &Place) -> Result<(), Error> {
        match place {
            Place::Registry(name) => {
                let repository = self.client.repository(name.registry(), name.repository());
                let removed = repository.delete_manifest(&name.reference()).await;
                removed.map_err(|error| Error::remote(format!("can not remove `{name}`"), error))
            }
            Place::Library(name) => self.local()?.remove(name).await,
            Place::Layout { directory, tag } => layout::remove(directory, tag.clone()).await,
            Place::OciArchive { file, .. } | Place::DockerArchive { file, .. } => Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "nothing can be removed from the archive `{}`",
                    file.display()
                ),
            )),
        }
    }

    /// Gives an image of the library another name as well.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] when the library has no such image,
    /// and when it can not be read or written.
    pub async fn tag(&self, name: &ImageName, new: &ImageName) -> Result<(), Error> {
        let library = self.local()?;
        let named = library.resolve(name).await?;
        library.set(new, &named.descriptor).await
    }

    fn local(&self) -> Result<&Library, Error> {
        self.library
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Home, "there is no local library"))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn sending(&self) -> &Sending {
        &self.sending
    }

    /// Gives a repository as a target.
    pub(crate) fn registry_target(&self, name: &ImageName) -> RegistryTarget {
        RegistryTarget {
            repository: self.client.repository(name.registry(), name.repository()),
            name: name.clone(),
            sending: Arc::clone(&self.sending),
        }
    }

    pub(crate) async fn source(&self, place: &Place) -> Result<Arc<dyn Source>, Error> {
        Ok(match place {
            Place::Registry(name) => Arc::new(RegistrySource {
                repository: self
                    .client
                    .repository(name.registry(), name.repository())
                    .mirrored(),
                name: name.clone(),
            }),
            Place::Library(name) => Arc::new(LibrarySource {
                library: self.local()?.clone(),
                client: self.client.clone(),
                name: name.clone(),
            }),
            Place::Layout { directory, tag } => {
                Arc::new(LayoutSource::directory(directory, tag.clone()))
            }
            Place::OciArchive { file, tag } => {
                let tape = self.tape(file).await?;
                Arc::new(LayoutSource::archive(tape, tag.clone()))
            }
            Place::DockerArchive { file, name } => {
                let tape = self.tape(file).await?;
                Arc::new(DockerSource::open(tape, name.clone(), self.unpacked).await?)
            }
        })
    }

    async fn tape(&self, file: &Path) -> Result<Arc<Tape>, Error> {
        let (file, scratch, limit) = (file.to_owned(), self.scratch.clone(), self.unpacked);
        let tape = blocking::run(move || Tape::open(&file, &scratch, limit)).await?;
        Ok(Arc::new(tape))
    }
}

/// Gives the name that an image goes by, for what is made of it.
fn name_of(place: &Place) -> Option<ImageName> {
    match place {
        Place::Registry(name) | Place::Library(name) => Some(name.clone()),
        Place::DockerArchive { name, .. } => name.clone(),
        Place::Layout { .. } | Place::OciArchive { .. } => None,
    }
}

/// Is the image of a place that was chosen.
struct Chosen {
    digest: Digest,
    manifest: Manifest,
    /// Its config, where choosing took that.
    config: Option<Bytes>,
}

/// Finds the manifest that a place and a choice of platform mean.
async fn chosen(source: &dyn Source, platform: &PlatformChoice) -> Result<Chosen, Error> {
    let (digest, manifest) = source.top().await?;
    let chosen = |digest, manifest, config| Chosen {
        digest,
        manifest,
        config,
    };
    let PlatformChoice::One(wanted) = platform else {
        return Ok(chosen(digest, manifest, None));
    };
    if manifest.kind() == ManifestKind::Index {
        let child = select(manifest.children(), wanted)?.clone();
        return Ok(chosen(child.digest, member(source, &child).await?, None));
    }
    let config = config_of(source, &manifest).await?;
    // What has no config of an image, such as an artifact, is for any machine.
    if let Some(Ok(config)) = config.clone().map(Config::parse) {
        check(&config.platform(), wanted)?;
    }
    Ok(chosen(digest, manifest, config))
}

/// Reads the config of an image, unless it is too large to be one.
async fn config_of(source: &dyn Source, manifest: &Manifest) -> Result<Option<Bytes>, Error> {
    match manifest.config() {
        Some(config) if config.size <= Config::LIMIT => {
            source::read(source, config, Config::LIMIT).await
        }
        _ => Ok(None),
    }
}

/// Reads one image of an index.
pub(crate) async fn member(source: &dyn Source, child: &Descriptor) -> Result<Manifest, Error> {
    match source.child(child).await? {
        Child::Manifest(manifest) => Ok(*manifest),
        Child::Blob | Child::Absent => Err(Error::new(
            ErrorKind::NotFound,
            format!(
                "the index lists `{}`, but the source does not have it",
                child.digest
            ),
        )),
    }
}
