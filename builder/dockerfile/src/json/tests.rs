//! JSON of the parser's corpus, beside the files and the reference.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::parse::tests::corpus::{Case, cases};
use crate::{parse, to_json};

const REFERENCE: &str = include_str!("../../../../docs/reference/dockerfile-json.md");
/// Holds every kind of instruction.
const EVERYTHING: &str = "\
# syntax=docker/dockerfile:1
ARG VERSION=3
# base is built on
FROM --platform=$BUILDPLATFORM alpine:$VERSION AS base
ADD --chown=1 --checksum=sha256:x a b
ARG A B=2
CMD [\"x\"]
COPY --from=0 --chmod=7 --link <<E a /b/
text
E
ENTRYPOINT x
ENV A=1
EXPOSE 80
HEALTHCHECK --retries=3 CMD true
HEALTHCHECK NONE
LABEL a=b
MAINTAINER x
ONBUILD RUN make
RUN --mount=type=secret,id=s --mount=type=ssh cat <<E
E
SHELL [\"sh\"]
STOPSIGNAL 9
USER x
VOLUME /a
WORKDIR /a
";

/// Is how long a case is that is worth the time.
const MAX_CASE: usize = 1 << 16;

fn small_cases() -> impl Iterator<Item = Case> {
    let cases = cases().into_iter();
    cases.filter(|case| case.bytes.len() <= MAX_CASE)
}

fn read(source: &[u8]) -> Value {
    let (file, said) = parse(source);
    let json = to_json(source, &file, &said);
    assert_eq!(json, to_json(source, &file, &said));
    assert!(!json.contains('\n'));
    serde_json::from_str(&json).unwrap()
}

fn place(value: &Value, source: &str) -> usize {
    let number = |name: &str| usize::try_from(value[name].as_u64().unwrap()).unwrap();
    let at = number("byte");
    // Slow and obvious.
    let before = &source[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    assert_eq!((number("line"), number("column")), (line, column));
    at
}

/// Checks each text that says where it stands.
fn check_texts(value: &Value, source: &str, count: &mut usize) {
    match value {
        Value::Array(items) => items
            .iter()
            .for_each(|item| check_texts(item, source, count)),
        Value::Object(fields) => {
            if let Some(span) = fields.get("span") {
                let (start, end) = (place(&span["start"], source), place(&span["end"], source));
                let there = &source[start..end];
                if let (Some(Value::String(text)), 2) = (fields.get("value"), fields.len()) {
                    check_text(text, there);
                    *count += 1;
                }
            }
            fields
                .values()
                .for_each(|field| check_texts(field, source, count));
        }
        _ => {}
    }
}

/// Checks that a text is what stands there, apart from what continues lines,
/// quotes in flags and escapes in JSON.
fn check_text(text: &str, there: &str) {
    if text.eq_ignore_ascii_case(there) {
        return;
    }
    let is_changed = there.contains(['\n', '\\', '\'', '"', '`']) || there.is_empty();
    assert!(is_changed, "{text:?} is not {there:?}");
    let mut letters = there.chars().filter(|letter| letter.is_alphanumeric());
    if !there.contains('\\') && !there.is_empty() {
        let mut wanted = text.chars().filter(|letter| letter.is_alphanumeric());
        assert!(
            wanted.all(|wanted| letters.any(|letter| letter == wanted)),
            "{text:?} is not in {there:?}"
        );
    }
}

#[test]
fn texts_stand_where_it_says() {
    let mut count = 0;
    for case in small_cases() {
        let value = read(&case.bytes);
        if let Ok(source) = str::from_utf8(&case.bytes) {
            check_texts(&value, source, &mut count);
        }
    }
    assert!(count > 300, "{count} texts");
}

#[test]
fn columns_count_characters() {
    let value = read("FROM a\nWORKDIR /é猫/x\n".as_bytes());
    let path = &value["stages"][0]["instructions"][0]["value"];
    let end = serde_json::json!({ "byte": 23, "line": 2, "column": 14 });
    assert_eq!(path["span"]["end"], end);
    let long = format!("FROM a\nRUN {} x\nUSER b\n", "é".repeat(1_000));
    let mut count = 0;
    check_texts(&read(long.as_bytes()), &long, &mut count);
    assert_eq!(count, 3);
    // Bytes that are no text are a character each.
    let value = read(b"FROM a\nUSER \xff\xff b\n");
    let said = &value["diagnostics"][0]["span"]["start"];
    assert_eq!((&said["line"], &said["column"]), (&2.into(), &6.into()));
}

fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|field| names(field, found));
        }
        _ => {}
    }
}

#[test]
fn each_field_is_described() {
    let source = EVERYTHING.as_bytes();
    let mut found = BTreeSet::new();
    names(&read(source), &mut found);
    for case in small_cases() {
        names(&read(&case.bytes), &mut found);
    }
    assert!(found.len() > 40, "{found:?}");
    for name in &found {
        assert!(
            REFERENCE.contains(&format!("\n| `{name}` |")),
            "`{name}` is not described"
        );
    }
    let rows = REFERENCE
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    for row in rows.filter_map(|row| row.split('`').next()) {
        assert!(
            found.contains(row),
            "`{row}` is described, and there is none"
        );
    }
}

#[test]
fn each_instruction_has_its_fields() {
    let value = read(EVERYTHING.as_bytes());
    let steps = value["stages"][0]["instructions"].as_array().unwrap();
    let fields = |name: &str| {
        let step = steps
            .iter()
            .find(|step| step["instruction"] == name)
            .unwrap();
        let keys = step.as_object().unwrap().keys().skip(3);
        keys.cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fields("COPY"), "from chown chmod flags sources destination");
    assert_eq!(fields("RUN"), "flags command heredocs");
    assert_eq!(fields("HEALTHCHECK"), "flags command");
    assert_eq!(fields("ONBUILD"), "trigger");
    assert_eq!(steps.len(), 18);
}
