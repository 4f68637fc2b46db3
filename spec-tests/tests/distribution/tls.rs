//! TLS: the same registry behind a certificate.

use std::path::PathBuf;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use spec_tests::{Builder, Registry, media};
use tempfile::TempDir;

/// A certificate for loopback, on disk and as DER.
struct Certificate {
    home: TempDir,
    der: Vec<u8>,
}

impl Certificate {
    fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(names).expect("a certificate");
        let home = tempfile::tempdir().expect("a directory");
        fs_err::write(home.path().join("cert.pem"), cert.pem()).expect("it is writable");
        fs_err::write(home.path().join("key.pem"), signing_key.serialize_pem())
            .expect("it is writable");
        let der = cert.der().to_vec();
        Self { home, der }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn serve(&self) -> Builder {
        Registry::builder()
            .flag(format!("--tls-cert={}", self.path("cert.pem").display()))
            .flag(format!("--tls-key={}", self.path("key.pem").display()))
    }
}

#[test]
fn an_image_goes_in_and_out() {
    let certificate = Certificate::new();
    let Some(registry) = certificate.serve().trust(&certificate.der).start() else {
        return;
    };
    assert!(registry.url().starts_with("https://"), "{}", registry.url());
    let image = registry.push_image("over/tls", "1", 121);
    let path = "/v2/over/tls/manifests/1";
    let answer = registry
        .get(path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, image.manifest.bytes);
}

#[test]
fn a_client_that_does_not_trust_it_gets_nothing() {
    let certificate = Certificate::new();
    let Some(registry) = certificate.serve().start() else {
        return;
    };
    assert!(registry.get("/v2/").try_send().is_err());
}

#[test]
fn plain_http_gets_nothing_through_it() {
    let certificate = Certificate::new();
    let Some(registry) = certificate.serve().trust(&certificate.der).start() else {
        return;
    };
    let plain = registry.url().replace("https://", "http://");
    let answer = registry.get(&format!("{plain}/v2/")).try_send();
    assert!(!answer.is_ok_and(|answer| answer.status == 200));
    // And the server goes on for those who speak TLS.
    let _ = registry.get("/v2/").send().expect(200);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let (one, other) = (Certificate::new(), Certificate::new());
    let home = tempfile::tempdir().expect("a directory");
    let command = Registry::builder()
        .storage(&home.path().join("storage"))
        .flag(format!("--tls-cert={}", one.path("cert.pem").display()))
        .flag(format!("--tls-key={}", other.path("key.pem").display()))
        .command();
    let Some(mut command) = command else {
        return;
    };
    let output = command.output().expect("the program starts");
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        !words.contains("panicked") && !words.trim().is_empty(),
        "{words}"
    );
}
