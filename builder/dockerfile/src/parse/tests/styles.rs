//! Every folder of `corpus/styles` has a `Dockerfile` after the manner of images
//! that many people use, and there is nothing to say about any of them. Some
//! have a `.dockerignore`.

use std::path::Path;

use crate::parse::tests::render::render_plain;
use crate::{
    Facts, Families, Ignore, Instruction, Kind, Variables, check, expand_mount, format, parse,
    to_dockerfile,
};

/// Knows every variable, as something that any option takes.
struct Anything;

impl Variables for Anything {
    fn value(&self, _: &str) -> Option<&str> {
        Some("1")
    }
}

/// Gives the files of this name, with the names of their folders.
fn files(name: &str) -> Vec<(String, Vec<u8>)> {
    let styles = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/styles");
    let folders = fs_err::read_dir(styles).unwrap();
    let mut files: Vec<(String, Vec<u8>)> = folders
        .filter_map(|folder| {
            let folder = folder.unwrap();
            let bytes = fs_err::read(folder.path().join(name)).ok()?;
            Some((folder.file_name().into_string().unwrap(), bytes))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn nothing_is_said_about_any_of_them() {
    let files = files("Dockerfile");
    assert!(files.len() >= 30, "{} styles", files.len());
    for (name, bytes) in files {
        let (file, said) = parse(&bytes);
        assert_eq!(said, [], "{name}");
        assert!(!file.stages.is_empty(), "{name}");
    }
}

#[test]
fn docker_would_find_nothing_in_them() {
    for (name, bytes) in files("Dockerfile") {
        let (file, said) = parse(&bytes);
        let facts = Facts {
            target_platform: "linux/amd64".to_owned(),
            families: Families::Dockerfile,
            ..Facts::default()
        };
        assert_eq!(check(&file, &bytes, said, &facts), [], "{name}");
    }
}

#[test]
fn what_is_printed_of_them_says_the_same() {
    for (name, bytes) in files("Dockerfile") {
        let (file, _) = parse(&bytes);
        let printed = to_dockerfile(&file);
        let (again, said) = parse(printed.as_bytes());
        assert_eq!(said, [], "{name}");
        assert_eq!(render_plain(&again), render_plain(&file), "{name}");
    }
}

#[test]
fn they_can_be_formatted_and_say_the_same() {
    for (name, bytes) in files("Dockerfile") {
        let formatted = format(&bytes).unwrap_or_else(|said| panic!("{name}: {said:?}"));
        assert_eq!(format(&formatted).as_ref(), Ok(&formatted), "{name}");
        let (file, _) = parse(&bytes);
        let (again, said) = parse(&formatted);
        assert_eq!(said, [], "{name}");
        assert_eq!(render_plain(&again), render_plain(&file), "{name}");
    }
}

#[test]
fn their_mounts_are_mounts() {
    let mut count = 0;
    for (name, bytes) in files("Dockerfile") {
        let (file, _) = parse(&bytes);
        let steps = file.stages.iter().flat_map(|stage| &stage.instructions);
        for mount in steps.flat_map(mounts) {
            count += 1;
            let (_, unset) = expand_mount(&mount, file.escape, &Anything)
                .unwrap_or_else(|error| panic!("{name}: {mount}: {error}"));
            assert_eq!(unset, [""; 0], "{name}: {mount}");
        }
    }
    assert!(count > 40, "{count} mounts");
}

fn mounts(step: &Instruction) -> Vec<String> {
    match &step.kind {
        Kind::Run(run) => run.mounts().map(ToString::to_string).collect(),
        Kind::Onbuild(inner) => mounts(inner),
        _ => Vec::new(),
    }
}

#[test]
fn their_ignore_files_are_right() {
    let files = files(".dockerignore");
    assert!(files.len() >= 5, "{} files", files.len());
    for (name, bytes) in files {
        let (_, said) = Ignore::parse(&bytes);
        assert_eq!(said, [], "{name}");
    }
}
