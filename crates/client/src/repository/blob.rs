//! Blobs: asking for, fetching and deleting them (distribution-spec, "Pulling
//! Blobs", "Deleting Blobs").
//!
//! The bytes are counted here and hashed by whoever takes them; the reason is
//! in the crate's front page.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci::{Descriptor, Digest, Mismatch, Verifier};

use super::{Failures, Repository, Route, SMALL};
use crate::error::{Error, ErrorKind, Retry};
use crate::progress::Event;
use crate::transport::{Attempts, Drip, Request, refused};

/// How far a blob has to come between two failures for the second to count as
/// the first one, in bytes. A registry that breaks off after each byte is
/// given up.
const ADVANCE: u64 = 1024 * 1024;

impl Repository {
    /// Asks for the size of a blob in bytes; `None` where it is absent.
    ///
    /// # Errors
    ///
    /// Fails when the registry does.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let mut failures = Failures::default();
        let mut absent = false;
        for route in &self.reading {
            match self.blob_size_at(route, digest).await {
                Ok(size) => return Ok(Some(size)),
                Err(error) => {
                    absent = error.kind() == ErrorKind::NotFound;
                    failures.add(route, error);
                }
            }
        }
        if absent {
            return Ok(None);
        }
        Err(failures.into_error())
    }

    /// Fetches a blob. A connection that breaks is taken up again from where
    /// it broke.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the registry has another size
    /// for it than the descriptor, and when the registry fails.
    pub async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let fetching = self.fetch(descriptor, 0).await?;
        Ok(Blob { fetching })
    }

    /// Fetches what follows the first `offset` bytes of a blob, for whoever
    /// has those already and checks the whole.
    ///
    /// # Errors
    ///
    /// Fails as [`Repository::blob`] does.
    pub async fn blob_rest(
        &self,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, Error> {
        let fetching = self.fetch(descriptor, offset.min(descriptor.size)).await?;
        Ok(fetching.stream())
    }

    async fn fetch(&self, descriptor: &Descriptor, offset: u64) -> Result<Fetching, Error> {
        let mut fetching = Fetching {
            repository: self.clone(),
            digest: descriptor.digest,
            size: descriptor.size,
            position: offset,
            body: None,
            drip: Drip::new(),
            skip: 0,
            way: 0,
            attempts: self.attempts(0),
            progressed: offset,
            failures: Failures::default(),
        };
        // At the end there is no range left to ask for.
        if offset < descriptor.size || offset == 0 {
            fetching.opened().await?;
        }
        Ok(fetching)
    }

    /// Deletes a blob.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] where there is none, and when the
    /// registry fails or does not permit deleting.
    pub async fn delete_blob(&self, digest: &Digest) -> Result<(), Error> {
        let path = format!("blobs/{digest}");
        let request = self
            .request(&self.own, Method::DELETE, &path, &["delete"])
            .await?;
        let answer = self.exchange(&self.own, &request, SMALL).await?;
        answer.successful(&request).map(|_deleted| ())
    }

    /// Asks by HEAD, and where that does not tell, for the first byte: storage
    /// behind a redirect often takes a signature for GET alone.
    pub(super) async fn blob_size_at(&self, route: &Route, digest: &Digest) -> Result<u64, Error> {
        let path = format!("blobs/{digest}");
        let request = self.request(route, Method::HEAD, &path, &["pull"]).await?;
        let answer = self.exchange(route, &request, SMALL).await?;
        match answer.status {
            status if status.is_success() => {
                if let Some(size) = number(&answer.headers, &header::CONTENT_LENGTH) {
                    return Ok(size);
                }
            }
            StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED => {}
            _ => return Err(answer.refusal(&request)),
        }
        let request = self
            .request(route, Method::GET, &path, &["pull"])
            .await?
            .with_header(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        let response = self.transport.open(&route.endpoint, &request).await?;
        let size = match response.status() {
            StatusCode::PARTIAL_CONTENT => range(response.headers()).and_then(|range| range.total),
            StatusCode::OK => number(response.headers(), &header::CONTENT_LENGTH),
            _ => return Err(refused(&request, response).await),
        };
        size.ok_or_else(|| Error::protocol(format!("{} does not tell its size", request.asked())))
    }

    fn attempts(&self, way: usize) -> Attempts {
        let patience = &self.transport.patience;
        if way + 1 == self.reading.len() {
            patience.begin()
        } else {
            patience.once()
        }
    }
}

/// Is a blob that a registry is ready to send.
pub struct Blob {
    fetching: Fetching,
}

impl Blob {
    /// Names the blob.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.fetching.digest
    }

    /// Counts its bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.fetching.size
    }

    /// Reads a small blob whole, and checks it. It is hashed where this runs,
    /// so `limit`, in bytes, should be some megabytes at most.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the content is not what its
    /// digest says, with [`ErrorKind::Protocol`] when it has more than `limit`
    /// bytes, and when the registry fails.
    pub async fn read(self, limit: u64) -> Result<Bytes, Error> {
        let (digest, size) = (self.fetching.digest, self.fetching.size);
        if size > limit {
            return Err(Error::protocol(format!(
                "the blob `{digest}` has {size} bytes, more than the {limit} that are read"
            )));
        }
        let mut verifier = Verifier::new(digest, size);
        let mut content = BytesMut::new();
        let mut pieces = self.unverified();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            verifier
                .update(&piece)
                .map_err(|error| mismatch(&digest, error))?;
            content.extend_from_slice(&piece);
        }
        verifier
            .finish()
            .map_err(|error| mismatch(&digest, error))?;
        Ok(content.freeze())
    }

    /// Gives the bytes to a taker that compares them with [`Blob::digest`]
    /// itself, on a thread where hashing is no harm. Their number is checked.
    #[must_use]
    pub fn unverified(self) -> BlobStream {
        self.fetching.stream()
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("digest", &self.fetching.digest)
            .field("size", &self.fetching.size)
            .finish_non_exhaustive()
    }
}

/// Streams exactly the bytes that were promised, or fails. That they are the
/// right ones is still to be found out.
pub struct BlobStream {
    pieces: BoxStream<'static, Result<Bytes, Error>>,
    size: u64,
}

impl BlobStream {
    /// Counts the bytes that were promised.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Stream for BlobStream {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

type Body = BoxStream<'static, Result<Bytes, reqwest::Error>>;

/// Is a blob on its way.
struct Fetching {
    repository: Repository,
    digest: Digest,
    size: u64,
    /// How many bytes were given on.
    position: u64,
    /// The connection that is being read, and what it was asked.
    body: Option<(Request, Body)>,
    /// How fast that comes.
    drip: Drip,
    /// Bytes of the connection that were given on already: the registry
    /// started anew although it was asked to go on.
    skip: u64,
    /// Which of the ways to the repository is taken.
    way: usize,
    attempts: Attempts,
    /// The position at the last failure.
    progressed: u64,
    failures: Failures,
}

impl Fetching {
    fn stream(self) -> BlobStream {
        let size = self.size - self.position;
        let pieces = futures_util::stream::try_unfold(self, |mut fetching| async move {
            let piece = fetching.next().await?;
            Ok(piece.map(|piece| (piece, fetching)))
        });
        BlobStream {
            pieces: pieces.boxed(),
            size,
        }
    }

    /// Gives the next bytes; `None` when all have come.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.body.is_none() && self.position > 0 && self.position == self.size {
                return Ok(None);
            }
            let Some((request, body)) = &mut self.body else {
                self.opened().await?;
                continue;
            };
            let length = |piece: &Option<Result<Bytes, _>>| match piece {
                Some(Ok(piece)) => piece.len(),
                _ => 0,
            };
            let piece = self.drip.wait(body.next(), length).await;
            if self.position == self.size {
                return match piece {
                    Ok(Some(Ok(piece))) if !piece.is_empty() => {
                        Err(self.too_long(piece.len() as u64))
                    }
                    // Everything is here; how the connection ends is no matter.
                    _ => Ok(None),
                };
            }
            let error = match piece {
                Ok(Some(Ok(piece))) => match self.accepted(piece)? {
                    Some(piece) => return Ok(Some(piece)),
                    None => continue,
                },
                Ok(Some(Err(error))) => Error::network(&request.asked(), error),
                Ok(None) => Error::new(
                    ErrorKind::Unavailable,
                    format!(
                        "{} ended after {} of {} bytes",
                        request.asked(),
                        self.position,
                        self.size
                    ),
                )
                .retrying(Retry::Soon),
                Err(slow) => slow.of(&request.asked()),
            };
            self.body = None;
            self.failed(error).await?;
        }
    }

    /// Takes note of bytes that came, and gives what of them is new.
    fn accepted(&mut self, mut piece: Bytes) -> Result<Option<Bytes>, Error> {
        let known = self.skip.min(piece.len() as u64);
        self.skip -= known;
        let piece = piece.split_off(usize::try_from(known).unwrap_or(piece.len()));
        if piece.is_empty() {
            return Ok(None);
        }
        let length = piece.len() as u64;
        if length > self.size - self.position {
            return Err(self.too_long(length));
        }
        self.position += length;
        self.repository.progress.note(&Event::Received {
            digest: &self.digest,
            position: self.position,
            size: self.size,
        });
        Ok(Some(piece))
    }

    fn too_long(&self, more: u64) -> Error {
        let (expected, actual) = (self.size, self.position + more);
        mismatch(&self.digest, Mismatch::Size { expected, actual })
    }

    /// Sees to it that there is a connection to read, trying again and along
    /// other ways.
    async fn opened(&mut self) -> Result<(), Error> {
        while self.body.is_none() {
            if let Err(error) = self.open().await {
                self.failed(error).await?;
            }
        }
        Ok(())
    }

    /// Waits after a failure, or goes on to the next way, or gives up.
    async fn failed(&mut self, error: Error) -> Result<(), Error> {
        if self.position >= self.progressed + ADVANCE {
            self.attempts.advanced();
        }
        self.progressed = self.position;
        let route = &self.repository.reading[self.way];
        let registry = &route.endpoint.registry;
        let waited = self
            .attempts
            .wait(error, registry, &*self.repository.progress);
        let Err(error) = waited.await else {
            return Ok(());
        };
        self.failures.add(route, error);
        if self.way + 1 == self.repository.reading.len() {
            return Err(std::mem::take(&mut self.failures).into_error());
        }
        self.way += 1;
        self.attempts = self.repository.attempts(self.way);
        Ok(())
    }

    /// Asks for the bytes from the position on.
    async fn open(&mut self) -> Result<(), Error> {
        let route = &self.repository.reading[self.way];
        let path = format!("blobs/{}", self.digest);
        let request = self
            .repository
            .request(route, Method::GET, &path, &["pull"]);
        let mut request = request.await?;
        if self.position > 0 {
            let range = format!("bytes={}-", self.position);
            let range = HeaderValue::from_str(&range).expect("digits and ASCII signs");
            request = request.with_header(header::RANGE, range);
        }
        let transport = &self.repository.transport;
        let response = transport.open(&route.endpoint, &request).await?;
        let headers = response.headers();
        let (start, total) = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = range(headers).ok_or_else(|| {
                    Error::protocol(format!("{} answered no usable range", request.asked()))
                })?;
                (range.start, range.total)
            }
            status if status.is_success() => (0, number(headers, &header::CONTENT_LENGTH)),
            _ => return Err(refused(&request, response).await),
        };
        if let Some(actual) = total.filter(|total| *total != self.size) {
            let expected = self.size;
            return Err(mismatch(&self.digest, Mismatch::Size { expected, actual }));
        }
        self.skip = self
            .position
            .checked_sub(start)
            .ok_or_else(|| Error::protocol(format!("{} left bytes out", request.asked())))?;
        self.body = Some((request, response.bytes_stream().boxed()));
        self.drip = Drip::new();
        Ok(())
    }
}

fn mismatch(digest: &Digest, cause: Mismatch) -> Error {
    Error::caused(
        ErrorKind::Mismatch,
        format!("the content of blob `{digest}` is not what was promised"),
        cause,
    )
}

fn number(headers: &HeaderMap, name: &header::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Is what `Content-Range` says (RFC 9110, section 14.4).
#[derive(Debug, PartialEq, Eq)]
struct Range {
    start: u64,
    total: Option<u64>,
}

fn range(headers: &HeaderMap) -> Option<Range> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?.trim();
    let (range, total) = text.strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _end) = range.split_once('-')?;
    Some(Range {
        start: start.trim().parse().ok()?,
        total: match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 0-0/*", Some((0, None))),
            ("bytes=1-2/3", None),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("bytes -5/10", None),
            ("items 0-1/2", None),
            ("bytes 0-1/-2", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(text));
            let found = range(&headers).map(|range| (range.start, range.total));
            assert_eq!(found, expected, "{text}");
        }
    }
}
