//! The one table from what went wrong to what the client is told
//! (distribution-spec, "Error Codes").

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use axum::response::IntoResponse;
use oci::ParseError;
use serde_json::{Value, json};
use store::Error as StoreError;

use super::respond::upload_range;

/// After how many seconds to try again where the storage does not answer.
const RETRY_SECONDS: &str = "5";

/// Names what went wrong, as the specification spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    TagInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    /// For what the specification has no code for.
    PaginationNumberInvalid,
    RangeInvalid,
    Unknown,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::RangeInvalid => "RANGE_INVALID",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Answers a request that was not done.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Code,
    message: String,
    detail: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What is logged, and never told: the cause of a 5xx.
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ApiError {
    /// Answers with a status, a code and a sentence.
    pub(crate) fn new(status: u16, code: Code, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code,
            message: message.into(),
            detail: Value::Null,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// Asks for credentials.
    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(401, Code::Unauthorized, message).header(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"wharf\""),
        )
    }

    /// Refuses what the caller may not do.
    pub(crate) fn denied(message: &str) -> Self {
        Self::new(403, Code::Denied, message)
    }

    /// Tells that a path names nothing.
    pub(crate) fn nowhere() -> Self {
        Self::new(404, Code::Unsupported, "there is nothing at this path")
    }

    /// Refuses a method, and says which there are.
    pub(crate) fn method_not_allowed(method: &Method, allowed: &'static str) -> Self {
        Self::new(
            405,
            Code::Unsupported,
            format!("`{method}` can not be done here; allowed: {allowed}"),
        )
        .header(ALLOW, HeaderValue::from_static(allowed))
    }

    /// Tells that the server itself failed.
    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let mut error = Self::new(500, Code::Unknown, "the registry failed; its log says why");
        error.cause = Some(cause.into());
        error
    }

    /// Tells that the storage does not answer for now.
    fn unavailable(cause: StoreError) -> Self {
        let mut error = Self::new(503, Code::Unknown, "the storage does not answer; try again")
            .header(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        error.cause = Some(cause.into());
        error
    }

    pub(crate) fn detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Gives the code, for tests.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// Gives what is logged: the whole chain of causes.
    pub(crate) fn logged_cause(error: &(dyn std::error::Error + 'static)) -> String {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            text.push_str(": ");
            text.push_str(&source.to_string());
            next = source.source();
        }
        text
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let told = error.to_string();
        let answer = |status, code| Self::new(status, code, told.clone());
        match error {
            StoreError::NameTooLong { .. } => answer(400, Code::NameInvalid),
            StoreError::NameUnknown(name) => {
                answer(404, Code::NameUnknown).detail(json!({ "name": name }))
            }
            StoreError::BlobUnknown(digest) => {
                answer(404, Code::BlobUnknown).detail(json!({ "digest": digest }))
            }
            StoreError::UploadUnknown => answer(404, Code::BlobUploadUnknown),
            StoreError::UploadBusy => answer(409, Code::BlobUploadInvalid),
            StoreError::UploadOffset { length, start } => answer(416, Code::RangeInvalid)
                .detail(json!({ "length": length, "start": start }))
                .header(RANGE, upload_range(length)),
            StoreError::DigestMismatch { expected } => {
                answer(400, Code::DigestInvalid).detail(json!({ "digest": expected }))
            }
            StoreError::ManifestUnknown(reference) => {
                answer(404, Code::ManifestUnknown).detail(json!({ "reference": reference }))
            }
            StoreError::ManifestBlobUnknown(digests) => {
                answer(404, Code::ManifestBlobUnknown).detail(json!({ "digests": digests }))
            }
            StoreError::TagImmutable { ref tag, digest } => {
                answer(400, Code::TagInvalid).detail(json!({ "tag": tag, "digest": digest }))
            }
            StoreError::ManifestInvalid(error) => {
                Self::new(400, Code::ManifestInvalid, error.to_string())
            }
            StoreError::Full(_) => {
                let mut full = answer(507, Code::Unknown);
                full.cause = Some(error.into());
                full
            }
            StoreError::Storage(ref cause) if may_pass(cause.kind()) => Self::unavailable(error),
            StoreError::Storage(_) | StoreError::Record { .. } | StoreError::Format { .. } => {
                Self::internal(error)
            }
        }
    }
}

/// Says whether a failure of the storage may pass by itself.
fn may_pass(kind: blob::ErrorKind) -> bool {
    use blob::ErrorKind as Kind;
    match kind {
        Kind::Unavailable | Kind::Busy => true,
        // A full one has an answer of its own; the others do not pass.
        Kind::Full | Kind::Corrupt | Kind::Mismatch | Kind::TooLarge | Kind::Unsupported => false,
    }
}

impl From<ParseError> for ApiError {
    fn from(error: ParseError) -> Self {
        let code = match error.noun() {
            "digest" | "digest algorithm" => Code::DigestInvalid,
            "tag" => Code::TagInvalid,
            "media type" => Code::ManifestInvalid,
            _ => Code::NameInvalid,
        };
        Self::new(400, code, error.to_string()).detail(json!({ "expected": error.expected() }))
    }
}

impl From<oci::ManifestError> for ApiError {
    fn from(error: oci::ManifestError) -> Self {
        Self::new(400, Code::ManifestInvalid, error.to_string())
    }
}

impl From<crate::jobs::Lost> for ApiError {
    fn from(error: crate::jobs::Lost) -> Self {
        Self::internal(error)
    }
}

/// Carries the cause of a failure from the answer to the log.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response<Body> {
        let mut error = json!({ "code": self.code.as_str(), "message": self.message });
        if !self.detail.is_null() {
            error["detail"] = self.detail;
        }
        let body = json!({ "errors": [error] }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        if let Some(cause) = self.cause {
            response
                .extensions_mut()
                .insert(Cause(Self::logged_cause(cause.as_ref())));
        }
        response
    }
}
