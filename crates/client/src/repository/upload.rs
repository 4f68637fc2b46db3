//! Pushing blobs (distribution-spec, "Pushing Blobs") and mounting them from
//! other repositories ("Mounting a blob from another repository").
//!
//! A blob goes up as POST and one PUT. Where that is refused it goes up in
//! pieces, and where a connection breaks the registry is asked how far it came.
//! That the content is right is checked by the registry, against the digest
//! that closes the upload.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci::{Digest, RepositoryName};
use reqwest::Body;
use url::Url;

use super::manifest::{mismatch, named};
use super::{Repository, SMALL};
use crate::error::{Error, ErrorKind, Retry};
use crate::source::{Replay, Source};
use crate::transport::{Answer, Attempts, Pulse, Request, place};

mod metered;

use metered::{Fault, Metered};

/// How much one PATCH carries, in bytes. Proxies in front of registries often
/// end requests at 100 MB.
const PIECE: u64 = 64 * 1024 * 1024;

/// The least that one PATCH carries when larger ones are refused, in bytes.
const SMALLEST_PIECE: u64 = 1024 * 1024;

/// Names the least that one PATCH may carry (distribution-spec, "Pushing a
/// blob in chunks").
const CHUNK_MIN_LENGTH: &str = "oci-chunk-min-length";

/// Says what came of a wish to mount a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// The blob is in the repository now.
    Done,
    /// The registry did not do it; the blob has to be pushed.
    Refused,
}

impl Repository {
    /// Asks the registry to take a blob over from another of its repositories,
    /// without any bytes being sent.
    ///
    /// # Errors
    ///
    /// Fails when the registry can not be reached. That it refuses, for
    /// whatever reason, is [`Mounted::Refused`].
    pub async fn mount_blob(
        &self,
        digest: &Digest,
        from: &RepositoryName,
    ) -> Result<Mounted, Error> {
        let mut request = self.pushing(Method::POST, "blobs/uploads/").await?;
        request
            .url
            .query_pairs_mut()
            .append_pair("mount", &digest.to_string())
            .append_pair("from", from.as_str());
        request.ask.scopes = request.ask.scopes.and_pull(from);
        let answer = match self.exchange(&self.own, &request, SMALL).await {
            Ok(answer) => answer,
            // A token endpoint may refuse the second scope.
            Err(error) if error.kind() == ErrorKind::Denied => return Ok(Mounted::Refused),
            Err(error) => return Err(error),
        };
        match answer.status {
            StatusCode::CREATED => Ok(Mounted::Done),
            StatusCode::ACCEPTED => {
                // An upload was begun that nobody will go on with.
                if let Ok(url) = place(&request.url, &answer.headers) {
                    self.cancel(url).await;
                }
                Ok(Mounted::Refused)
            }
            status if status.is_client_error() => Ok(Mounted::Refused),
            _ => Err(answer.refusal(&request)),
        }
    }

    /// Pushes a blob of `size` bytes. Whether it is there already is not asked;
    /// see [`Repository::blob_size`].
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Source`] when the source does, with
    /// [`ErrorKind::Mismatch`] when the registry finds that the content is not
    /// what the digest says, and when the registry fails. A source that can be
    /// read once only is not tried again.
    pub async fn push_blob(
        &self,
        digest: &Digest,
        size: u64,
        source: &dyn Source,
    ) -> Result<(), Error> {
        let uploading = Uploading {
            repository: self,
            digest: *digest,
            size,
            source,
            attempts: self.transport.patience.begin(),
            in_pieces: false,
            piece: PIECE,
            smallest: SMALLEST_PIECE,
        };
        uploading.run().await
    }

    async fn pushing(&self, method: Method, path: &str) -> Result<Request, Error> {
        self.request(&self.own, method, path, &["pull", "push"])
            .await
    }

    /// Ends an upload. If that fails the registry will forget it in its time.
    async fn cancel(&self, url: Url) {
        let cancelling = async {
            let mut request = self.pushing(Method::DELETE, "").await?;
            request.url = url;
            let endpoint = &self.own.endpoint;
            self.transport.whole(endpoint, &request, SMALL).await
        };
        if let Err(error) = cancelling.await {
            tracing::debug!(%error, "an upload could not be cancelled");
        }
    }
}

/// Is a blob on its way to a registry.
struct Uploading<'a> {
    repository: &'a Repository,
    digest: Digest,
    size: u64,
    source: &'a dyn Source,
    attempts: Attempts,
    /// Whether one PUT with everything was refused.
    in_pieces: bool,
    piece: u64,
    smallest: u64,
}

/// Is what has to be done next. The URL is where the upload is.
enum Step {
    Begin,
    /// Send everything with one PUT.
    Whole(Url),
    /// Send a piece, from this byte on.
    Piece(Url, u64),
    /// Close an upload that has all bytes.
    Close(Url),
    /// Find out how far it came.
    Ask(Url),
    Done,
}

impl Uploading<'_> {
    async fn run(mut self) -> Result<(), Error> {
        let mut step = Step::Begin;
        loop {
            step = match step {
                Step::Begin => self.begin().await?,
                Step::Whole(url) => self.whole(url).await?,
                Step::Piece(url, start) => self.piece(url, start).await?,
                Step::Close(url) => self.close(url).await?,
                Step::Ask(url) => self.ask(url).await?,
                Step::Done => return Ok(()),
            };
        }
    }

    async fn begin(&mut self) -> Result<Step, Error> {
        let repository = self.repository;
        let request = repository.pushing(Method::POST, "blobs/uploads/").await?;
        let answer = repository.exchange(&repository.own, &request, SMALL);
        let answer = answer.await?.successful(&request)?;
        let url = place(&request.url, &answer.headers)?;
        if let Some(least) = length(&answer.headers, CHUNK_MIN_LENGTH) {
            self.smallest = self.smallest.max(least);
            self.piece = self.piece.max(least);
        }
        Ok(if self.size == 0 {
            Step::Close(url)
        } else if self.in_pieces {
            Step::Piece(url, 0)
        } else {
            Step::Whole(url)
        })
    }

    async fn whole(&mut self, url: Url) -> Result<Step, Error> {
        let request = self.upload_request(Method::PUT, self.closing(&url)).await?;
        match self.send(&request, 0, self.size).await {
            Ok(answer) => {
                let replayable = self.source.replay() == Replay::Possible;
                if replayable && refuses_whole(&answer.refusal(&request)) {
                    self.in_pieces = true;
                    if answer.status == StatusCode::PAYLOAD_TOO_LARGE {
                        self.shrink();
                    }
                    self.repository.cancel(url).await;
                    return Ok(Step::Begin);
                }
                self.closed(&request, answer, url).await
            }
            Err(error) => self.failed(error, url).await,
        }
    }

    async fn piece(&mut self, url: Url, start: u64) -> Result<Step, Error> {
        let end = self.size.min(start.saturating_add(self.piece));
        let range = format!("{start}-{}", end - 1);
        let range = HeaderValue::from_str(&range).expect("digits and a dash");
        let request = self
            .upload_request(Method::PATCH, url.clone())
            .await?
            .with_header(header::CONTENT_RANGE, range);
        let answer = match self.send(&request, start, end).await {
            Ok(answer) => answer,
            Err(error) => return self.failed(error, url).await,
        };
        match answer.status {
            status if status.is_success() => {}
            StatusCode::PAYLOAD_TOO_LARGE if self.shrink() => return Ok(Step::Ask(url)),
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_FOUND => {
                let error = answer.refusal(&request).retrying(Retry::Soon);
                return self.failed(error, url).await;
            }
            _ => return self.failed(judged(answer.refusal(&request)), url).await,
        }
        let next = place(&request.url, &answer.headers).unwrap_or(url);
        let reached = received(&answer.headers).unwrap_or(end);
        if reached > end {
            return Err(Error::protocol(format!(
                "{} says that it has {reached} bytes, after {end}",
                request.asked()
            )));
        }
        if reached <= start {
            let error = answer.refusal(&request).of_kind(ErrorKind::Protocol);
            return self.failed(error.retrying(Retry::Soon), next).await;
        }
        self.attempts.advanced();
        Ok(if reached == self.size {
            Step::Close(next)
        } else {
            Step::Piece(next, reached)
        })
    }

    async fn close(&mut self, url: Url) -> Result<Step, Error> {
        let request = self.upload_request(Method::PUT, self.closing(&url)).await?;
        let repository = self.repository;
        let endpoint = &repository.own.endpoint;
        match repository.transport.whole(endpoint, &request, SMALL).await {
            Ok(answer) => self.closed(&request, answer, url).await,
            Err(error) => self.failed(error, url).await,
        }
    }

    /// Asks how far the upload came. The answer to its end may have been lost,
    /// so the blob is looked for first.
    async fn ask(&mut self, url: Url) -> Result<Step, Error> {
        let repository = self.repository;
        match repository.blob_size_at(&repository.own, &self.digest).await {
            Ok(size) if size == self.size => return Ok(Step::Done),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut request = repository.pushing(Method::GET, "").await?;
        request.url = url.clone();
        let answer = repository
            .exchange(&repository.own, &request, SMALL)
            .await?;
        if !answer.status.is_success() {
            // It is forgotten, or can not be asked: only the start is certain.
            return Ok(Step::Begin);
        }
        let next = place(&request.url, &answer.headers).unwrap_or(url);
        match received(&answer.headers) {
            Some(all) if all == self.size => Ok(Step::Close(next)),
            Some(some) if some < self.size => {
                self.in_pieces = true;
                Ok(Step::Piece(next, some))
            }
            _ => {
                repository.cancel(next).await;
                Ok(Step::Begin)
            }
        }
    }

    /// Judges the answer to the PUT that ends an upload.
    async fn closed(&mut self, request: &Request, answer: Answer, url: Url) -> Result<Step, Error> {
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => {
                let error = answer.refusal(request).retrying(Retry::Soon);
                self.failed(error, url).await
            }
            status if status.is_success() => match named(&answer.headers) {
                Some(named)
                    if named.algorithm() == self.digest.algorithm() && named != self.digest =>
                {
                    Err(mismatch(request, self.digest, named))
                }
                _ => Ok(Step::Done),
            },
            _ => self.failed(judged(answer.refusal(request)), url).await,
        }
    }

    /// Waits after a failure that may pass, where the bytes can be had again;
    /// any other is returned.
    async fn failed(&mut self, error: Error, url: Url) -> Result<Step, Error> {
        if self.source.replay() == Replay::Impossible {
            return Err(error);
        }
        let repository = self.repository;
        let registry = &repository.own.endpoint.registry;
        let waited = self.attempts.wait(error, registry, &*repository.progress);
        waited.await?;
        Ok(Step::Ask(url))
    }

    /// Sends the bytes from `start` to `end`, once.
    async fn send(&self, request: &Request, start: u64, end: u64) -> Result<Answer, Error> {
        let opened = self.source.open(start).await;
        let pieces = opened.map_err(|cause| self.unreadable(cause))?;
        let (pulse, fault) = (Pulse::default(), Fault::default());
        let metered = Metered {
            pieces,
            digest: self.digest,
            size: self.size,
            position: start,
            end,
            progress: self.repository.progress.clone(),
            pulse: pulse.clone(),
            fault: fault.clone(),
        };
        let request = request
            .clone()
            .with_header(header::CONTENT_LENGTH, HeaderValue::from(end - start));
        let repository = self.repository;
        let endpoint = &repository.own.endpoint;
        let body = Body::wrap_stream(metered);
        let sent = repository
            .transport
            .stream(endpoint, &request, body, &pulse)
            .await;
        match fault.take() {
            Some(cause) => Err(self.unreadable(cause)),
            None => sent,
        }
    }

    fn unreadable(&self, cause: crate::error::BoxError) -> Error {
        let context = format!("the content of blob `{}` can not be read", self.digest);
        Error::caused(ErrorKind::Source, context, cause)
    }

    async fn upload_request(&self, method: Method, url: Url) -> Result<Request, Error> {
        let mut request = self.repository.pushing(method, "").await?;
        request.url = url;
        let octets = HeaderValue::from_static("application/octet-stream");
        Ok(request.with_header(header::CONTENT_TYPE, octets))
    }

    fn closing(&self, url: &Url) -> Url {
        let mut url = url.clone();
        url.query_pairs_mut()
            .append_pair("digest", &self.digest.to_string());
        url
    }

    /// Makes the pieces smaller, if they can be.
    fn shrink(&mut self) -> bool {
        let smaller = (self.piece.min(self.size) / 4).max(self.smallest);
        let shrunk = smaller < self.piece.min(self.size);
        self.piece = smaller;
        shrunk
    }
}

/// Says whether a refusal is of one PUT with everything, rather than of the
/// blob.
fn refuses_whole(error: &Error) -> bool {
    match error.status().map(|status| status.as_u16()) {
        Some(405 | 411 | 413 | 415 | 501) => true,
        Some(400) => error.reasons().is_empty() || error.has_code("UNSUPPORTED"),
        _ => false,
    }
}

/// Tells content that is not what was promised from other refusals.
fn judged(error: Error) -> Error {
    if error.has_code("DIGEST_INVALID") || error.has_code("SIZE_INVALID") {
        return error.of_kind(ErrorKind::Mismatch);
    }
    error
}

/// Reads how many bytes an upload has from `Range: 0-<last>`. `0-0` is what
/// registries say of one byte and of none, so it says nothing.
fn received(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RANGE)?.to_str().ok()?.trim();
    let text = text.strip_prefix("bytes=").unwrap_or(text);
    let last: u64 = text.strip_prefix("0-")?.parse().ok()?;
    (last > 0).then(|| last.saturating_add(1))
}

fn length(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_an_upload_came() {
        for (range, expected) in [
            ("0-9", Some(10)),
            ("bytes=0-9", Some(10)),
            ("0-0", None),
            ("1-9", None),
            ("0--1", None),
            ("0-18446744073709551615", Some(u64::MAX)),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            assert_eq!(received(&headers), expected, "{range}");
        }
        assert_eq!(received(&HeaderMap::new()), None);
    }
}
