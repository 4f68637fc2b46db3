//! `/v2/<name>/blobs/uploads/` (distribution-spec, "Pushing blobs").
//!
//! A body is read inside a job: when its connection breaks, what came so far
//! is made durable, and the client goes on from there.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use futures_util::StreamExt as _;
use oci::{Algorithm, Digest, RepositoryName};
use serde_json::json;
use store::{Push, Repository, Start, UploadId, Writer};

use super::BODY_PAUSE;
use super::endpoint::parse;
use super::error::{ApiError, Code};
use super::query::Query;
use super::range::{coming, content_length};
use super::respond::{Answer, blob_made, upload_answer};
use crate::app::App;
use crate::auth::Caller;

/// How long a request waits for another one that writes to the same upload: a
/// client that lost its connection is back before the server has noticed.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// How long it waits between two tries.
const TURN_TRY: Duration = Duration::from_millis(50);

/// Starts an upload.
pub(crate) async fn start(
    app: &App,
    caller: &Caller,
    name: RepositoryName,
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let algorithm = match query.first("digest-algorithm") {
        Some(algorithm) => parse(algorithm)?,
        None => Algorithm::Sha256,
    };
    let id = app.new_upload_id();
    let work = async move { repository.start_upload(id, algorithm).await };
    let upload = app.jobs().run(work).await??;
    Ok(upload_answer(StatusCode::ACCEPTED, &name, &upload))
}

/// Takes in a whole blob with the request that starts it.
pub(crate) async fn receive(
    app: &App,
    caller: &Caller,
    (name, query): (RepositoryName, Query),
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let digest: Digest = parse(query.first("digest").unwrap_or_default())?;
    let id = app.new_upload_id();
    let work = async move {
        let mut writer = repository.receive_blob(&id, digest.algorithm())?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.finish(&digest).await?),
            Err(broken) => Err(settle(writer, broken).await),
        }
    };
    app.jobs().run(work).await??;
    Ok(blob_made(&name, &digest))
}

/// Appends to an upload.
pub(crate) async fn append(
    app: &App,
    caller: &Caller,
    (name, id): (RepositoryName, UploadId),
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let start = coming(request.headers())?.map_or(Start::AtEnd, |range| Start::At(range.start));
    let work = async move {
        let mut writer = turn(&repository, &id, start).await?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.save().await?),
            Err(broken) => Err(settle(writer, broken).await),
        }
    };
    let upload = app.jobs().run(work).await??;
    Ok(upload_answer(StatusCode::ACCEPTED, &name, &upload))
}

/// Ends an upload, perhaps with its last bytes.
pub(crate) async fn finish(
    app: &App,
    caller: &Caller,
    (name, id, query): (RepositoryName, UploadId, Query),
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let Some(digest) = query.first("digest") else {
        return Err(ApiError::new(
            400,
            Code::DigestInvalid,
            "the parameter `digest` is missing",
        ));
    };
    let digest: Digest = parse(digest)?;
    let start = coming(request.headers())?.map_or(Start::AtEnd, |range| Start::At(range.start));
    let work = async move {
        let mut writer = turn(&repository, &id, start).await?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.finish(&digest).await?),
            Err(broken) => Err(settle(writer, broken).await),
        }
    };
    app.jobs().run(work).await??;
    Ok(blob_made(&name, &digest))
}

/// Says how much of an upload there is.
pub(crate) async fn status(
    app: &App,
    caller: &Caller,
    name: RepositoryName,
    id: &UploadId,
) -> Result<Response<Body>, ApiError> {
    let upload = app.open(caller, &name, Push)?.upload(id).await?;
    Ok(upload_answer(StatusCode::NO_CONTENT, &name, &upload))
}

/// Cancels an upload.
pub(crate) async fn cancel(
    app: &App,
    caller: &Caller,
    name: RepositoryName,
    id: UploadId,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    app.jobs()
        .run(async move { repository.cancel_upload(&id).await })
        .await??;
    Ok(Answer::new(StatusCode::NO_CONTENT).empty())
}

/// Takes the turn to write to an upload, and waits a little for it.
async fn turn(
    repository: &Repository<Push>,
    id: &UploadId,
    start: Start,
) -> Result<Writer, ApiError> {
    let mut waited = Duration::ZERO;
    loop {
        match repository.continue_upload(id, start).await {
            Err(store::Error::UploadBusy) if waited < TURN_WAIT => {
                tokio::time::sleep(TURN_TRY).await;
                waited += TURN_TRY;
            }
            // The table of errors sets the `Range` to go on from.
            Err(error @ store::Error::UploadOffset { .. }) => {
                let location = format!("/v2/{}/blobs/uploads/{}", repository.name(), id.as_str());
                let location = HeaderValue::from_str(&location).map_err(ApiError::internal)?;
                return Err(ApiError::from(error).header(LOCATION, location));
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Ends a turn whose body did not come, and keeps what did.
async fn settle(writer: Writer, broken: ApiError) -> ApiError {
    // The first error is the one to tell.
    if let Err(error) = writer.settle().await {
        tracing::warn!(
            error = ApiError::logged_cause(&error),
            "an upload could not be settled"
        );
    }
    broken
}

/// Takes in a body, as far as it comes.
async fn fill(writer: &mut Writer, request: Request<Body>) -> Result<(), ApiError> {
    let expected = coming(request.headers())?
        .map(|range| range.length())
        .or(content_length(request.headers()));
    let before = writer.length();
    let mut pieces = request.into_body().into_data_stream();
    loop {
        let piece = tokio::time::timeout(BODY_PAUSE, pieces.next())
            .await
            .map_err(|_elapsed| {
                ApiError::broken_body("the body paused for more than 60 seconds")
            })?;
        let Some(piece) = piece else { break };
        let piece =
            piece.map_err(|error| ApiError::broken_body(format!("the body broke off: {error}")))?;
        writer.push(piece).await?;
    }
    let received = writer.length() - before;
    match expected {
        Some(expected) if expected != received => Err(ApiError::new(
            400,
            Code::SizeInvalid,
            format!("{expected} bytes were announced, {received} came"),
        )
        .detail(json!({ "announced": expected, "received": received }))),
        _ => Ok(()),
    }
}
