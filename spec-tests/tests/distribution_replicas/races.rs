//! Several processes asked for the same thing at the same instant.

use std::sync::Barrier;
use std::thread;

use serde_json::json;
use spec_tests::{Answer, Content, Registry, blob, digest, media, with_query};

use crate::crossing::{at, replicas};

/// Rounds of a race.
const ROUNDS: u64 = 15;

/// Clients of a race, an equal number on each process.
const CLIENTS: usize = 9;

/// Lets so many clients go at once and returns what each was answered.
fn race(clients: usize, ask: impl Fn(usize) -> Answer + Sync) -> Vec<Answer> {
    let start = Barrier::new(clients);
    thread::scope(|scope| {
        let runners: Vec<_> = (0..clients)
            .map(|number| {
                let (start, ask) = (&start, &ask);
                scope.spawn(move || {
                    start.wait();
                    ask(number)
                })
            })
            .collect();
        let answers = runners.into_iter().map(|runner| runner.join());
        answers.map(|answer| answer.expect("no panic")).collect()
    })
}

fn numbered(round: u64, number: usize) -> Content {
    let number = format!("{round}/{number}");
    Content::manifest(&json!({ "annotations": { "org.example.number": number } }))
}

fn put(registry: &Registry, replica: usize, path: &str, manifest: &Content) -> Answer {
    let request = registry.put(&at(registry, replica, path));
    let request = request.header("content-type", &manifest.media_type);
    request.body(&manifest.bytes).send()
}

/// Returns what every process says that a tag means.
fn meaning(registry: &Registry, path: &str) -> Vec<String> {
    let asked = (0..3).map(|replica| {
        let request = registry.head(&at(registry, replica, path));
        let answer = request.header("accept", media::MANIFEST).send().expect(200);
        answer
            .header("docker-content-digest")
            .unwrap_or_default()
            .to_owned()
    });
    asked.collect()
}

#[test]
fn an_immutable_tag_has_one_winner() {
    let builder = Registry::builder().flag("--immutable-tags=v*");
    let Some(registry) = builder.start() else {
        return;
    };
    registry.push_parts("races/immutable");
    for round in 0..ROUNDS {
        let path = format!("/v2/races/immutable/manifests/v{round}");
        let answers = race(CLIENTS, |number| {
            put(&registry, number % 3, &path, &numbered(round, number))
        });
        let won: Vec<usize> = (0..CLIENTS)
            .filter(|number| answers[*number].status == 201)
            .collect();
        let told: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(won.len(), 1, "{told:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            let clean = (400..500).contains(&answer.status) && !answer.code().is_empty();
            assert!(clean, "{}", answer.summary());
        }
        let winner = numbered(round, won[0]).digest();
        assert_eq!(meaning(&registry, &path), vec![winner; 3]);
    }
    // The others move as ever.
    for number in 0..2 {
        let path = "/v2/races/immutable/manifests/latest";
        let _ = put(&registry, number, path, &numbered(0, number)).expect(201);
    }
}

#[test]
fn a_tag_means_one_of_what_was_pushed_everywhere() {
    let Some(registry) = replicas() else { return };
    registry.push_parts("races/tags");
    let path = "/v2/races/tags/manifests/latest";
    for round in 0..ROUNDS {
        let answers = race(CLIENTS, |number| {
            put(&registry, number % 3, path, &numbered(round, number))
        });
        for answer in answers {
            let _ = answer.expect(201);
        }
        let seen = meaning(&registry, path);
        let pushed: Vec<String> = (0..CLIENTS)
            .map(|number| numbered(round, number).digest())
            .collect();
        assert!(pushed.contains(&seen[0]), "of another round: {seen:?}");
        assert_eq!(seen, vec![seen[0].clone(); 3]);
    }
}

#[test]
fn two_writers_of_one_upload_do_not_mix() {
    let Some(registry) = replicas() else { return };
    let mut refused = 0;
    for round in 0..ROUNDS {
        let repository = format!("races/writers-{round}");
        let (ours, theirs) = (blob(round, 900_000), blob(round + 500, 900_000));
        let location = registry.open_upload(&repository);
        let answers = race(2, |number| {
            let bytes = if number == 0 { &ours } else { &theirs };
            let request = registry.patch(&at(&registry, number, &location));
            let range = format!("0-{}", bytes.len() - 1);
            request.header("content-range", &range).body(bytes).send()
        });
        let won = answers.iter().position(|answer| answer.status == 202);
        let won = won.unwrap_or_else(|| panic!("nobody won: {}", answers[0].summary()));
        let lost = &answers[1 - won];
        // Both, when one came as the other had just ended, is a refusal as well.
        let clean = (400..500).contains(&lost.status) && !lost.code().is_empty();
        assert!(clean, "{}", lost.summary());
        refused += 1;
        let bytes = if won == 0 { &ours } else { &theirs };
        let query = format!("digest={}", digest(bytes));
        let target = with_query(&answers[won].location(), &query);
        let _ = registry.put(&at(&registry, 2, &target)).send().expect(201);
        let path = format!("/v2/{repository}/blobs/{}", digest(bytes));
        assert!(&registry.get(&path).send().expect(200).body == bytes);
    }
    assert_eq!(refused, ROUNDS);
}

#[test]
fn an_upload_is_ended_once() {
    let Some(registry) = replicas() else { return };
    for round in 0..ROUNDS {
        let repository = format!("races/ends-{round}");
        let bytes = blob(round, 300_000);
        let location = registry.open_upload(&repository);
        let location = registry
            .patch(&location)
            .body(&bytes)
            .send()
            .expect(202)
            .location();
        let target = with_query(&location, &format!("digest={}", digest(&bytes)));
        let answers = race(3, |number| {
            registry.put(&at(&registry, number, &target)).send()
        });
        let told: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(told.contains(&201), "{told:?}");
        let clean = told
            .iter()
            .all(|status| *status == 201 || (400..500).contains(status));
        assert!(clean, "{told:?}");
        let path = format!("/v2/{repository}/blobs/{}", digest(&bytes));
        assert!(registry.get(&path).send().expect(200).body == bytes);
    }
}

#[test]
fn an_upload_that_is_ended_and_cancelled_is_one_of_both() {
    let Some(registry) = replicas() else { return };
    for round in 0..ROUNDS {
        let repository = format!("races/both-{round}");
        let bytes = blob(round + 50, 300_000);
        let location = registry.open_upload(&repository);
        let location = registry
            .patch(&location)
            .body(&bytes)
            .send()
            .expect(202)
            .location();
        let target = with_query(&location, &format!("digest={}", digest(&bytes)));
        let answers = race(2, |number| {
            let url = at(
                &registry,
                number,
                if number == 0 { &target } else { &location },
            );
            let method = if number == 0 { "PUT" } else { "DELETE" };
            registry.request(method, &url).send()
        });
        let path = format!("/v2/{repository}/blobs/{}", digest(&bytes));
        let there = registry.get(&path).send();
        match answers[0].status {
            201 => assert!(there.expect(200).body == bytes),
            status => {
                assert!((400..500).contains(&status), "{}", answers[0].summary());
                assert_eq!(there.status, 404);
            }
        }
    }
}

#[test]
fn the_same_blob_from_everywhere_is_one_blob() {
    let Some(registry) = replicas() else { return };
    for round in 0..ROUNDS {
        let bytes = blob(round + 90, 200_000);
        let known = digest(&bytes);
        let answers = race(CLIENTS, |number| {
            let repository = format!("races/same-{}", number % 2);
            let path = format!("/v2/{repository}/blobs/uploads/?digest={known}");
            registry
                .post(&at(&registry, number % 3, &path))
                .body(&bytes)
                .send()
        });
        for answer in answers {
            let _ = answer.expect(201);
        }
        for number in 0..2 {
            let path = format!("/v2/races/same-{number}/blobs/{known}");
            assert!(registry.get(&path).send().expect(200).body == bytes);
        }
    }
}
