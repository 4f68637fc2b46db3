//! Deleting an object only while it is still the same: S3 can, and
//! `object_store` does not ask for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use reqwest::header::{HeaderValue, IF_MATCH};
use reqwest::{Client, Method, StatusCode};

use super::failure::failed;
use crate::backend::Swapped;
use crate::error::{Error, ErrorKind};

/// Deletes an object if it still has an entity tag.
#[async_trait]
pub(super) trait Removal: Send + Sync {
    async fn remove(&self, path: &Path, e_tag: &str) -> Result<Swapped, Error>;
}

/// Deletes with `If-Match`, through signed URLs.
pub(super) struct SignedRemoval {
    signer: Arc<dyn Signer>,
    client: Client,
}

/// How long a signed request is valid: clocks differ, and answers take time.
const VALID: Duration = Duration::from_secs(300);

/// How often a store that is too busy is asked again.
const ATTEMPTS: u32 = 5;

/// The pause after the first refusal; each is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

impl SignedRemoval {
    pub(super) fn new(signer: Arc<dyn Signer>, client: Client) -> Self {
        Self { signer, client }
    }

    async fn ask(&self, path: &Path, e_tag: &HeaderValue) -> Result<StatusCode, Error> {
        let options = SignedUrlOptions::new().with_signed_header(IF_MATCH, e_tag.clone());
        let url = self
            .signer
            .signed_url_opts(Method::DELETE, path, VALID, &options)
            .await
            .map_err(|error| failed("sign a deletion of", path, error))?;
        let request = self.client.delete(url).header(IF_MATCH, e_tag);
        let answer = request.send().await.map_err(|error| {
            let context = format!("can not delete `{path}`");
            // The URL is as good as a key, for a while.
            Error::caused(ErrorKind::Unavailable, context, error.without_url())
        })?;
        Ok(answer.status())
    }
}

#[async_trait]
impl Removal for SignedRemoval {
    async fn remove(&self, path: &Path, e_tag: &str) -> Result<Swapped, Error> {
        let e_tag = HeaderValue::from_str(e_tag).map_err(|error| {
            let context = format!("the entity tag of `{path}` can not be sent");
            Error::caused(ErrorKind::Unsupported, context, error)
        })?;
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.ask(path, &e_tag).await? {
                // Refused before anything was done.
                StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::CONFLICT => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                status => return outcome(path, status),
            }
        }
        outcome(path, self.ask(path, &e_tag).await?)
    }
}

fn outcome(path: &Path, status: StatusCode) -> Result<Swapped, Error> {
    match status {
        status if status.is_success() => Ok(Swapped::Done),
        StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND => Ok(Swapped::Lost),
        status => Err(Error::new(
            ErrorKind::Unavailable,
            format!("can not delete `{path}`: the store answers `{status}`"),
        )),
    }
}

impl fmt::Debug for SignedRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignedRemoval")
    }
}
