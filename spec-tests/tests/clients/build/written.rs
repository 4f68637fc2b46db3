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
mod triggers;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::build::listing::Listing;
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
}

/// What wharf has to refuse, and a part of what it says then.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wrong {
    lines: &'static str,
    says: &'static str,
}

const fn written(name: &'static str, lines: &'static str, tree: &'static str) -> Written {
    Written {
        name,
        lines,
        flags: "",
        tree,
        opaque: "",
        config: &[],
    }
}

const fn wrong(lines: &'static str, says: &'static str) -> Wrong {
    Wrong { lines, says }
}

impl Written {
    const fn flags(mut self, flags: &'static str) -> Self {
        self.flags = flags;
        self
    }

    const fn opaque(mut self, opaque: &'static str) -> Self {
        self.opaque = opaque;
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

fn table(cage: &Cage, cases: &mut Cases, table: &[Written], wrong: &[Wrong]) {
    let scene = Scene::start(cage);
    let projects = Projects::start(cage);
    let base = scene.of_base();
    for (number, case) in table.iter().enumerate() {
        cases.run(case.name, || {
            let is_empty = case.lines.rsplit("FROM ").next();
            let is_empty = is_empty.is_some_and(|last| last.starts_with("scratch"));
            let nothing = Listing::new();
            let base = if is_empty { &nothing } else { &base };
            build(&scene, &projects, number, case, base);
        });
    }
    for (number, case) in wrong.iter().enumerate() {
        cases.run(&format!("refused: {:?}", case.lines), || {
            let context = scene.context(table.len() + number, case.lines);
            let output = scene.tried(&projects.place(case.lines), "", &context);
            let said = String::from_utf8_lossy(&output.stderr);
            println!("{said}");
            // 101 would be a panic, and 124 too long a time.
            assert!(
                output
                    .status
                    .code()
                    .is_some_and(|code| (1..100).contains(&code))
            );
            assert!(said.contains(&projects.place(case.says)), "{said}");
        });
    }
}

/// Builds it and compares all there is with what is written.
fn build(scene: &Scene<'_>, projects: &Projects, number: usize, case: &Written, base: &Listing) {
    let context = scene.context(number, case.lines);
    let lines = projects.place(case.lines);
    let file = scene.dockerfile("wharf", &lines, &scene.small());
    let flags = case
        .flags
        .replace("CONTEXT", &context.display().to_string());
    let made = scene.ours(number, &file, &flags, &context, "");
    let wanted = tree(case.tree, &context);
    let mut contained = made.contained.clone();
    contained.retain(|path, _| {
        !is_of_container(path) || wanted.contains_key(path) || base.contains_key(path)
    });
    for files in [&made.files, &contained] {
        let mut found = changes(files, base);
        if !case.opaque.is_empty() {
            let inside = format!("{}/", case.opaque);
            assert!(found.contains_key(case.opaque), "{found:#?}");
            assert!(found.keys().any(|path| path.starts_with(&inside)));
            found.retain(|path, _| path != case.opaque && !path.starts_with(&inside));
        }
        let differences = crate::build::listing::differences(&found, &wanted);
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
        let what = match what.split_once(" file") {
            Some((metadata, content)) => format!(
                "{metadata} {}",
                file(content.trim_start_matches(' '), context)
            ),
            None => what.to_owned(),
        };
        let path = path.replace("\\x20", " ");
        assert!(listing.insert(path, what).is_none(), "{line} twice");
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
