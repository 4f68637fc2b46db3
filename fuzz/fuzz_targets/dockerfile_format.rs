//! A file without mistakes means the same when it is written anew or printed,
//! and what is written anew is the same again.

#![no_main]

use std::collections::BTreeMap;

use dockerfile::{
    Dockerfile, Escape, Facts, Instruction, Kind, Pair, Severity, Variables, check, expand_word,
    format, outline_default, parse, targets, to_dockerfile, to_json,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Are values that show where a text uses variables.
const PROBES: [Option<&str>; 4] = [None, Some(""), Some("a  b"), Some("\"'\\`$x")];

fuzz_target!(|bytes: &[u8]| {
    let (file, said) = parse(bytes);
    let json = to_json(bytes, &file, &said);
    assert!(serde_json::from_str::<Value>(&json).is_ok());
    assert_eq!(targets(&file, bytes).len(), file.stages.len());
    assert_eq!(outline_default(&file, bytes, &BTreeMap::new()).is_some(), !file.stages.is_empty());
    check(&file, bytes, said.clone(), &Facts::default());
    if said.iter().any(|said| said.severity == Severity::Error) {
        assert!(format(bytes).is_err());
        return;
    }

    let printed = to_dockerfile(&file);
    assert_eq!(plain(&read(printed.as_bytes())), plain(&file), "{printed}");

    let out = format(bytes).expect("a file without mistakes");
    let again = format(&out).expect("a file without mistakes");
    let text = String::from_utf8_lossy(&out);
    assert_eq!(String::from_utf8_lossy(&again), text);
    let mut found = read(&out);
    take_pairs(&file, &mut found);
    assert_eq!(plain(&found), plain(&file), "{text}");
});

fn read(bytes: &[u8]) -> Dockerfile {
    let (file, said) = parse(bytes);
    let wrong = said.iter().find(|said| said.severity == Severity::Error);
    assert_eq!(wrong, None, "{}", String::from_utf8_lossy(bytes));
    file
}

/// Gives what a file says, without where it stands and how it is written.
fn plain(file: &Dockerfile) -> Value {
    let mut value = serde_json::from_str(&to_json(&[], file, &[])).expect("JSON");
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strip),
        Value::Object(fields) => {
            fields.retain(|name, field| {
                let is_place = matches!(name.as_str(), "span" | "body");
                !(is_place || name == "text" && field.is_string())
            });
            fields.values_mut().for_each(strip);
        }
        _ => {}
    }
}

/// Takes the values of pairs that are written otherwise and mean the same.
fn take_pairs(file: &Dockerfile, found: &mut Dockerfile) {
    for (stage, other) in file.stages.iter().zip(&mut found.stages) {
        for (one, other) in stage.instructions.iter().zip(&mut other.instructions) {
            take_pair(one, other, file.escape);
        }
    }
}

fn take_pair(one: &Instruction, other: &mut Instruction, escape: Escape) {
    match (&one.kind, &mut other.kind) {
        (Kind::Onbuild(one), Kind::Onbuild(other)) => take_pair(one, other, escape),
        (Kind::Env(pairs), Kind::Env(others)) | (Kind::Label(pairs), Kind::Label(others)) => {
            for (pair, other) in pairs.iter().zip(others) {
                if is_same(pair, other, escape) {
                    other.value = pair.value.clone();
                }
            }
        }
        _ => {}
    }
}

fn is_same(one: &Pair, other: &Pair, escape: Escape) -> bool {
    PROBES.into_iter().all(|probe| {
        let expand = |pair: &Pair| expand_word(pair.value.as_str(), escape, &Probe(probe)).ok();
        expand(one) == expand(other)
    })
}

/// Gives one value to all variables.
struct Probe(Option<&'static str>);

impl Variables for Probe {
    fn value(&self, _name: &str) -> Option<&str> {
        self.0
    }
}
