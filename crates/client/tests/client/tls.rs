//! Encrypted connections: whom they trust, and when plain HTTP is spoken.
//! Certificates are made by `openssl`, so that none lies in the repository.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use client::{Access, Error, ErrorKind, HostRule, Options, Scheme, Verification};
use futures_util::future::join_all;
use http::Version;
use oci::{Descriptor, Digest, MediaType, RegistryHost};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::fake::{Fake, Reply, client, options};
use crate::memory::Memory;

struct Certificates {
    /// Whom a client has to trust, in DER.
    trusted: Vec<u8>,
    acceptor: TlsAcceptor,
}

/// Runs a program that a test needs; says so where it is missing.
fn openssl(directory: &Path, arguments: &[&str]) -> bool {
    match Command::new("openssl")
        .args(arguments)
        .current_dir(directory)
        .output()
    {
        Ok(output) => {
            assert!(output.status.success(), "{output:?}");
            true
        }
        Err(_missing) => {
            println!("skipped: `openssl` is not installed");
            false
        }
    }
}

const NAMES: &str = "subjectAltName=IP:127.0.0.1";

/// The words that ask for a new key of a kind that is quickly made.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Says who signs the certificate of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signer {
    Authority,
    Itself,
}

/// Makes a certificate for this machine. Each line is a call of `openssl`.
fn certificates(signer: Signer) -> Option<Certificates> {
    let directory = tempfile::tempdir().unwrap();
    let calls = match signer {
        Signer::Itself => vec![format!(
            "req -x509 {KEY} -keyout server.key -out server.pem -days 2 -subj /CN=x -addext {NAMES}"
        )],
        Signer::Authority => vec![
            format!("req -x509 {KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
            format!("req {KEY} -keyout server.key -out server.csr -subj /CN=x -addext {NAMES}"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -copy_extensions copyall -out server.pem"
                .to_owned(),
        ],
    };
    for call in calls {
        let words: Vec<_> = call.split_ascii_whitespace().collect();
        if !openssl(directory.path(), &words) {
            return None;
        }
    }
    let der = |name: &str| CertificateDer::from_pem_file(directory.path().join(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(directory.path().join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der("server.pem")], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let trusted = match signer {
        Signer::Itself => der("server.pem"),
        Signer::Authority => der("ca.pem"),
    };
    Some(Certificates {
        trusted: trusted.to_vec(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
    })
}

async fn ping(host: &RegistryHost, options: Options) -> Result<Access, Error> {
    client(options).registry(host).ping().await
}

fn rule(host: &RegistryHost, change: impl FnOnce(&mut HostRule)) -> Options {
    let mut rule = HostRule::new(host.clone());
    change(&mut rule);
    let mut options = options();
    options.hosts.push(rule);
    options
}

#[tokio::test]
async fn whom_a_connection_trusts() {
    let Some(made) = certificates(Signer::Authority) else {
        return;
    };
    let fake = Fake::encrypted(made.acceptor, |_| Reply::new(200)).await;
    let host = &fake.host;

    // Nobody: an error, and no reason to speak plain HTTP instead.
    let error = ping(host, options()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert_eq!(fake.seen().len(), 0);

    let mut general = options();
    general.roots = vec![b"no certificate".to_vec(), made.trusted.clone()].into();
    ping(host, general).await.unwrap();

    let by_rule = rule(host, |rule| rule.certificates.push(made.trusted.clone()));
    ping(host, by_rule).await.unwrap();

    let skipped = rule(host, |rule| rule.verification = Verification::Skip);
    ping(host, skipped).await.unwrap();

    // A rule is for its own host.
    let other = "localhost:1".parse().unwrap();
    let elsewhere = rule(&other, |rule| rule.verification = Verification::Skip);
    let error = ping(host, elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    // Each of the three said hello in HTTPS first, and then asked.
    assert_eq!(fake.seen().len(), 6);
    assert!(fake.seen().iter().all(|seen| seen.path == "/v2/"));
}

#[tokio::test]
async fn large_blobs_go_both_ways_over_http_2() {
    let Some(made) = certificates(Signer::Authority) else {
        return;
    };
    let memory = Memory::default();
    let fake = Fake::encrypted(made.acceptor, move |seen| {
        assert_eq!(seen.version, Version::HTTP_2);
        memory.answer(seen)
    })
    .await;
    let mut options = options();
    options.roots = vec![made.trusted].into();
    let repository = fake.repository_with(options);
    let content: Bytes = (0..9_000_000_u32).map(|n| (n % 239) as u8).collect();
    let digest = Digest::sha256(&content);
    repository
        .push_blob(&digest, content.len() as u64, &content)
        .await
        .unwrap();
    let layer = Descriptor::new(MediaType::OCI_LAYER, digest, content.len() as u64);
    let fetches = (0..4).map(|_| async {
        let blob = repository.blob(&layer).await.unwrap();
        assert_eq!(blob.read(1 << 24).await.unwrap(), content);
    });
    join_all(fetches).await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself_can_be_trusted() {
    let Some(made) = certificates(Signer::Itself) else {
        return;
    };
    let fake = Fake::encrypted(made.acceptor, |_| Reply::new(200)).await;
    let own = made.trusted.clone();
    let trusted = rule(&fake.host, |rule| rule.certificates.push(own));
    ping(&fake.host, trusted).await.unwrap();

    // It still has to be for the name that is spoken to.
    let named: RegistryHost = fake
        .host
        .as_str()
        .replace("127.0.0.1", "localhost")
        .parse()
        .unwrap();
    let misnamed = rule(&named, |rule| rule.certificates.push(made.trusted));
    let error = ping(&named, misnamed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn loopback_falls_back_to_plain_http_once() {
    let fake = Fake::start(|_| Reply::new(200)).await;
    let registry = client(options()).registry(&fake.host);
    for _ in 0..3 {
        assert_eq!(registry.ping().await.unwrap(), Access::Open);
    }
    assert_eq!(fake.asked(), ["GET /v2/"; 3]);
}

#[tokio::test]
async fn https_alone_is_https_alone() {
    let fake = Fake::start(|_| Reply::new(200)).await;
    let strict = rule(&fake.host, |rule| rule.scheme = Scheme::Https);
    let error = ping(&fake.host, strict).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    assert_eq!(fake.seen().len(), 0);
}

#[test]
fn unusable_options() {
    let host: RegistryHost = "r.example".parse().unwrap();
    let broken = rule(&host, |rule| {
        rule.certificates.push(b"no certificate".to_vec())
    });
    let error = client::Client::new(broken).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a certificate for `r.example` can not be read"
    );
    for proxy in ["ftp://x", "http://", "socks5://x:1"] {
        let mut options = options();
        options.proxies.https = proxy.into();
        let error = client::Client::new(options).unwrap_err();
        assert!(error.to_string().contains("`https` proxy"), "{error}");
    }
}

#[tokio::test]
async fn a_proxy_is_used_but_not_for_this_machine() {
    let proxy = Fake::start(|seen| {
        assert_eq!(seen.header("proxy-authorization"), "Basic dTpw");
        Reply::new(200)
    })
    .await;
    let direct = Fake::start(|_| Reply::new(200)).await;
    let far: RegistryHost = "far.invalid".parse().unwrap();
    let near: RegistryHost = "near.invalid".parse().unwrap();
    let mut options = rule(&far, |rule| rule.scheme = Scheme::Http);
    options.hosts.push(HostRule {
        scheme: Scheme::Http,
        ..HostRule::new(near.clone())
    });
    options.proxies.http = format!("http://u:p@{}", proxy.host);
    options.proxies.no_proxy = "near.invalid".into();
    let client = client(options);
    client.registry(&far).ping().await.unwrap();
    assert_eq!(proxy.seen()[0].header("host"), "far.invalid");
    client.registry(&direct.host).ping().await.unwrap();
    assert_eq!(direct.seen().len(), 1);
    let error = client.registry(&near).ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(proxy.seen().len(), 1);
}
