//! Sources: what every place can be asked for, and how bytes come out of it.

use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use oci::{Descriptor, Digest, MANIFEST_LIMIT, Manifest, ManifestKind, MediaType, Verifier};

use crate::blocking;
use crate::error::{End, Error, ErrorKind};

/// Streams the bytes of a blob in pieces.
pub type BlobStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Streams bytes in pieces.
pub(crate) type Pieces = BlobStream;

/// Has one image.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Gives the manifest that the place names, and its digest.
    async fn top(&self) -> Result<(Digest, Manifest), Error>;

    /// Gives what an index points at; see [`Child`].
    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error>;

    /// Streams a blob from `offset` on; `None` where the source has none. The
    /// stream has exactly the bytes that the descriptor promises, or fails;
    /// their digest is not checked.
    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error>;

    /// Lists the repositories that have a blob, as far as that is known: a
    /// registry can take it over from one of its own.
    async fn origins(&self, _blob: &Descriptor) -> Result<Vec<client::Repository>, Error> {
        Ok(Vec::new())
    }
}

/// Is a source whose failures say that they are the source's.
pub(crate) struct Blamed(pub(crate) Arc<dyn Source>);

#[async_trait]
impl Source for Blamed {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        self.0.top().await.map_err(of_source)
    }

    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error> {
        self.0.child(descriptor).await.map_err(of_source)
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        let pieces = self.0.open(descriptor, offset).await.map_err(of_source)?;
        Ok(pieces.map(|pieces| Box::pin(pieces.map_err(of_source)) as Pieces))
    }

    async fn origins(&self, blob: &Descriptor) -> Result<Vec<client::Repository>, Error> {
        self.0.origins(blob).await.map_err(of_source)
    }
}

/// Says that the source of a copy failed.
pub(crate) fn of_source(error: Error) -> Error {
    error.at(End::Source)
}

/// Is what an index points at.
pub(crate) enum Child {
    /// A manifest.
    Manifest(Box<Manifest>),
    /// Content of another kind, which some programs put into an index.
    Blob,
    /// Nothing: the source does not have it (a sparse index).
    Absent,
}

/// Says whether content of this type has to be a manifest.
pub(crate) fn is_manifest(media_type: &MediaType) -> bool {
    [
        MediaType::OCI_MANIFEST,
        MediaType::OCI_INDEX,
        MediaType::DOCKER_MANIFEST,
        MediaType::DOCKER_LIST,
    ]
    .contains(media_type)
}

/// Reads what an index points at where manifests lie among the blobs.
pub(crate) async fn stored_child(
    source: &dyn Source,
    descriptor: &Descriptor,
) -> Result<Child, Error> {
    let must = is_manifest(&descriptor.media_type);
    if !must && descriptor.size > MANIFEST_LIMIT {
        return Ok(Child::Blob);
    }
    let Some(bytes) = read(source, descriptor, MANIFEST_LIMIT).await? else {
        return Ok(Child::Absent);
    };
    match Manifest::parse(bytes, &descriptor.media_type) {
        Ok(manifest) => Ok(Child::Manifest(Box::new(manifest))),
        Err(error) if must => Err(unreadable(&descriptor.digest, error)),
        Err(_) => Ok(Child::Blob),
    }
}

/// Reads the manifest that a name of a local place points at.
pub(crate) async fn stored_top(
    source: &dyn Source,
    descriptor: &Descriptor,
) -> Result<(Digest, Manifest), Error> {
    let digest = descriptor.digest;
    let bytes = read(source, descriptor, MANIFEST_LIMIT)
        .await?
        .ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("the manifest `{digest}` is missing"),
            )
        })?;
    let manifest = Manifest::parse(bytes, &descriptor.media_type)
        .map_err(|error| unreadable(&digest, error))?;
    Ok((digest, manifest))
}

fn unreadable(digest: &Digest, error: oci::ManifestError) -> Error {
    Error::caused(
        ErrorKind::Invalid,
        format!("`{digest}` is not the manifest that it should be"),
        error,
    )
}

/// Reads a small blob whole, and checks it; `None` where there is none.
pub(crate) async fn read(
    source: &dyn Source,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Option<Bytes>, Error> {
    if descriptor.size > limit {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "`{}` has {} bytes, more than the {limit} that are read",
                descriptor.digest, descriptor.size
            ),
        ));
    }
    let Some(pieces) = source.open(descriptor, 0).await? else {
        return Ok(None);
    };
    let mut pieces = verified(pieces, descriptor);
    let mut all = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(Some(all.freeze()))
}

/// Checks bytes against digest and size while they pass. The last piece is
/// given out only after everything was found right, so that whoever receives
/// them never has the whole of wrong content.
pub(crate) fn verified(pieces: Pieces, descriptor: &Descriptor) -> Pieces {
    let digest = descriptor.digest;
    let state = Checking {
        pieces,
        remaining: descriptor.size,
        verifier: Some(Verifier::new(digest, descriptor.size)),
        digest,
    };
    let checked = futures_util::stream::try_unfold(state, |mut state| async move {
        let piece = state.next().await?;
        Ok::<_, Error>(piece.map(|piece| (piece, state)))
    });
    Box::pin(checked)
}

struct Checking {
    pieces: Pieces,
    remaining: u64,
    verifier: Option<Verifier>,
    digest: Digest,
}

impl Checking {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let digest = self.digest;
        let piece = self.pieces.try_next().await?;
        let Some(mut verifier) = self.verifier.take() else {
            // Everything was found right; only nothing may follow.
            return match piece {
                Some(piece) if !piece.is_empty() => Err(wrong_size(&digest)),
                _ => Ok(None),
            };
        };
        let ends = match &piece {
            Some(piece) => {
                let size = piece.len() as u64;
                self.remaining = self
                    .remaining
                    .checked_sub(size)
                    .ok_or_else(|| wrong_size(&digest))?;
                self.remaining == 0
            }
            None => true,
        };
        let hashed = piece.clone();
        self.verifier = blocking::run(move || {
            let wrong = |mismatch| mismatched(&digest, mismatch);
            if let Some(piece) = hashed {
                verifier.update(&piece).map_err(wrong)?;
            }
            if ends {
                verifier.finish().map_err(wrong)?;
                return Ok(None);
            }
            Ok(Some(verifier))
        })
        .await?;
        Ok(piece)
    }
}

pub(crate) fn mismatched(digest: &Digest, mismatch: oci::Mismatch) -> Error {
    Error::caused(
        ErrorKind::Mismatch,
        format!("the content of `{digest}` is not what was promised"),
        mismatch,
    )
}

fn wrong_size(digest: &Digest) -> Error {
    Error::new(
        ErrorKind::Mismatch,
        format!("`{digest}` has more bytes than was promised"),
    )
}

/// Is a part of a file: a blob of a layout, an entry of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) file: Arc<fs_err::File>,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Part {
    /// The bytes that are read at once: as many as [`blob::Intake`] takes
    /// without gathering them first.
    const PIECE: u64 = blob::Intake::PIECE as u64;

    /// Streams the part from `start` on.
    pub(crate) fn stream(self, start: u64) -> Pieces {
        let read = futures_util::stream::try_unfold(start, move |position| {
            let part = self.clone();
            async move {
                if position >= part.size {
                    return Ok(None);
                }
                let length = Self::PIECE.min(part.size - position);
                let piece = blocking::run(move || part.read(position, length)).await?;
                Ok(Some((piece, position + length)))
            }
        });
        Box::pin(read)
    }

    /// Reads some bytes of the part. It blocks.
    pub(crate) fn read(&self, position: u64, length: u64) -> Result<Bytes, Error> {
        // A piece has at most what the caller has found to be there.
        let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
        let path = self.file.path().display();
        self.file
            .file()
            .read_exact_at(&mut piece, self.offset + position)
            .map_err(|error| Error::file(format!("can not read `{path}`"), error))?;
        Ok(piece.into())
    }

    /// Says whether the part has the size that was promised.
    pub(crate) fn promised(&self, descriptor: &Descriptor) -> Result<(), Error> {
        if self.size == descriptor.size {
            return Ok(());
        }
        Err(mismatched(
            &descriptor.digest,
            oci::Mismatch::Size {
                expected: descriptor.size,
                actual: self.size,
            },
        ))
    }
}

/// Says that a manifest is of a kind whose parts are not known.
pub(crate) fn refuse_schema1(manifest: &Manifest) -> Result<(), Error> {
    let legacy = manifest
        .media_type()
        .as_str()
        .starts_with("application/vnd.docker.distribution.manifest.v1+");
    if legacy && manifest.kind() == ManifestKind::Other {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "the image has a Docker schema 1 manifest, which was retired in 2019",
        ));
    }
    Ok(())
}
