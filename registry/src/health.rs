//! Whether the server is alive, and whether it can serve.

use axum::extract::State;
use axum::http::StatusCode;

use crate::api::ApiError;
use crate::app::App;

/// `GET /healthz`: the process answers.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the storage answers too.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.is_ready().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(
                cause = ApiError::logged_cause(&error),
                "the storage does not answer"
            );
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "the storage does not answer\n",
            )
        }
    }
}
