//! Many clients at once: memory stays bounded, on a directory and on a bucket, and those
//! who are slow do not hold up the others.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sha2::{Digest as _, Sha256};

use crate::content::{Content, spell};
use crate::fleet::{Fleet, Site};
use crate::http::{Client, Door};
use crate::server::is_peer;
use crate::uploads::{self, expect};
use spec_tests::{digest, skip};

/// Most that one server may use, in KiB: 256 MiB.
const LIMIT: u64 = 256 * 1024;

/// Clients that push at the same time.
const PUSHERS: usize = 200;

/// Clients that send and take hardly anything.
const SLOW: usize = 1000;

/// Those of them that push; the others pull.
const UPLOADING: usize = 100;

/// Bytes that the kernel takes for a slow client who does not read.
const BUFFER: usize = 8 * 1024;

/// Files that this process and its server need for them.
const FILES: u64 = 8192;

/// Size of the blob that slow clients pull, in bytes.
const PULLED: usize = 64 << 20;

/// How long slow clients hold on.
const HOLD: Duration = Duration::from_secs(8);

/// Longest that a request of a quick client may take among slow ones.
const PATIENCE: Duration = Duration::from_secs(10);

const REPOSITORY: &str = "crowds";

#[test]
fn two_hundred_pushes_need_little_memory() {
    pushes(Site::Directory, 3);
}

#[test]
#[ignore = "takes minutes and 8 GiB of disk"]
fn soak_two_hundred_pushes_need_little_memory() {
    pushes(Site::Directory, 40);
}

#[test]
#[ignore = "takes minutes and 8 GiB of disk"]
fn soak_two_hundred_pushes_need_little_memory_on_a_bucket() {
    pushes(Site::Bucket, 40);
}

#[test]
fn a_thousand_slow_clients_need_little_memory() {
    slow_clients(Site::Directory);
}

#[test]
#[ignore = "on a bucket memory is not bounded as on a directory"]
fn soak_a_thousand_slow_clients_need_little_memory_on_a_bucket() {
    slow_clients(Site::Bucket);
}

/// Lets all push a blob of so many MiB each, all to one server, all at once.
fn pushes(site: Site, mebibytes: u64) {
    if is_peer() || !raise_files() {
        return;
    }
    let fleet = Fleet::start_alone(site);
    let door = fleet.door();
    let (idle, start) = (fleet.memory("VmRSS:"), Instant::now());
    let together = Barrier::new(PUSHERS);
    thread::scope(|scope| {
        for number in 0..PUSHERS {
            let together = &together;
            scope.spawn(move || push(door, (number as u64, mebibytes), together));
        }
    });
    let (most, time) = (fleet.memory("VmHWM:"), start.elapsed().as_secs_f64());
    println!(
        "{PUSHERS} pushes of {mebibytes} MiB on a {site:?}: {time:.1} s, {:.0} MiB/s, \
         at most {} MiB of memory, {} idle",
        (PUSHERS as u64 * mebibytes) as f64 / time,
        most / 1024,
        idle / 1024
    );
    assert!(most < LIMIT, "{most} KiB of memory for {PUSHERS} pushes");
    assert!(!fleet.words().contains("panicked"), "{}", fleet.words());
}

/// Pushes a blob by a PATCH of unknown length; nobody sends the last piece before all have
/// sent one.
fn push(door: Door, (number, pieces): (u64, u64), together: &Barrier) {
    let mut client = Client::new(door);
    let seed = number;
    let noise = Content::Noise {
        seed,
        length: 1 << 20,
    };
    let noise = noise.bytes();
    let mut hash = Sha256::new();
    let mut stream = (0..pieces).map(|piece| {
        if piece + 1 == pieces {
            together.wait();
        }
        let mut bytes = noise.clone();
        bytes[..8].copy_from_slice(&piece.to_le_bytes());
        hash.update(&bytes);
        bytes
    });
    let begun = uploads::begin(&mut client, REPOSITORY).expect("the server runs");
    let line = format!("PATCH {}", uploads::location(&begun));
    let answer = client.stream(&line, &[], &mut stream);
    let answer = answer.expect("the server runs");
    expect(&answer, 202, &line);
    drop(stream);
    let done = uploads::finish(&mut client, &answer, &spell(hash));
    expect(&done.expect("the server runs"), 201, "one of many pushes");
}

fn slow_clients(site: Site) {
    if is_peer() || !raise_files() {
        return;
    }
    let fleet = Fleet::start_alone(site);
    let door = fleet.door();
    let mut client = Client::new(door);
    let pulled = Content::Noise {
        seed: 3,
        length: PULLED,
    };
    let pulled = pulled.bytes();
    let known = digest(&pulled);
    let line = format!("POST /v2/{REPOSITORY}/blobs/uploads/?digest={known}");
    expect(
        &client.send(&line, &[], &pulled).expect("it runs"),
        201,
        &line,
    );

    let mut slow = Vec::new();
    for _ in 0..SLOW - UPLOADING {
        let mut stream = narrow(door.address);
        let path = format!("/v2/{REPOSITORY}/blobs/{known}");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", door.address);
        stream.write_all(head.as_bytes()).expect("it reads");
        slow.push(stream);
    }
    let uploads = slow_uploads(door);
    let (start, mut longest, mut quick) = (Instant::now(), Duration::ZERO, 0);
    let mut piece = [0; 1];
    while start.elapsed() < HOLD {
        for stream in slow.iter_mut().step_by(7) {
            // One byte now and then: never so slow as to be nobody.
            let _ = stream.set_nonblocking(true);
            let _ = stream.read(&mut piece);
        }
        let before = Instant::now();
        let line = format!("HEAD /v2/{REPOSITORY}/blobs/{known}");
        let answer = Client::new(door).send(&line, &[], b"");
        expect(&answer.expect("it answers others"), 200, &line);
        longest = longest.max(before.elapsed());
        quick += 1;
        thread::sleep(Duration::from_millis(50));
    }
    let most = fleet.memory("VmHWM:");
    println!(
        "{} slow clients on a {site:?}: at most {} MiB of memory; {quick} quick requests, \
         the longest {longest:.0?}",
        slow.len() + uploads.len(),
        most / 1024
    );
    assert!(longest < PATIENCE, "{longest:?} for a HEAD");
    assert!(most < LIMIT, "{most} KiB of memory");
    drop((slow, uploads));
    let line = format!("GET /v2/{REPOSITORY}/blobs/{known}");
    let answer = client.send(&line, &[], b"").expect("it runs");
    assert!(answer.body == pulled, "other bytes");
}

/// Connects as a client for whom the kernel gathers hardly anything.
fn narrow(address: SocketAddr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    set_socket_recv_buffer_size(&socket, BUFFER).expect("it is open");
    connect(&socket, &address).expect("it takes connections");
    TcpStream::from(socket)
}

/// Opens uploads of one MiB each and sends most of it, then nothing.
fn slow_uploads(door: Door) -> Vec<Client> {
    let noise = vec![7; 1 << 20];
    let opened = (0..UPLOADING).map(|_| {
        let mut client = Client::new(door);
        let begun = uploads::begin(&mut client, REPOSITORY).expect("it runs");
        let line = format!("PATCH {}", uploads::location(&begun));
        let begun = client.begin(&line, &[], Some(noise.len()));
        begun.expect("it runs");
        let sent = client.write_on(&noise[..900_000]);
        sent.expect("it runs");
        client
    });
    opened.collect()
}

/// Raises the limit of open files, which servers inherit; skips where that is not allowed.
fn raise_files() -> bool {
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= FILES);
    if enough(now.current) {
        return true;
    }
    let maximum = if enough(now.maximum) {
        now.maximum
    } else {
        Some(FILES)
    };
    let wanted = Rlimit {
        current: Some(FILES),
        maximum,
    };
    let raised = setrlimit(Resource::Nofile, wanted).is_ok();
    if !raised {
        skip("needs 8192 open files");
    }
    raised
}
