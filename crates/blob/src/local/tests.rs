//! Directories: whose they are, and what is removed from them.

use std::path::Path;

use bytes::Bytes;

use super::{Local, Mark, Sharing, Sync};
use crate::backend::Backend as _;
use crate::error::{Error, ErrorKind};
use crate::key::Key;

pub(super) mod faults;
mod races;

const MARK: Mark = Mark {
    what: "store of tests",
    name: "mark",
    value: b"1",
    before: &["lock", "tmp", "old"],
};

fn open(root: &Path) -> Result<Local, Error> {
    Local::open(root, &MARK, Sharing::Exclusive, Sync::Never)
}

fn share(root: &Path) -> Local {
    Local::open(root, &MARK, Sharing::Shared, Sync::Never).expect("opens")
}

fn write(root: &Path, name: &str) {
    let path = root.join(name);
    fs_err::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs_err::write(path, "x").expect("written");
}

/// Lists every file and directory, by path.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs_err::read_dir(directory).expect("read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path.clone());
            }
            let below = path.strip_prefix(root).expect("below");
            found.push(below.to_str().expect("text").to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn the_directory_of_somebody_else_is_left_as_it_is() {
    for (files_there, named) in [
        (vec!["tmp/notes.txt"], "tmp/notes.txt"),
        (vec!["tmp/1-2", "tmp/1-2.txt"], "tmp/1-2.txt"),
        (vec!["x", "lock", "tmp/1-2"], "x"),
        (vec!["old/x", "younger/x"], "younger"),
    ] {
        let root = tempfile::tempdir().expect("a folder");
        for name in &files_there {
            write(root.path(), name);
        }
        let before = files(root.path());
        let error = open(root.path()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = format!(
            "`{}` is no store of tests: it has `{named}`, and no file `mark`",
            root.path().canonicalize().expect("there").display()
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(files(root.path()), before);
    }
}

#[test]
fn a_directory_that_may_be_taken_is_marked() {
    for files_there in [
        vec![],
        vec!["lost+found/x"],
        // What a process left that was killed on its way to the mark.
        vec!["lock", "tmp/12-3"],
        vec!["old/x"],
    ] {
        let root = tempfile::tempdir().expect("a folder");
        for name in &files_there {
            write(root.path(), name);
        }
        drop(open(root.path()).expect("opens"));
        let mark = fs_err::read(root.path().join("mark")).expect("marked");
        assert_eq!(mark, MARK.value);
        // Now it may have anything.
        write(root.path(), "README");
        open(root.path()).expect("opens again");
    }
}

#[test]
fn only_what_is_ours_is_swept() {
    let root = tempfile::tempdir().expect("a folder");
    drop(open(root.path()).expect("opens"));
    for name in ["tmp/12-3", "tmp/notes.txt", "tmp/4-5/x", "tmp/6-", "tmp/-7"] {
        write(root.path(), name);
    }
    drop(open(root.path()).expect("opens"));
    let kept = [
        "lock",
        "mark",
        "tmp",
        "tmp/-7",
        "tmp/4-5",
        "tmp/4-5/x",
        "tmp/6-",
        "tmp/notes.txt",
    ];
    assert_eq!(files(root.path()), kept);
    // Another version's directory is for that version to sweep.
    write(root.path(), "mark");
    write(root.path(), "tmp/12-3");
    drop(open(root.path()).expect("opens"));
    assert!(files(root.path()).contains(&"tmp/12-3".to_owned()));
}

#[tokio::test]
async fn uploads_of_processes_that_are_gone_are_swept() {
    let root = tempfile::tempdir().expect("a folder");
    let area = Key::top("uploads");
    // Locks belong to the open file, so this is as good as three processes.
    let (killed, living) = (share(root.path()), share(root.path()));
    let (killed_owner, living_owner) = (killed.own(&area), living.own(&area));
    let (killed_owner, living_owner) = (killed_owner.expect("owns"), living_owner.expect("owns"));
    let begin = async |local: &Local, place: &Key| {
        let mut upload = local.begin(place).await.expect("begins");
        upload
            .append(Bytes::from_static(b"x"))
            .await
            .expect("written");
    };
    let lost = killed_owner.place();
    begin(&killed, &lost).await;
    let mut places: Vec<String> = Vec::new();
    for _ in 0..2 {
        let place = living_owner.place();
        begin(&living, &place).await;
        places.push(place.to_string());
    }
    let place = Path::new(places.first().expect("one"));
    let lock = place.to_str().and_then(|place| place.split_once('-'));
    places.insert(0, lock.expect("named by its owner").0.to_owned());
    // A process that is killed removes nothing, and its lock is gone.
    let lost_lock = lost.as_str().split_once('-').expect("named").0.to_owned();
    drop(killed_owner);
    for name in [
        lost.as_str(),
        &lost_lock,
        "uploads/keep-me",
        "uploads/0123456789abcdef-x",
    ] {
        write(root.path(), name);
    }
    // From before there were locks.
    write(root.path(), "uploads/00000000deadbeef-7");
    places.extend([
        "uploads/0123456789abcdef-x".into(),
        "uploads/keep-me".into(),
    ]);
    places.sort();

    let third = share(root.path());
    let owner = third.own(&area).expect("owns");
    let own = owner.place().to_string();
    let own = own.split_once('-').expect("named").0;
    let is_upload = |name: &String| name.starts_with("uploads/") && name != own;
    let found: Vec<String> = files(root.path()).into_iter().filter(is_upload).collect();
    assert_eq!(found, places);

    // Who ends as he should leaves nothing.
    drop((owner, living_owner));
    let found: Vec<String> = files(root.path()).into_iter().filter(is_upload).collect();
    assert_eq!(found, ["uploads/0123456789abcdef-x", "uploads/keep-me"]);
}

/// How often processes meet in a directory; each time may be the bad one.
const MEETINGS: usize = 200;

#[test]
fn who_opens_an_empty_directory_at_the_same_time_finds_no_stranger() {
    let mark = Mark {
        before: &["lock", "tmp", "turn"],
        ..MARK
    };
    for _ in 0..MEETINGS {
        let folder = tempfile::tempdir().expect("a folder");
        let start = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    Local::open(folder.path(), &mark, Sharing::Shared, Sync::Never).expect("opens");
                });
            }
        });
    }
}
