//! What a build says of its steps.
//!
//! The one place that knows how it is said.

use std::collections::BTreeMap;

use serde_json::Value;

/// One step of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Its instruction, in one line.
    pub(crate) text: String,
    pub(crate) fate: Fate,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A command was run, or content was packed.
    Ran,
    /// An earlier build had done it.
    Cached,
    /// It changes the config alone, or nothing.
    Idle,
}

/// The option that makes a build say what [`steps`] reads.
pub(crate) const FLAG: &str = "--progress=rawjson";

/// Reads what `wharf build` wrote on standard error.
pub(crate) fn steps(words: &str) -> Vec<Step> {
    let mut steps: BTreeMap<u64, Step> = BTreeMap::new();
    for line in words.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            continue;
        };
        let Some(number) = event["step"].as_u64() else {
            continue;
        };
        match event["event"].as_str() {
            Some("started") => {
                let text = event["text"].as_str().unwrap_or_default().to_owned();
                let fate = Fate::Idle;
                steps.insert(number, Step { text, fate });
            }
            Some("finished") => {
                let step = steps.get_mut(&number).expect("it has started");
                step.fate = fate(event["outcome"].as_str().unwrap_or_default(), &step.text);
            }
            _ => {}
        }
    }
    steps.into_values().collect()
}

fn fate(outcome: &str, text: &str) -> Fate {
    let is_command = text.to_ascii_uppercase().starts_with("RUN ");
    match outcome {
        "packed" => Fate::Ran,
        "cached" | "cached-nothing" => Fate::Cached,
        // It was run, and has changed no file.
        "no-layer" if is_command => Fate::Ran,
        "no-layer" | "base" => Fate::Idle,
        _ => panic!("`{outcome}` is no outcome of a step"),
    }
}

#[test]
fn steps_are_read() {
    let words = r#"{"event":"planned","stages":1,"steps":4}
{"event":"started","step":1,"stage":"a","text":"FROM scratch AS a"}
{"event":"started","step":2,"stage":"a","text":"COPY d /d"}
{"event":"started","step":4,"stage":"a","text":"run true"}
{"event":"finished","step":4,"outcome":"no-layer"}
{"event":"finished","step":2,"outcome":"packed","size":7}
{"event":"started","step":3,"stage":"a","text":"WORKDIR /w"}
a warning
{"event":"finished","step":3,"outcome":"cached"}
"#;
    let steps = steps(words);
    let fates: Vec<Fate> = steps.iter().map(|step| step.fate).collect();
    assert_eq!(fates, [Fate::Idle, Fate::Ran, Fate::Cached, Fate::Ran]);
    assert_eq!(steps[1].text, "COPY d /d");
}
