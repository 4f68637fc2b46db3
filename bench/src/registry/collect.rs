//! Pulls and pushes while garbage is collected, and while it is not.
//!
//! One wharf serves the same clients in three spans: before the collection, from its
//! trigger to its end, and after it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::Bench;
use super::connection::{Body, Connection, OCTETS};
use super::peer::{Kind, Peer, Place};
use super::push::{Blob, Image, Pusher, died, push_at_once};
use super::settle;
use super::table::Row;
use crate::error::Error;
use crate::table::percentile;

/// Clients that pull and push.
const CLIENTS: usize = 32;

/// Clients that make garbage.
const FILLERS: u32 = 8;

/// Bytes of a blob that nobody needs.
const GARBAGE: usize = 1024;

/// Pulls that a client makes before each push.
const PULLS: usize = 4;

/// How long a client does nothing after each request, so that the processors have something
/// left for others: with none, what is measured is how they are shared.
const PAUSE: Duration = Duration::from_millis(100);

/// How old garbage has to be.
const GRACE: &str = "15s";

/// Longest that a collection may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// How often it is looked whether the collection has ended.
const LOOK: Duration = Duration::from_millis(250);

const PULL_WITHOUT: Row = row(
    "pull of 64 KiB, 32 clients: p99 without collection",
    "ms",
    "",
);
const PULL_WITH: Row = row(
    "pull of 64 KiB, 32 clients: p99 during collection",
    "ms",
    "",
);
const PULL_TIMES: Row = row("pull: p99 with / without", "times", "under 1.3");
const PUSH_WITHOUT: Row = row(
    "push of an image, 32 clients: p99 without collection",
    "ms",
    "",
);
const PUSH_WITH: Row = row(
    "push of an image, 32 clients: p99 during collection",
    "ms",
    "",
);
const PUSH_TIMES: Row = row("push: p99 with / without", "times", "under 1.3");
const TIME: Row = row("collection of all garbage", "s", "");
const REMOVED: Row = row("blobs that were collected", "blobs", "");

const fn row(name: &'static str, unit: &'static str, target: &'static str) -> Row {
    Row { name, unit, target }
}

/// Measures wharf.
///
/// # Errors
/// Says what was answered wrongly.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    for _ in 0..bench.scale.rounds {
        let place = bench.vast_place("collect")?;
        let images = fill(&place, bench.scale.many)?;
        settle()?;
        let storage = place.storage(Kind::Wharf);
        let flags = ["--gc-interval", "24h", "--gc-grace", GRACE];
        let peer = Peer::start_wharf(&place, &storage.to_string_lossy(), &flags)?;
        let span = Duration::from_secs(5 * u64::from(bench.scale.seconds));
        let seen = watch(&peer, &images, span)?;
        add(bench, &seen)?;
    }
    Ok(())
}

/// What was seen of a collection and around it.
#[derive(Debug)]
struct Seen {
    pulls: Vec<Taken>,
    pushes: Vec<Taken>,
    /// From the trigger to the end.
    collection: (Instant, Instant),
    removed: f64,
}

/// When something began, and how many milliseconds it took.
type Taken = (Instant, f64);

fn add(bench: &mut Bench, seen: &Seen) -> Result<(), Error> {
    let (start, end) = seen.collection;
    let table = &mut bench.table;
    table.add(TIME, Kind::Wharf, end.duration_since(start).as_secs_f64());
    table.add(REMOVED, Kind::Wharf, seen.removed);
    let kinds = [
        (&seen.pulls, PULL_WITHOUT, PULL_WITH, PULL_TIMES),
        (&seen.pushes, PUSH_WITHOUT, PUSH_WITH, PUSH_TIMES),
    ];
    for (taken, without, with, times) in kinds {
        let (during, beside): (Vec<Taken>, Vec<Taken>) = taken
            .iter()
            .partition(|(began, _)| (start..end).contains(began));
        let most = |taken: Vec<Taken>| {
            let times = taken.into_iter().map(|(_, time)| time);
            percentile(times.collect(), 99).ok_or_else(died)
        };
        let (during, beside) = (most(during)?, most(beside)?);
        table.add(without, Kind::Wharf, beside);
        table.add(with, Kind::Wharf, during);
        table.add(times, Kind::Wharf, during / beside);
    }
    Ok(())
}

/// Runs the clients before, during and after a collection.
fn watch(peer: &Peer, images: &[Image], span: Duration) -> Result<Seen, Error> {
    let stop = AtomicBool::new(false);
    let address = peer.address();
    thread::scope(|scope| {
        let clients: Vec<_> = images
            .iter()
            .enumerate()
            .map(|(number, image)| {
                let stop = &stop;
                scope.spawn(move || client(address, (number, image), stop))
            })
            .collect();
        let collection = collect(peer, span);
        stop.store(true, Ordering::Relaxed);
        let (mut pulls, mut pushes) = (Vec::new(), Vec::new());
        for client in clients {
            let (pulled, pushed) = client.join().unwrap_or_else(|_| Err(died()))?;
            pulls.extend(pulled);
            pushes.extend(pushed);
        }
        Ok(Seen {
            pulls,
            pushes,
            collection: collection?,
            removed: metric(address, "wharf_collection_removed_total{kind=\"blobs\"}")?,
        })
    })
}

/// Waits for a span, has garbage collected, waits for its end and for another span.
fn collect(peer: &Peer, span: Duration) -> Result<(Instant, Instant), Error> {
    sleep(span);
    let before = metric(
        peer.address(),
        "wharf_collection_last_success_timestamp_seconds",
    )?;
    let start = Instant::now();
    let id = peer.id().to_string();
    Command::new("kill").args(["-USR1", &id]).status()?;
    loop {
        sleep(LOOK);
        let last = metric(
            peer.address(),
            "wharf_collection_last_success_timestamp_seconds",
        )?;
        if last > before {
            break;
        }
        if start.elapsed() > PATIENCE {
            return Err(Error::new("the collection has no end"));
        }
    }
    let end = Instant::now();
    sleep(span);
    Ok((start, end))
}

/// Pulls its image again and again, and pushes a new one now and then, until it is told to
/// stop.
fn client(
    address: SocketAddr,
    (number, image): (usize, &Image),
    stop: &AtomicBool,
) -> Result<(Vec<Taken>, Vec<Taken>), Error> {
    let (mut pulls, mut pushes) = (Vec::new(), Vec::new());
    let mut connection = Connection::open(address)?;
    let mut pusher = Pusher::open(address)?;
    let own = format!("load/client{number}");
    let layer = image.layers.first().ok_or_else(died)?.path(&own);
    let manifest = format!("/v2/{own}/manifests/latest");
    let mut seed = (number as u64 + 1) << 40;
    // Not all at the same time.
    sleep(PAUSE * u32::try_from(number).unwrap_or(0) / 32);
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..PULLS {
            let start = Instant::now();
            connection.fetch(&manifest)?;
            connection.fetch(&layer)?;
            pulls.push((start, start.elapsed().as_secs_f64() * 1000.0));
            sleep(PAUSE);
        }
        seed += 1;
        let image = Image::small(seed);
        let start = Instant::now();
        pusher.push((&own, "moving"), &image)?;
        pushes.push((start, start.elapsed().as_secs_f64() * 1000.0));
        sleep(PAUSE);
    }
    Ok((pulls, pushes))
}

/// Pushes garbage, and an image for every client, by a wharf that does not sync and ends
/// then.
fn fill(place: &Place, many: u32) -> Result<Vec<Image>, Error> {
    let storage = place.storage(Kind::Wharf);
    let flags = ["--unsafe-no-sync", "--gc", "off"];
    let peer = Peer::start_wharf(place, &storage.to_string_lossy(), &flags)?;
    let address = peer.address();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..FILLERS)
            .map(|first| scope.spawn(move || fill_part(address, first, many)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(died())))
    })?;
    let mut pusher = Pusher::open(address)?;
    let mut images = Vec::new();
    for number in 0..CLIENTS {
        let image = Image::small(number as u64);
        pusher.push((&format!("load/client{number}"), "latest"), &image)?;
        images.push(image);
    }
    Ok(images)
}

fn fill_part(address: SocketAddr, first: u32, many: u32) -> Result<(), Error> {
    let mut connection = Connection::open(address)?;
    for number in (first..many).step_by(FILLERS as usize) {
        let blob = Blob::noise((1 << 60) | u64::from(number), GARBAGE);
        let line = format!(
            "POST /v2/load/garbage/blobs/uploads/?digest={}",
            blob.digest
        );
        connection.ask(&line, OCTETS, Body::Whole(&blob.bytes), 201)?;
    }
    // The last one as a client would, so that both ways are there.
    let blob = Blob::noise((1 << 61) | u64::from(first), GARBAGE);
    push_at_once(&mut connection, "load/garbage", &blob)
}

/// Reads a number that the server counts; 0 where there is none yet.
fn metric(address: SocketAddr, name: &str) -> Result<f64, Error> {
    let mut stream = TcpStream::connect(address)?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(number_of(&text, name))
}

fn number_of(text: &str, name: &str) -> f64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let number = lines.find_map(|rest| rest.strip_prefix(' ')?.trim().parse().ok());
    number.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        let text = "# TYPE a gauge\na_b 3\na 4.5\na{kind=\"x\"} 7\n";
        assert_eq!(number_of(text, "a").to_string(), "4.5");
        assert_eq!(number_of(text, "a{kind=\"x\"}").to_string(), "7");
        assert_eq!(number_of(text, "c").to_string(), "0");
    }
}
