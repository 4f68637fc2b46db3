//! Builds in JSON, one object a line. The shape is that of
//! `docs/reference/progress.md`; fields are added, and never changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use builder::{Event, Outcome, Source, Stream};
use serde_json::{Map, Value, json};

use super::tally::milliseconds;
use crate::environment;
use crate::report::say;

/// How often it is told how far something has come.
const PAUSE: Duration = Duration::from_millis(200);

/// Writes events as they come.
#[derive(Default)]
pub(super) struct Json {
    began: BTreeMap<usize, Instant>,
    /// When it was last told of what comes on.
    told: BTreeMap<String, Instant>,
}

impl Json {
    /// Writes a line of a kind, with what an object says.
    pub(super) fn write(&mut self, kind: &str, said: &Value) {
        let mut line = Map::new();
        line.insert("event".to_owned(), kind.into());
        line.insert("time".to_owned(), environment::now().into());
        if let Value::Object(said) = said {
            line.extend(said.clone());
        }
        say(&Value::Object(line).to_string());
    }

    /// Writes an event.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        if let Event::Started { step, .. } = event {
            self.began.insert(*step, Instant::now());
        }
        let took = match event {
            Event::Finished { step, .. } => self.began.remove(step).map(|began| began.elapsed()),
            _ => None,
        };
        if let Some((kind, said)) = told(event, took.unwrap_or_default())
            && !self.is_too_soon(kind, event)
        {
            self.write(kind, &said);
        }
    }

    /// Says whether it was just told of the same; starts and ends always are.
    fn is_too_soon(&mut self, kind: &str, event: &Event<'_>) -> bool {
        let (key, position, size) = match event {
            Event::Indexing {
                digest,
                position,
                size,
                ..
            } => (digest.to_string(), position, size),
            Event::Fetching {
                url,
                position,
                size,
            } => ((*url).to_owned(), position, size),
            Event::Packing {
                step,
                position,
                size,
            } => (step.to_string(), position, size),
            _ => return false,
        };
        let key = format!("{kind} {key}");
        let now = Instant::now();
        let last = self.told.get(&key);
        let soon = last.is_some_and(|last| now.duration_since(*last) < PAUSE);
        if soon && *position != 0 && position != size {
            return true;
        }
        self.told.insert(key, now);
        false
    }
}

/// Puts an event into an object, and names its kind.
fn told(event: &Event<'_>, took: Duration) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Planned { stages, steps } => {
            ("planned", json!({ "stages": stages, "steps": steps }))
        }
        Event::Started { step, stage, text } => (
            "started",
            json!({ "step": step, "stage": stage, "text": text }),
        ),
        Event::Packing {
            step,
            position,
            size,
        } => (
            "packing",
            json!({ "step": step, "position": position, "size": size }),
        ),
        Event::Verifying => ("verifying", json!({})),
        Event::Sandboxed { tier } => {
            let said = json!({ "sandbox": tier.to_string(), "tier": tier.number() });
            ("sandboxed", said)
        }
        Event::Output { step, stream, line } => {
            let stream = match stream {
                Stream::Output => "output",
                Stream::Errors => "errors",
            };
            let said = json!({ "step": step, "stream": stream, "line": line });
            ("output", said)
        }
        Event::Missed { step, changes } => {
            let changes = changes
                .iter()
                .map(|change| json!({ "subject": change.subject, "text": change.to_string() }));
            let changes: Vec<Value> = changes.collect();
            ("missed", json!({ "step": step, "changes": changes }))
        }
        Event::Finished { step, outcome } => ("finished", finished(*step, *outcome, took)),
        Event::Warned { message, hint } => ("warned", json!({ "message": message, "hint": hint })),
        _ => return of_content(event),
    })
}

/// Does the same with what tells of content that is found or moved.
fn of_content(event: &Event<'_>) -> Option<(&'static str, Value)> {
    Some(match event {
        Event::Resolved {
            step,
            digest,
            source,
        } => {
            let source = match source {
                Source::Library => "library",
                Source::Registry => "registry",
                Source::Layout => "layout",
            };
            let digest = digest.to_string();
            let said = json!({ "step": step, "digest": digest, "source": source });
            ("resolved", said)
        }
        Event::Indexing {
            step,
            digest,
            position,
            size,
        } => {
            let digest = digest.to_string();
            let said =
                json!({ "step": step, "digest": digest, "position": position, "size": size });
            ("indexing", said)
        }
        Event::Fetching {
            url,
            position,
            size,
        } => (
            "fetching",
            json!({ "url": url, "position": position, "size": size }),
        ),
        Event::CheckedOut { url, commit } => {
            ("checked-out", json!({ "url": url, "commit": commit }))
        }
        Event::Unpacking { step, digest } => (
            "unpacking",
            json!({ "step": step, "digest": digest.to_string() }),
        ),
        Event::Imported { name, steps } => ("imported", json!({ "name": name, "steps": steps })),
        Event::Sent { digest, bytes } => (
            "sent",
            json!({ "digest": digest.to_string(), "bytes": bytes }),
        ),
        _ => return None,
    })
}

fn finished(step: usize, outcome: Outcome, took: Duration) -> Value {
    let (word, layer) = match outcome {
        Outcome::NoLayer => ("no-layer", None),
        Outcome::CachedNothing => ("cached-nothing", None),
        Outcome::Base => ("base", None),
        Outcome::Packed { digest, size } => ("packed", Some((digest, size))),
        Outcome::Cached { digest, size } => ("cached", Some((digest, size))),
    };
    let mut said = json!({
        "step": step,
        "outcome": word,
        "milliseconds": milliseconds(took),
    });
    if let Some((digest, size)) = layer {
        said["digest"] = digest.to_string().into();
        said["size"] = size.into();
    }
    said
}

#[cfg(test)]
mod tests {
    use oci::Digest;

    use super::*;

    #[test]
    fn events_are_objects() {
        let digest = Digest::sha256(b"a");
        let (hex, took) = (digest.to_string(), Duration::from_millis(1500));
        let packed = Outcome::Packed { digest, size: 7 };
        for (event, kind, expected) in [
            (
                Event::Output {
                    step: 3,
                    stream: Stream::Errors,
                    line: "a\u{1b}\"b",
                },
                "output",
                json!({ "step": 3, "stream": "errors", "line": "a\u{1b}\"b" }),
            ),
            (
                Event::Finished {
                    step: 3,
                    outcome: packed,
                },
                "finished",
                json!({ "step": 3, "outcome": "packed", "milliseconds": 1500, "digest": hex, "size": 7 }),
            ),
            (
                Event::Finished {
                    step: 4,
                    outcome: Outcome::NoLayer,
                },
                "finished",
                json!({ "step": 4, "outcome": "no-layer", "milliseconds": 1500 }),
            ),
            (
                Event::Resolved {
                    step: 1,
                    digest: &digest,
                    source: Source::Registry,
                },
                "resolved",
                json!({ "step": 1, "digest": hex, "source": "registry" }),
            ),
        ] {
            assert_eq!(told(&event, took), Some((kind, expected)));
        }
    }

    #[test]
    fn starts_and_ends_are_told_and_what_is_between_now_and_then() {
        let mut json = Json::default();
        let mut soon = |step: usize, position: u64| {
            let event = Event::Packing {
                step,
                position,
                size: 9,
            };
            json.is_too_soon("packing", &event)
        };
        assert!(!soon(1, 0));
        assert!(soon(1, 3));
        assert!(!soon(2, 3));
        assert!(!soon(1, 9));
    }
}
