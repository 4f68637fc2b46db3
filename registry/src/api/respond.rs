//! Building answers: the headers that clients rely on, spelled once.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use oci::{Digest, MediaType, RepositoryName};

/// Names the digest of what is answered (distribution-spec, "Pulling
/// manifests").
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Names the subject of a manifest that was pushed.
pub(super) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// Names a tag that was moved to a manifest that was pushed by digest.
pub(super) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Says by what a list of referrers was filtered.
pub(super) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");
/// Names an upload, for clients of before the specification.
pub(super) const UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Builds an answer by its parts.
#[derive(Debug)]
pub(super) struct Answer {
    response: Response<Body>,
}

impl Answer {
    /// Answers with a status and nothing else.
    pub(super) fn new(status: StatusCode) -> Self {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        Self { response }
    }

    /// Sets a header. What can not be a header's value is left out: all that
    /// is told here was parsed, and has no control characters.
    pub(super) fn header(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.response.headers_mut().append(name, value);
        }
        self
    }

    /// Points at what was made, by a path: an absolute URL would not survive
    /// a proxy that ends TLS.
    pub(super) fn location(self, path: impl AsRef<str>) -> Self {
        self.header(LOCATION, path)
    }

    /// Names the content.
    pub(super) fn digest(self, digest: &Digest) -> Self {
        self.header(CONTENT_DIGEST, digest.to_string())
    }

    /// Describes content that never changes under its name.
    pub(super) fn content(self, media_type: &MediaType, size: u64, digest: &Digest) -> Self {
        self.header(CONTENT_TYPE, media_type.as_str())
            .header(CONTENT_LENGTH, size.to_string())
            .header(ETAG, etag(digest))
            .digest(digest)
    }

    /// Sends this.
    pub(super) fn body(mut self, body: Body) -> Response<Body> {
        *self.response.body_mut() = body;
        self.response
    }

    /// Sends nothing.
    pub(super) fn empty(self) -> Response<Body> {
        self.response
    }

    /// Sends JSON that is made for this answer.
    pub(super) fn json(self, media_type: &str, value: impl Into<Body>) -> Response<Body> {
        self.header(CONTENT_TYPE, media_type).body(value.into())
    }
}

/// Spells how much of an upload there is: `0-<last>`. Nothing is spelled
/// `0-0` as well, which clients know (distribution-spec, "Pushing a blob in
/// chunks").
pub(super) fn upload_range(length: u64) -> HeaderValue {
    let text = format!("0-{}", length.saturating_sub(1));
    HeaderValue::from_str(&text).unwrap_or_else(|_never| HeaderValue::from_static("0-0"))
}

/// Sets the `Range` header of an upload's answer.
pub(super) fn upload_answer(
    status: StatusCode,
    name: &RepositoryName,
    upload: &store::Upload,
) -> Response<Body> {
    let id = upload.id().as_str();
    let mut response = Answer::new(status)
        .location(format!("/v2/{name}/blobs/uploads/{id}"))
        .header(UPLOAD_UUID, id)
        .empty();
    response
        .headers_mut()
        .insert(RANGE, upload_range(upload.length()));
    response
}

/// Points at a blob that was made.
pub(super) fn blob_made(name: &RepositoryName, digest: &Digest) -> Response<Body> {
    Answer::new(StatusCode::CREATED)
        .location(format!("/v2/{name}/blobs/{digest}"))
        .digest(digest)
        .empty()
}

/// Spells a digest as an entity tag (RFC 9110, section 8.8.3).
pub(super) fn etag(digest: &Digest) -> String {
    format!("\"{digest}\"")
}

/// Says whether the client has the content already (RFC 9110, section 13.1.2).
pub(super) fn has_already(headers: &HeaderMap, digest: &Digest) -> bool {
    let tag = etag(digest);
    headers
        .get_all(axum::http::header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == tag || candidate == "*")
}
