//! What is measured, and how one value of it comes about.

use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::load::{Way, ask_for, pull, push};
use crate::peer::Peer;
use crate::sample::{LARGE, Sample, digest_of, noise};

/// Connections that ask for manifests.
const CONNECTIONS: u32 = 64;

/// Clients that pull at once, in the measure of many.
const MANY: usize = 8;

/// Size of a small push, in bytes: 1 MiB.
const SMALL: usize = 1 << 20;

/// Small pushes behind one value.
const SMALL_PUSHES: u32 = 20;

/// Bytes in a MiB.
const MEBI: f64 = 1_048_576.0;

/// What docker 20.10 accepts, in one line.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

/// One thing that is measured. Of every value more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    ManifestGet,
    ManifestHead,
    PullOne,
    PullMany,
    PushSmallPatch,
    PushSmallPut,
    PushLargePatch,
    PushLargePut,
}

impl Measure {
    /// All of them, in the order of the table.
    pub(crate) const ALL: [Self; 8] = [
        Self::ManifestGet,
        Self::ManifestHead,
        Self::PullOne,
        Self::PullMany,
        Self::PushSmallPatch,
        Self::PushSmallPut,
        Self::PushLargePatch,
        Self::PushLargePut,
    ];

    /// Returns the name by which the command line selects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ManifestGet => "manifest-get",
            Self::ManifestHead => "manifest-head",
            Self::PullOne => "pull-100m-by-1",
            Self::PullMany => "pull-100m-by-8",
            Self::PushSmallPatch => "push-1m-patch",
            Self::PushSmallPut => "push-1m-put",
            Self::PushLargePatch => "push-100m-patch",
            Self::PushLargePut => "push-100m-put",
        }
    }

    /// Returns the unit of its values.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::ManifestGet | Self::ManifestHead => "requests/s",
            Self::PushSmallPatch | Self::PushSmallPut => "pushes/s",
            _ => "MiB/s",
        }
    }
}

/// What the measures need beside the peers.
#[derive(Debug)]
pub(crate) struct Work {
    seconds: u32,
    /// Makes every push one of new content.
    number: u64,
    large: Vec<u8>,
}

impl Work {
    pub(crate) fn new(seconds: u32) -> Self {
        Self {
            seconds,
            number: 0,
            large: noise(99, LARGE),
        }
    }

    /// Takes one value; `None` where a peer has no such thing.
    ///
    /// # Errors
    /// Says what was answered wrongly.
    pub(crate) fn run(
        &mut self,
        measure: Measure,
        peer: &Peer,
        sample: &Sample,
    ) -> Result<Option<f64>, Error> {
        let value = match measure {
            Measure::ManifestGet => self.requests(peer)?,
            Measure::ManifestHead => self.heads(peer)?,
            Measure::PullOne => pull_rate(peer, sample, 1)?,
            Measure::PullMany => pull_rate(peer, sample, MANY)?,
            _ if !peer.is_registry() => return Ok(None),
            Measure::PushSmallPatch => self.push_small(peer, Way::Patch)?,
            Measure::PushSmallPut => self.push_small(peer, Way::Put)?,
            Measure::PushLargePatch => self.push_large(peer, Way::Patch)?,
            Measure::PushLargePut => self.push_large(peer, Way::Put)?,
        };
        Ok(Some(value))
    }

    /// Asks for the manifest by its tag for a while.
    fn requests(&self, peer: &Peer) -> Result<f64, Error> {
        let mut command = Command::new("wrk");
        command
            .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{}s", self.seconds)])
            .args(["--header", ACCEPT]);
        let path = Sample::manifest_path();
        command.arg(format!("http://{}{path}", peer.address()));
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        rate(&text).ok_or_else(|| Error::new(format!("wrk said:\n{text}")))
    }

    /// Asks for the manifest's head. This is our own client, since wrk waits for the
    /// body that an answer to HEAD announces and does not have.
    fn heads(&self, peer: &Peer) -> Result<f64, Error> {
        let line = format!("HEAD {}", Sample::manifest_path());
        let time = Duration::from_secs(u64::from(self.seconds));
        ask_for(peer.address(), &line, ACCEPT, (CONNECTIONS, time))
    }

    fn push_small(&mut self, peer: &Peer, way: Way) -> Result<f64, Error> {
        let mut time = Duration::ZERO;
        for _ in 0..SMALL_PUSHES {
            self.number += 1;
            let bytes = noise(self.number << 32, SMALL);
            let digest = digest_of(&bytes);
            time += push(peer.address(), "bench/small", (&digest, &bytes), way)?;
        }
        Ok(f64::from(SMALL_PUSHES) / time.as_secs_f64())
    }

    fn push_large(&mut self, peer: &Peer, way: Way) -> Result<f64, Error> {
        self.number += 1;
        self.large[..8].copy_from_slice(&self.number.to_le_bytes());
        let digest = digest_of(&self.large);
        let blob = (digest.as_str(), self.large.as_slice());
        let time = push(peer.address(), "bench/large", blob, way)?;
        Ok(mebibytes(LARGE) / time.as_secs_f64())
    }
}

fn pull_rate(peer: &Peer, sample: &Sample, clients: usize) -> Result<f64, Error> {
    let path = sample.large_path();
    let time = pull(peer.address(), &path, (clients, LARGE))?;
    Ok(mebibytes(LARGE * clients) / time.as_secs_f64())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size in a table, not an offset"
)]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / MEBI
}

/// Reads wrk's report; `None` when any request went wrong or none was answered.
fn rate(text: &str) -> Option<f64> {
    let bad = ["Socket errors", "Non-2xx"];
    if bad.iter().any(|word| text.contains(word)) {
        return None;
    }
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    found?.trim().parse().ok().filter(|rate| *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names = Measure::ALL.map(Measure::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Measure::ALL.len());
    }

    #[test]
    fn a_report_with_errors_is_no_rate() {
        assert_eq!(rate("x\nRequests/sec:  1234.5\n"), Some(1234.5));
        assert_eq!(rate("Non-2xx or 3xx responses: 1\nRequests/sec: 9\n"), None);
        assert_eq!(rate("Requests/sec:      0.00\n"), None);
        assert_eq!(rate("nothing"), None);
    }
}
