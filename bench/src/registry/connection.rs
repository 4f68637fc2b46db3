//! HTTP/1.1 as a client under measurement needs it: one connection that stays open,
//! bodies written from memory and read into nothing.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::Error;

/// Longest wait for a byte.
const PATIENCE: Duration = Duration::from_secs(120);

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// Bytes in a chunk of a streamed body: as many as docker's client sends at once.
const CHUNK: usize = 32 * 1024;

/// The media type of bytes.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// How a body is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// With its length in the head.
    Whole(&'a [u8]),
    /// In chunks.
    Streamed(&'a [u8]),
}

/// An open connection to one server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
}

/// The part of an answer that anybody here looks at.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: String,
    /// Bytes of the body, which is not kept.
    pub(crate) length: usize,
    chunked: bool,
}

impl Connection {
    pub(crate) fn open(host: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let stream = BufReader::with_capacity(BUFFER, stream);
        Ok(Self { stream, host })
    }

    /// Sends a request, reads the answer to its end and wants this status.
    ///
    /// # Errors
    /// Says what was answered instead, or why nothing was.
    pub(crate) fn ask(
        &mut self,
        line: &str,
        media_type: &str,
        body: Body<'_>,
        status: u16,
    ) -> Result<Answer, Error> {
        let framing = match body {
            Body::Whole(bytes) => format!("Content-Length: {}", bytes.len()),
            Body::Streamed(_) => "Transfer-Encoding: chunked".to_owned(),
        };
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nContent-Type: {media_type}\r\n\
             {framing}\r\n\r\n",
            self.host
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        match body {
            Body::Whole(bytes) => stream.write_all(bytes)?,
            Body::Streamed(bytes) => {
                let mut framed = Vec::with_capacity(CHUNK + 16);
                for chunk in bytes.chunks(CHUNK) {
                    framed.clear();
                    write!(framed, "{:x}\r\n", chunk.len())?;
                    framed.extend_from_slice(chunk);
                    framed.extend_from_slice(b"\r\n");
                    stream.write_all(&framed)?;
                }
                stream.write_all(b"0\r\n\r\n")?;
            }
        }
        let mut answer = self.answer()?;
        if answer.chunked {
            answer.length = self.drop_chunks()?;
        } else {
            self.drop_body(answer.length)?;
        }
        wanted(line, answer, status)
    }

    /// Asks for something, reads it to its end and wants 200; returns its length in bytes.
    ///
    /// # Errors
    /// Says what was answered instead, or why nothing was.
    pub(crate) fn fetch(&mut self, path: &str) -> Result<usize, Error> {
        let line = format!("GET {path}");
        let answer = self.ask(&line, OCTETS, Body::Whole(b""), 200)?;
        Ok(answer.length)
    }

    /// Sends a request whose answer has no body, and wants this status.
    ///
    /// # Errors
    /// Says what was answered instead, or why nothing was.
    pub(crate) fn head(&mut self, path: &str, status: u16) -> Result<(), Error> {
        let line = format!("HEAD {path}");
        let head = format!("{line} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.stream.get_mut().write_all(head.as_bytes())?;
        let answer = self.answer()?;
        wanted(&line, answer, status).map(drop)
    }

    /// Reads an answer up to its body.
    fn answer(&mut self) -> Result<Answer, Error> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let mut answer = Answer {
            status: status.ok_or_else(|| Error::new(format!("no status in `{first}`")))?,
            location: String::new(),
            length: 0,
            chunked: false,
        };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => answer.length = value.trim().parse().unwrap_or(0),
                "transfer-encoding" => answer.chunked = true,
                "location" => answer.location = path_of(value.trim()),
                _ => {}
            }
        }
        Ok(answer)
    }

    fn drop_body(&mut self, length: usize) -> Result<(), Error> {
        let mut left = length;
        while left > 0 {
            let count = self.stream.fill_buf()?.len().min(left);
            if count == 0 {
                return Err(Error::new("the body is too short"));
            }
            self.stream.consume(count);
            left -= count;
        }
        Ok(())
    }

    /// Reads a body that comes in chunks, without trailers; returns its length.
    fn drop_chunks(&mut self) -> Result<usize, Error> {
        let mut sum = 0;
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16);
            let size = size.map_err(|_shape| Error::new(format!("no chunk begins by `{line}`")))?;
            self.drop_body(size)?;
            self.line()?;
            sum += size;
            if size == 0 {
                return Ok(sum);
            }
        }
    }

    fn line(&mut self) -> Result<String, Error> {
        let mut line = String::new();
        let limit = u64::try_from(BUFFER).unwrap_or(u64::MAX);
        if self.stream.by_ref().take(limit).read_line(&mut line)? == 0 {
            return Err(Error::new("the connection was closed"));
        }
        Ok(line.trim_end().to_owned())
    }
}

fn wanted(line: &str, answer: Answer, status: u16) -> Result<Answer, Error> {
    if answer.status == status {
        return Ok(answer);
    }
    let words = format!("`{line}` was answered by {}", answer.status);
    Err(Error::new(words))
}

/// Returns the path of a URL, or the path that it already is.
fn path_of(url: &str) -> String {
    match url.split_once("://") {
        Some((_, rest)) => rest
            .find('/')
            .map_or("/", |start| &rest[start..])
            .to_owned(),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_become_paths() {
        assert_eq!(path_of("/v2/a?b=c"), "/v2/a?b=c");
        assert_eq!(path_of("http://127.0.0.1:5000/v2/a?b=c"), "/v2/a?b=c");
        assert_eq!(path_of("http://127.0.0.1:5000"), "/");
    }
}
