//! A client that works on a repository of its own until its server is gone.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::content::Content;
use crate::dice::Dice;
use crate::http::{Answer, Client, Door};
use crate::ledger::{Fact, Ledger, Manifest};
use crate::server::is_peer;
use crate::uploads::{self, IMAGE, expect};
use spec_tests::digest;

/// Repository that holds the blobs which everybody uses.
pub(crate) const SHARED: &str = "soak/shared";

/// Images in a repository from which on more go than come.
const CROWD: usize = 20;

/// Tags that images move between.
const TAGS: usize = 12;

/// How long the blobs of an image are safe before its manifest comes, where a collector
/// runs: less than half of the grace that the servers have.
pub(crate) const SAFE: Duration = Duration::from_secs(2);

/// An upload that was left in the middle.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) location: String,
    pub(crate) content: Content,
}

/// A client and its account.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) dice: Dice,
    pub(crate) ledger: Ledger,
    pub(crate) pending: Option<Pending>,
    shared: Vec<Content>,
}

impl Worker {
    pub(crate) fn new(dice: Dice, repository: String, shared: Vec<Content>) -> Self {
        Self {
            dice,
            ledger: Ledger::new(repository),
            pending: None,
            shared,
        }
    }

    /// Works until a request fails because the server is gone, or it is told to stop.
    ///
    /// # Panics
    /// Panics when the server answers what it must not.
    pub(crate) fn work(&mut self, door: Door, stop: &AtomicBool) {
        let mut client = Client::new(door);
        while !stop.load(Ordering::Acquire) && self.step(&mut client).is_ok() {}
    }

    fn step(&mut self, client: &mut Client) -> io::Result<()> {
        let crowded = self.ledger.manifests_there().len() > CROWD;
        let number = self.dice.below(100);
        match number {
            0..40 if !crowded => self.push_image(client),
            0..20 => self.delete_manifest(client),
            20..40 => self.pull(client),
            40..50 => self.move_tag(client),
            50..57 if !is_peer() => self.delete_tag(client),
            57..67 => self.delete_manifest(client),
            67..75 => self.delete_blob(client),
            75..82 if !is_peer() => self.push_referrer(client),
            82..86 => self.abandon(client),
            86..90 => self.cancel(client),
            90..95 => self.upload_slowly(client),
            _ => self.pull(client),
        }
    }

    fn push_image(&mut self, client: &mut Client) -> io::Result<()> {
        let start = Instant::now();
        let mut contents = vec![Content::config(&mut self.dice)];
        for _ in 0..1 + self.dice.below(3) {
            let shared = self
                .dice
                .chance(20)
                .then(|| self.dice.pick(&self.shared).cloned());
            let content = shared.flatten();
            contents.push(content.unwrap_or_else(|| Content::noise(&mut self.dice)));
        }
        let mut blobs = Vec::new();
        for content in &contents {
            blobs.push(self.push_blob(client, content)?);
        }
        let tag = self.dice.chance(80).then(|| self.any_tag());
        let manifest = self.ledger.compose(&mut self.dice, blobs, None);
        self.put(client, manifest, (tag.as_deref(), start))
    }

    fn push_blob(&mut self, client: &mut Client, content: &Content) -> io::Result<String> {
        let bytes = content.bytes();
        let digest = digest(&bytes);
        if self.ledger.keeps(&digest) && self.dice.chance(70) {
            return Ok(digest);
        }
        self.ledger.blob_sent(&digest, content);
        let repository = self.ledger.repository.clone();
        let is_shared = known_to(&self.shared, content);
        if is_shared && self.dice.chance(60) {
            let query = format!("mount={digest}&from={SHARED}");
            let line = format!("POST /v2/{repository}/blobs/uploads/?{query}");
            let answer = client.send(&line, &[], b"")?;
            expect(&answer, 201, &line);
        } else {
            let blob = (digest.as_str(), bytes.as_slice());
            uploads::push_blob(client, &mut self.dice, &repository, blob)?;
        }
        self.ledger.blob_is(&digest, Fact::There);
        self.ledger.acknowledged += 1;
        Ok(digest)
    }

    fn put(
        &mut self,
        client: &mut Client,
        manifest: Manifest,
        (tag, start): (Option<&str>, Instant),
    ) -> io::Result<()> {
        let bytes = manifest.bytes.clone();
        let digest = self.ledger.manifest_sent(manifest, tag);
        let repository = &self.ledger.repository;
        let reference = tag.unwrap_or(&digest);
        let answer = uploads::put_manifest(client, repository, reference, &bytes)?;
        if self.ledger.collected && answer.status == 404 && start.elapsed() > SAFE {
            // It took so long that its blobs were garbage by then.
            self.ledger.refused(&digest, tag);
            return Ok(());
        }
        expect(&answer, 201, &format!("{reference} in {repository}"));
        assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
        self.ledger.manifest_there(&digest, tag);
        Ok(())
    }

    fn push_referrer(&mut self, client: &mut Client) -> io::Result<()> {
        let there = self.ledger.manifests_there();
        let Some(subject) = self.dice.pick(&there).cloned() else {
            return Ok(());
        };
        let start = Instant::now();
        let config = self.push_blob(client, &Content::Text("{}".to_owned()))?;
        let content = Content::noise(&mut self.dice);
        let note = self.push_blob(client, &content)?;
        let blobs = vec![config, note];
        let manifest = self.ledger.compose(&mut self.dice, blobs, Some(subject));
        self.put(client, manifest, (None, start))
    }

    fn move_tag(&mut self, client: &mut Client) -> io::Result<()> {
        let there = self.ledger.manifests_there();
        let Some(digest) = self.dice.pick(&there) else {
            return Ok(());
        };
        let known = &self.ledger.manifests[digest];
        let manifest = Manifest {
            bytes: known.bytes.clone(),
            blobs: known.blobs.clone(),
            subject: known.subject.clone(),
            fact: Fact::There,
        };
        let tag = self.any_tag();
        self.put(client, manifest, (Some(&tag), Instant::now()))
    }

    fn delete_tag(&mut self, client: &mut Client) -> io::Result<()> {
        let there = self.ledger.tags_there();
        let Some((tag, _)) = self.dice.pick(&there) else {
            return Ok(());
        };
        self.ledger.tag_may(tag, None);
        self.delete(client, &format!("manifests/{tag}"))?;
        self.ledger.tag_is(tag, None);
        Ok(())
    }

    fn delete_manifest(&mut self, client: &mut Client) -> io::Result<()> {
        let there = self.ledger.manifests_there();
        let Some(digest) = self.dice.pick(&there) else {
            return Ok(());
        };
        self.ledger.manifest_leaving(digest);
        self.delete(client, &format!("manifests/{digest}"))?;
        self.ledger.manifest_gone(digest);
        Ok(())
    }

    fn delete_blob(&mut self, client: &mut Client) -> io::Result<()> {
        let idle = self.ledger.idle_blobs();
        let Some(digest) = self.dice.pick(&idle) else {
            return Ok(());
        };
        self.ledger.blob_is(digest, Fact::Unsure);
        let line = format!("DELETE /v2/{}/blobs/{digest}", self.ledger.repository);
        let answer = client.send(&line, &[], b"")?;
        // A collector may have come first.
        if !(self.ledger.collected && answer.status == 404) {
            self.removed(&answer, &line);
        }
        self.ledger.blob_is(digest, Fact::Gone);
        Ok(())
    }

    fn delete(&mut self, client: &mut Client, what: &str) -> io::Result<()> {
        let line = format!("DELETE /v2/{}/{what}", self.ledger.repository);
        let answer = client.send(&line, &[], b"")?;
        self.removed(&answer, &line);
        Ok(())
    }

    fn removed(&mut self, answer: &Answer, line: &str) {
        expect(answer, 202, line);
        self.ledger.acknowledged += 1;
    }

    /// Reads an image while others write: it must be whole at any time.
    fn pull(&mut self, client: &mut Client) -> io::Result<()> {
        let there = self.ledger.tags_there();
        let Some((tag, target)) = self.dice.pick(&there) else {
            return Ok(());
        };
        let repository = &self.ledger.repository;
        let line = format!("GET /v2/{repository}/manifests/{tag}");
        let answer = client.send(&line, &[("Accept", IMAGE)], b"")?;
        expect(&answer, 200, &line);
        let manifest = &self.ledger.manifests[target];
        assert_eq!(answer.body, manifest.bytes, "{line}");
        for blob in &manifest.blobs {
            let line = format!("GET /v2/{repository}/blobs/{blob}");
            let answer = client.send(&line, &[], b"")?;
            expect(&answer, 200, &line);
            assert_eq!(digest(&answer.body), *blob, "{line}");
        }
        Ok(())
    }

    /// Breaks the connection in the middle of a blob and never comes back to it.
    fn abandon(&mut self, client: &mut Client) -> io::Result<()> {
        let bytes = Content::noise(&mut self.dice).bytes();
        let begun = uploads::begin(client, &self.ledger.repository)?;
        let line = format!("PATCH {}", uploads::location(&begun));
        let sent = &bytes[..self.dice.below(bytes.len())];
        client.cut(&line, &[], (sent, bytes.len()))
    }

    fn cancel(&mut self, client: &mut Client) -> io::Result<()> {
        let bytes = Content::noise(&mut self.dice).bytes();
        let begun = uploads::begin(client, &self.ledger.repository)?;
        let answer = uploads::append(client, &uploads::location(&begun), 0, &bytes)?;
        expect(&answer, 202, "a piece of an upload");
        let line = format!("DELETE {}", uploads::location(&answer));
        expect(&client.send(&line, &[], b"")?, 204, &line);
        Ok(())
    }

    /// Begins an upload that a kill may find in the middle, and does not finish it;
    /// after the kill it is gone on with.
    fn upload_slowly(&mut self, client: &mut Client) -> io::Result<()> {
        let content = Content::noise(&mut self.dice);
        let bytes = content.bytes();
        let begun = uploads::begin(client, &self.ledger.repository)?;
        let location = uploads::location(&begun);
        let half = &bytes[..bytes.len().div_ceil(2)];
        let answer = uploads::append(client, &location, 0, half)?;
        expect(&answer, 202, "half an upload");
        let location = uploads::location(&answer);
        self.pending = Some(Pending { location, content });
        Ok(())
    }

    fn any_tag(&mut self) -> String {
        format!("tag-{}", self.dice.below(TAGS))
    }
}

fn known_to(shared: &[Content], content: &Content) -> bool {
    let Content::Noise { seed, .. } = content else {
        return false;
    };
    let same = |other: &Content| matches!(other, Content::Noise { seed: own, .. } if own == seed);
    shared.iter().any(same)
}
