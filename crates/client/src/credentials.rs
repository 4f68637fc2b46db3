//! Credentials: what a registry is told of who asks. Where they are kept, in
//! files or helper programs, is the business of whoever implements the trait.

use std::fmt;

use async_trait::async_trait;
use oci::{RegistryHost, RepositoryName};

use crate::error::BoxError;

/// Knows the credentials of registries.
///
/// The client asks once for each repository and remembers the answer until a
/// registry refuses it.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Gives the credential for a registry as a whole.
    ///
    /// # Errors
    ///
    /// Fails when a place of credentials can not be read; that there are none
    /// is [`Credential::Anonymous`].
    async fn for_registry(&self, registry: &RegistryHost) -> Result<Credential, BoxError>;

    /// Gives the credential for one repository, where a place keeps several
    /// for one registry.
    ///
    /// # Errors
    ///
    /// Fails as [`Credentials::for_registry`] does.
    async fn for_repository(
        &self,
        registry: &RegistryHost,
        repository: &RepositoryName,
    ) -> Result<Credential, BoxError> {
        let _ = repository;
        self.for_registry(registry).await
    }
}

/// Has no credentials for anybody.
#[derive(Debug, Clone, Copy)]
pub struct Anonymous;

#[async_trait]
impl Credentials for Anonymous {
    async fn for_registry(&self, _registry: &RegistryHost) -> Result<Credential, BoxError> {
        Ok(Credential::Anonymous)
    }
}

/// Says who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nobody in particular.
    Anonymous,
    /// A name and a password, or what stands for one.
    Basic {
        /// The name, without a colon.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, which the token endpoint exchanges (`identitytoken`
    /// in Docker's `config.json`).
    IdentityToken(Secret),
    /// A token that goes to the registry as it is (`registrytoken`).
    Bearer(Secret),
}

/// Holds a text that must not reach a log: it has no `Display`, and its
/// `Debug` is `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text to whoever sends it to the one it is for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let credential = Credential::Basic {
            username: "eve".into(),
            password: Secret::new("hunter2"),
        };
        let shown = format!("{credential:?} {credential:#?}");
        assert!(shown.contains("[redacted]") && !shown.contains("hunter2"));
    }
}
