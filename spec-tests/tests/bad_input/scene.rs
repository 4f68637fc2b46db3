//! A server with a little content, a table of malformed requests, and what must still
//! hold when all of them were sent.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use spec_tests::{Answer, Content, RawAnswer, Registry, blob, digest, media};
use tempfile::TempDir;

/// Part of every path that tries to get out, so that it would be found.
pub(crate) const ESCAPE: &str = "wharf-spec-escape";

/// How a request ends on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The connection stays open until the server has answered.
    Open,
    /// The sending half is closed, as if the client had gone.
    Cut,
}

/// One malformed request and what it must be answered with.
pub(crate) struct Case {
    /// What is malformed, for the table.
    pub(crate) name: String,
    request: Vec<u8>,
    end: End,
    /// `400 CODE`, alternatives behind `|`; `400` alone where there is no JSON body, and
    /// `closed` where the server need not answer.
    expected: &'static str,
}

impl Case {
    /// Makes a case of bytes as they are.
    pub(crate) fn raw(name: &str, request: impl Into<Vec<u8>>, expected: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            request: request.into(),
            end: End::Open,
            expected,
        }
    }

    /// Makes a case whose connection breaks behind the bytes.
    pub(crate) fn cut(name: &str, request: impl Into<Vec<u8>>, expected: &'static str) -> Self {
        Self {
            end: End::Cut,
            ..Self::raw(name, request, expected)
        }
    }

    /// Says whether an answer is one of those expected.
    fn fits(&self, got: &RawAnswer) -> bool {
        self.expected.split('|').any(|expected| {
            let Some(answer) = got.first() else {
                return expected == "closed";
            };
            let (status, code) = expected.split_once(' ').unwrap_or((expected, ""));
            let injected = answer.header("x-evil").is_some();
            !injected
                && answer.status.to_string() == status
                && (code.is_empty() || answer.code() == code)
        })
    }
}

/// A running server and what the requests refer to.
pub(crate) struct Scene {
    pub(crate) registry: Registry,
    /// A repository with a config, a layer and the tag `v1`.
    pub(crate) repository: String,
    /// A blob of 64 bytes in it.
    pub(crate) blob: String,
    arena: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let arena = tempfile::tempdir().expect("a directory");
        let builder = Registry::builder().storage(&arena.path().join("storage"));
        // With a URL the same requests go to somebody else's server.
        let registry = builder.start().unwrap_or_else(Registry::start);
        let repository = registry.repository();
        registry.push_parts(&repository);
        registry.push_manifest(&repository, "v1", &Content::manifest(&json!({})));
        Self {
            registry,
            repository,
            blob: digest(&blob(1, 64)),
            arena,
        }
    }

    /// Writes a request without a body; `{r}` is the repository.
    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        self.with(method, path, "", b"")
    }

    /// Writes a request with headers (each line ends in CRLF) and a body. A
    /// Content-Length is added when there is a body and no header says its length.
    pub(crate) fn with(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let path = path.replace("{r}", &self.repository);
        let host = self.registry.host();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        head.push_str(headers);
        let lower = headers.to_ascii_lowercase();
        let told = lower.contains("content-length") || lower.contains("transfer-encoding");
        let bare = body.is_empty() && ["GET", "HEAD", "DELETE"].contains(&method);
        if !told && !bare {
            let _ = write!(head, "Content-Length: {}\r\n", body.len());
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// Writes the push of a document as an OCI image manifest.
    pub(crate) fn push(&self, body: impl AsRef<[u8]>) -> Vec<u8> {
        let headers = format!("Content-Type: {}\r\n", media::MANIFEST);
        self.with("PUT", "/v2/{r}/manifests/bad", &headers, body.as_ref())
    }

    /// Opens an upload and gives its path.
    pub(crate) fn upload(&self) -> String {
        let location = self.registry.open_upload(&self.repository);
        location.trim_start_matches(self.registry.url()).to_owned()
    }

    /// Sends every request of a table, prints what came back, and checks it and what must
    /// hold afterwards.
    #[expect(
        clippy::print_stdout,
        reason = "the table is what the test is read for"
    )]
    pub(crate) fn run(&self, cases: fn(&Self) -> Vec<Case>) {
        let mut wrong = Vec::new();
        for case in cases(self) {
            let got = match case.end {
                End::Open => self.registry.raw(&case.request),
                End::Cut => self.registry.raw_cut(&case.request),
            };
            let shown = show(got.first());
            println!("{:<58} {shown}", case.name);
            if got.count() > 1 {
                wrong.push(format!(
                    "{}: {} answers to one request",
                    case.name,
                    got.count()
                ));
            }
            if !case.fits(&got) {
                wrong.push(format!(
                    "{}: expected {}, got {shown}",
                    case.name, case.expected
                ));
            }
        }
        self.still_serves();
        self.wrote_only_inside();
        assert!(
            !self.registry.log().contains("panicked"),
            "{}",
            self.registry.log()
        );
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
    }

    /// Checks that the server answers, and has what it had.
    fn still_serves(&self) {
        let _ = self.registry.get("/v2/").send().expect(200);
        let path = format!("/v2/{}/manifests/v1", self.repository);
        let request = self.registry.get(&path).header("accept", media::MANIFEST);
        assert_eq!(
            request.send().expect(200).body,
            Content::manifest(&json!({})).bytes
        );
        let path = format!("/v2/{}/tags/list", self.repository);
        let tags = self.registry.get(&path).send().expect(200).json();
        assert_eq!(
            tags["tags"],
            json!(["v1"]),
            "something malformed was stored"
        );
        self.registry
            .push_image(&self.registry.repository(), "after", 7);
    }

    /// Checks that nothing lies beside the storage, nor where an escape would lead.
    fn wrote_only_inside(&self) {
        if !self.registry.is_ours() {
            return;
        }
        let beside = fs_err::read_dir(self.arena.path()).expect("the arena");
        let beside: Vec<PathBuf> = beside
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(beside, [self.registry.storage()]);
        let temporary = std::env::temp_dir();
        for place in [Path::new("/"), Path::new("/etc"), temporary.as_path()] {
            assert!(
                !place.join(ESCAPE).exists(),
                "{} was written to",
                place.display()
            );
        }
    }
}

/// Shows an answer in one line: status, code, message.
fn show(answer: Option<&Answer>) -> String {
    let Some(answer) = answer else {
        return "closed without an answer".to_owned();
    };
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let error = &body["errors"][0];
    let code = error["code"].as_str().unwrap_or("-");
    let message: String = match error["message"].as_str() {
        Some(message) => message.chars().take(100).collect(),
        None => answer.text().chars().take(40).collect(),
    };
    format!("{} {code} {}", answer.status, message.escape_debug())
}
