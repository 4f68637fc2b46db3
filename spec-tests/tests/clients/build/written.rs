//! Syntax that Debian's docker and buildah do not know: what wharf makes of it, beside
//! what the reference of the Dockerfile language says, written down by hand.
//!
//! A tree has a line for each entry that the base has not, or has otherwise: its path,
//! mode, owner, and what it is. `file` is followed by the content, or by `@` and a file
//! of the context with the same content; `nothing` is what is no longer there.

mod adding;
mod copying;
mod heredocs;
mod repositories;
mod running;
mod triggers;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::build::listing::{self, Listing};
use crate::build::peers::Order;
use crate::build::projects::Projects;
use crate::build::scene::Scene;
use crate::cage::Cage;
use crate::cases::Cases;
use spec_tests::digest;

/// One Dockerfile, and what the reference makes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    name: &'static str,
    /// `BASE`, `WEB`, `SUM`, `GIT` and `COMMIT` stand for what is there when it runs.
    lines: &'static str,
    flags: &'static str,
    tree: &'static str,
    /// A directory that has to be there and in which nobody looks.
    opaque: &'static str,
    /// Parts of the config, in JSON.
    config: &'static [(&'static str, &'static str)],
    /// The row of our reference's list of differences, where that is what is written
    /// here, and not what BuildKit makes of it; else empty.
    reason: &'static str,
}

/// What wharf has to refuse, and a part of what it says then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrong {
    lines: &'static str,
    says: &'static str,
    /// As of [`Written`].
    reason: &'static str,
}

const fn written(name: &'static str, lines: &'static str, tree: &'static str) -> Written {
    Written {
        name,
        lines,
        flags: "",
        tree,
        opaque: "",
        config: &[],
        reason: "",
    }
}

const fn wrong(lines: &'static str, says: &'static str) -> Wrong {
    Wrong {
        lines,
        says,
        reason: "",
    }
}

impl Wrong {
    const fn differs(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }
}

/// Lists the reasons of all cases that differ from what BuildKit does.
pub(crate) fn reasons() -> impl Iterator<Item = &'static str> {
    let built = TABLES.iter().flat_map(|(cases, _)| cases.iter());
    let refused = TABLES.iter().flat_map(|(_, wrong)| wrong.iter());
    let built = built.map(|case| case.reason);
    built.chain(refused.map(|case| case.reason))
}

/// Every table: what is built, and what is refused.
const TABLES: &[(&[Written], &[Wrong])] = &[
    (copying::CASES, copying::WRONG),
    (adding::CASES, adding::WRONG),
    (repositories::CASES, repositories::WRONG),
    (heredocs::CASES, heredocs::WRONG),
    (triggers::CASES, triggers::WRONG),
    (running::CASES, running::WRONG),
];

impl Written {
    const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }

    const fn opaque(mut self, opaque: &'static str) -> Self {
        self.opaque = opaque;
        self
    }

    const fn differs(mut self, reason: &'static str) -> Self {
        self.reason = reason;
        self
    }

    const fn config(mut self, config: &'static [(&'static str, &'static str)]) -> Self {
        self.config = config;
        self
    }
}

/// What the programs are that these tests need beside wharf.
const NEEDS: &[&str] = &[
    "dockerd", "docker", "buildah", "runc", "busybox", "skopeo", "umoci", "gzip", "bzip2", "xz",
    "zstd", "git",
];

#[test]
fn copies() {
    Cage::run("build::written::copies", NEEDS, |cage, cases| {
        table(cage, cases, copying::CASES, copying::WRONG);
    });
}

#[test]
fn additions() {
    Cage::run("build::written::additions", NEEDS, |cage, cases| {
        table(cage, cases, adding::CASES, adding::WRONG);
    });
}

#[test]
fn repositories() {
    Cage::run("build::written::repositories", NEEDS, |cage, cases| {
        table(cage, cases, repositories::CASES, repositories::WRONG);
    });
}

#[test]
fn heredocs() {
    Cage::run("build::written::heredocs", NEEDS, |cage, cases| {
        table(cage, cases, heredocs::CASES, heredocs::WRONG);
    });
}

#[test]
fn triggers() {
    Cage::run("build::written::triggers", NEEDS, |cage, cases| {
        table(cage, cases, triggers::CASES, triggers::WRONG);
    });
}

#[test]
fn commands() {
    Cage::run("build::written::commands", NEEDS, |cage, cases| {
        table(cage, cases, running::CASES, running::WRONG);
    });
}

fn table(cage: &Cage, cases: &mut Cases, table: &[Written], wrong: &[Wrong]) {
    let scene = Scene::start(cage);
    let projects = Projects::start(cage);
    let base = scene.of_base("small");
    let equipped = scene.of_base("equipped");
    for (number, case) in table.iter().enumerate() {
        cases.run(case.name, || {
            let is_empty = case.lines.rsplit("FROM ").next();
            let is_empty = is_empty.is_some_and(|last| last.starts_with("scratch"));
            let nothing = Listing::new();
            let base = match base_of(case.lines) {
                _ if is_empty => &nothing,
                "equipped" => &equipped,
                _ => &base,
            };
            build(&scene, &projects, number, case, base);
        });
    }
    for (number, case) in wrong.iter().enumerate() {
        cases.run(&format!("refused: {:?}", case.lines), || {
            let context = scene.context(table.len() + number, case.lines);
            let output = scene.tried(
                &projects.place(case.lines),
                "",
                base_of(case.lines),
                &context,
            );
            let said = String::from_utf8_lossy(&output.stderr);
            println!("{said}");
            // 101 would be a panic, and 124 too long a time.
            let code = output.status.code();
            assert!(code.is_some_and(|code| (1..100).contains(&code)), "{said}");
            // Not in the excerpt, where all of the line is.
            let says = projects.place(case.says);
            let mut messages = said.lines().filter(|line| line.starts_with("error"));
            assert!(messages.any(|line| line.contains(&says)), "{said}");
        });
    }
}

/// Returns the name of the base that a Dockerfile needs.
fn base_of(lines: &str) -> &'static str {
    if lines.contains("\nRUN ") {
        "equipped"
    } else {
        "small"
    }
}

/// Builds it and compares all there is with what is written.
fn build(scene: &Scene<'_>, projects: &Projects, number: usize, case: &Written, base: &Listing) {
    let context = scene.context(number, case.lines);
    let lines = projects.place(case.lines);
    let made = scene.ours(&Order {
        image: &format!("localhost/written-{number}:1"),
        file: &scene.dockerfile("wharf", &lines, &scene.named(base_of(&lines))),
        flags: &case
            .flags
            .replace("CONTEXT", &context.display().to_string()),
        context: &context,
        timed: "",
    });
    let wanted = tree(case.tree, &context);
    let mut contained = made.contained.clone();
    contained.retain(|path, _| {
        !is_of_container(path) || wanted.contains_key(path) || base.contains_key(path)
    });
    // Docker lays files of its own over these.
    for path in ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"] {
        if let Some(what) = base.get(path) {
            contained.insert(path.to_owned(), what.clone());
        }
    }
    for files in [&made.files, &contained] {
        let mut found = changes(files, base);
        if !case.opaque.is_empty() {
            let inside = format!("{}/", case.opaque);
            assert!(found.contains_key(case.opaque), "{found:#?}");
            assert!(found.keys().any(|path| path.starts_with(&inside)));
            found.retain(|path, _| path != case.opaque && !path.starts_with(&inside));
        }
        let differences = listing::differences(&found, &wanted);
        assert!(
            differences.is_empty(),
            "(the other is the reference) {differences:#?}"
        );
    }
    for (part, wanted) in case.config {
        let wanted: Value = serde_json::from_str(wanted).expect("JSON");
        assert_eq!(made.config[part], wanted, "{part}");
    }
}

/// Says whether docker puts this into every container.
fn is_of_container(path: &str) -> bool {
    let of_etc = ["", "/hostname", "/hosts", "/mtab", "/resolv.conf"];
    let is_of_etc = |rest: &str| of_etc.contains(&rest);
    path.strip_prefix("/etc").is_some_and(is_of_etc)
        || path.starts_with("/dev")
        || ["/.dockerenv", "/proc", "/sys"].contains(&path)
}

/// Lists what is otherwise than in the base.
fn changes(files: &Listing, base: &Listing) -> Listing {
    let mut found: Listing = files
        .iter()
        .filter(|(path, what)| base.get(*path) != Some(what))
        .map(|(path, what)| (path.clone(), what.clone()))
        .collect();
    let gone = base.keys().filter(|path| !files.contains_key(*path));
    found.extend(gone.map(|path| (path.clone(), "nothing".to_owned())));
    found
}

/// Reads a tree that is written by hand.
fn tree(text: &str, context: &Path) -> Listing {
    let mut listing = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (path, what) = line.split_once(' ').expect("a path, and what it is");
        let words: Vec<&str> = what.splitn(3, ' ').collect();
        let what = match words.as_slice() {
            [mode, owner, rest] if rest.starts_with("file") => {
                let content = rest.trim_start_matches("file").trim_start_matches(' ');
                format!("{mode} {owner} {}", file(content, context))
            }
            _ => what.to_owned(),
        };
        assert!(
            listing.insert(path.to_owned(), what).is_none(),
            "{line} twice"
        );
    }
    listing
}

fn file(content: &str, context: &Path) -> String {
    let bytes = match content.strip_prefix('@') {
        Some(path) => fs_err::read(context.join(path)).expect("a file of the context"),
        None => content
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .into_bytes(),
    };
    format!("file of {} bytes, {}", bytes.len(), digest(&bytes))
}
