//! `GET /v2/<name>/tags/list` (distribution-spec, "Listing Tags").

use axum::body::Body;
use axum::http::header::LINK;
use axum::http::{Response, StatusCode};
use oci::RepositoryName;
use serde_json::json;
use store::Pull;

use super::error::ApiError;
use super::page::{PageRequest, next_link};
use super::query::Query;
use super::respond::Answer;
use crate::app::App;
use crate::auth::Caller;

/// Lists a page of tags.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    name: &RepositoryName,
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, name, Pull)?;
    let page = PageRequest::parse(query)?;
    let found = repository.tags(page.after, page.limit).await?;
    let mut answer = Answer::new(StatusCode::OK);
    if let Some(last) = found.names.last().filter(|_| found.more) {
        let path = format!("/v2/{name}/tags/list");
        answer = answer.header(LINK, next_link(&path, page.limit, last.as_str(), ""));
    }
    Ok(answer.json(
        "application/json",
        json!({ "name": name, "tags": found.names }).to_string(),
    ))
}
