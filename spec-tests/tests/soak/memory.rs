//! Memory: a blob far larger than it goes in and out, to many at once.

use std::net::SocketAddr;
use std::thread;
use std::time::Instant;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::content::{Content, spell};
use crate::http::Client;
use crate::server::Server;
use crate::uploads::{self, expect};

/// Most that the server may use, in KiB: 128 MiB.
const LIMIT: u64 = 128 * 1024;

/// Clients that pull at the same time.
const CLIENTS: usize = 50;

/// Size of the pieces in which the blob is sent, in bytes.
const PIECE: usize = 1 << 20;

const REPOSITORY: &str = "large";

#[test]
fn a_large_blob_needs_little_memory() {
    push_and_pull(256);
}

#[test]
#[ignore = "takes minutes and 4 GiB of disk"]
fn soak_a_blob_of_4_gib_needs_little_memory() {
    push_and_pull(4096);
}

/// Pushes a blob of so many MiB and pulls it with all clients at once.
fn push_and_pull(mebibytes: u64) {
    let directory = TempDir::with_prefix("wharf-memory-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    fs_err::create_dir(&storage).expect("the directory is new");
    let server = Server::start(&storage);
    let idle = server.memory("VmRSS:");

    let start = Instant::now();
    let digest = push(server.address(), mebibytes);
    let (time, pushed) = (start.elapsed().as_secs_f64(), server.memory("VmHWM:"));
    let total = f64::from(u32::try_from(mebibytes).expect("a small number"));
    println!(
        "push of {mebibytes} MiB: {time:.1} s, {:.0} MiB/s, at most {} MiB of memory, {} idle",
        total / time,
        pushed / 1024,
        idle / 1024,
    );
    assert!(pushed < LIMIT, "{pushed} KiB of memory for a push");

    let start = Instant::now();
    pull_by_all(server.address(), &digest, mebibytes * 1024 * 1024);
    let (time, pulled) = (start.elapsed().as_secs_f64(), server.memory("VmHWM:"));
    println!(
        "pull by {CLIENTS}: {time:.1} s, {:.0} MiB/s in sum, at most {} MiB of memory",
        total * 50.0 / time,
        pulled / 1024,
    );
    assert!(pulled < LIMIT, "{pulled} KiB of memory for pulls");
}

/// Streams a blob that is never whole anywhere on this side; returns its digest.
fn push(address: SocketAddr, pieces: u64) -> String {
    let mut client = Client::new(address);
    let noise = Content::Noise {
        seed: 11,
        length: PIECE,
    }
    .bytes();
    let mut hash = Sha256::new();
    let mut stream = (0..pieces).map(|number| {
        let mut piece = noise.clone();
        piece[..8].copy_from_slice(&number.to_le_bytes());
        hash.update(&piece);
        piece
    });
    let begun = uploads::begin(&mut client, REPOSITORY).expect("the server runs");
    let line = format!("PATCH {}", uploads::location(&begun));
    let answer = client
        .stream(&line, &[], &mut stream)
        .expect("the server runs");
    expect(&answer, 202, &line);
    drop(stream);
    let digest = spell(hash);
    let done = uploads::finish(&mut client, &answer, &digest).expect("the server runs");
    expect(&done, 201, "the end of a large upload");
    digest
}

/// Pulls by all clients at once. One of them checks the digest, all of them the length.
fn pull_by_all(address: SocketAddr, digest: &str, length: u64) {
    let path = format!("/v2/{REPOSITORY}/blobs/{digest}");
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let path = &path;
            scope.spawn(move || {
                let mut client = Client::new(address);
                let (mut hash, mut count) = (Sha256::new(), 0);
                let mut each = |piece: &[u8]| {
                    count += piece.len() as u64;
                    if number == 0 {
                        hash.update(piece);
                    }
                };
                let answer = client.fetch(path, &mut each).expect("the server runs");
                expect(&answer, 200, path);
                assert_eq!(count, length);
                assert!(number != 0 || spell(hash) == digest, "other bytes");
            });
        }
    });
}
