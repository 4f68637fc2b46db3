//! HTTP/1.1 as far as these tests need it: over a plain connection that stays open,
//! with bodies that can be streamed, cut, or read without being kept.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for a byte, so that a server that hangs fails the test.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Bytes read at once from a body that is not kept.
const PIECE: usize = 256 * 1024;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns a header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the body as text, for messages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }
}

/// Where a registry is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// Whether every request has a connection of its own, and so, behind a balancer,
    /// another server.
    pub(crate) alternates: bool,
}

impl From<SocketAddr> for Door {
    fn from(address: SocketAddr) -> Self {
        let alternates = false;
        Self {
            address,
            alternates,
        }
    }
}

/// One caller with one connection at a time.
#[derive(Debug)]
pub(crate) struct Client {
    door: Door,
    open: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(door: impl Into<Door>) -> Self {
        let (door, open) = (door.into(), None);
        Self { door, open }
    }

    /// Sends a request with a whole body and reads the answer.
    pub(crate) fn send(
        &mut self,
        line: &str,
        head: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.begin(line, head, Some(body.len()))?;
        self.write_on(body)?;
        self.answer(line)
    }

    /// Sends a request whose body comes in pieces and without a length.
    pub(crate) fn stream(
        &mut self,
        line: &str,
        head: &[(&str, &str)],
        pieces: &mut dyn Iterator<Item = Vec<u8>>,
    ) -> io::Result<Answer> {
        self.begin(line, head, None)?;
        for piece in pieces {
            if piece.is_empty() {
                continue;
            }
            self.write_on(format!("{:x}\r\n", piece.len()).as_bytes())?;
            self.write_on(&piece)?;
            self.write_on(b"\r\n")?;
        }
        self.write_on(b"0\r\n\r\n")?;
        self.answer(line)
    }

    /// Sends the head of a request and as much of its body as is given, and cuts the
    /// connection.
    pub(crate) fn cut(
        &mut self,
        line: &str,
        head: &[(&str, &str)],
        (sent, length): (&[u8], usize),
    ) -> io::Result<()> {
        self.begin(line, head, Some(length))?;
        self.write_on(sent)?;
        if let Some(open) = self.open.take() {
            open.get_ref().shutdown(Shutdown::Both)?;
        }
        Ok(())
    }

    /// Fetches a body, hands it on piece by piece and keeps none of it; returns the
    /// answer without its body.
    pub(crate) fn fetch(&mut self, path: &str, each: &mut dyn FnMut(&[u8])) -> io::Result<Answer> {
        self.begin(&format!("GET {path}"), &[], Some(0))?;
        let answer = self.read_head()?;
        let mut left = answer.length().ok_or_else(|| broken("no length"))?;
        let open = self.open.as_mut().ok_or_else(|| broken("no connection"))?;
        let mut piece = vec![0; PIECE];
        while left > 0 {
            let wanted = left.min(PIECE);
            let count = open.read(&mut piece[..wanted])?;
            if count == 0 {
                return Err(broken("the body is too short"));
            }
            each(&piece[..count]);
            left -= count;
        }
        Ok(answer)
    }

    /// Sends the head of a request; `None` stands for a body in chunks.
    pub(crate) fn begin(
        &mut self,
        line: &str,
        head: &[(&str, &str)],
        length: Option<usize>,
    ) -> io::Result<()> {
        let mut text = format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.door.address);
        for (name, value) in head {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match length {
            Some(0) if line.starts_with("GET") || line.starts_with("HEAD") => {}
            Some(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
            None => text.push_str("Transfer-Encoding: chunked\r\n"),
        }
        text.push_str("\r\n");
        if self.open.is_none() {
            let stream = TcpStream::connect(self.door.address)?;
            stream.set_read_timeout(Some(WAIT_LIMIT))?;
            stream.set_write_timeout(Some(WAIT_LIMIT))?;
            stream.set_nodelay(true)?;
            self.open = Some(BufReader::with_capacity(PIECE, stream));
        }
        self.write_on(text.as_bytes())
    }

    /// Sends more of a request. A server may answer and hang up before it has read
    /// all; that is seen when the answer is read, not here.
    pub(crate) fn write_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.open.as_mut().ok_or_else(|| broken("no connection"))?;
        match open.get_mut().write_all(bytes) {
            Err(error) if hung_up(&error) => Ok(()),
            other => other,
        }
    }

    /// Reads the answer to `line`.
    pub(crate) fn answer(&mut self, line: &str) -> io::Result<Answer> {
        let outcome = self.read_answer(line.starts_with("HEAD"));
        let keep = matches!(&outcome, Ok(answer) if answer.header("connection") != Some("close"));
        if !keep || self.door.alternates {
            self.open = None;
        }
        outcome
    }

    fn read_answer(&mut self, is_head: bool) -> io::Result<Answer> {
        let mut answer = self.read_head()?;
        let open = self.open.as_mut().ok_or_else(|| broken("no connection"))?;
        let empty = is_head || answer.status == 204 || answer.status == 304;
        if empty {
            return Ok(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = read_chunks(open)?;
        } else {
            answer.body = vec![0; answer.length().unwrap_or(0)];
            open.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn read_head(&mut self) -> io::Result<Answer> {
        let open = self.open.as_mut().ok_or_else(|| broken("no connection"))?;
        let first = read_line(open)?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| broken("no status"))?;
        let mut head = Vec::new();
        loop {
            let line = read_line(open)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("no header"))?;
            head.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        // An invitation to go on; the answer is still to come.
        if status == 100 {
            return self.read_head();
        }
        let body = Vec::new();
        Ok(Answer { status, head, body })
    }
}

fn read_line(open: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if open.read_line(&mut line)? == 0 {
        return Err(broken("the connection was closed"));
    }
    Ok(line.trim_end().to_owned())
}

fn read_chunks(open: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(open)?;
        let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        open.read_exact(&mut body[start..])?;
        read_line(open)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn hung_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset
    )
}

fn broken(reason: &str) -> io::Error {
    io::Error::other(reason.to_owned())
}
