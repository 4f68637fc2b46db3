//! Kills at random instants: whatever was acknowledged comes back, byte for byte.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::content::Content;
use crate::dice::Dice;
use crate::http::Client;
use crate::server::{Server, variable};
use crate::uploads::{self, IMAGE};
use crate::verify::{Depth, Found, verify};
use crate::worker::{SHARED, Worker};
use spec_tests::digest;

/// Rounds of the short run.
const FEW_ROUNDS: u32 = 12;

/// Rounds of the long run, unless `WHARF_SOAK` says otherwise.
const MANY_ROUNDS: u32 = 200;

/// Clients that write.
const WORKERS: usize = 4;

/// Blobs that all of them use.
const SHARED_BLOBS: usize = 5;

/// Longest that a server lives in one round, in milliseconds.
const LONGEST_LIFE: usize = 700;

/// Longest wait before the kill of a server that is starting, in milliseconds.
const LONGEST_START: usize = 30;

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    rounds(FEW_ROUNDS);
}

#[test]
#[ignore = "takes minutes; `WHARF_SOAK` is the number of rounds"]
fn soak_nothing_acknowledged_is_lost_by_kills() {
    let asked = variable("WHARF_SOAK").and_then(|text| text.parse().ok());
    rounds(asked.unwrap_or(MANY_ROUNDS));
}

fn rounds(count: u32) {
    let seed = Dice::seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let directory = TempDir::with_prefix("wharf-soak-").expect("a temporary directory");
    let storage = directory.path().join("storage");
    fs_err::create_dir(&storage).expect("the directory is new");
    let shared: Vec<Content> = (0..SHARED_BLOBS)
        .map(|_| Content::noise(&mut dice))
        .collect();
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|number| {
            let own = Dice::new(dice.next());
            Worker::new(own, format!("soak/worker-{number}"), shared.clone())
        })
        .collect();
    let mut server = Server::start(&storage);
    share(server.address(), &shared);

    let mut total = Found::default();
    let start = Instant::now();
    for round in 1..=count {
        let life = Duration::from_millis(dice.below(LONGEST_LIFE) as u64);
        run_and_kill(server, &mut workers, dice.next(), life);
        if dice.chance(15) {
            let after = Duration::from_millis(dice.below(LONGEST_START) as u64);
            Server::start_and_kill(&storage, after);
        }
        server = Server::start(&storage);
        let depth = if round == count {
            Depth::Full
        } else {
            Depth::Recent
        };
        let found = verify_all(&server, &mut workers, depth);
        total.verified += found.verified;
        total.resumed += found.resumed;
        total.in_flight += found.in_flight;
        check_shared(server.address(), &shared);
        check_catalog(server.address(), &workers);
    }
    let acknowledged: u64 = workers
        .iter()
        .map(|worker| worker.ledger.acknowledged)
        .sum();
    report(count, acknowledged, total, start.elapsed());
    assert!(acknowledged > u64::from(count), "too little was done");
    no_panic(&server, &storage);
}

fn report(count: u32, acknowledged: u64, total: Found, time: Duration) {
    let Found {
        verified,
        resumed,
        in_flight,
    } = total;
    println!(
        "{count} rounds, {acknowledged} acknowledged, {verified} verified, \
         {in_flight} in flight at the kill, {resumed} uploads resumed, {:.0} s",
        time.as_secs_f64()
    );
}

/// Lets everybody work and kills the server after a while.
fn run_and_kill(server: Server, workers: &mut [Worker], seed: u64, life: Duration) {
    let address = server.address();
    let names: Vec<String> = workers
        .iter()
        .map(|worker| worker.ledger.repository.clone())
        .collect();
    thread::scope(|scope| {
        for worker in workers {
            scope.spawn(move || worker.work(address));
        }
        scope.spawn(move || read_all(address, &names, Dice::new(seed)));
        thread::sleep(life);
        server.kill();
    });
}

fn verify_all(server: &Server, workers: &mut [Worker], depth: Depth) -> Found {
    let address = server.address();
    let each: Vec<Found> = thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(move || verify(worker, address, depth)))
            .collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined
            .map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    Found {
        verified: each.iter().map(|found| found.verified).sum(),
        resumed: each.iter().map(|found| found.resumed).sum(),
        in_flight: each.iter().map(|found| found.in_flight).sum(),
    }
}

/// Pulls what others push and delete: what comes at all must be what it is called.
fn read_all(address: SocketAddr, repositories: &[String], mut dice: Dice) {
    let mut client = Client::new(address);
    loop {
        let repository = dice.pick(repositories).expect("there are workers");
        if read_one(&mut client, repository, &mut dice).is_err() {
            return;
        }
    }
}

fn read_one(client: &mut Client, repository: &str, dice: &mut Dice) -> std::io::Result<()> {
    let answer = client.send(&format!("GET /v2/{repository}/tags/list"), &[], b"")?;
    let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let tags = list["tags"].as_array().cloned().unwrap_or_default();
    let Some(tag) = dice.pick(&tags).and_then(Value::as_str) else {
        return Ok(());
    };
    let line = format!("GET /v2/{repository}/manifests/{tag}");
    let answer = client.send(&line, &[("Accept", IMAGE)], b"")?;
    if answer.status == 404 {
        // Deleted since it was listed.
        return Ok(());
    }
    uploads::expect(&answer, 200, &line);
    let claimed = answer.header("docker-content-digest").map(str::to_owned);
    assert_eq!(claimed, Some(digest(&answer.body)), "{line}");
    let manifest: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let config = manifest["config"]["digest"].as_str().expect("an image");
    let line = format!("GET /v2/{repository}/blobs/{config}");
    let answer = client.send(&line, &[], b"")?;
    if answer.status == 200 {
        assert_eq!(digest(&answer.body), config, "{line}");
    }
    Ok(())
}

fn share(address: SocketAddr, shared: &[Content]) {
    let (mut client, mut dice) = (Client::new(address), Dice::new(1));
    for content in shared {
        let bytes = content.bytes();
        let blob = (&*digest(&bytes), &*bytes);
        uploads::push_blob(&mut client, &mut dice, SHARED, blob).expect("the server runs");
    }
}

/// Whatever others do with these blobs in their repositories, here they stay.
fn check_shared(address: SocketAddr, shared: &[Content]) {
    let mut client = Client::new(address);
    for content in shared {
        let bytes = content.bytes();
        let line = format!("GET /v2/{SHARED}/blobs/{}", digest(&bytes));
        let answer = client.send(&line, &[], b"").expect("the server runs");
        uploads::expect(&answer, 200, &line);
        assert!(answer.body == bytes, "{line} has other bytes");
    }
}

/// Every repository with an image is in the catalog.
fn check_catalog(address: SocketAddr, workers: &[Worker]) {
    let mut client = Client::new(address);
    let line = "GET /v2/_catalog?n=100";
    let answer = client.send(line, &[], b"").expect("the server runs");
    uploads::expect(&answer, 200, line);
    let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let listed = list["repositories"].as_array().expect("a list");
    for worker in workers {
        let repository = worker.ledger.repository.as_str();
        let wanted = !worker.ledger.tags_there().is_empty();
        assert!(
            !wanted || listed.contains(&repository.into()),
            "{repository} is lost"
        );
    }
}

fn no_panic(server: &Server, storage: &Path) {
    let words = server.words();
    assert!(
        !words.contains("panicked"),
        "{}: {words}",
        storage.display()
    );
}
