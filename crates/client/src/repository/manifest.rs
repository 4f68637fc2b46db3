//! Manifests: asking for, fetching, pushing and deleting them
//! (distribution-spec, "Pulling Manifests", "Pushing Manifests", "Deleting
//! tags", "Deleting Manifests").

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci::{
    Algorithm, Descriptor, Digest, MANIFEST_LIMIT, Manifest, MediaType, Mismatch, Reference,
};

use super::{Failures, Repository, Route, SMALL};
use crate::error::{Error, ErrorKind};
use crate::transport::{Answer, Request};

/// What is accepted. Registries that know types give the best match; the last
/// one keeps those from refusing that check types strictly.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json, */*";

/// Content types that say nothing: storages and proxies put them where they
/// know no better.
const VAGUE: [&str; 4] = [
    "application/json",
    "application/octet-stream",
    "binary/octet-stream",
    "text/plain",
];

/// Names the digest of the body (distribution-spec, "Pulling Manifests").
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// Says that the registry lists the pushed manifest as a referrer
/// (distribution-spec, "Pushing Manifests with Subject").
const SUBJECT: &str = "oci-subject";

/// Is a manifest that was fetched, and the digest that its bytes were checked
/// against.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The manifest.
    pub manifest: Manifest,
    /// Its digest: the one that was asked for, or for a tag the one that the
    /// registry named, or SHA-256.
    pub digest: Digest,
}

impl Repository {
    /// Asks what a reference points at, without fetching it; `None` where the
    /// registry has no such manifest.
    ///
    /// # Errors
    ///
    /// Fails when the registry does.
    pub async fn head_manifest(&self, reference: &Reference) -> Result<Option<Descriptor>, Error> {
        let mut failures = Failures::default();
        let mut absent = false;
        for route in &self.reading {
            match self.head_manifest_at(route, reference).await {
                Ok(descriptor) => return Ok(Some(descriptor)),
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

    /// Fetches a manifest of at most [`MANIFEST_LIMIT`] bytes, and checks it.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the bytes are not what their
    /// digest says, with [`ErrorKind::Protocol`] when they are no manifest or
    /// too many, and when the registry fails.
    pub async fn manifest(&self, reference: &Reference) -> Result<Fetched, Error> {
        let mut failures = Failures::default();
        for route in &self.reading {
            match self.manifest_at(route, reference).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => failures.add(route, error),
            }
        }
        Err(failures.into_error())
    }

    /// Pushes a manifest under a tag or under its digest, and gives the digest
    /// that it has. What it points at has to be there already.
    ///
    /// Where the manifest refers to a subject and the registry does not list
    /// referrers, the list under the fallback tag is brought up to date
    /// (distribution-spec, "Referrers Tag Schema").
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Mismatch`] when the digest is not that of the
    /// manifest, or the registry names another; and when the registry fails.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        manifest: &Manifest,
    ) -> Result<Digest, Error> {
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(_) => manifest.digest(Algorithm::Sha256),
        };
        let answer = self.put_bytes(reference, manifest, &digest).await?;
        if let Some(subject) = manifest.subject()
            && !answer.headers.contains_key(SUBJECT)
        {
            self.list_by_tag(subject, manifest, &digest).await?;
        }
        Ok(digest)
    }

    /// Deletes a tag, or a manifest with all its tags.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`] where there is none, and when the
    /// registry fails or does not permit deleting.
    pub async fn delete_manifest(&self, reference: &Reference) -> Result<(), Error> {
        let path = format!("manifests/{reference}");
        let request = self
            .request(&self.own, Method::DELETE, &path, &["delete"])
            .await?;
        let answer = self.exchange(&self.own, &request, SMALL).await?;
        answer.successful(&request).map(|_deleted| ())
    }

    /// Pushes the bytes of a manifest, and checks what the registry took them
    /// for.
    pub(super) async fn put_bytes(
        &self,
        reference: &Reference,
        manifest: &Manifest,
        digest: &Digest,
    ) -> Result<Answer, Error> {
        let path = format!("manifests/{reference}");
        let content_type = HeaderValue::from_str(manifest.media_type().as_str())
            .map_err(|error| Error::caused(ErrorKind::Protocol, "no media type", error))?;
        let request = self
            .request(&self.own, Method::PUT, &path, &["pull", "push"])
            .await?
            .with_header(header::CONTENT_TYPE, content_type)
            .with_body(manifest.bytes().clone());
        check(&request, digest, manifest.bytes())?;
        let answer = self.exchange(&self.own, &request, SMALL).await?;
        let answer = answer.successful(&request)?;
        match named(&answer.headers) {
            Some(named) if named.algorithm() == digest.algorithm() && named != *digest => {
                Err(mismatch(&request, *digest, named))
            }
            _ => Ok(answer),
        }
    }

    /// Asks by HEAD, and by GET where the answer to that does not suffice: old
    /// registries refuse HEAD or leave the digest out, and a refusal of HEAD
    /// does not say why.
    async fn head_manifest_at(
        &self,
        route: &Route,
        reference: &Reference,
    ) -> Result<Descriptor, Error> {
        let request = self.reading(route, Method::HEAD, reference).await?;
        let answer = self.exchange(route, &request, SMALL).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(answer.refusal(&request));
        }
        if answer.status.is_success()
            && let Some(descriptor) = described(&answer.headers, reference)
        {
            return Ok(descriptor);
        }
        let fetched = self.manifest_at(route, reference).await?;
        let size = fetched.manifest.bytes().len() as u64;
        let media_type = fetched.manifest.media_type().clone();
        Ok(Descriptor::new(media_type, fetched.digest, size))
    }

    pub(super) async fn manifest_at(
        &self,
        route: &Route,
        reference: &Reference,
    ) -> Result<Fetched, Error> {
        let request = self.reading(route, Method::GET, reference).await?;
        let limit = usize::try_from(MANIFEST_LIMIT).unwrap_or(usize::MAX);
        let answer = self.exchange(route, &request, limit).await?;
        let answer = answer.successful(&request)?;
        let digest = match reference {
            Reference::Digest(digest) => *digest,
            Reference::Tag(_) => {
                named(&answer.headers).unwrap_or_else(|| Digest::sha256(&answer.body))
            }
        };
        check(&request, &digest, &answer.body)?;
        let parsed = match content_type(&answer.headers) {
            Some(media_type) => Manifest::parse(answer.body, &media_type),
            None => Manifest::detect(answer.body),
        };
        let manifest = parsed.map_err(|error| {
            let context = format!("{} answered no usable manifest", request.asked());
            Error::caused(ErrorKind::Protocol, context, error)
        })?;
        Ok(Fetched { manifest, digest })
    }

    async fn reading(
        &self,
        route: &Route,
        method: Method,
        reference: &Reference,
    ) -> Result<Request, Error> {
        let path = format!("manifests/{reference}");
        let request = self.request(route, method, &path, &["pull"]).await?;
        Ok(request.with_header(header::ACCEPT, HeaderValue::from_static(ACCEPT)))
    }
}

/// Reads the digest that the registry names. One that can not be read is as
/// good as none.
pub(super) fn named(headers: &HeaderMap) -> Option<Digest> {
    headers
        .get(CONTENT_DIGEST)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Reads the media type, unless it says nothing.
fn content_type(headers: &HeaderMap) -> Option<MediaType> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let media_type: MediaType = text.parse().ok()?;
    (!VAGUE.contains(&media_type.as_str())).then_some(media_type)
}

/// Builds a descriptor from the headers of a HEAD, if they suffice.
fn described(headers: &HeaderMap, reference: &Reference) -> Option<Descriptor> {
    let digest = match reference {
        Reference::Digest(digest) => *digest,
        Reference::Tag(_) => named(headers)?,
    };
    let size = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?;
    Some(Descriptor::new(
        content_type(headers)?,
        digest,
        size.parse().ok()?,
    ))
}

/// Compares bytes with their digest. They are at most [`MANIFEST_LIMIT`], so
/// that hashing them here takes a few milliseconds.
fn check(request: &Request, expected: &Digest, bytes: &Bytes) -> Result<(), Error> {
    let actual = Digest::of(expected.algorithm(), bytes);
    if actual == *expected {
        return Ok(());
    }
    Err(mismatch(request, *expected, actual))
}

pub(super) fn mismatch(request: &Request, expected: Digest, actual: Digest) -> Error {
    Error::caused(
        ErrorKind::Mismatch,
        format!(
            "the content of {} is not what its digest says",
            request.asked()
        ),
        Mismatch::Digest { expected, actual },
    )
}
