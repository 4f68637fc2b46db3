//! The same contract on servers that speak S3: the program of `spec-tests/s3`,
//! where it was built or `WHARF_TEST_S3` names it, and `moto_server`, where it
//! is installed or `WHARF_TEST_MOTO` is its URL.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use blob::{S3Addressing, S3Credentials, S3Encryption, S3Options, Variables};
use tempfile::TempDir;

use super::*;

const BUCKET: &str = "wharf-test";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// A server that ends with the test, if the test has started it.
struct Server {
    url: String,
    scratch: TempDir,
    own: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut own) = self.own.take() {
            let _ = own.kill();
            let _ = own.wait();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where its server is"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Names a server.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// That of this repository: every condition is kept, and it is fast.
    Ours,
    /// Another reading of the same documents, in Python.
    Moto,
}

impl Kind {
    fn command(self, scratch: &Path, port: u16) -> Command {
        let port = port.to_string();
        match self {
            Self::Ours => {
                let built = concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../target/test-s3/debug/wharf-test-s3"
                );
                let program = variable("WHARF_TEST_S3").unwrap_or_else(|| built.to_owned());
                let mut command = Command::new(program);
                command.arg(scratch.join("s3")).args([&port, BUCKET]);
                command
            }
            Self::Moto => {
                let mut command = Command::new("moto_server");
                command.args(["-H", "127.0.0.1", "-p", &port]);
                command
            }
        }
    }
}

/// Starts a server; none where the test is skipped.
#[expect(clippy::print_stdout, reason = "a test that can not run says so")]
async fn server(kind: Kind) -> Option<Server> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scratch = tempfile::tempdir().unwrap();
    fs_err::create_dir(scratch.path().join("s3")).unwrap();
    if let (Kind::Moto, Some(url)) = (kind, variable("WHARF_TEST_MOTO")) {
        make_bucket(&url).await;
        return Some(Server {
            url,
            scratch,
            own: None,
        });
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let started = kind
        .command(scratch.path(), address.port())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(own) = started else {
        let why = format!("the server {kind:?} is not here");
        assert!(variable("WHARF_MUST_NOT_SKIP").is_none(), "{why}");
        println!("skipped: {why}");
        return None;
    };
    let server = Server {
        url: format!("http://{address}"),
        scratch,
        own: Some(own),
    };
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < START, "{kind:?} does not start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if matches!(kind, Kind::Moto) {
        make_bucket(&server.url).await;
    }
    Some(server)
}

/// Makes the bucket, which may be there from before.
async fn make_bucket(url: &str) {
    let made = reqwest::Client::new().put(format!("{url}/{BUCKET}")).send();
    let status = made.await.unwrap().status();
    assert!(status.is_success() || status.as_u16() == 409, "{status}");
}

impl Server {
    fn options(&self, prefix: &str) -> S3Options {
        S3Options {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(self.url.clone()),
            region: None,
            addressing: S3Addressing::Automatic,
            credentials: S3Credentials::Keys {
                id: "wharf".to_owned(),
                secret: "wharf-secret".to_owned(),
                token: None,
            },
            encryption: S3Encryption::Bucket,
            allow_http: true,
            variables: Variables::default(),
            scratch: self.scratch.path().to_owned(),
        }
    }

    /// Opens a prefix that nobody has used.
    fn open(&self, name: &str) -> Object {
        let run = self.scratch.path().file_name().unwrap().to_string_lossy();
        Object::s3(self.options(&format!("{run}/{name}"))).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_conforms() {
    conforms(Kind::Ours).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_by_moto_conforms() {
    conforms(Kind::Moto).await;
}

async fn conforms(kind: Kind) {
    let Some(server) = server(kind).await else {
        return;
    };
    let next = AtomicUsize::new(0);
    conformance(async || {
        let object = server.open(&next.fetch_add(1, Ordering::Relaxed).to_string());
        object.probe().await.unwrap();
        Arc::new(object) as Arc<dyn Backend>
    })
    .await;
}

/// Without the probe there are tombstones instead of conditional deletions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_conforms_with_tombstones() {
    let Some(server) = server(Kind::Ours).await else {
        return;
    };
    let next = AtomicUsize::new(0);
    conformance(async || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        Arc::new(server.open(&format!("t{number}"))) as Arc<dyn Backend>
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_is_probed_by_many_at_once() {
    let Some(server) = server(Kind::Ours).await else {
        return;
    };
    let probes = (0..8).map(|_| async { server.open("probed").probe().await });
    for outcome in futures_util::future::join_all(probes).await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_says_what_is_wrong_without_secrets() {
    let Some(server) = server(Kind::Ours).await else {
        return;
    };
    let mut options = server.options("");
    options.bucket = "no-such-bucket".to_owned();
    assert!(!format!("{options:?}").contains("secret"));
    let error = Object::s3(options).unwrap().probe().await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("NoSuchBucket"), "{error}: {cause}");
    assert!(!cause.contains("wharf-secret") && !cause.contains('?'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_signs_urls_of_large_blobs() {
    const LARGE: usize = 17 * 1024 * 1024;
    let Some(server) = server(Kind::Ours).await else {
        return;
    };
    let object = server.open("signed");
    for (name, size, is_signed) in [("small", 1000, false), ("large", LARGE, true)] {
        let key = Key::top(name);
        let content = Bytes::from(vec![b'x'; size]);
        let mut upload = object.begin(&Key::top("place").child(name)).await.unwrap();
        upload.append(content.clone()).await.unwrap();
        let saved = upload.save().await.unwrap();
        let place = Key::top("place").child(name);
        let upload = object.resume(&place, &saved).await.unwrap().unwrap();
        upload.publish(&key).await.unwrap();
        let signed = object.signed_url(&key, Duration::from_secs(60)).await;
        let signed = signed.unwrap();
        assert_eq!(signed.is_some(), is_signed);
        let Some(url) = signed else { continue };
        let answer = reqwest::get(url).await.unwrap();
        assert_eq!(answer.bytes().await.unwrap(), content);
    }
}
