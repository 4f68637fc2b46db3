//! Requests as bytes on a socket, and answers as they come. There is no
//! client between a test and what is sent.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request, written out by [`Ask::bytes`].
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    line: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Asks for a path, as `GET /v2/`.
pub(crate) fn ask(line: &str) -> Ask {
    Ask {
        line: line.to_owned(),
        host: "localhost".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl Ask {
    /// Calls the registry by another name.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Writes the whole request. The connection ends with its answer.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n",
            self.line, self.host
        );
        let told = self
            .headers
            .iter()
            .any(|(name, _)| name == "content-length");
        if !told && !self.line.starts_with("GET") && !self.line.starts_with("HEAD") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        self.try_send(address).await.expect("an answer")
    }

    /// Sends this where there may be no answer.
    pub(crate) async fn try_send(&self, address: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(&self.bytes()).await.expect("sent");
        Answer::read(&mut stream).await
    }
}

/// An answer. Its headers are in order of their names, without those that
/// every answer has: they are checked and taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads to the end of the connection; nothing where no answer comes.
    pub(crate) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        // What came before a broken connection counts.
        let _ended = stream.read_to_end(&mut bytes).await;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        headers.sort();
        Some(Self {
            status,
            headers,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// Gives the value of a header that has to be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map_or_else(|| panic!("no `{name}` in {self:?}"), |(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Checks the whole answer.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let everywhere = [
            "connection",
            "date",
            "docker-distribution-api-version",
            "x-request-id",
        ];
        let told: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !everywhere.contains(name))
            .collect();
        let mut headers = headers.to_vec();
        headers.sort_unstable();
        assert_eq!((self.status, self.text()), (status, body));
        assert_eq!(told, headers);
        assert_eq!(
            self.header("docker-distribution-api-version"),
            "registry/2.0"
        );
        let id = self.header("x-request-id");
        assert!(
            id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }

    /// Checks that this is an error in JSON, with these headers besides.
    #[track_caller]
    pub(crate) fn is_error(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let length = body.len().to_string();
        let mut all = vec![
            ("content-length", length.as_str()),
            ("content-type", "application/json"),
        ];
        all.extend_from_slice(headers);
        self.is(status, &all, body);
    }
}
