//! Ordinary HTTP requests, with every header and every status in the test's hands.
//!
//! Follows no redirect, adds no `Accept`, undoes no compression, retries nothing.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, SendBody};

/// Longest wait for a whole answer, so that a server that hangs fails the test.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Largest body that is kept, in bytes; larger ones are a mistake in the test.
const BODY_LIMIT: u64 = 512 * 1024 * 1024;

/// Idle connections that a client keeps.
const CONNECTIONS: usize = 3;

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header names in lower case and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// Body, as it came over the wire.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the first value of a header; the name is given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns every value of a header; the name is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text, with unreadable bytes replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads the body as JSON.
    ///
    /// # Panics
    /// When it is not JSON; the message shows the answer.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.summary()))
    }

    /// Returns the code of the first error in the body; empty when there is none.
    #[must_use]
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = body
            .pointer("/errors/0/code")
            .and_then(|code| code.as_str());
        code.unwrap_or_default().to_owned()
    }

    /// Shows status, headers and the start of the body, for messages.
    #[must_use]
    pub fn summary(&self) -> String {
        let body: String = self.text().chars().take(400).collect();
        format!("{} {:?} {body}", self.status, self.headers)
    }

    /// Checks the status and hands the answer on.
    ///
    /// # Panics
    /// When it is another; the message shows the answer.
    #[track_caller]
    #[must_use = "an answer usually says more than its status; `_ =` it where it does not"]
    pub fn expect(self, status: u16) -> Self {
        assert!(
            self.status == status,
            "expected {status}, got {}",
            self.summary()
        );
        self
    }

    /// Checks the status and the code of the first error, and hands the answer on.
    ///
    /// # Panics
    /// When either is another; the message shows the answer.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert!(
            self.status == status && self.code() == code,
            "expected {status} `{code}`, got {}",
            self.summary()
        );
        self
    }

    /// Returns the `Location` header.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn location(&self) -> String {
        let location = self.header("location");
        location
            .unwrap_or_else(|| panic!("no Location in {}", self.summary()))
            .to_owned()
    }
}

/// A request that is being put together; nothing is sent before [`Request::send`].
pub struct Request {
    agent: Agent,
    builder: ureq::http::request::Builder,
    body: SendBody<'static>,
}

impl Request {
    pub(crate) fn new(agent: &Agent, method: &str, url: &str) -> Self {
        let builder = ureq::http::Request::builder().method(method).uri(url);
        Self {
            agent: agent.clone(),
            builder,
            body: SendBody::none(),
        }
    }

    /// Adds a header; a repeated name becomes a second line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Adds Basic credentials.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        let value = format!("Basic {}", base64(format!("{user}:{password}").as_bytes()));
        self.header("authorization", &value)
    }

    /// Sets a body that is sent with its Content-Length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        let bytes = body.as_ref().to_vec();
        self.builder = self.builder.header("content-length", bytes.len());
        self.body = SendBody::from_owned_reader(std::io::Cursor::new(bytes));
        self
    }

    /// Sets a body that is sent in chunks of unknown total length.
    #[must_use]
    pub fn stream(mut self, body: impl Read + Send + 'static) -> Self {
        self.builder = self.builder.header("transfer-encoding", "chunked");
        self.body = SendBody::from_owned_reader(body);
        self
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Panics
    /// When the request cannot be made or no answer comes.
    #[track_caller]
    #[must_use]
    pub fn send(self) -> Answer {
        self.try_send()
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends the request and reads the whole answer.
    ///
    /// # Errors
    /// When the request cannot be made or no whole answer comes.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let request = self.builder.body(self.body)?;
        let (head, mut body) = self.agent.run(request)?.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Ok(Answer {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: body.with_config().limit(BODY_LIMIT).read_to_vec()?,
        })
    }
}

/// Makes the client that every request of one registry shares; `roots` are the DER
/// certificates that it trusts.
pub(crate) fn agent(roots: &[Vec<u8>]) -> Agent {
    agent_that_keeps(roots, CONNECTIONS)
}

/// Makes a client that opens a connection for every request.
pub(crate) fn agent_without_memory(roots: &[Vec<u8>]) -> Agent {
    agent_that_keeps(roots, 0)
}

fn agent_that_keeps(roots: &[Vec<u8>], connections: usize) -> Agent {
    let certificates = roots
        .iter()
        .map(|der| Certificate::from_der(der).to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::Specific(Arc::new(certificates.collect())))
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .allow_non_standard_methods(true)
        .accept("")
        .accept_encoding("")
        .user_agent("wharf-spec-tests")
        .timeout_global(Some(WAIT_LIMIT))
        .proxy(None)
        .tls_config(tls)
        .max_idle_connections(connections)
        .max_idle_connections_per_host(connections)
        .build()
        .into()
}

/// Writes bytes in the standard base64 alphabet, padded.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let known = place <= group.len();
            text.push(if known {
                char::from(ALPHABET[index as usize])
            } else {
                '='
            });
        }
    }
    text
}
