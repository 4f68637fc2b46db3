//! Whether the server is alive, and whether it can serve.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse as _;

use crate::api::ApiError;
use crate::app::App;

/// `GET /healthz`: the process answers.
pub(crate) fn alive() -> Response<Body> {
    "ok\n".into_response()
}

/// `GET /readyz`: the storage answers too.
pub(crate) async fn ready(app: &App) -> Response<Body> {
    let Err(error) = app.is_ready().await else {
        return "ok\n".into_response();
    };
    let cause = ApiError::logged_cause(&error);
    tracing::error!(cause, "the storage does not answer");
    let told = "the storage does not answer\n";
    (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
}
