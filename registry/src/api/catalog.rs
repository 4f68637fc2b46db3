//! `GET /v2/_catalog`: the repositories.

use axum::body::Body;
use axum::http::header::LINK;
use axum::http::{Response, StatusCode};
use serde_json::json;

use super::error::ApiError;
use super::page::{PageRequest, next_link};
use super::query::Query;
use super::respond::Answer;
use crate::app::App;
use crate::auth::Caller;

/// Lists a page of repositories.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let page = PageRequest::parse(query)?;
    let found = app.catalog(caller, page.after, page.limit).await?;
    let mut answer = Answer::new(StatusCode::OK);
    if let Some(last) = found.names.last().filter(|_| found.more) {
        answer = answer.header(
            LINK,
            next_link("/v2/_catalog", page.limit, last.as_str(), ""),
        );
    }
    Ok(answer.json(
        "application/json",
        json!({ "repositories": found.names }).to_string(),
    ))
}
