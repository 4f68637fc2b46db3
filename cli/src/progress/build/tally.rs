//! What a build comes to in numbers: time, bytes, and how much of it was found.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use builder::{Event, Outcome};
use oci::Digest;
use serde_json::{Value, json};

use super::lines::excerpt;
use crate::progress::bytes;
use crate::report::count;

/// How many of the slowest steps are named.
const SLOWEST: usize = 3;

/// Steps of less time than this are not named.
const NAMED: Duration = Duration::from_millis(100);

/// The most that is shown of an instruction, in characters.
const TEXT: usize = 40;

/// The instructions that do more than note something.
const WORK: [&str; 4] = ["RUN", "COPY", "ADD", "WORKDIR"];

/// Says where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To this machine.
    Written,
    /// To a registry, or another program.
    Sent,
}

/// Counts while a build runs.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    running: BTreeMap<usize, (String, Instant)>,
    /// How far each reading has come that is not done.
    reading: BTreeMap<Reading, u64>,
    /// Nothing is counted of a second build.
    is_again: bool,
    summary: Summary,
}

/// Is something that is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    Files(usize),
    Layer(Digest),
    Url(String),
}

/// Is what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Summary {
    /// The steps that did something, with how long they took.
    done: Vec<Done>,
    /// The bytes of files, base layers and URLs that were read.
    read: u64,
    /// The bytes of layers and outputs that were written.
    written: u64,
    /// The bytes that were sent.
    sent: u64,
    /// The bytes of layers that were made, and of those that were found.
    packed: u64,
    cached: u64,
    took: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Done {
    step: usize,
    text: String,
    took: Duration,
    is_cached: bool,
}

impl Tally {
    /// Starts to count.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            running: BTreeMap::new(),
            reading: BTreeMap::new(),
            is_again: false,
            summary: Summary::default(),
        }
    }

    /// Counts what an event tells of.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        if self.is_again {
            return;
        }
        match event {
            Event::Started { step, text, .. } => {
                let running = ((*text).to_owned(), Instant::now());
                self.running.insert(*step, running);
            }
            Event::Packing { step, position, .. } => {
                self.read(Reading::Files(*step), *position);
            }
            Event::Indexing {
                digest, position, ..
            } => self.read(Reading::Layer(**digest), *position),
            Event::Fetching { url, position, .. } => {
                self.read(Reading::Url((*url).to_owned()), *position);
            }
            Event::Finished { step, outcome } => self.finish(*step, *outcome),
            Event::Sent { bytes, .. } => self.summary.sent += bytes,
            Event::Verifying => self.is_again = true,
            _ => {}
        }
    }

    /// Counts bytes that a copy moved.
    pub(super) fn moved(&mut self, way: Way, bytes: u64) {
        match way {
            Way::Written => self.summary.written += bytes,
            Way::Sent => self.summary.sent += bytes,
        }
    }

    /// Sums up.
    pub(super) fn summary(&mut self) -> Summary {
        let mut summary = self.summary.clone();
        summary.read += self.reading.values().sum::<u64>();
        summary.took = self.began.elapsed();
        summary
    }

    fn read(&mut self, reading: Reading, position: u64) {
        let so_far = self.reading.entry(reading).or_default();
        if position < *so_far {
            // It is read once more.
            self.summary.read += *so_far;
        }
        *so_far = position;
    }

    fn finish(&mut self, step: usize, outcome: Outcome) {
        let files = self.reading.remove(&Reading::Files(step));
        self.summary.read += files.unwrap_or_default();
        let Some((text, began)) = self.running.remove(&step) else {
            return;
        };
        let is_cached = match outcome {
            Outcome::Base => return,
            Outcome::NoLayer if !is_work(&text) => return,
            Outcome::NoLayer => false,
            Outcome::CachedNothing => true,
            Outcome::Packed { size, .. } => {
                self.summary.packed += size;
                self.summary.written += size;
                false
            }
            Outcome::Cached { size, .. } => {
                self.summary.cached += size;
                true
            }
        };
        self.summary.done.push(Done {
            step,
            text,
            took: began.elapsed(),
            is_cached,
        });
    }
}

/// Says whether an instruction does more than note something.
fn is_work(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    WORK.iter().any(|work| work.eq_ignore_ascii_case(word))
}

impl Summary {
    fn steps_cached(&self) -> usize {
        self.done.iter().filter(|done| done.is_cached).count()
    }

    /// Gives the steps that took longest, the longest first.
    fn slowest(&self) -> Vec<&Done> {
        let mut slowest: Vec<&Done> = self.done.iter().collect();
        slowest.retain(|done| done.took >= NAMED);
        slowest.sort_by(|one, other| other.took.cmp(&one.took).then(one.step.cmp(&other.step)));
        slowest.truncate(SLOWEST);
        slowest
    }

    /// Says it in lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let slowest = self.slowest();
        if self.done.len() > 1 && !slowest.is_empty() {
            let said: Vec<String> = slowest
                .iter()
                .map(|done| {
                    let text = excerpt(&done.text, TEXT);
                    format!("{:.1} s #{} {text}", done.took.as_secs_f64(), done.step)
                })
                .collect();
            lines.push(format!("slowest: {}", said.join("; ")));
        }
        let cached = match self.done.len() {
            0 => String::new(),
            all => format!(
                "cached {} of {}, {} of {}; ",
                self.steps_cached(),
                count(all, "step"),
                bytes(self.cached),
                bytes(self.cached + self.packed)
            ),
        };
        lines.push(format!(
            "{cached}read {}, wrote {}, sent {} in {:.1} s",
            bytes(self.read),
            bytes(self.written),
            bytes(self.sent),
            self.took.as_secs_f64()
        ));
        lines
    }

    /// Says it to programs.
    pub(super) fn to_json(&self) -> Value {
        let steps = self.done.iter().map(|done| {
            json!({
                "step": done.step,
                "text": done.text,
                "milliseconds": milliseconds(done.took),
                "cached": done.is_cached,
            })
        });
        json!({
            "steps": steps.collect::<Vec<Value>>(),
            "stepsCached": self.steps_cached(),
            "bytesCached": self.cached,
            "bytesPacked": self.packed,
            "bytesRead": self.read,
            "bytesWritten": self.written,
            "bytesSent": self.sent,
            "milliseconds": milliseconds(self.took),
        })
    }
}

/// Gives a time in whole milliseconds.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(tally: &mut Tally, number: usize, text: &str, outcome: Outcome) {
        tally.note(&Event::Started {
            step: number,
            stage: "0",
            text,
        });
        tally.note(&Event::Finished {
            step: number,
            outcome,
        });
    }

    #[test]
    fn what_was_done_is_counted() {
        let (mut tally, digest) = (Tally::new(), Digest::sha256(b"a"));
        step(&mut tally, 1, "FROM scratch", Outcome::Base);
        let cached = Outcome::Cached { digest, size: 1024 };
        step(&mut tally, 2, "COPY a /", cached);
        step(&mut tally, 3, "run true", Outcome::CachedNothing);
        step(&mut tally, 4, "ENV A=b", Outcome::NoLayer);
        step(&mut tally, 5, "RUN false || true", Outcome::NoLayer);
        let packed = Outcome::Packed { digest, size: 3072 };
        tally.note(&Event::Packing {
            step: 6,
            position: 10,
            size: 20,
        });
        tally.note(&Event::Packing {
            step: 6,
            position: 20,
            size: 20,
        });
        step(&mut tally, 6, "COPY b /", packed);
        for position in [0, 5, 0, 7] {
            tally.note(&Event::Fetching {
                url: "http://a.test/b",
                position,
                size: 0,
            });
        }
        tally.note(&Event::Indexing {
            step: 1,
            digest: &digest,
            position: 100,
            size: 100,
        });
        tally.moved(Way::Written, 1024);
        tally.moved(Way::Sent, 7);
        tally.note(&Event::Verifying);
        step(&mut tally, 6, "COPY b /", packed);
        let mut summary = tally.summary();
        summary.took = Duration::from_millis(1250);
        assert_eq!(
            summary.lines(),
            [
                "cached 2 of 4 steps, 1.00 KiB of 4.00 KiB; read 132 B, wrote 4.00 KiB, sent 7 B in 1.2 s"
            ]
        );
        let json = summary.to_json();
        assert_eq!(json["stepsCached"], 2);
        assert_eq!(json["bytesPacked"], 3072);
        assert_eq!(json["milliseconds"], 1250);
        let steps = json["steps"].as_array().expect("a list");
        let numbers: Vec<_> = steps.iter().map(|step| &step["step"]).collect();
        assert_eq!(numbers, [2, 3, 5, 6]);
    }

    #[test]
    fn the_slowest_steps_are_named() {
        let done = |step: usize, took: u64| Done {
            step,
            text: format!("RUN {step}"),
            took: Duration::from_millis(took),
            is_cached: false,
        };
        let mut summary = Summary {
            done: vec![
                done(2, 99),
                done(3, 200),
                done(4, 3000),
                done(5, 200),
                done(6, 150),
            ],
            ..Summary::default()
        };
        assert_eq!(
            summary.lines()[0],
            "slowest: 3.0 s #4 RUN 4; 0.2 s #3 RUN 3; 0.2 s #5 RUN 5"
        );
        summary.done.truncate(1);
        assert_eq!(
            summary.lines(),
            ["cached 0 of 1 step, 0 B of 0 B; read 0 B, wrote 0 B, sent 0 B in 0.0 s"]
        );
        summary.done.clear();
        assert_eq!(summary.lines(), ["read 0 B, wrote 0 B, sent 0 B in 0.0 s"]);
    }
}
