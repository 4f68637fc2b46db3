//! The client: what is known of all registries together.

use std::fmt;
use std::sync::Arc;

use oci::{RegistryHost, RepositoryName};

use crate::options::{Options, OptionsError};
use crate::registry::Registry;
use crate::repository::Repository;
use crate::transport::Transport;

/// Speaks to registries. Cheap to clone; clones share connections, tokens and
/// what was found out about each registry.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl Client {
    /// Prepares to speak to registries; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Fails when a proxy or a certificate of a host's rule is unusable.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        Ok(Self {
            transport: Arc::new(Transport::new(options)?),
        })
    }

    /// Names a registry.
    #[must_use]
    pub fn registry(&self, registry: &RegistryHost) -> Registry {
        Registry::new(&self.transport, registry)
    }

    /// Names a repository of a registry. Its verbs speak to that registry
    /// alone; see [`Repository::mirrored`].
    #[must_use]
    pub fn repository(&self, registry: &RegistryHost, name: &RepositoryName) -> Repository {
        Repository::new(&self.transport, registry, name)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("options", self.transport.options())
            .finish()
    }
}
