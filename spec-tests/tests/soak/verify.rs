//! Comparing a registry that came back with the account of what it acknowledged.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::dice::Dice;
use crate::http::{Answer, Client, Door};
use crate::ledger::{Fact, Ledger};
use crate::server::is_peer;
use crate::uploads::{self, IMAGE, expect};
use crate::worker::Worker;
use spec_tests::digest;

/// Old images of a repository that are read again in full, unless all are.
const SAMPLE: usize = 3;

/// Removed manifests and blobs of a repository that are asked for again.
const GONE_SAMPLE: usize = 20;

/// Which images are read in full: the others are only asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Those of the last round, and some others.
    Recent,
    /// All.
    Full,
}

/// What a verification found.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Found {
    /// Manifests, tags, blobs and referrers that were as acknowledged.
    pub(crate) verified: u64,
    /// Uploads that were gone on with after the kill.
    pub(crate) resumed: u64,
    /// Blobs, manifests and tags of which the kill came before the answer.
    pub(crate) in_flight: usize,
}

/// Compares a repository with its account, and settles what was uncertain.
///
/// # Panics
/// Panics at the first thing that is not as it was acknowledged.
pub(crate) fn verify(worker: &mut Worker, door: Door, depth: Depth) -> Found {
    let mut view = View {
        client: Client::new(door),
        verified: 0,
    };
    let resumed = view.resume(worker);
    let in_flight = worker.ledger.in_flight();
    view.settle(&mut worker.ledger);
    view.tags(&mut worker.ledger);
    view.manifests(&worker.ledger, &mut worker.dice, depth);
    view.removed(&worker.ledger, &mut worker.dice);
    if !is_peer() {
        view.referrers(&worker.ledger);
    }
    worker.ledger.recent.clear();
    Found {
        verified: view.verified,
        resumed,
        in_flight,
    }
}

struct View {
    client: Client,
    verified: u64,
}

impl View {
    /// Goes on with the upload that the kill found in the middle. The server may have
    /// forgotten it, but what it says it has must be what was sent.
    fn resume(&mut self, worker: &mut Worker) -> u64 {
        let Some(pending) = worker.pending.take() else {
            return 0;
        };
        let bytes = pending.content.bytes();
        let digest = digest(&bytes);
        let status = self.get(&pending.location);
        if status.status != 204 {
            expect(&status, 404, "an upload after the kill");
            return 0;
        }
        let received = uploads::received(&status);
        assert!(received <= bytes.len(), "it has more than was sent");
        let location = match status.header("location") {
            Some(_) => uploads::location(&status),
            None => pending.location,
        };
        let rest = &bytes[received..];
        let sent = uploads::append(&mut self.client, &location, received, rest);
        let sent = sent.expect("the server runs");
        if received == 0 && sent.status == 416 {
            // `0-0` was one byte after all.
            return 0;
        }
        expect(&sent, 202, "the rest of an upload");
        let done = uploads::finish(&mut self.client, &sent, &digest);
        expect(&done.expect("the server runs"), 201, "the end of an upload");
        worker.ledger.blob_sent(&digest, &pending.content);
        worker.ledger.blob_is(&digest, Fact::There);
        1
    }

    /// Asks for everything that was in flight when the server was killed.
    fn settle(&mut self, ledger: &mut Ledger) {
        let unsure: Vec<String> = ledger
            .manifests
            .iter()
            .filter(|(_, manifest)| manifest.fact == Fact::Unsure)
            .map(|(digest, _)| digest.clone())
            .collect();
        for digest in unsure {
            if self.is_there(&ledger.repository, "manifests", &digest) {
                ledger.manifest_there(&digest, None);
            } else {
                ledger.manifest_gone(&digest);
            }
        }
        // One that goes takes those with it that are about it alone.
        loop {
            let fragile: Vec<String> = ledger.fragile().into_iter().collect();
            let gone = fragile
                .iter()
                .filter(|digest| !self.is_there(&ledger.repository, "manifests", digest));
            let gone: Vec<&String> = gone.collect();
            if gone.is_empty() {
                break;
            }
            for digest in gone {
                ledger.manifest_gone(digest);
            }
        }
        if ledger.collected {
            for digest in ledger.idle_blobs() {
                ledger.blob_is(&digest, Fact::Unsure);
            }
        }
        let unsure: Vec<String> = ledger
            .blobs
            .iter()
            .filter(|(_, blob)| blob.fact == Fact::Unsure)
            .map(|(digest, _)| digest.clone())
            .collect();
        for digest in unsure {
            let there = self.is_there(&ledger.repository, "blobs", &digest);
            let fact = if there { Fact::There } else { Fact::Gone };
            ledger.blob_is(&digest, fact);
        }
    }

    /// Compares the list of tags, and what each of them leads to.
    fn tags(&mut self, ledger: &mut Ledger) {
        let line = format!("/v2/{}/tags/list", ledger.repository);
        let answer = self.get(&line);
        if answer.status == 404 {
            assert_eq!(ledger.tags_there(), [], "{line}: {}", answer.text());
            return;
        }
        expect(&answer, 200, &line);
        let list: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let listed = list["tags"].as_array().cloned().unwrap_or_default();
        let listed: BTreeSet<String> = listed
            .iter()
            .map(|tag| tag.as_str().expect("a tag").to_owned())
            .collect();
        for tag in &listed {
            assert!(ledger.tags.contains_key(tag), "nobody pushed {tag}");
        }
        for (tag, values) in ledger.tags.clone() {
            let path = format!("/v2/{}/manifests/{tag}", ledger.repository);
            let answer = listed.contains(&tag).then(|| self.get(&path));
            // The peer's list is known to name tags that lead nowhere after a kill.
            let answer = answer.filter(|answer| answer.status == 200 || !is_peer());
            let value = answer.map(|answer| {
                expect(&answer, 200, &format!("{path}, which is listed"));
                digest(&answer.body)
            });
            assert!(
                values.contains(&value),
                "{tag} of {} is {value:?} and may be {values:?}",
                ledger.repository
            );
            ledger.tag_is(&tag, value);
            self.verified += 1;
        }
    }

    fn manifests(&mut self, ledger: &Ledger, dice: &mut Dice, depth: Depth) {
        let there = ledger.manifests_there();
        let mut full: BTreeSet<&String> = ledger.recent.iter().collect();
        for _ in 0..SAMPLE {
            full.extend(dice.pick(&there));
        }
        for digest in &there {
            let path = format!("/v2/{}/manifests/{digest}", ledger.repository);
            let answer = self.get(&path);
            expect(&answer, 200, &path);
            let manifest = &ledger.manifests[digest];
            assert_eq!(answer.body, manifest.bytes, "{path}");
            assert_eq!(answer.header("content-type"), Some(IMAGE), "{path}");
            let in_full = depth == Depth::Full || full.contains(digest);
            for blob in &manifest.blobs {
                self.blob(ledger, blob, in_full);
            }
            self.verified += 1;
        }
        // A collector may take these at any time.
        let idle = ledger.idle_blobs().into_iter();
        for blob in idle.filter(|_| !ledger.collected) {
            self.blob(ledger, &blob, depth == Depth::Full);
        }
    }

    fn blob(&mut self, ledger: &Ledger, digest: &str, in_full: bool) {
        let path = format!("/v2/{}/blobs/{digest}", ledger.repository);
        if in_full {
            let answer = self.get(&path);
            expect(&answer, 200, &path);
            let wanted = ledger.blobs[digest].content.bytes();
            assert!(answer.body == wanted, "{path} has other bytes");
        } else {
            let there = self.is_there(&ledger.repository, "blobs", digest);
            assert!(there, "{path} is lost");
        }
        self.verified += 1;
    }

    /// What was removed must stay so.
    fn removed(&mut self, ledger: &Ledger, dice: &mut Dice) {
        let manifests = ledger.manifests.iter();
        let manifests = manifests.filter(|(_, manifest)| manifest.fact == Fact::Gone);
        let manifests = manifests.map(|(digest, _)| ("manifests", digest));
        let blobs = ledger.blobs.iter();
        let blobs = blobs.filter(|(_, blob)| blob.fact == Fact::Gone);
        let blobs = blobs.map(|(digest, _)| ("blobs", digest));
        let gone: Vec<(&str, &String)> = manifests.chain(blobs).collect();
        for _ in 0..GONE_SAMPLE {
            let Some((what, digest)) = dice.pick(&gone) else {
                return;
            };
            let there = self.is_there(&ledger.repository, what, digest);
            assert!(!there, "{what}/{digest} of {} is back", ledger.repository);
            self.verified += 1;
        }
    }

    /// Compares the referrers of every subject that ever had one.
    fn referrers(&mut self, ledger: &Ledger) {
        let subjects: BTreeSet<&String> = ledger
            .manifests
            .values()
            .filter_map(|manifest| manifest.subject.as_ref())
            .collect();
        for subject in subjects {
            let path = format!("/v2/{}/referrers/{subject}", ledger.repository);
            let answer = self.get(&path);
            expect(&answer, 200, &path);
            let index: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let listed = index["manifests"].as_array().expect("an index");
            let listed: BTreeSet<&str> = listed
                .iter()
                .map(|entry| entry["digest"].as_str().expect("a digest"))
                .collect();
            let wanted: BTreeSet<&str> = ledger
                .manifests
                .iter()
                .filter(|(_, manifest)| {
                    manifest.fact == Fact::There && manifest.subject.as_ref() == Some(subject)
                })
                .map(|(digest, _)| digest.as_str())
                .collect();
            let fragile = ledger.fragile();
            let missing = wanted.difference(&listed);
            let missing: Vec<_> = missing.filter(|one| !fragile.contains(**one)).collect();
            assert!(missing.is_empty(), "{path} lacks {missing:?}");
            assert!(
                listed.is_subset(&wanted),
                "{path}: {listed:?} and not {wanted:?}"
            );
            self.verified += 1;
        }
    }

    fn is_there(&mut self, repository: &str, what: &str, digest: &str) -> bool {
        let line = format!("HEAD /v2/{repository}/{what}/{digest}");
        let answer = self.client.send(&line, &[("Accept", IMAGE)], b"");
        let answer = answer.expect("the server runs");
        if answer.status != 404 {
            expect(&answer, 200, &line);
        }
        answer.status == 200
    }

    fn get(&mut self, path: &str) -> Answer {
        let line = format!("GET {path}");
        let answer = self.client.send(&line, &[("Accept", IMAGE)], b"");
        answer.expect("the server runs")
    }
}
