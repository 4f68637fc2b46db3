//! `POST /v2/<name>/blobs/uploads/?mount=<digest>` (distribution-spec,
//! "Mounting a blob from another repository").

use axum::body::Body;
use axum::http::Response;
use oci::{Digest, RepositoryName};
use store::{Mounted, Pull, Push};

use super::endpoint::parse;
use super::error::ApiError;
use super::query::Query;
use super::respond::blob_made;
use super::uploads;
use crate::app::App;
use crate::auth::Caller;

/// Mounts a blob, or starts an upload where nobody has it whom the caller may
/// pull from: clients go on with that.
pub(crate) async fn mount(
    app: &App,
    caller: &Caller,
    name: RepositoryName,
    query: &Query,
) -> Result<Response<Body>, ApiError> {
    let repository = app.open(caller, &name, Push)?;
    let digest: Digest = parse(query.first("mount").unwrap_or_default())?;
    let mounted = match query.first("from") {
        Some(from) => {
            // Whether a repository exists that the caller may not see is not
            // told: all that can not be mounted from is answered alike.
            match app.open(caller, &parse(from)?, Pull) {
                Ok(from) => {
                    let work = async move { repository.mount(&digest, &from).await };
                    app.jobs().run(work).await??
                }
                Err(_denied) => Mounted::No,
            }
        }
        None => {
            let (app_too, caller) = (app.clone(), caller.clone());
            let may_pull = move |name: &RepositoryName| app_too.open(&caller, name, Pull).is_ok();
            let work = async move { repository.mount_from_anywhere(&digest, may_pull).await };
            app.jobs().run(work).await??
        }
    };
    match mounted {
        Mounted::Yes => Ok(blob_made(&name, &digest)),
        Mounted::No => uploads::start(app, caller, name, query).await,
    }
}
