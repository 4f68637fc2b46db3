//! `/v2/<name>/manifests/<reference>` (distribution-spec, "Pulling
//! manifests", "Pushing Manifests" and "Deleting Manifests").

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use oci::{Algorithm, Digest, MANIFEST_LIMIT, Manifest, MediaType, Reference, RepositoryName, Tag};
use serde_json::json;
use store::{Delete, Pull, Push};

use super::BODY_PAUSE;
use super::endpoint::parse;
use super::error::{ApiError, Code};
use super::query::Query;
use super::respond::{Answer, OCI_SUBJECT, OCI_TAG, has_already};
use crate::app::App;
use crate::auth::Caller;

/// The tags that one push may move.
const TAGS_LIMIT: usize = 64;

/// Sends a manifest as it was pushed: exact bytes, exact type, whatever the
/// client says it would rather accept.
pub(crate) async fn get(
    app: &App,
    caller: &Caller,
    (name, reference): (RepositoryName, Reference),
    head: &Parts,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Pull)?;
    if head.method == Method::HEAD {
        let found = repository.describe_manifest(&reference).await?;
        return Ok(Answer::new(StatusCode::OK)
            .content(&found.media_type, found.size, &found.digest)
            .empty());
    }
    let found = repository.manifest(&reference).await?;
    if has_already(&head.headers, &found.digest) {
        return Ok(Answer::new(StatusCode::NOT_MODIFIED)
            .digest(&found.digest)
            .empty());
    }
    let size = found.bytes.len() as u64;
    app.metrics().sending(size);
    Ok(Answer::new(StatusCode::OK)
        .content(&found.media_type, size, &found.digest)
        .body(found.bytes.into()))
}

/// Publishes a manifest.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    (name, reference, query): (RepositoryName, Reference, Query),
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let mut tags: Vec<Tag> = query.all("tag").map(parse).collect::<Result<_, _>>()?;
    if tags.len() > TAGS_LIMIT {
        let message = format!(
            "{} tags are more than the {TAGS_LIMIT} that one push may move",
            tags.len()
        );
        return Err(ApiError::new(400, Code::TagInvalid, message));
    }
    let told = tags.clone();
    let (head, body) = request.into_parts();
    let bytes = read(body).await?;
    let manifest = understand(bytes, &head.headers)?;
    let digest = match &reference {
        Reference::Digest(digest) => check_digest(&manifest, digest)?,
        Reference::Tag(tag) => {
            tags.push(tag.clone());
            manifest.digest(Algorithm::Sha256)
        }
    };
    let work = async move { repository.put_manifest(&manifest, &digest, &tags).await };
    let pushed = app.jobs().run(work).await??;
    let mut answer = Answer::new(StatusCode::CREATED)
        .location(format!("/v2/{name}/manifests/{}", pushed.digest))
        .digest(&pushed.digest)
        .header(CONTENT_LENGTH, "0");
    if let Some(subject) = pushed.subject {
        answer = answer.header(OCI_SUBJECT, subject.to_string());
    }
    for tag in told {
        answer = answer.header(OCI_TAG, tag.as_str());
    }
    Ok(answer.empty())
}

/// Removes a tag, or a manifest and all its tags.
pub(crate) async fn delete(
    app: &App,
    caller: &Caller,
    name: RepositoryName,
    reference: Reference,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Delete)?;
    let work = async move {
        match reference {
            Reference::Tag(tag) => repository.delete_tag(&tag).await,
            Reference::Digest(digest) => repository.delete_manifest(&digest).await,
        }
    };
    app.jobs().run(work).await??;
    Ok(Answer::new(StatusCode::ACCEPTED)
        .header(CONTENT_LENGTH, "0")
        .empty())
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    let limit = usize::try_from(MANIFEST_LIMIT).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, limit);
    let mut bytes = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(BODY_PAUSE, body.frame()).await;
        let frame = frame.map_err(|_elapsed| {
            let message = "the body paused for more than 60 seconds";
            ApiError::new(408, Code::ManifestInvalid, message)
        })?;
        match frame {
            None => return Ok(bytes.freeze()),
            Some(Ok(frame)) => bytes.extend(frame.into_data().ok()),
            Some(Err(error)) if error.is::<LengthLimitError>() => {
                let message = format!("a manifest has at most {MANIFEST_LIMIT} bytes");
                return Err(ApiError::new(413, Code::SizeInvalid, message));
            }
            Some(Err(error)) => {
                let message = format!("the body did not come whole: {error}");
                return Err(ApiError::new(400, Code::ManifestInvalid, message));
            }
        }
    }
}

/// Reads a manifest as what it was declared to be, or as what it says it is
/// where nothing was declared.
fn understand(bytes: Bytes, headers: &HeaderMap) -> Result<Manifest, ApiError> {
    match headers.get(CONTENT_TYPE) {
        None => Ok(Manifest::detect(bytes)?),
        Some(declared) => {
            let declared: MediaType = parse(&String::from_utf8_lossy(declared.as_bytes()))?;
            Ok(Manifest::parse(bytes, &declared)?)
        }
    }
}

fn check_digest(manifest: &Manifest, promised: &Digest) -> Result<Digest, ApiError> {
    let actual = manifest.digest(promised.algorithm());
    if actual == *promised {
        return Ok(actual);
    }
    let detail = json!({ "promised": promised, "actual": actual });
    Err(ApiError::new(
        400,
        Code::DigestInvalid,
        "the manifest does not have the promised digest",
    )
    .detail(detail))
}
