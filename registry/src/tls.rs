//! Certificates.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Holds a certificate, its chain and its key, ready to be served.
#[derive(Clone)]
pub struct Certificate {
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Reads a certificate chain and a private key in PEM.
    ///
    /// # Errors
    ///
    /// Fails when either can not be read, and when they do not belong
    /// together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(CertificateError::Chain)?;
        if chain.is_empty() {
            return Err(CertificateError::Empty);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(CertificateError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Unfit)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(CertificateError::Unfit)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

/// Reports a certificate that can not be served.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain is no PEM.
    #[error("the certificate chain can not be read")]
    Chain(#[source] rustls_pki_types::pem::Error),
    /// The chain has no certificate.
    #[error("there is no certificate in the chain")]
    Empty,
    /// The key is no PEM, or of an unknown kind.
    #[error("the private key can not be read")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// Chain and key do not belong together, or can not be used.
    #[error("certificate and key can not be used")]
    Unfit(#[source] rustls::Error),
}
