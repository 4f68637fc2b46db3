//! Pushes of a small and of a large blob, and of whole small images, by one client and by
//! several.

use std::thread;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::peer::{Kind, Peer};
use super::push::{Blob, Image, Pusher, died, push};
use super::table::Row;
use super::{Bench, each_round, mebibytes, settle};
use crate::error::Error;
use crate::sample::noise;

/// Bytes of a small blob: 1 MiB.
const SMALL: usize = 1 << 20;

/// Clients, where there are several.
const MANY: u32 = 8;

/// What is pushed, and by how many.
#[derive(Debug, Clone, Copy)]
struct Push {
    row: Row,
    clients: u32,
    /// By each client.
    pushes: u32,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Small,
    Large,
    Image,
}

const PUSHES: [Push; 6] = [
    Push {
        row: row("push of 1 MiB, 1 client", "pushes/s"),
        clients: 1,
        pushes: 40,
        what: What::Small,
    },
    Push {
        row: row("push of 1 MiB, 8 clients", "pushes/s"),
        clients: MANY,
        pushes: 20,
        what: What::Small,
    },
    Push {
        row: row("push of 100 MiB, 1 client", "MiB/s"),
        clients: 1,
        pushes: 2,
        what: What::Large,
    },
    Push {
        row: row("push of 100 MiB, 8 clients", "MiB/s"),
        clients: MANY,
        pushes: 1,
        what: What::Large,
    },
    Push {
        row: row("push of small images, 1 client", "images/s"),
        clients: 1,
        pushes: 20,
        what: What::Image,
    },
    Push {
        row: row("push of small images, 8 clients", "images/s"),
        clients: MANY,
        pushes: 10,
        what: What::Image,
    },
];

const fn row(name: &'static str, unit: &'static str) -> Row {
    Row {
        name,
        unit,
        target: "1.25",
    }
}

/// Measures both registries.
///
/// # Errors
/// Says what was refused.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    let mut seeds = 1_u64 << 32;
    for round in 0..bench.scale.rounds {
        // New ones, so that the disk does not fill.
        let place = bench.place("pushes")?;
        let mut peers = Peer::start_all(&Kind::REGISTRIES, &place)?;
        peers.rotate_left(round % Kind::REGISTRIES.len());
        for peer in &peers {
            let mut connection = Connection::open(peer.address())?;
            push(&mut connection, "bench/warm", &Blob::noise(0, 64 << 20))?;
        }
        for kind in PUSHES {
            each_round(1, &peers, |peer| {
                let value = match kind.what {
                    What::Small => blobs(peer, kind, (&mut seeds, SMALL))?,
                    What::Large => blobs(peer, kind, (&mut seeds, bench.scale.pushed))?,
                    What::Image => images(peer, kind, &mut seeds)?,
                };
                bench.table.add(kind.row, peer.kind(), value);
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Pushes new blobs of some size, and returns pushes or MiB by the second.
fn blobs(peer: &Peer, kind: Push, (seeds, size): (&mut u64, usize)) -> Result<f64, Error> {
    let mut bytes = noise(*seeds, size);
    let mut next = || {
        *seeds += 1;
        bytes[..8].copy_from_slice(&seeds.to_le_bytes());
        Blob::of(bytes.clone())
    };
    let clients: Vec<Vec<Blob>> = (0..kind.clients)
        .map(|_| (0..kind.pushes).map(|_| next()).collect())
        .collect();
    settle()?;
    let address = peer.address();
    let time = at_once(&clients, |_number, blobs| {
        let mut connection = Connection::open(address)?;
        blobs
            .iter()
            .try_for_each(|blob| push(&mut connection, "bench/push", blob))
    })?;
    let pushes = f64::from(kind.clients * kind.pushes);
    let each = if kind.what == What::Large {
        mebibytes(size)
    } else {
        1.0
    };
    Ok(pushes * each / time.as_secs_f64())
}

/// Pushes new images, and returns how many by the second.
fn images(peer: &Peer, kind: Push, seeds: &mut u64) -> Result<f64, Error> {
    let mut next = || {
        *seeds += 1;
        Image::small(*seeds)
    };
    let clients: Vec<Vec<Image>> = (0..kind.clients)
        .map(|_| (0..kind.pushes).map(|_| next()).collect())
        .collect();
    settle()?;
    let address = peer.address();
    let time = at_once(&clients, |number, images| {
        let mut pusher = Pusher::open(address)?;
        let repository = format!("bench/image{number}");
        images
            .iter()
            .try_for_each(|image| pusher.push((&repository, "latest"), image))
    })?;
    Ok(f64::from(kind.clients * kind.pushes) / time.as_secs_f64())
}

/// Runs clients side by side, and returns the time until the last one is done.
fn at_once<T: Sync>(
    clients: &[T],
    client: impl Fn(usize, &T) -> Result<(), Error> + Sync,
) -> Result<Duration, Error> {
    let (start, client) = (Instant::now(), &client);
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter()
            .enumerate()
            .map(|(number, work)| scope.spawn(move || client(number, work)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(died())))
    })?;
    Ok(start.elapsed())
}
