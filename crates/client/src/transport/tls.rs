//! Whom a connection trusts. The provider of cryptography is handed over
//! explicitly; no process-wide default is set or read.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use crate::error::BoxError;
use crate::options::Verification;
use crate::roots::Roots;

/// Builds the configuration of a connection.
///
/// # Errors
///
/// Fails when one of `own` is no certificate.
pub(crate) fn config(
    roots: &Roots,
    own: &[Vec<u8>],
    verification: Verification,
) -> Result<ClientConfig, BoxError> {
    let own: Vec<_> = own.iter().cloned().map(CertificateDer::from).collect();
    let mut trusted = RootCertStore::empty();
    for certificate in &own {
        trusted.add(certificate.clone())?;
    }
    let provider = Arc::new(ring::default_provider());
    let judge = match verification {
        Verification::Skip => Judge::Nobody,
        Verification::Full => Judge::Roots(Trust {
            roots: roots.clone(),
            own,
            chains: OnceLock::new(),
        }),
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
    Roots(Trust),
}

/// Says who is trusted: the roots are read when somebody has to be judged.
#[derive(Debug)]
struct Trust {
    roots: Roots,
    /// Those that were handed in for the registry.
    own: Vec<CertificateDer<'static>>,
    /// What follows chains to all of them. Without any root there is nothing to
    /// verify with; every certificate is refused then.
    chains: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl Trust {
    fn chains(&self, provider: &Arc<CryptoProvider>) -> Result<&WebPkiServerVerifier, Error> {
        if self.chains.get().is_none() {
            let chains = self
                .follow(provider)
                .map_err(|error| Error::Other(OtherError(error.into())))?;
            // Another connection may have come to the same.
            let _ = self.chains.set(chains);
        }
        let chains = self.chains.get().and_then(Option::as_deref);
        chains.ok_or_else(|| CertificateError::UnknownIssuer.into())
    }

    fn follow(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Option<Arc<WebPkiServerVerifier>>, BoxError> {
        let mut trusted = RootCertStore::empty();
        let roots = self.roots.get()?.iter().cloned().map(CertificateDer::from);
        trusted.add_parsable_certificates(roots);
        for certificate in &self.own {
            trusted.add(certificate.clone())?;
        }
        if trusted.is_empty() {
            return Ok(None);
        }
        let provider = Arc::clone(provider);
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted), provider);
        Ok(Some(chains.build()?))
    }
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
        let Judge::Roots(trust) = &self.judge else {
            return Ok(ServerCertVerified::assertion());
        };
        if trust.own.iter().any(|known| known == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let chains = trust.chains(&self.provider)?;
        chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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
