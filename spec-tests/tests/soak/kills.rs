//! Kills at random instants: whatever was acknowledged comes back, byte for byte, and what
//! nothing leads to goes in the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::content::Content;
use crate::dice::Dice;
use crate::fleet::{Fleet, Site};
use crate::http::{Client, Door};
use crate::server::{is_peer, variable};
use crate::uploads::{self, IMAGE};
use crate::verify::{Depth, Found, verify};
use crate::worker::{SHARED, Worker};
use spec_tests::digest;

/// Rounds of the short run.
const FEW_ROUNDS: u32 = 12;

/// Rounds of the long run, unless `WHARF_SOAK` says otherwise.
const MANY_ROUNDS: u32 = 500;

/// Rounds after which everything stored is read by `wharf check`.
const CHECKED_EVERY: u32 = 10;

/// Clients that write.
const WORKERS: usize = 4;

/// Blobs that all of them use.
const SHARED_BLOBS: usize = 5;

/// Longest that a server lives in one round, in milliseconds.
const LONGEST_LIFE: usize = 700;

/// How long the servers that were spared go on in a round, in milliseconds.
const AFTERLIFE: usize = 200;

/// Longest wait before the kill of a server that is starting, in milliseconds.
const LONGEST_START: usize = 30;

#[test]
fn nothing_acknowledged_is_lost_by_kills() {
    rounds(Site::Directory, FEW_ROUNDS);
}

#[test]
fn nothing_acknowledged_is_lost_by_kills_on_a_bucket() {
    rounds(Site::Bucket, FEW_ROUNDS);
}

#[test]
#[ignore = "takes minutes; `WHARF_SOAK` is the number of rounds"]
fn soak_nothing_acknowledged_is_lost_by_kills() {
    rounds(Site::Directory, asked());
}

#[test]
#[ignore = "takes minutes; `WHARF_SOAK` is the number of rounds"]
fn soak_nothing_acknowledged_is_lost_by_kills_on_a_bucket() {
    rounds(Site::Bucket, asked());
}

fn asked() -> u32 {
    let asked = variable("WHARF_SOAK").and_then(|text| text.parse().ok());
    asked.unwrap_or(MANY_ROUNDS)
}

fn rounds(site: Site, count: u32) {
    let seed = Dice::seed();
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let shared: Vec<Content> = (0..SHARED_BLOBS)
        .map(|_| Content::noise(&mut dice))
        .collect();
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|number| {
            let own = Dice::new(dice.next());
            let mut worker = Worker::new(own, format!("soak/worker-{number}"), shared.clone());
            worker.ledger.collected = !is_peer();
            worker
        })
        .collect();
    let mut fleet = Fleet::start(site);
    share(fleet.door(), &shared);

    let mut total = Found::default();
    let mut orphans = 0;
    let start = Instant::now();
    for round in 1..=count {
        run_and_kill(&mut fleet, &mut workers, &mut dice);
        if round % CHECKED_EVERY == 0 || round == count {
            fleet.kill_all();
            orphans = fleet.check();
        }
        if dice.chance(15) {
            let after = Duration::from_millis(dice.below(LONGEST_START) as u64);
            fleet.start_and_kill(after);
        }
        fleet.start_missing();
        let depth = if round == count {
            Depth::Full
        } else {
            Depth::Recent
        };
        let found = verify_all(fleet.door(), &mut workers, depth);
        total.verified += found.verified;
        total.resumed += found.resumed;
        total.in_flight += found.in_flight;
        check_shared(fleet.door(), &shared);
        check_catalog(fleet.door(), &workers);
    }
    let acknowledged: u64 = workers
        .iter()
        .map(|worker| worker.ledger.acknowledged)
        .sum();
    report(count, acknowledged, total, start.elapsed());
    println!("no damage; {orphans} things nobody needs that the kills left");
    assert!(acknowledged > u64::from(count), "too little was done");
    if !is_peer() {
        remove_all(&mut fleet, &mut workers);
    }
    let words = fleet.words();
    assert!(!words.contains("panicked"), "{words}");
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

/// Lets everybody work and kills a server after a while, or all; those that are spared go
/// on for a moment.
fn run_and_kill(fleet: &mut Fleet, workers: &mut [Worker], dice: &mut Dice) {
    let door = fleet.door();
    let seed = dice.next();
    let life = Duration::from_millis(dice.below(LONGEST_LIFE) as u64);
    let names: Vec<String> = workers
        .iter()
        .map(|worker| worker.ledger.repository.clone())
        .collect();
    let mut victims: Vec<usize> = (0..fleet.size()).collect();
    if fleet.size() > 1 && dice.chance(70) {
        victims = vec![dice.below(fleet.size())];
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = &stop;
        for worker in workers {
            scope.spawn(move || worker.work(door, stop));
        }
        scope.spawn(move || read_all(door, &names, (Dice::new(seed), stop)));
        thread::sleep(life);
        fleet.kill(&victims);
        if victims.len() < fleet.size() {
            thread::sleep(Duration::from_millis(dice.below(AFTERLIFE) as u64));
        }
        stop.store(true, Ordering::Release);
    });
}

fn verify_all(door: Door, workers: &mut [Worker], depth: Depth) -> Found {
    let each: Vec<Found> = thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .map(|worker| scope.spawn(move || verify(worker, door, depth)))
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
fn read_all(door: Door, repositories: &[String], (mut dice, stop): (Dice, &AtomicBool)) {
    let mut client = Client::new(door);
    while !stop.load(Ordering::Acquire) {
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

/// Pushes the blobs that all use, and an image that holds them.
fn share(door: Door, shared: &[Content]) {
    let (mut client, mut dice) = (Client::new(door), Dice::new(1));
    let mut described = Vec::new();
    for content in shared {
        let bytes = content.bytes();
        let blob = (&*digest(&bytes), &*bytes);
        uploads::push_blob(&mut client, &mut dice, SHARED, blob).expect("the server runs");
        described.push(format!(
            "{{\"mediaType\":\"application/octet-stream\",\"digest\":\"{}\",\"size\":{}}}",
            blob.0,
            bytes.len()
        ));
    }
    let manifest = format!(
        "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",\"config\":{},\"layers\":[{}]}}",
        described[0],
        described[1..].join(",")
    );
    let answer = uploads::put_manifest(&mut client, SHARED, "held", manifest.as_bytes());
    uploads::expect(&answer.expect("the server runs"), 201, "the image of all");
}

/// Whatever others do with these blobs in their repositories, here they stay.
fn check_shared(door: Door, shared: &[Content]) {
    let mut client = Client::new(door);
    for content in shared {
        let bytes = content.bytes();
        let line = format!("GET /v2/{SHARED}/blobs/{}", digest(&bytes));
        let answer = client.send(&line, &[], b"").expect("the server runs");
        uploads::expect(&answer, 200, &line);
        assert!(answer.body == bytes, "{line} has other bytes");
    }
}

/// Every repository with an image is in the catalog.
fn check_catalog(door: Door, workers: &[Worker]) {
    let mut client = Client::new(door);
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

/// Removes every manifest, after which everything is garbage, and waits until it is gone.
fn remove_all(fleet: &mut Fleet, workers: &mut [Worker]) {
    fleet.collect_all();
    let mut client = Client::new(fleet.door());
    let held = format!("/v2/{SHARED}/manifests/held");
    let answer = client.send(&format!("HEAD {held}"), &[("Accept", IMAGE)], b"");
    let answer = answer.expect("the server runs");
    let held = answer.header("docker-content-digest").expect("it is there");
    let shared = [(SHARED.to_owned(), held.to_owned())];
    let all = workers.iter().flat_map(|worker| {
        let known = worker.ledger.manifests.keys();
        known.map(|digest| (worker.ledger.repository.clone(), digest.clone()))
    });
    for (repository, digest) in all.chain(shared) {
        let line = format!("DELETE /v2/{repository}/manifests/{digest}");
        let answer = client.send(&line, &[], b"").expect("the server runs");
        assert!(
            [202, 404].contains(&answer.status),
            "{line}: {}",
            answer.text()
        );
    }
    let start = Instant::now();
    fleet.wait_until_empty();
    let time = start.elapsed().as_secs_f64();
    println!("what was left was gone after {time:.1} s");
    fleet.kill_all();
    // That was one more kill, in the middle of a collection.
    println!("{} things that nobody needs stay", fleet.check());
}
