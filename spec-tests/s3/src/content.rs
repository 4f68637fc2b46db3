//! The bytes of an object: written once, read in pieces, gone with their last holder.

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

/// Content up to this many bytes is held in memory.
const SMALL: usize = 64 * 1024;

/// Bytes read from a file at once.
const PIECE: usize = 256 * 1024;

/// Numbers the files of this process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// Bytes that never change.
#[derive(Debug)]
pub(crate) struct Content {
    place: Place,
    pub(crate) length: u64,
    /// MD5 of them, as ETags are made of it.
    pub(crate) md5: [u8; 16],
}

#[derive(Debug)]
enum Place {
    Memory(Bytes),
    File(PathBuf),
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::File(path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes a body to its end; a body that breaks off leaves nothing.
pub(crate) async fn receive<S, E>(folder: &Path, body: S) -> S3Result<Content>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = std::pin::pin!(body);
    let mut md5 = Md5::new();
    let mut length = 0;
    let mut small = Vec::new();
    let mut large: Option<(Place, File)> = None;
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            S3Error::with_source(S3ErrorCode::IncompleteBody, error.into())
        })?;
        md5.update(&piece);
        length += piece.len() as u64;
        if let Some((_, file)) = &mut large {
            file.write_all(&piece).map_err(S3Error::internal_error)?;
            continue;
        }
        small.extend_from_slice(&piece);
        if small.len() > SMALL {
            let number = FILES.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("content-{number}"));
            let mut file = File::create(&path).map_err(S3Error::internal_error)?;
            let place = Place::File(path);
            file.write_all(&small).map_err(S3Error::internal_error)?;
            small = Vec::new();
            large = Some((place, file));
        }
    }
    let place = match large {
        Some((place, _)) => place,
        None => Place::Memory(small.into()),
    };
    let md5 = md5.finalize();
    Ok(Content { place, length, md5 })
}

/// Returns a range of contents that stand one behind another.
pub(crate) async fn read(contents: &[Arc<Content>], range: Range<u64>) -> S3Result<StreamingBlob> {
    let mut parts = Vec::new();
    let mut start = 0;
    for content in contents {
        let end = start + content.length;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            parts.push(read_one(content, from - start..to - start).await?);
        }
        start = end;
    }
    Ok(StreamingBlob::wrap(stream::iter(parts).flatten()))
}

type Part = std::pin::Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send + Sync>>;

async fn read_one(content: &Content, range: Range<u64>) -> S3Result<Part> {
    match &content.place {
        Place::Memory(bytes) => {
            let range = range.start as usize..range.end as usize;
            let bytes = bytes.slice(range);
            Ok(Box::pin(stream::iter([Ok(bytes)])))
        }
        Place::File(path) => {
            let file = tokio::fs::File::open(path).await;
            let mut file = file.map_err(S3Error::internal_error)?;
            let at = std::io::SeekFrom::Start(range.start);
            file.seek(at).await.map_err(S3Error::internal_error)?;
            let file = file.take(range.end - range.start);
            Ok(Box::pin(ReaderStream::with_capacity(file, PIECE)))
        }
    }
}
