//! `/v2/<name>/blobs/uploads/` (distribution-spec, "Pushing blobs").
//!
//! A body is read inside a job: when its connection breaks, what came so far
//! is made durable, and the client goes on from there.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Body as _;
use oci::{Algorithm, Digest, RepositoryName};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::json;
use store::{Push, Repository, Start, UploadId, Writer};

use super::body::{Coming, Limit};
use super::endpoint::parse;
use super::error::{ApiError, Code};
use super::query::Query;
use super::range::{coming, content_length};
use super::respond::{Answer, blob_made, upload_answer};
use crate::app::App;
use crate::auth::Caller;
use crate::crowd::Place;
use crate::observe::{Metrics, UploadEvent};
use crate::router::Peer;

/// How long a request waits for another one that writes to the same upload: a
/// client that lost its connection is back before the server has noticed.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// How large a blob may be that comes with one request.
const LIMIT: Limit = Limit {
    what: "a body of a blob",
    bytes: 1 << 40,
};

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
    app.metrics().http().upload(UploadEvent::Started);
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
    app.metrics().http().upload(UploadEvent::Started);
    let app_too = app.clone();
    let peer = sender(&request);
    let work = async move {
        let turn = Turn::take(&app_too, peer).await;
        let mut writer = repository.receive_blob(&id, digest.algorithm())?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.finish(&digest).await?),
            Err(broken) => Err(turn.settle(writer, broken).await),
        }
    };
    app.jobs().run(work).await??;
    app.metrics().http().upload(UploadEvent::Finished);
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
    let app_too = app.clone();
    let peer = sender(&request);
    let work = async move {
        let turn = Turn::take(&app_too, peer).await;
        let mut writer = continued(&repository, &id, start).await?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.save().await?),
            Err(broken) => Err(turn.settle(writer, broken).await),
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
    let app_too = app.clone();
    let peer = sender(&request);
    let work = async move {
        let turn = Turn::take(&app_too, peer).await;
        let mut writer = continued(&repository, &id, start).await?;
        match fill(&mut writer, request).await {
            Ok(()) => Ok(writer.finish(&digest).await?),
            Err(broken) => Err(turn.settle(writer, broken).await),
        }
    };
    app.jobs().run(work).await??;
    app.metrics().http().upload(UploadEvent::Finished);
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
    app.metrics().http().upload(UploadEvent::Cancelled);
    Ok(Answer::new(StatusCode::NO_CONTENT).empty())
}

/// Holds that a body may come in, until it is dropped. Under pressure clients
/// wait here, with their bodies unread: they could not send them again.
struct Turn {
    metrics: Metrics,
    _place: Option<Place>,
}

impl Turn {
    /// Takes a place for a client whose body is still to come.
    async fn take(app: &App, peer: Option<SocketAddr>) -> Self {
        let metrics = app.metrics().clone();
        let place = match peer {
            Some(peer) => {
                metrics.http().waiting.inc();
                let _waiting = Fewer(metrics.http().waiting.clone());
                Some(app.bodies().enter(peer).await)
            }
            None => None,
        };
        metrics.http().bodies.inc();
        Self {
            metrics,
            _place: place,
        }
    }

    /// Ends a turn whose body did not come, and keeps what did.
    async fn settle(self, writer: Writer, broken: ApiError) -> ApiError {
        self.metrics.http().upload(UploadEvent::Broken);
        // The first error is the one to tell.
        if let Err(error) = writer.settle().await {
            tracing::warn!(
                error = ApiError::logged_cause(&error),
                "an upload could not be settled"
            );
        }
        broken
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.metrics.http().bodies.dec();
    }
}

/// Names who has a body to send.
fn sender(request: &Request<Body>) -> Option<SocketAddr> {
    let Peer(peer) = request.extensions().get()?;
    (!request.body().is_end_stream()).then_some(*peer)
}

/// Counts one fewer when it is dropped.
struct Fewer(Gauge);

impl Drop for Fewer {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Takes the right to write to an upload, and waits a little for it.
async fn continued(
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

/// Takes in a body, as far as it comes.
async fn fill(writer: &mut Writer, request: Request<Body>) -> Result<(), ApiError> {
    let expected = coming(request.headers())?
        .map(|range| range.length())
        .or(content_length(request.headers()));
    let before = writer.length();
    let (head, body) = request.into_parts();
    let mut body = Coming::new(body, &head.headers, Code::BlobUploadInvalid, LIMIT)?;
    while let Some(piece) = body.next().await? {
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
