//! Listing the repositories of a registry (`/v2/_catalog`, which Docker's
//! registry brought and the specification does not have).

use http::Method;
use oci::RepositoryName;

use super::Registry;
use crate::auth::{Ask, Scopes};
use crate::error::Error;
use crate::repository::{Listing, Pages};
use crate::transport::Request;

/// How many names are asked for at once.
const PAGE: usize = 1000;

impl Registry {
    /// Lists the repositories, page by page.
    ///
    /// # Errors
    ///
    /// The first page fails with [`crate::ErrorKind::NotFound`] or
    /// [`crate::ErrorKind::Denied`] where the registry does not tell.
    pub async fn repositories(&self) -> Result<Pages<RepositoryName>, Error> {
        let url = self.url(&format!("_catalog?n={PAGE}")).await?;
        let ask = Ask {
            scopes: Scopes::catalog(),
            repository: None,
        };
        Ok(Pages::new(
            (&self.transport, &self.endpoint),
            Request::new(Method::GET, url, ask),
            Listing::Repositories,
        ))
    }
}
