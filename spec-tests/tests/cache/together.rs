//! Builds at the same time, with one home: each comes to what it comes to alone.

use crate::change::{Call, Change};
use crate::scene::{Scene, Started};

/// How often.
const ROUNDS: usize = 6;

const DOCKERFILE: &str = r#"FROM base AS one
COPY d /d
RUN seq 1 20000 > /numbers && rm /d/b
RUN --mount=type=cache,target=/c echo kept >> /c/kept; seq 1 3000 | sha256sum > /sum
WORKDIR /w/deep
RUN mkdir x && cp -a /d x/d

FROM base
RUN seq 5 90000 > /other
COPY --from=one /numbers /sum /
COPY --from=one /w /w
RUN echo LAST > /last
"#;

const FILES: &[Change] = &[Change::Write("d/a", "a\n"), Change::Write("d/b", "b\n")];

#[test]
fn two_of_the_same() {
    check(&[("LAST", "LAST"), ("LAST", "LAST")]);
}

#[test]
fn two_that_differ_at_the_end() {
    check(&[("LAST", "one"), ("LAST", "two")]);
}

#[test]
fn two_that_differ_at_the_start() {
    check(&[
        ("seq 1 20000", "seq 1 20001"),
        ("seq 1 20000", "seq 1 20002"),
    ]);
}

#[test]
fn four_of_two_kinds() {
    let (one, two) = (("LAST", "one"), ("seq 5 90000", "seq 5 90001"));
    check(&[one, two, one, two]);
}

/// Builds with one place of the Dockerfile as each of these has it, all at the same time.
fn check(edits: &[(&str, &str)]) {
    let Some(scene) = Scene::set() else {
        return;
    };
    let mut plain = call();
    for file in FILES {
        file.make(&scene.context(), &mut plain);
    }
    let calls: Vec<Call> = edits
        .iter()
        .map(|(old, new)| Call {
            dockerfile: plain.dockerfile.replace(old, new),
            ..plain.clone()
        })
        .collect();
    let alone = |call: &Call| scene.build("reference", call, "--no-cache").digest;
    let wanted: Vec<String> = calls.iter().map(alone).collect();
    for round in 0..ROUNDS {
        // Every other time the home has seen them before.
        let home = format!("home-{}", round / 2);
        let start = |(index, call): (usize, &Call)| -> Started {
            let at = |kind: &str| scene.at(&format!("{home}-{index}.{kind}"));
            scene.start_at(&home, call, "", (at("log"), at("out")))
        };
        let mut started: Vec<Started> = calls.iter().enumerate().map(start).collect();
        let came: Vec<String> = started
            .iter_mut()
            .map(|build| build.wait().digest)
            .collect();
        assert_eq!(came, wanted, "round {round}");
    }
}

fn call() -> Call {
    Call {
        dockerfile: DOCKERFILE.to_owned(),
        flags: String::new(),
        base: "1".to_owned(),
        variables: Vec::new(),
        umask: "0022".to_owned(),
    }
}
