//! Listing the tags of a repository (distribution-spec, "Listing Tags").

use http::Method;
use oci::Tag;

use super::{Listing, Pages, Repository};
use crate::error::Error;

/// How many tags are asked for at once.
const PAGE: usize = 1000;

impl Repository {
    /// Lists the tags, page by page, as the registry itself has them.
    ///
    /// # Errors
    ///
    /// Fails when the registry can not be reached; the first page fails with
    /// [`crate::ErrorKind::NotFound`] where there is no such repository.
    pub async fn tags(&self) -> Result<Pages<Tag>, Error> {
        let path = format!("tags/list?n={PAGE}");
        let request = self
            .request(&self.own, Method::GET, &path, &["pull"])
            .await?;
        Ok(Pages::new(
            (&self.transport, &self.own.endpoint),
            request,
            Listing::Tags,
        ))
    }
}
