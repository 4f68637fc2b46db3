//! A disk that fails now and then: nothing is acknowledged that is not there, what was
//! acknowledged stays, and the server goes on.
//!
//! `strace` makes system calls fail: those by which files and directories are written,
//! named and flushed, every so often in each thread.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::dice::Dice;
use crate::http::{Answer, Client};
use crate::images::Images;
use crate::server::{Server, Setup, is_peer, variable};
use crate::uploads::expect;
use spec_tests::skip;

/// What fails. No `write`, which also goes to sockets, and by which threads are woken.
const CALLS: &str = "fsync,fdatasync,pwrite64,pwritev,pwritev2,renameat,renameat2,rename,linkat,\
                     unlinkat,mkdirat,ftruncate,fallocate";

/// Rounds of the short run, each with a server of its own on the same disk.
const FEW_ROUNDS: u32 = 6;

/// Pushes of a round.
const PUSHES: u32 = 25;

/// Images that are removed after this many pushes.
const REMOVED_EVERY: u32 = 4;

/// Size of a layer, in bytes.
const LAYER: usize = 600_000;

#[test]
fn a_failing_disk_is_a_clean_error() {
    rounds(FEW_ROUNDS);
}

#[test]
#[ignore = "takes minutes; `WHARF_SOAK` is the number of rounds"]
fn soak_a_failing_disk_is_a_clean_error() {
    let asked = variable("WHARF_SOAK").and_then(|text| text.parse().ok());
    rounds(asked.unwrap_or(100));
}

fn rounds(count: u32) {
    if is_peer() {
        return;
    }
    if !has_strace() {
        return skip("needs the program `strace`");
    }
    let seed = Dice::seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let directory = TempDir::with_prefix("wharf-failing-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    let setup = Setup {
        storage: storage.clone().into(),
        flags: vec!["--gc-interval=100ms".to_owned(), "--gc-grace=2s".to_owned()],
        variables: Vec::new(),
    };
    // Made by a server whose disk works.
    Server::start_with(&setup, &storage).kill();
    let mut images = Images::new(LAYER);
    let (mut refused, mut died) = (0, 0);
    for round in 0..count {
        let mut server = start_failing(&setup, &storage, &mut dice);
        for number in 0..PUSHES {
            let outcome = if number % REMOVED_EVERY == REMOVED_EVERY - 1 {
                images.remove(&server)
            } else {
                images.push(&server)
            };
            if let Err(answer) = outcome {
                clean_error(&answer);
                refused += 1;
            }
        }
        if !server.is_running() {
            died += 1;
        }
        let answer = Client::new(server.address()).send("GET /v2/", &[], b"");
        expect(
            &answer.expect("it runs"),
            200,
            "a server with a failing disk",
        );
        images.check(&server);
        server.kill();
        // strace lets go of the directory a moment later.
        sleep(Duration::from_millis(20));
        setup.check(&[]);
        let server = Server::start_with(&setup, &storage);
        images.check(&server);
        let words = server.words();
        assert!(!words.contains("panicked"), "round {round}: {words}");
        server.kill();
    }
    println!(
        "{count} rounds, {} images there, {refused} requests refused",
        images.count()
    );
    assert!(refused > 0, "the disk never failed");
    assert!(images.count() > 0, "nothing was ever acknowledged");
    assert_eq!(died, 0);
}

/// Starts a server whose calls fail every so often, counted in each thread. A start that
/// fails would be no failure of the server: the first calls of a thread do not.
fn start_failing(setup: &Setup, storage: &Path, dice: &mut Dice) -> Server {
    let (first, step) = (30 + dice.below(60), 60 + dice.below(200));
    let calls = format!("trace={CALLS}");
    let inject = format!("inject={CALLS}:error=EIO:when={first}+{step}");
    let prefix = ["strace", "-D", "-f", "-qq", "-o/dev/null"];
    let prefix = [&prefix[..], &["-e", &calls, "-e", &inject]].concat();
    Server::start_in_with(setup, storage, &prefix)
}

/// An error that a client can read, and that is no fault of its.
fn clean_error(answer: &Answer) {
    let body: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    assert!(body["errors"][0]["code"].is_string(), "{}", answer.text());
    let status = answer.status;
    assert!((500..600).contains(&status), "{status} {}", answer.text());
}

fn has_strace() -> bool {
    let mut strace = std::process::Command::new("strace");
    let strace = strace.args(["-D", "-f", "-qq", "-o/dev/null", "true"]);
    strace.status().is_ok_and(|status| status.success())
}
