//! `--cache-mount-from` and `--cache-mount-to`: what commands keep, on the next
//! machine; and commands that want one cache at a time. Skipped where commands can not be run.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Stdio};

use crate::harness::{Ended, Home, Registry};
use crate::run::furnished;

/// Writes a Dockerfile whose command sees what the one before kept.
fn say(home: &Home, options: &str, command: &str) {
    home.write(
        "c/Dockerfile",
        &format!("FROM scratch\nCOPY sh /bin/\nRUN --mount=type=cache,{options} {command}\n"),
    );
}

/// Builds as on a new machine: nothing is left of any build before.
fn elsewhere(home: &Home, flags: &[&str]) -> Ended {
    let kept = home.path(".local/share/wharf");
    if kept.exists() {
        fs_err::remove_dir_all(kept).expect("removed");
    }
    build(home, flags)
}

fn build(home: &Home, flags: &[&str]) -> Ended {
    home.wharf(&[&["build"], flags, &["c"]].concat())
}

/// Makes a home, with a command that fills the cache `k`.
fn filled(options: &str) -> Option<Home> {
    let home = furnished("")?;
    say(
        &home,
        options,
        "mkdir -p /k/d && echo one > /k/a && ln /k/a /k/d/b && ln -s a /k/l && chmod 640 /k/a && chown 7:8 /k/a && echo y > /y",
    );
    Some(home)
}

/// What is there of the cache `k` as it was filled.
const LOOK: &str = "stat -c '%n %F %a %u:%g %h' /k /k/a /k/d /k/d/b /k/l; head -n9 /k/d/b; readlink /k/l; echo z > /z";

fn said(ended: &Ended) -> Vec<String> {
    ended.ok();
    let lines = ended.stderr.lines();
    // Behind the number of the step.
    let lines = lines.filter_map(|line| line.split_once(" | "));
    lines.map(|(_, said)| said.to_owned()).collect()
}

const WHOLE: [&str; 7] = [
    "/k directory 755 0:0 3",
    "/k/a regular file 640 7:8 2",
    "/k/d directory 755 0:0 2",
    "/k/d/b regular file 640 7:8 2",
    "/k/l symbolic link 777 0:0 1",
    "one",
    "a",
];

#[test]
fn a_cache_goes_to_the_next_machine_by_a_directory() {
    let Some(home) = filled("target=/k") else {
        return;
    };
    let to = ["--cache-mount-to", "type=local,dest=kept"];
    let from = ["--cache-mount-from", "type=local,src=kept"];
    let first = elsewhere(&home, &to);
    first.ok();
    assert!(
        first.stderr.contains("cache mount `/k` of linux/")
            && first.stderr.contains("to `kept`: 1 file, 4 B, "),
        "{}",
        first.stderr
    );
    say(&home, "target=/k", LOOK);
    let second = elsewhere(&home, &[&from[..], &to].concat());
    assert_eq!(said(&second), WHOLE);
    // Nothing is sent of what is there already.
    assert!(
        second.stderr.contains("1 file, 4 B, is there already\n"),
        "{}",
        second.stderr
    );
    // What a build does not run, it does not export.
    let cached = build(&home, &to);
    assert!(!cached.stderr.contains("cache mount"), "{}", cached.stderr);
    // Without the flag, nothing comes.
    say(&home, "target=/k", "ls /k; echo w > /w");
    assert_eq!(said(&elsewhere(&home, &[])), Vec::<String>::new());
}

#[test]
fn every_sandbox_makes_and_takes_the_same_artefact() {
    let Some(home) = filled("target=/k") else {
        return;
    };
    let tiers = ["root", "mapped", "one", "chroot"].map(|tier| format!("--sandbox={tier}"));
    let mut artefacts = std::collections::BTreeSet::new();
    let mut works = Vec::new();
    for (number, tier) in tiers.iter().enumerate() {
        let to = format!("type=local,dest=kept{number}");
        let built = elsewhere(&home, &[tier, "--cache-mount-to", &to]);
        if built.code != Some(0) {
            let said = built.stderr;
            assert!(said.contains("can not be done here"), "{tier}: {said}");
            continue;
        }
        let blobs = fs_err::read_dir(home.path(&format!("kept{number}/blobs/sha256")));
        let names = blobs
            .expect("there")
            .map(|blob| blob.expect("there").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        artefacts.insert(names);
        works.push((tier, format!("type=local,src=kept{number}")));
    }
    assert_eq!(artefacts.len(), 1, "{works:?}");
    say(&home, "target=/k", LOOK);
    let (first, last) = (works.first().expect("one"), works.last().expect("one"));
    for (tier, _) in &works {
        for (_, from) in [first, last] {
            let built = elsewhere(&home, &[tier, "--cache-mount-from", from]);
            assert_eq!(said(&built), WHOLE, "{tier}");
        }
    }
}

#[test]
fn a_cache_that_has_something_is_left_alone() {
    let Some(home) = filled("target=/k,id=x") else {
        return;
    };
    let from = ["--cache-mount-from", "type=local,src=kept"];
    elsewhere(&home, &["--cache-mount-to", "type=local,dest=kept"]).ok();
    say(&home, "target=/k,id=x", "echo mine > /k/m; echo z > /z");
    elsewhere(&home, &[]).ok();
    say(&home, "target=/k,id=x", "ls /k; echo v > /v");
    assert_eq!(said(&build(&home, &from)), ["m"]);
    // One that is there and empty is filled.
    say(&home, "target=/k,id=x", "rm /k/m; echo u > /u");
    build(&home, &from).ok();
    say(&home, "target=/k,id=x,sharing=locked", "ls /k; echo t > /t");
    assert_eq!(said(&build(&home, &from)), ["a", "d", "l"]);
    // Another id is another cache.
    say(&home, "target=/k,id=y", "ls /k; echo s > /s");
    assert_eq!(said(&build(&home, &from)), Vec::<String>::new());
}

#[test]
fn a_key_file_finds_its_own_cache_and_else_the_newest() {
    let Some(home) = furnished("") else {
        return;
    };
    let registry = Registry::open(&home);
    let at = format!("type=registry,ref={}/mounts", registry.host);
    let keyed = |lock: &str| format!("{at},key={lock}");
    for (name, word) in [("one.lock", "one"), ("two.lock", "two")] {
        home.write(name, word);
        say(
            &home,
            "target=/k",
            &format!("echo {word} > /k/w; echo y > /y"),
        );
        elsewhere(&home, &["--cache-mount-to", &keyed(name)]).ok();
    }
    home.write("three.lock", "three");
    say(
        &home,
        "target=/k,sharing=private",
        "head -n9 /k/w; echo z > /z",
    );
    for (lock, expected) in [("one", "one"), ("two", "two"), ("three", "two")] {
        let from = keyed(&format!("{lock}.lock"));
        let built = elsewhere(&home, &["--cache-mount-from", &from]);
        assert_eq!(said(&built), [expected], "{lock}");
    }
    let built = elsewhere(&home, &["--cache-mount-from", &at]);
    assert_eq!(said(&built), ["two"]);
    // An id that is not meant is not asked for.
    let from = format!("{at},id=/other");
    let built = elsewhere(&home, &["--cache-mount-from", &from]);
    assert_eq!(said(&built), ["head: /k/w: No such file or directory"]);
}

#[test]
fn what_does_not_fit_is_left_out() {
    let Some(home) = furnished("") else {
        return;
    };
    let blocks = "dd if=/dev/zero bs=1k count=3 of=/k/";
    let make = |name: &str| format!("{blocks}{name} 2>/dev/null");
    say(
        &home,
        "target=/k",
        &format!("{} && {} && {}", make("a"), make("b"), make("c")),
    );
    let to = "type=local,dest=kept,quota=7000";
    elsewhere(&home, &[]).ok();
    // The next command uses two of three.
    say(
        &home,
        "target=/k",
        "dd if=/k/b of=/k/c 2>/dev/null; echo y > /y",
    );
    let built = build(&home, &["--cache-mount-to", to]);
    built.ok();
    assert!(
        built.stderr.contains("2 files, 6.00 KiB, "),
        "{}",
        built.stderr
    );
    assert!(
        built.stderr.contains("; 1 file left out by its quota\n"),
        "{}",
        built.stderr
    );
    say(&home, "target=/k", "ls /k; echo z > /z");
    let from = ["--cache-mount-from", "type=local,src=kept"];
    let built = elsewhere(&home, &from);
    assert!(said(&built).contains(&"c".to_owned()), "{}", built.stderr);
    assert_eq!(said(&built).len(), 2, "{}", built.stderr);
}

#[test]
fn what_is_damaged_is_an_empty_cache_and_a_warning() {
    let Some(home) = filled("target=/k") else {
        return;
    };
    elsewhere(&home, &["--cache-mount-to", "type=local,dest=kept"]).ok();
    let blobs = home.path("kept/blobs/sha256");
    let mut largest = fs_err::read_dir(&blobs)
        .expect("there")
        .map(|entry| entry.expect("there").path())
        .collect::<Vec<_>>();
    largest.sort_by_key(|path| fs_err::metadata(path).expect("there").len());
    say(&home, "target=/k", "ls /k; echo z > /z");
    // The quota of a source bounds what is unpacked.
    let small = ["--cache-mount-from", "type=local,src=kept,quota=100"];
    let built = elsewhere(&home, &small);
    assert_eq!(said(&built), Vec::<String>::new());
    assert!(
        built
            .stderr
            .contains("can not be read: the artefact unpacks to more than its quota"),
        "{}",
        built.stderr
    );
    for path in &largest {
        let mut bytes = fs_err::read(path).expect("read");
        if bytes.first() == Some(&0x1f)
            && let Some(last) = bytes.last_mut()
        {
            *last ^= 1;
        }
        fs_err::write(path, bytes).expect("written");
    }
    let from = ["--cache-mount-from", "type=local,src=kept"];
    let built = elsewhere(&home, &from);
    assert_eq!(said(&built), Vec::<String>::new());
    assert!(
        built
            .stderr
            .contains("warning: the cache `/k` can not be filled from `oci:kept:mount-"),
        "{}",
        built.stderr
    );
    // Nothing at all is no reason for a warning.
    let nowhere = ["--cache-mount-from", "type=local,src=nowhere"];
    let built = elsewhere(&home, &nowhere);
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
}

#[test]
fn where_a_cache_can_not_go_decides_whether_the_build_failed() {
    let Some(home) = filled("target=/k") else {
        return;
    };
    home.write("taken/file", "somebody's");
    let to = "type=local,dest=taken";
    let built = elsewhere(&home, &["--cache-mount-to", to]);
    assert_ne!(built.code, Some(0));
    assert!(
        built
            .stderr
            .contains("error: the image is built, but its cache `/k` can not go to `taken`\n"),
        "{}",
        built.stderr
    );
    let ignored = format!("{to},ignore-error=true");
    let built = elsewhere(&home, &["--cache-mount-to", &ignored]);
    built.ok();
    assert!(
        built
            .stderr
            .contains("warning: the cache `/k` can not go to `taken`: "),
        "{}",
        built.stderr
    );
    let file = fs_err::read_to_string(home.path("taken/file"));
    assert_eq!(file.expect("there"), "somebody's");
}

#[test]
fn a_command_has_one_cache_at_several_places() {
    let Some(home) = furnished("") else {
        return;
    };
    for (one, two) in [
        ("", ""),
        (",sharing=locked", ",sharing=locked"),
        ("", ",sharing=private"),
        ("", ",ro"),
    ] {
        say(
            &home,
            &format!("id=x,target=/1{one} --mount=type=cache,id=x,target=/d/2{two}"),
            "echo one > /1/a; head -n9 /d/2/a; rm /1/a; ls /d/2; echo y > /y",
        );
        let mut digests = std::collections::BTreeSet::new();
        for tier in ["root", "mapped", "one", "chroot"] {
            let built = build(&home, &["--no-cache", &format!("--sandbox={tier}")]);
            if built.code != Some(0) {
                let said = built.stderr;
                assert!(said.contains("can not be done here"), "{tier}: {said}");
                continue;
            }
            assert_eq!(said(&built), ["one"], "{tier} {one} {two}");
            digests.insert(built.ok().to_owned());
        }
        assert_eq!(digests.len(), 1, "{one} {two}");
    }
}

/// Takes caches as commands of another build have them: nobody else may.
fn taken(home: &Home, ids: &[&str]) -> BTreeMap<String, fs_err::File> {
    let mounts: Vec<String> = ids
        .iter()
        .map(|id| format!("id={id},target=/{id}"))
        .collect();
    say(home, &mounts.join(" --mount=type=cache,"), "echo y > /y");
    build(home, &[]).ok();
    let entries = |path| fs_err::read_dir(path).expect("there");
    let paths = |path| entries(path).map(|entry| entry.expect("there").path());
    let homes = paths(home.path(".local/share/wharf/run")).map(|home| home.join("caches"));
    let caches = homes.filter(|caches| caches.exists()).flat_map(paths);
    let locked = caches.map(|cache| {
        let id = fs_err::read_to_string(cache.join("id")).expect("read");
        let lock = fs_err::File::open(cache.join("lock")).expect("there");
        lock.file().lock().expect("nobody has it");
        (id, lock)
    });
    locked.collect()
}

/// Is a build that is under way.
struct Going {
    child: Child,
    errors: BufReader<ChildStderr>,
    said: String,
}

impl Going {
    fn start(home: &Home) -> Self {
        let mut child = home
            .command(&["build", "--jobs=2", "c"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let errors = BufReader::new(child.stderr.take().expect("piped"));
        Self {
            child,
            errors,
            said: String::new(),
        }
    }

    /// Reads until so many commands wait for a cache.
    fn until_waiting(&mut self, count: usize) {
        let waits = "warning: another command has the cache";
        while self.said.matches(waits).count() < count {
            let read = self.errors.read_line(&mut self.said).expect("read");
            assert_ne!(read, 0, "{}", self.said);
        }
    }

    fn end(mut self) -> Ended {
        while self.errors.read_line(&mut self.said).expect("read") > 0 {}
        let output = self.child.wait_with_output().expect("it ends");
        Ended {
            code: output.status.code(),
            bytes: output.stdout,
            stderr: self.said,
        }
    }
}

#[test]
fn two_commands_never_wait_for_each_other() {
    let Some(home) = furnished("") else {
        return;
    };
    let locks = taken(&home, &["p", "q"]);
    let of = |id: &str, target: &str| {
        format!("--mount=type=cache,id={id},target={target},sharing=locked")
    };
    let stage = |name: &str, [one, two]: [&str; 2]| {
        let (one, two) = (of(one, "/1"), of(two, "/2"));
        format!("FROM scratch AS {name}\nCOPY sh /bin/\nRUN {one} {two} echo {name} > /{name}\n")
    };
    let stages = [stage("a", ["p", "q"]), stage("b", ["q", "p"])].concat();
    let last = "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n";
    home.write("c/Dockerfile", &format!("{stages}{last}"));
    let mut going = Going::start(&home);
    // Each has the first one that it takes as soon as that is free.
    going.until_waiting(2);
    assert_eq!(locks.len(), 2);
    drop(locks);
    going.end().ok();
}

#[test]
fn a_build_that_failed_waits_for_no_cache() {
    let Some(home) = furnished("") else {
        return;
    };
    let mut locks = taken(&home, &["held", "free"]);
    let stage = |name: &str, id: &str, command: &str| {
        let mount = format!("--mount=type=cache,id={id},target=/1,sharing=locked");
        format!("FROM scratch AS {name}\nCOPY sh /bin/\nRUN {mount} {command}\n")
    };
    let stages = [
        stage("a", "held", "echo a > /a"),
        stage("b", "free", "exit 3"),
    ];
    let last = "FROM scratch\nCOPY --from=a /a /\nCOPY --from=b /b /\n";
    home.write("c/Dockerfile", &format!("{}{last}", stages.concat()));
    let mut going = Going::start(&home);
    going.until_waiting(2);
    drop(locks.remove("free"));
    let ended = going.end();
    let said = ended.failed(7);
    assert!(
        said.contains("error: the command failed with code 3\n"),
        "{said}"
    );
    assert!(locks.contains_key("held"));
}
