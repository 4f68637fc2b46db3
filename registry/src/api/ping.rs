//! `GET /v2/`: says that this is a registry, and whether credentials are
//! needed (distribution-spec, "Determining Support").

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::error::ApiError;
use super::respond::Answer;
use crate::app::App;
use crate::auth::{Caller, Right};

/// Answers. Clients take the challenge from here, so where anything needs
/// credentials this does too.
pub(crate) fn ping(app: &App, caller: &Caller) -> Result<Response<Body>, ApiError> {
    app.authenticator().check(caller, Right::Read)?;
    Ok(Answer::new(StatusCode::OK).json("application/json", "{}"))
}
