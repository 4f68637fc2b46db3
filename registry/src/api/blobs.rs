//! `/v2/<name>/blobs/<digest>` (distribution-spec, "Pulling blobs" and
//! "Deleting Blobs").

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, IF_RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use blob::ByteRange;
use oci::{Digest, MediaType, RepositoryName};
use store::{Delete, Pull};

use super::error::{ApiError, Code};
use super::range::{Wanted, wanted};
use super::respond::{Answer, has_already};
use crate::app::App;
use crate::auth::Caller;

/// How long the URL is good that a client is sent to: it has to begin in that
/// time, not to end.
const URL_VALID: Duration = Duration::from_mins(10);

/// Says whether a blob is here, and how large it is.
pub(crate) async fn head(
    app: &App,
    caller: &Caller,
    (name, digest): (RepositoryName, Digest),
) -> Result<Response<Body>, ApiError> {
    let size = app.open(caller, &name, Pull)?.offer_blob(&digest).await?;
    Ok(describe(Answer::new(StatusCode::OK), size, &digest).empty())
}

/// Sends a blob or a part of it, or says where the storage sends it. A part of
/// it the storage sends as well; only an entity tag of ours it does not know.
pub(crate) async fn get(
    app: &App,
    caller: &Caller,
    (name, digest): (RepositoryName, Digest),
    head: &Parts,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Pull)?;
    let headers = &head.headers;
    let size = repository.blob_size(&digest).await?;
    if has_already(headers, &digest) {
        return Ok(Answer::new(StatusCode::NOT_MODIFIED)
            .digest(&digest)
            .empty());
    }
    if app.redirects()
        && !headers.contains_key(IF_RANGE)
        && let Some(url) = repository.blob_url(&digest, URL_VALID).await?
    {
        return Ok(Answer::new(StatusCode::TEMPORARY_REDIRECT)
            .location(url)
            .digest(&digest)
            .header(CONTENT_LENGTH, "0")
            .empty());
    }
    let (answer, range) = match wanted(headers, &digest, size) {
        Wanted::Outside => {
            let whole =
                HeaderValue::from_str(&format!("bytes */{size}")).map_err(ApiError::internal)?;
            let message = format!("the blob has {size} bytes, and none in the wanted range");
            return Err(
                ApiError::new(416, Code::RangeInvalid, message).header(CONTENT_RANGE, whole)
            );
        }
        Wanted::Whole => {
            let answer = describe(Answer::new(StatusCode::OK), size, &digest);
            (answer, ByteRange::whole(size))
        }
        Wanted::Part(range) => {
            let answer = describe(
                Answer::new(StatusCode::PARTIAL_CONTENT),
                range.length(),
                &digest,
            )
            .header(
                CONTENT_RANGE,
                format!("bytes {}-{}/{size}", range.start, range.end - 1),
            );
            (answer, range)
        }
    };
    let stream = repository.open_blob(&digest, range).await?;
    Ok(answer.body(Body::from_stream(stream)))
}

/// Takes a blob out of the repository.
pub(crate) async fn delete(
    app: &App,
    caller: &Caller,
    (name, digest): (RepositoryName, Digest),
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Delete)?;
    app.jobs()
        .run(async move { repository.delete_blob(&digest).await })
        .await??;
    Ok(Answer::new(StatusCode::ACCEPTED)
        .header(CONTENT_LENGTH, "0")
        .empty())
}

/// Describes a blob: what it is only its descriptor says.
fn describe(answer: Answer, length: u64, digest: &Digest) -> Answer {
    answer
        .content(&MediaType::OCTET_STREAM, length, digest)
        .header(ACCEPT_RANGES, "bytes")
}
