//! The catalog: the repositories of a registry.

use oci::RepositoryName;

use crate::error::Error;
use crate::keys;
use crate::store::Store;
use crate::tags::Names;

impl Store {
    /// Lists the repositories after one, in byte order. The first page comes
    /// after the empty text.
    ///
    /// # Errors
    ///
    /// Fails when the storage does.
    pub async fn catalog(&self, after: &str, limit: usize) -> Result<Names<RepositoryName>, Error> {
        let after = keys::encode_repository(after);
        let page = self.backend().page(&keys::catalog(), &after, limit).await?;
        let names = page
            .names
            .iter()
            .filter_map(|name| keys::decode_repository(name))
            .collect();
        Ok(Names {
            names,
            more: page.more,
        })
    }
}
