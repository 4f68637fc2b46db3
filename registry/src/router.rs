//! Every route, in reading order.
//!
//! A repository's name has any number of slashes, which no router matches in
//! the middle of a path; the paths below `/v2/` are therefore read from their
//! end, by [`Endpoint::parse`].

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Request, Response};
use axum::routing::get;

use crate::api::{
    ApiError, Endpoint, Target, blobs, catalog, manifests, mounts, ping, referrers, tags, uploads,
};
use crate::app::App;
use crate::auth::{Caller, Right};
use crate::{health, hosts, linger, observe};

/// Routes every request.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(observe::show_metrics))
        .fallback(distribution)
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            hosts::guard,
        ))
        .layer(axum::middleware::from_fn(linger::linger))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            observe::observe,
        ))
        .with_state(app)
}

/// Routes the requests of the OCI distribution API.
async fn distribution(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    // Whoever may do nothing is not told either what there could be.
    let caller = app.authenticator().caller(request.headers()).await?;
    app.authenticator().check(&caller, Right::Read)?;
    let target = Target::parse(request.uri())?;
    dispatch(&app, &caller, target, request).await
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
