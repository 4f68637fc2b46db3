//! Tests of comparing builds.

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::Span;
use layer::{DeviceKind, Entry, EntryPath, Kind, LayerIndex, Metadata, Record, Stored, Time};
use oci::Digest;

use super::*;

fn path(text: &str) -> EntryPath {
    EntryPath::parse(text.as_bytes()).unwrap()
}

fn record(text: &str, kind: Kind, content: &str) -> Record {
    let is_file = matches!(kind, Kind::File { .. });
    Record {
        entry: Entry {
            path: path(text),
            kind,
            metadata: Metadata::default(),
        },
        content: is_file.then(|| Stored {
            offset: None,
            digest: Digest::sha256(content.as_bytes()),
        }),
    }
}

fn file(text: &str, content: &str) -> Record {
    let size = content.len() as u64;
    record(text, Kind::File { size }, content)
}

fn with(mut record: Record, change: impl FnOnce(&mut Metadata)) -> Record {
    change(&mut record.entry.metadata);
    record
}

/// A step at a place, with a layer whose digest is that of what it says.
fn step(stage: &str, at: usize, records: Vec<Record>) -> StepEvidence {
    let index = LayerIndex::new(records, BTreeMap::new());
    StepEvidence {
        stage: stage.into(),
        text: format!("RUN {at}"),
        span: Span::new(at, at + 5),
        layer: Some(LayerEvidence {
            diff_id: Digest::sha256(&index.encode()),
            index: Arc::new(index),
        }),
    }
}

fn evidence(steps: Vec<StepEvidence>) -> Evidence {
    Evidence {
        steps,
        config: b"{}".to_vec(),
    }
}

fn kinds(first: Vec<Record>, second: Vec<Record>) -> Vec<(String, DifferenceKind)> {
    let (first, second) = (step("0", 0, first), step("0", 0, second));
    let report = compare(&evidence(vec![first]), &evidence(vec![second]));
    let [step] = report.steps.as_slice() else {
        panic!("one step: {report:?}");
    };
    let differences = step.differences.iter();
    differences
        .map(|difference| (difference.path.to_string(), difference.kind.clone()))
        .collect()
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table: a row for each kind of difference"
)]
fn every_kind_of_difference_has_a_name() {
    use DifferenceKind as D;
    let pipe = |text| record(text, Kind::Fifo, "");
    let link = |text, target: &str| {
        let target = target.as_bytes().into();
        record(text, Kind::Symlink { target }, "")
    };
    let hard = |text, target| {
        record(
            text,
            Kind::HardLink {
                target: path(target),
            },
            "",
        )
    };
    let device = |text, minor| {
        let kind = DeviceKind::Character;
        let major = 1;
        record(text, Kind::Device { kind, major, minor }, "")
    };
    let digest = |text: &str| Digest::sha256(text.as_bytes());
    let cases = [
        (Some(pipe("x")), None, vec![D::Missing]),
        (None, Some(pipe("x")), vec![D::Added]),
        (
            Some(pipe("x")),
            Some(file("x", "a")),
            vec![D::Type("named pipe", "file")],
        ),
        (
            Some(file("x", "a")),
            Some(file("x", "ab")),
            vec![D::Size(1, 2)],
        ),
        (
            Some(file("x", "a")),
            Some(file("x", "b")),
            vec![D::Content(digest("a"), digest("b"))],
        ),
        (
            Some(link("x", "a")),
            Some(link("x", "b")),
            vec![D::Target((*b"a").into(), (*b"b").into())],
        ),
        (
            Some(hard("x", "a")),
            Some(hard("x", "b")),
            vec![D::Target((*b"a").into(), (*b"b").into())],
        ),
        (
            Some(device("x", 3)),
            Some(device("x", 5)),
            vec![D::Device(
                (DeviceKind::Character, 1, 3),
                (DeviceKind::Character, 1, 5),
            )],
        ),
        (
            Some(pipe("x")),
            Some(with(pipe("x"), |metadata| {
                metadata.mode = 0o600;
                metadata.gid = 7;
                metadata.mtime = Time::from_seconds(5);
                metadata.xattrs = [((*b"user.a").into(), (*b"1").into())].into();
            })),
            vec![
                D::Mode(0, 0o600),
                D::Owner((0, 0), (0, 7)),
                D::Time(Time::default(), Time::from_seconds(5)),
                D::Attribute((*b"user.a").into()),
            ],
        ),
    ];
    for (first, second, expected) in cases {
        let found = kinds(first.into_iter().collect(), second.into_iter().collect());
        let expected: Vec<_> = expected
            .into_iter()
            .map(|kind| ("/x".into(), kind))
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn an_order_and_a_form_are_seen_where_nothing_else_is() {
    let (one, other) = (file("a", "a"), file("b", "b"));
    let found = kinds(vec![one.clone(), other.clone()], vec![other, one.clone()]);
    assert_eq!(found, [("/a".into(), DifferenceKind::Order)]);
    let mut moved = one.clone();
    if let Some(stored) = &mut moved.content {
        stored.offset = Some(512);
    }
    let found = kinds(vec![one], vec![moved]);
    assert_eq!(found, [("/".into(), DifferenceKind::Form)]);
}

#[test]
fn a_directory_and_its_mark_are_two() {
    let directory = record("d", Kind::Directory, "");
    let opaque = record("d", Kind::Opaque, "");
    let found = kinds(vec![directory.clone(), opaque], vec![directory]);
    assert_eq!(found, [("/d".into(), DifferenceKind::Missing)]);
}

#[test]
fn later_steps_follow_and_the_order_of_stages_is_nothing() {
    let first = [
        step("a", 10, vec![file("x", "a")]),
        step("b", 50, vec![file("y", "a")]),
        step("a", 20, vec![file("z", "a")]),
    ];
    let second = [
        step("b", 50, vec![file("y", "a")]),
        step("a", 10, vec![file("x", "b")]),
        step("a", 20, vec![file("z", "b")]),
    ];
    let same = [first[1].clone(), first[0].clone(), first[2].clone()];
    let report = compare(&evidence(first.to_vec()), &evidence(same.to_vec()));
    assert!(report.is_same());
    assert_eq!(report.compared, 3);
    let report = compare(&evidence(first.to_vec()), &evidence(second.to_vec()));
    assert!(!report.is_same());
    let steps: Vec<_> = report
        .steps
        .iter()
        .map(|step| (step.span.start, step.origin))
        .collect();
    assert_eq!(steps, [(10, Origin::Itself), (20, Origin::Follows)]);
}

#[test]
fn a_step_that_only_one_build_has_is_told() {
    let one = step("a", 1, vec![file("x", "a")]);
    let mut none = one.clone();
    none.layer = None;
    for (first, second, kind) in [
        (vec![one.clone()], vec![], DifferenceKind::Missing),
        (vec![], vec![one.clone()], DifferenceKind::Added),
        (vec![one], vec![none], DifferenceKind::Missing),
    ] {
        let report = compare(&evidence(first), &evidence(second));
        assert_eq!(report.steps.len(), 1);
        assert_eq!(report.steps[0].differences[0].kind, kind);
    }
}

#[test]
fn equal_instructions_of_one_place_are_told_apart() {
    let steps = |content| vec![step("a", 1, vec![]), step("a", 1, vec![file("x", content)])];
    let report = compare(&evidence(steps("a")), &evidence(steps("b")));
    assert_eq!(report.compared, 2);
    assert_eq!(report.steps.len(), 1);
}

#[test]
fn long_lists_end() {
    let files: Vec<_> = (0..DIFFERENCES_LIMIT + 5)
        .map(|number| file(&format!("{number:05}"), ""))
        .collect();
    let report = compare(
        &evidence(vec![step("a", 1, files)]),
        &evidence(vec![step("a", 1, vec![])]),
    );
    assert_eq!(report.steps[0].differences.len(), DIFFERENCES_LIMIT);
    assert_eq!(report.steps[0].omitted, 5);
}

#[test]
fn configs_are_compared_field_by_field() {
    let config = |text: &str| Evidence {
        steps: Vec::new(),
        config: text.as_bytes().to_vec(),
    };
    let first =
        config(r#"{"config":{"Env":["A=1","B=2"],"User":"x"},"rootfs":{"diff_ids":["sha256:1"]}}"#);
    let second = config(
        r#"{"config":{"Env":["A=1","B=3"],"Cmd":["y"]},"rootfs":{"diff_ids":["sha256:2"]},"config2":1}"#,
    );
    let report = compare(&first, &second);
    let fields: Vec<_> = report
        .config
        .iter()
        .map(|field| {
            (
                field.field.as_str(),
                field.first.as_str(),
                field.second.as_str(),
            )
        })
        .collect();
    assert_eq!(
        fields,
        [
            ("config.Cmd", "", r#"["y"]"#),
            ("config.Env[1]", r#""B=2""#, r#""B=3""#),
            ("config.User", r#""x""#, ""),
            ("config2", "", "1"),
        ]
    );
    let spaced = compare(&config(r#"{"a":1}"#), &config(r#"{"a": 1}"#));
    assert!(!spaced.is_same());
}

#[test]
fn the_usual_culprits_have_advice() {
    for (culprit, word) in [
        ("var/cache/ldconfig/aux-cache", "ldconfig"),
        ("var/log/apt/history.log", "/var/log/apt"),
        ("var/log/dpkg.log", "dpkg.log"),
        ("var/log/nginx/error.log", "/var/log"),
        ("var/lib/apt/lists/x_Packages", "lists"),
        ("var/lib/dpkg/status", "pin versions"),
        ("lib/apk/db/installed", "apk"),
        ("var/lib/rpm/rpmdb.sqlite", "rpm"),
        (
            "usr/lib/python3/__pycache__/a.cpython-311.pyc",
            "PYTHONDONTWRITEBYTECODE",
        ),
        ("app/a.pyc", "PYTHONDONTWRITEBYTECODE"),
        ("etc/machine-id", "random"),
        ("etc/shadow", "sed"),
        ("etc/shadow-", "sed"),
        ("etc/ssh/ssh_host_rsa_key", "ssh_host_"),
        ("tmp/x", "/tmp"),
        ("root/.cache/pip/http/a", "--no-cache-dir"),
        ("home/a/.npm/_logs/1.log", "npm"),
        ("src/.git/index", "ADD"),
        ("var/spool/cron/crontabs/root", "cron.d"),
        ("var/lib/systemd/random-seed", "random-seed"),
        ("etc/ssl/certs/java/cacerts", "keystore"),
        ("var/cache/fontconfig/x.cache-7", "fontconfig"),
        ("var/cache/man/index.db", "man"),
        ("usr/lib/locale/locale-archive", "--no-archive"),
        ("run/lock", "tmpfs"),
        ("root/.bash_history", "histories"),
        ("usr/share/doc/a/changelog.gz", "gzip -n"),
    ] {
        let advice = advice(&path(culprit)).unwrap_or_else(|| panic!("{culprit}"));
        assert!(advice.contains(word), "{culprit}: {advice}");
    }
    for innocent in [
        "usr/bin/tool",
        "etc/passwd",
        "variable/log",
        "app/running",
        ".gz",
    ] {
        assert_eq!(advice(&path(innocent)), None, "{innocent}");
    }
}
