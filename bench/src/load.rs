//! The load: pulls and pushes as the clients make them.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Body, Connection};
use crate::error::Error;

const OCTETS: &str = "application/octet-stream";

/// How a blob is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// POST, a streamed PATCH, an empty PUT: docker and podman.
    Patch,
    /// POST, one PUT with everything: containerd.
    Put,
}

/// Pushes a blob and returns how long it took until it was acknowledged.
///
/// # Errors
/// Says what was refused.
pub(crate) fn push(
    address: SocketAddr,
    repository: &str,
    (digest, bytes): (&str, &[u8]),
    way: Way,
) -> Result<Duration, Error> {
    let mut connection = Connection::open(address)?;
    let nothing = Body::Whole(b"");
    let start = Instant::now();
    let line = format!("POST /v2/{repository}/blobs/uploads/");
    let begun = connection.ask(&line, OCTETS, nothing, 202)?;
    match way {
        Way::Patch => {
            let line = format!("PATCH {}", begun.location);
            let sent = connection.ask(&line, OCTETS, Body::Streamed(bytes), 202)?;
            let line = format!("PUT {}", with_digest(&sent.location, digest));
            connection.ask(&line, OCTETS, nothing, 201)?;
        }
        Way::Put => {
            let line = format!("PUT {}", with_digest(&begun.location, digest));
            connection.ask(&line, OCTETS, Body::Whole(bytes), 201)?;
        }
    }
    Ok(start.elapsed())
}

/// Pulls a body by several clients at once; returns the time until the last has all.
///
/// # Errors
/// Says which answer was wrong.
pub(crate) fn pull(
    address: SocketAddr,
    path: &str,
    (clients, length): (usize, usize),
) -> Result<Duration, Error> {
    let start = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| pull_once(address, path, length)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(died())))
    })?;
    Ok(start.elapsed())
}

/// Asks the same thing over and over by several connections for a while; returns the
/// answers per second. The answers must have no body.
///
/// # Errors
/// Says which answer was wrong.
pub(crate) fn ask_for(
    address: SocketAddr,
    line: &str,
    header: &str,
    (connections, time): (u32, Duration),
) -> Result<f64, Error> {
    let start = Instant::now();
    let counts = thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(move || {
                    let mut connection = Connection::open(address)?;
                    let mut count = 0_u32;
                    while start.elapsed() < time {
                        connection.head(line, header)?;
                        count += 1;
                    }
                    Ok(count)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(died())))
            .collect::<Result<Vec<u32>, Error>>()
    })?;
    let sum: f64 = counts.into_iter().map(f64::from).sum();
    Ok(sum / start.elapsed().as_secs_f64())
}

fn pull_once(address: SocketAddr, path: &str, length: usize) -> Result<(), Error> {
    let mut connection = Connection::open(address)?;
    let line = format!("GET {path}");
    let answer = connection.ask(&line, OCTETS, Body::Whole(b""), 200)?;
    if answer.length != length {
        let words = format!("`{line}` has {} bytes", answer.length);
        return Err(Error::new(words));
    }
    Ok(())
}

fn died() -> Error {
    Error::new("a client died")
}

fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}
