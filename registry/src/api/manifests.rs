//! `/v2/<name>/manifests/<reference>` (distribution-spec, "Pulling
//! manifests", "Pushing Manifests" and "Deleting Manifests").

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use oci::{Algorithm, Digest, MANIFEST_LIMIT, Manifest, MediaType, Reference, RepositoryName, Tag};
use serde_json::json;
use store::{Delete, Pull, Push};

use super::body::{Coming, Limit};
use super::endpoint::parse;
use super::error::{ApiError, Code};
use super::query::Query;
use super::range::content_length;
use super::respond::{Answer, OCI_SUBJECT, OCI_TAG, has_already};
use crate::app::App;
use crate::auth::Caller;
use crate::router::Peer;

/// The tags that one push may move.
const TAGS_LIMIT: usize = 64;

/// How large a manifest may be.
const LIMIT: Limit = Limit {
    what: "a manifest",
    bytes: MANIFEST_LIMIT,
};

/// The bytes up to which a manifest takes no place among the large ones.
const SMALL: u64 = 64 * 1024;

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
    let bytes = read(app, body, &head).await?;
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

/// Reads a manifest. A large one waits for a place first, since it lies in
/// memory while it comes.
async fn read(app: &App, body: Body, head: &Parts) -> Result<Bytes, ApiError> {
    let mut body = Coming::new(body, &head.headers, Code::ManifestInvalid, LIMIT)?;
    let is_small = content_length(&head.headers).is_some_and(|length| length <= SMALL);
    let _place = match head.extensions.get::<Peer>() {
        Some(Peer(peer)) if !is_small => Some(app.large_manifests().enter(*peer).await),
        _ => None,
    };
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
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
