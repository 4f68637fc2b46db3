//! Pulls of a small and of a large blob, by one connection and by several.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::peer::{Kind, Peer};
use super::push::{Blob, died, push_at_once};
use super::table::Row;
use super::{Bench, each_round, mebibytes, settle};
use crate::error::Error;

/// Bytes of a small blob: 1 MiB.
const SMALL: usize = 1 << 20;

/// Small blobs that take turns, so that none stays in a cache of the processor.
const SMALL_BLOBS: u64 = 16;

const REPOSITORY: &str = "bench/pull";

/// How a value comes about.
#[derive(Debug, Clone, Copy)]
struct Pull {
    rate: Row,
    /// What the program's own processors do for it.
    effort: Row,
    clients: usize,
    /// Whether it is the large blob, once by each client.
    large: bool,
}

const PULLS: [Pull; 4] = [
    Pull {
        rate: rate("pull of 1 MiB, 1 connection"),
        effort: effort("pull of 1 MiB, 1 connection: processors of the server"),
        clients: 1,
        large: false,
    },
    Pull {
        rate: rate("pull of 1 MiB, 8 connections"),
        effort: effort("pull of 1 MiB, 8 connections: processors of the server"),
        clients: 8,
        large: false,
    },
    Pull {
        rate: rate("pull of 1 GiB, 1 connection"),
        effort: effort("pull of 1 GiB, 1 connection: processors of the server"),
        clients: 1,
        large: true,
    },
    Pull {
        rate: rate("pull of 1 GiB, 4 connections"),
        effort: effort("pull of 1 GiB, 4 connections: processors of the server"),
        clients: 4,
        large: true,
    },
];

const fn rate(name: &'static str) -> Row {
    Row {
        name,
        unit: "MiB/s",
        target: "0.9 of nginx",
    }
}

const fn effort(name: &'static str) -> Row {
    Row {
        name,
        unit: "ms/GiB",
        target: "",
    }
}

/// Measures all programs.
///
/// # Errors
/// Says what was answered wrongly.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    let place = bench.place("blobs")?;
    let large = bench.scale.pulled;
    let mut peers = Peer::start_all(&Kind::REGISTRIES, &place)?;
    let seeds = (1..=SMALL_BLOBS).map(|seed| (seed, SMALL));
    let mut paths = Vec::new();
    for (seed, length) in seeds.chain([(0, large)]) {
        let blob = Blob::noise(seed, length);
        let path = blob.path(REPOSITORY);
        for peer in &peers {
            push_at_once(&mut Connection::open(peer.address())?, REPOSITORY, &blob)?;
        }
        let file = place.served(&path);
        fs_err::create_dir_all(file.with_file_name(""))?;
        fs_err::write(file, &blob.bytes)?;
        paths.push((path, length));
    }
    peers.push(Peer::start(Kind::Nginx, &place)?);
    settle()?;
    let (small, large) = paths.split_at(paths.len() - 1);
    let time = Duration::from_secs(u64::from(bench.scale.seconds));
    for peer in &peers {
        pull(peer.address(), 1, |number, _| {
            one_of(small, number, small.len())
        })?;
        pull(peer.address(), 1, |number, _| one_of(large, number, 1))?;
    }
    for kind in PULLS {
        each_round(bench.scale.rounds, &peers, |peer| {
            let before = peer.processor_seconds()?;
            let pulled = if kind.large {
                pull(peer.address(), kind.clients, |number, _| {
                    one_of(large, number, 1)
                })
            } else {
                pull(peer.address(), kind.clients, |number, elapsed| {
                    let path = one_of(small, number % small.len(), small.len());
                    path.filter(|_| elapsed < time)
                })
            };
            let (bytes, elapsed) = pulled?;
            let seconds = peer.processor_seconds()? - before;
            let mebi = mebibytes(bytes);
            let rate = mebi / elapsed.as_secs_f64();
            bench.table.add(kind.rate, peer.kind(), rate);
            let effort = seconds * 1000.0 * 1024.0 / mebi;
            bench.table.add(kind.effort, peer.kind(), effort);
            Ok(())
        })?;
    }
    Ok(())
}

/// Returns a path and its length in bytes; `None` past the number that is wanted.
fn one_of(paths: &[(String, usize)], number: usize, wanted: usize) -> Option<&(String, usize)> {
    paths.get(number).filter(|_| number < wanted)
}

/// Pulls by several clients, each by one connection, what `next` says for the number of
/// the request and the time since the start, until it says nothing. Returns the bytes of all
/// and the time until the last client was done.
fn pull<'a>(
    address: SocketAddr,
    clients: usize,
    next: impl Fn(usize, Duration) -> Option<&'a (String, usize)> + Sync,
) -> Result<(usize, Duration), Error> {
    let start = Instant::now();
    let client = || {
        let mut connection = Connection::open(address)?;
        let mut sum = 0;
        for number in 0.. {
            let Some((path, length)) = next(number, start.elapsed()) else {
                break;
            };
            let pulled = connection.fetch(path)?;
            if pulled != *length {
                return Err(Error::new(format!("`{path}` has {pulled} bytes")));
            }
            sum += pulled;
        }
        Ok(sum)
    };
    let bytes = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(died())))
            .sum::<Result<usize, Error>>()
    })?;
    Ok((bytes, start.elapsed()))
}
