//! A registry as a whole.

use std::fmt;
use std::sync::Arc;

use oci::RegistryHost;
use url::Url;

use crate::error::Error;
use crate::progress::Silent;
use crate::transport::{Answer, Endpoint, Request, Transport, Watch};

mod catalog;
mod ping;

pub use ping::Access;

/// Is one registry, seen from outside.
#[derive(Clone)]
pub struct Registry {
    transport: Arc<Transport>,
    endpoint: Arc<Endpoint>,
}

impl Registry {
    pub(crate) fn new(transport: &Arc<Transport>, registry: &RegistryHost) -> Self {
        Self {
            transport: Arc::clone(transport),
            endpoint: transport.endpoint(registry),
        }
    }

    /// Names the registry.
    #[must_use]
    pub fn host(&self) -> &RegistryHost {
        &self.endpoint.registry
    }

    async fn url(&self, path: &str) -> Result<Url, Error> {
        self.transport.url(&self.endpoint, path, self.watch()).await
    }

    async fn exchange(&self, request: &Request, limit: usize) -> Result<Answer, Error> {
        self.transport
            .exchange(&self.endpoint, request, limit, self.watch())
            .await
    }

    fn watch(&self) -> Watch<'static> {
        Watch {
            attempts: self.transport.patience.begin(),
            progress: &Silent,
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(self.host()).finish()
    }
}
