//! `GET /v2/<name>/referrers/<digest>` (distribution-spec, "Listing
//! Referrers").

use axum::body::Body;
use axum::http::header::LINK;
use axum::http::{Response, StatusCode};
use oci::{Digest, Index, MediaType, RepositoryName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::Pull;

use super::error::ApiError;
use super::page::next_link;
use super::query::Query;
use super::respond::{Answer, OCI_FILTERS_APPLIED};
use crate::app::App;
use crate::auth::Caller;

/// The referrers of one page, at most.
const REFERRERS_LIMIT: usize = 1000;

/// The bytes of one page's descriptors, about: clients read a manifest of at
/// most 4 MiB, and a list of referrers is one.
const PAGE_BUDGET: usize = 2 * 1024 * 1024;

/// Lists a page of referrers.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    (name, subject): (RepositoryName, Digest),
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Pull)?;
    let after = query.first("last").unwrap_or_default();
    let found = repository
        .referrers(&subject, after, REFERRERS_LIMIT, PAGE_BUDGET)
        .await?;
    let mut answer = Answer::new(StatusCode::OK);
    let mut descriptors = found.descriptors;
    let mut more = String::new();
    if let Some(wanted) = query.first("artifactType") {
        descriptors.retain(|descriptor| descriptor.artifact_type.as_deref() == Some(wanted));
        answer = answer.header(OCI_FILTERS_APPLIED, "artifactType");
        more = format!(
            "&artifactType={}",
            utf8_percent_encode(wanted, NON_ALPHANUMERIC)
        );
    }
    if let Some(last) = found.next {
        let path = format!("/v2/{name}/referrers/{subject}");
        answer = answer.header(LINK, next_link(&path, REFERRERS_LIMIT, &last, &more));
    }
    Ok(answer.json(
        MediaType::OCI_INDEX.as_str(),
        Index::new(descriptors).to_bytes(),
    ))
}
