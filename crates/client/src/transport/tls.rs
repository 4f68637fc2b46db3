//! Whom a connection trusts. The provider of cryptography is handed over
//! explicitly; no process-wide default is set or read.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::error::BoxError;
use crate::options::Verification;

/// Reads the certificates that are trusted everywhere.
pub(crate) fn roots(certificates: &[Vec<u8>]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned().map(CertificateDer::from));
    roots
}

/// Builds the configuration of a connection.
///
/// # Errors
///
/// Fails when one of `own` is no certificate.
pub(crate) fn config(
    mut roots: RootCertStore,
    own: &[Vec<u8>],
    verification: Verification,
) -> Result<ClientConfig, BoxError> {
    let mut pinned = Vec::new();
    for certificate in own.iter().cloned().map(CertificateDer::from) {
        roots.add(certificate.clone())?;
        pinned.push(certificate);
    }
    let provider = Arc::new(ring::default_provider());
    let judge = match verification {
        Verification::Skip => Judge::Nobody,
        // Without any root there is nothing to verify with, and the builder
        // would refuse; every certificate is refused then.
        Verification::Full if roots.is_empty() => Judge::Roots {
            roots: None,
            pinned,
        },
        Verification::Full => Judge::Roots {
            roots: Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()?,
            ),
            pinned,
        },
    };
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { provider, judge }))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Judges certificates of servers.
///
/// Besides the usual chain to a root it takes a certificate that was handed in
/// itself: a self-signed one made by `openssl req -x509` says of itself that
/// it is an authority, which rustls refuses for a server and every other
/// client of registries accepts.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    judge: Judge,
}

#[derive(Debug)]
enum Judge {
    Nobody,
    Roots {
        roots: Option<Arc<WebPkiServerVerifier>>,
        pinned: Vec<CertificateDer<'static>>,
    },
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Judge::Roots { roots, pinned } = &self.judge else {
            return Ok(ServerCertVerified::assertion());
        };
        if pinned.iter().any(|known| known == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        match roots {
            Some(roots) => {
                roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
