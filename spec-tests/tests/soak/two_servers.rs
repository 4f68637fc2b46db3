//! One directory, one server; and a server that is asked to end while it is written to.

use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::content::Content;
use crate::dice::Dice;
use crate::http::Client;
use crate::server::Server;
use crate::uploads::{self, expect};
use spec_tests::digest;

/// Longest that a server may take to stop listening once it is asked to end.
const PATIENCE: Duration = Duration::from_secs(20);

const REPOSITORY: &str = "group/drained";

#[test]
fn a_second_server_on_one_directory_refuses() {
    let directory = TempDir::with_prefix("wharf-two-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    let first = Server::start(&storage);
    let words = Server::refused(&storage);
    assert!(words.contains("error"), "{words}");
    let named = storage.display().to_string();
    assert!(words.contains(&named), "it names the directory: {words}");
    let mut client = Client::new(first.address());
    let answer = client
        .send("GET /v2/", &[], b"")
        .expect("the first still serves");
    expect(&answer, 200, "the first server");
    first.kill();
    // The lock is the process's own: a crash leaves nothing to clean up.
    Server::start(&storage);
}

#[test]
fn an_upload_in_flight_is_finished_before_the_end() {
    let directory = TempDir::with_prefix("wharf-drain-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    let server = Server::start(&storage);
    let address = server.address();
    let mut idle = Client::new(address);
    idle.send("GET /v2/", &[], b"").expect("the server runs");

    let mut dice = Dice::new(3);
    let content = Content::Noise {
        seed: dice.next(),
        length: 3 << 20,
    };
    let bytes = content.bytes();
    let digest = digest(&bytes);
    let mut client = Client::new(address);
    let begun = uploads::begin(&mut client, REPOSITORY).expect("the server runs");
    let line = format!("PUT {}", uploads::finish_at(&begun, &digest));
    client
        .begin(&line, &[], Some(bytes.len()))
        .expect("the server runs");
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    client.write_on(half).expect("the server runs");

    server.terminate();
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < PATIENCE, "it still takes connections");
        sleep(Duration::from_millis(10));
    }
    client.write_on(rest).expect("the connection stays");
    let answer = client.answer(&line).expect("the connection stays");
    expect(&answer, 201, "an upload during the end");
    let status = server.wait();
    assert!(status.success(), "{status}");

    let server = Server::start(&storage);
    let mut client = Client::new(server.address());
    let line = format!("GET /v2/{REPOSITORY}/blobs/{digest}");
    let answer = client.send(&line, &[], b"").expect("the server runs");
    assert!(answer.body == bytes, "{line} has other bytes");
}
