//! Connections that break in the middle of an upload.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::content::Content;
use crate::dice::Dice;
use crate::http::{Answer, Client};
use crate::server::Server;
use crate::uploads::{self, expect};
use spec_tests::digest;

/// Uploads that are cut.
const CUTS: u32 = 24;

/// Longest that a server may take to notice that a connection is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Wait before an upload that is still being written to is asked for again.
const PAUSE: Duration = Duration::from_millis(10);

const REPOSITORY: &str = "cuts";

#[test]
fn a_cut_upload_goes_on_where_it_stopped() {
    let seed = Dice::seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let (server, _directory) = start();
    let mut kept = 0;
    for _ in 0..CUTS {
        let content = Content::noise(&mut dice);
        kept += one_cut(server.address(), &mut dice, &content.bytes());
    }
    println!("{CUTS} uploads cut and finished, {kept} bytes not sent twice");
    assert!(kept > 0, "no byte of a cut upload was kept");
}

#[test]
fn a_cut_push_shows_nothing() {
    let (server, _directory) = start();
    let mut dice = Dice::new(7);
    let mut client = Client::new(server.address());
    for number in 0..CUTS {
        let bytes = Content::noise(&mut dice).bytes();
        let digest = digest(&bytes);
        let uploads = format!("/v2/{REPOSITORY}/blobs/uploads/");
        let line = if number % 2 == 0 {
            format!("POST {uploads}?digest={digest}")
        } else {
            let begun = uploads::begin(&mut client, REPOSITORY).expect("the server runs");
            format!("PUT {}", uploads::finish_at(&begun, &digest))
        };
        let sent = &bytes[..dice.below(bytes.len())];
        client
            .cut(&line, &[], (sent, bytes.len()))
            .expect("the server runs");
        let line = format!("HEAD /v2/{REPOSITORY}/blobs/{digest}");
        let answer = client.send(&line, &[], b"").expect("the server runs");
        expect(&answer, 404, &line);
        push(&mut client, &mut dice, &bytes);
    }
}

fn start() -> (Server, TempDir) {
    let directory = TempDir::with_prefix("wharf-cuts-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    fs_err::create_dir(&storage).expect("the directory is new");
    (Server::start(&storage), directory)
}

/// Cuts one upload at a random byte, finishes it over another connection, and returns
/// how many bytes the registry had kept.
fn one_cut(address: SocketAddr, dice: &mut Dice, bytes: &[u8]) -> usize {
    let mut client = Client::new(address);
    let digest = digest(bytes);
    let begun = uploads::begin(&mut client, REPOSITORY).expect("the server runs");
    let line = format!("PATCH {}", uploads::location(&begun));
    let sent = &bytes[..dice.below(bytes.len())];
    if dice.chance(50) {
        client
            .cut(&line, &[], (sent, bytes.len()))
            .expect("the server runs");
    } else {
        cut_in_chunks(client, &line, sent);
    }
    let (at, received) = finish_rest(address, &begun, bytes);
    let mut client = Client::new(address);
    let done = uploads::finish(&mut client, &at, &digest).expect("the server runs");
    expect(&done, 201, "the end of a cut upload");
    let line = format!("GET /v2/{REPOSITORY}/blobs/{digest}");
    let answer = client.send(&line, &[], b"").expect("the server runs");
    assert!(answer.body == bytes, "{line} has other bytes");
    received
}

/// Sends a body without a length, and stops in the middle of a chunk.
fn cut_in_chunks(mut client: Client, line: &str, sent: &[u8]) {
    client.begin(line, &[], None).expect("the server runs");
    let announced = format!("{:x}\r\n", sent.len() + 1);
    client.write_on(announced.as_bytes()).expect("it is open");
    client.write_on(sent).expect("it is open");
}

/// Asks how far the upload came and sends the rest. While the server has not noticed
/// the cut, the answer may change under our hands.
fn finish_rest(address: SocketAddr, begun: &Answer, bytes: &[u8]) -> (Answer, usize) {
    let mut client = Client::new(address);
    let start = Instant::now();
    loop {
        let line = format!("GET {}", uploads::location(begun));
        let status = client.send(&line, &[], b"").expect("the server runs");
        let received = if status.status == 204 {
            uploads::received(&status)
        } else {
            bytes.len()
        };
        let at = match status.header("location") {
            Some(_) => uploads::location(&status),
            None => uploads::location(begun),
        };
        // `0-0` is said of one byte and of none.
        let offsets = if received == 0 {
            0..2
        } else {
            received..received + 1
        };
        for offset in offsets.filter(|offset| *offset < bytes.len()) {
            let answer = uploads::append(&mut client, &at, offset, &bytes[offset..]);
            let answer = answer.expect("the server runs");
            if answer.status == 202 {
                return (answer, offset);
            }
            expect(&answer, 416, "bytes that do not follow");
        }
        assert!(start.elapsed() < PATIENCE, "{line}: {}", status.status);
        sleep(PAUSE);
    }
}

fn push(client: &mut Client, dice: &mut Dice, bytes: &[u8]) {
    let digest = digest(bytes);
    let blob = (digest.as_str(), bytes);
    uploads::push_blob(client, dice, REPOSITORY, blob).expect("the server runs");
}
