//! Every route, in reading order.
//!
//! A repository's name has any number of slashes, which no router matches in
//! the middle of a path; the paths below `/v2/` are therefore read from their
//! end, by [`Endpoint::parse`].

use std::net::SocketAddr;

use axum::body::{Body, HttpBody as _};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Method, Request, Response};
use axum::response::IntoResponse as _;
use tracing::Instrument as _;

use crate::api::{
    ApiError, Endpoint, Target, blobs, catalog, manifests, mounts, ping, referrers, tags, uploads,
};
use crate::app::App;
use crate::auth::{Caller, Right};
use crate::observe::Watch;
use crate::{health, hosts, linger, observe};

/// Names the socket that a request came from, for the handlers of bodies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Says which requests are answered on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doors {
    /// Those of the registry.
    Registry,
    /// Those of who operates it.
    Operation,
}

/// Answers a request, whatever it is.
pub(crate) async fn answer(
    app: App,
    doors: Doors,
    peer: SocketAddr,
    request: Request<Body>,
) -> Response<Body> {
    let is_head = *request.method() == Method::HEAD;
    let mut watch = Watch::begin(&app, peer, &request);
    let (request, rest) = linger::lend(request, app.metrics());
    watch.receives(rest.received());
    let span = watch.span();
    let routed = route(&app, (doors, peer), request, &mut watch);
    let response = routed.instrument(span).await;
    let mut response = response.unwrap_or_else(ApiError::into_response);
    if is_head {
        behead(&mut response);
    }
    rest.linger(response.status()).await;
    watch.answered(response)
}

/// Takes the body off an answer to `HEAD`, and keeps its length. HTTP/1 would
/// do so by itself; over HTTP/2 a body that nobody expects breaks the stream.
fn behead(response: &mut Response<Body>) {
    let length = response.body().size_hint().exact();
    if let Some(length) = length.filter(|length| *length > 0)
        && !response.headers().contains_key(CONTENT_LENGTH)
    {
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
}

async fn route(
    app: &App,
    (doors, peer): (Doors, SocketAddr),
    request: Request<Body>,
    watch: &mut Watch,
) -> Result<Response<Body>, ApiError> {
    hosts::guard(app, &request)?;
    let is_open = doors == Doors::Operation || app.shows_metrics();
    match request.uri().path() {
        "/healthz" => {
            watch.is_for("/healthz");
            only_read(&request)?;
            Ok(health::alive())
        }
        "/readyz" => {
            watch.is_for("/readyz");
            only_read(&request)?;
            Ok(health::ready(app).await)
        }
        "/metrics" if is_open => {
            watch.is_for("/metrics");
            only_read(&request)?;
            Ok(observe::show_metrics(app))
        }
        _ if doors == Doors::Operation => Err(ApiError::nowhere()),
        _ => distribution(app, peer, request, watch).await,
    }
}

fn only_read(request: &Request<Body>) -> Result<(), ApiError> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(ApiError::method_not_allowed(request.method(), "GET, HEAD")),
    }
}

/// Routes the requests of the OCI distribution API.
async fn distribution(
    app: &App,
    peer: SocketAddr,
    mut request: Request<Body>,
    watch: &mut Watch,
) -> Result<Response<Body>, ApiError> {
    // Whoever may do nothing is not told either what there could be.
    let caller = app.authenticator().caller(request.headers()).await?;
    watch.is_by(&caller);
    app.authenticator().check(&caller, Right::Read)?;
    let target = Target::parse(request.uri())?;
    watch.is_for(target.endpoint.route());
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        request.extensions_mut().insert(Peer(peer));
    }
    dispatch(app, &caller, target, request).await
}

/// Calls the handler of a method and endpoint (distribution-spec,
/// "Endpoints").
async fn dispatch(
    app: &App,
    caller: &Caller,
    target: Target,
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let Target { endpoint, query } = target;
    // Apart, since a body can not be lent to a task that may change threads.
    let (head, body) = request.into_parts();
    match (endpoint, head.method.clone()) {
        // end-1
        (Endpoint::Ping, Method::GET | Method::HEAD) => ping::ping(app, caller),
        (Endpoint::Catalog, Method::GET | Method::HEAD) => catalog::list(app, caller, &query).await,

        // end-2, end-10
        (Endpoint::Blob(name, digest), Method::GET) => {
            blobs::get(app, caller, (name, digest), &head).await
        }
        (Endpoint::Blob(name, digest), Method::HEAD) => {
            blobs::head(app, caller, (name, digest)).await
        }
        (Endpoint::Blob(name, digest), Method::DELETE) => {
            blobs::delete(app, caller, (name, digest)).await
        }

        // end-11, end-4
        (Endpoint::Uploads(name), Method::POST) if query.has("mount") => {
            mounts::mount(app, caller, name, &query).await
        }
        (Endpoint::Uploads(name), Method::POST) if query.has("digest") => {
            uploads::receive(app, caller, (name, query), Request::from_parts(head, body)).await
        }
        (Endpoint::Uploads(name), Method::POST) => uploads::start(app, caller, name, &query).await,

        // end-5, end-6, end-13, end-14
        (Endpoint::Upload(name, id), Method::PATCH) => {
            uploads::append(app, caller, (name, id), Request::from_parts(head, body)).await
        }
        (Endpoint::Upload(name, id), Method::PUT) => {
            uploads::finish(
                app,
                caller,
                (name, id, query),
                Request::from_parts(head, body),
            )
            .await
        }
        (Endpoint::Upload(name, id), Method::GET | Method::HEAD) => {
            uploads::status(app, caller, name, &id).await
        }
        (Endpoint::Upload(name, id), Method::DELETE) => {
            uploads::cancel(app, caller, name, id).await
        }

        // end-3, end-7, end-9
        (Endpoint::Manifest(name, reference), Method::GET | Method::HEAD) => {
            manifests::get(app, caller, (name, reference), &head).await
        }
        (Endpoint::Manifest(name, reference), Method::PUT) => {
            manifests::put(
                app,
                caller,
                (name, reference, query),
                Request::from_parts(head, body),
            )
            .await
        }
        (Endpoint::Manifest(name, reference), Method::DELETE) => {
            manifests::delete(app, caller, name, reference).await
        }

        // end-8
        (Endpoint::Tags(name), Method::GET | Method::HEAD) => {
            tags::list(app, caller, &name, &query).await
        }

        // end-12
        (Endpoint::Referrers(name, subject), Method::GET | Method::HEAD) => {
            referrers::list(app, caller, (name, subject), &query).await
        }

        (endpoint, method) => Err(ApiError::method_not_allowed(&method, endpoint.methods())),
    }
}

#[cfg(test)]
mod tests;
