//! Requests as bytes: malformed, cut short, or in the shapes that smuggle.
//!
//! Parses answers only as far as a test needs; never repairs a request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::{Answer, Registry};

/// Longest wait for a byte.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// Longest silence between two answers on one connection.
const SILENCE: Duration = Duration::from_millis(300);

/// Largest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 16 * 1024 * 1024;

/// What came back on a connection before the server closed it.
#[derive(Debug)]
pub enum RawAnswer {
    /// One or more answers, in order.
    Answers(Vec<Answer>),
    /// The server closed the connection, or said nothing until the time was up.
    Nothing,
}

impl RawAnswer {
    /// Returns the first answer, if any.
    #[must_use]
    pub fn first(&self) -> Option<&Answer> {
        match self {
            Self::Answers(answers) => answers.first(),
            Self::Nothing => None,
        }
    }

    /// Returns how many answers came.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::Answers(answers) => answers.len(),
            Self::Nothing => 0,
        }
    }
}

impl Registry {
    /// Opens a connection of one's own.
    ///
    /// # Panics
    /// When the registry does not take it, or speaks TLS.
    #[must_use]
    pub fn connect(&self) -> TcpStream {
        let address = self.url().strip_prefix("http://");
        let address = address.expect("raw requests need plain HTTP");
        let stream = TcpStream::connect(address.trim_end_matches('/'));
        let stream = stream.expect("the registry listens");
        stream.set_read_timeout(Some(WAIT_LIMIT)).expect("a limit");
        stream.set_write_timeout(Some(WAIT_LIMIT)).expect("a limit");
        stream
    }

    /// Sends bytes as they are and reads what comes back, until the server closes or has
    /// nothing more to say.
    ///
    /// A server that closes while the bytes are being sent is an answer too.
    #[must_use]
    pub fn raw(&self, bytes: impl AsRef<[u8]>) -> RawAnswer {
        let mut stream = self.connect();
        // A refused request may close the connection before it was read to its end.
        let _ = stream.write_all(bytes.as_ref());
        read_answers(&mut stream)
    }

    /// Sends bytes as they are, closes the sending half as if they were all, and reads
    /// what comes back.
    #[must_use]
    pub fn raw_cut(&self, bytes: impl AsRef<[u8]>) -> RawAnswer {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes.as_ref());
        let _ = stream.shutdown(Shutdown::Write);
        read_answers(&mut stream)
    }

    /// Sends bytes as they are, and drops the connection without reading anything.
    pub fn cut(&self, bytes: impl AsRef<[u8]>) {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes.as_ref());
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// Reads until the server closes, or is silent after an answer, or the time is up.
fn read_answers(stream: &mut TcpStream) -> RawAnswer {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    while (bytes.len() as u64) < ANSWER_LIMIT {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
        if !take_answers(&bytes, Whole::Only).is_empty() {
            let _ = stream.set_read_timeout(Some(SILENCE));
        }
    }
    let answers = take_answers(&bytes, Whole::OrCut);
    if answers.is_empty() {
        RawAnswer::Nothing
    } else {
        RawAnswer::Answers(answers)
    }
}

/// Which answers count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// Those whose body is there.
    Only,
    /// Also one without all of its body, such as the answer to a HEAD.
    OrCut,
}

/// Takes the answers apart; 1xx announces one and is none.
fn take_answers(mut bytes: &[u8], whole: Whole) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((answer, after)) = take_answer(bytes, whole) {
        if answer.status >= 200 {
            answers.push(answer);
        }
        bytes = after;
    }
    answers
}

/// Takes one answer off the front.
fn take_answer(bytes: &[u8], whole: Whole) -> Option<(Answer, &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let rest = &bytes[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer {
        status: status.parse().ok()?,
        headers,
        body: Vec::new(),
    };
    let length = match answer.header("content-length") {
        Some(length) => length.parse().unwrap_or(0),
        // Taken as it is: no test looks into a body of unknown length.
        None if answer.header("transfer-encoding").is_some() => rest.len(),
        None => 0,
    };
    let length = match whole {
        Whole::Only => length,
        Whole::OrCut => length.min(rest.len()),
    };
    answer.body = rest.get(..length)?.to_vec();
    Some((answer, &rest[length..]))
}
