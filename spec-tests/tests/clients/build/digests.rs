//! One digest: as root and as somebody else, under every umask, from a shuffled copy,
//! on two file systems, with one thread and two, cold and cached, from a directory and
//! from archives.

use std::path::{Path, PathBuf};

use crate::build::{Build, base, tree};
use crate::cage::Cage;
use crate::cases::Cases;
use crate::tool::Tool;

/// Somebody who is not root: `nobody`.
const SOMEBODY: u32 = 65_534;

#[test]
fn one_digest_everywhere() {
    let needs = &["mmdebstrap", "setpriv", "gzip"];
    Cage::run("build::digests::one_digest_everywhere", needs, everywhere);
}

fn everywhere(cage: &Cage, cases: &mut Cases) {
    base::open_to_all(&cage.path(""));
    let places = Places::make(cage);
    let rows = rows(cage, &places);
    let mut digests = Vec::new();
    for (name, build) in &rows {
        cases.run(name, || {
            let (digest, said) = build.run();
            println!("| {name} | {digest} |");
            let is_cached = said.contains("nothing changed");
            assert_eq!(is_cached, *name == "the same, cached", "{said}");
            digests.push(digest);
        });
    }
    cases.run("they are all one digest", || {
        assert_eq!(digests.len(), rows.len());
        digests.dedup();
        assert_eq!(digests.len(), 1, "{digests:?}");
    });
    cases.run("another time is another digest", || {
        let build = Build::of(&places.first, &home(cage, "warm"));
        let (digest, _) = build.with("--source-date-epoch 86400").run();
        assert_ne!(digest, digests[0]);
    });
}

/// The same files in many places.
struct Places {
    first: PathBuf,
    on_tmpfs: PathBuf,
    /// As under umask 0002 and 0077.
    shared: PathBuf,
    private: PathBuf,
    /// Owned by [`SOMEBODY`].
    theirs: PathBuf,
    /// Archives of them.
    sorted: PathBuf,
    packed: PathBuf,
}

impl Places {
    fn make(cage: &Cage) -> Self {
        let from = base::debian(cage);
        let dockerfile = format!(
            "FROM {from}\nENV A=1\nWORKDIR /srv/shop\nCOPY . .\nCOPY plain /bin/\nUSER 1\nCMD [\"x\"]\n"
        );
        let make = |name: &str, shuffle| {
            let context = cage.make(name);
            tree::make(&context, shuffle);
            fs_err::write(context.join("Dockerfile"), &dockerfile).expect("a writable directory");
            context
        };
        let first = make("first", 0);
        let tmpfs = cage.make("tmpfs");
        Tool::from_line(&format!("mount -t tmpfs tmpfs {}", tmpfs.display())).run("");
        let on_tmpfs = make("tmpfs/context", 2);
        let masked = |name: &str, umask| {
            let context = make(name, 1);
            tree::mask(&context, umask);
            context
        };
        let theirs = make("theirs", 1);
        give_away(&theirs);
        let gnu = "--gzip --format=gnu --sort=none";
        Self {
            sorted: pack(cage, "sorted.tar", "--sort=name --format=pax", &first),
            packed: pack(cage, "packed.tar.gz", gnu, &on_tmpfs),
            first,
            on_tmpfs,
            shared: masked("shared", 0o002),
            private: masked("private", 0o077),
            theirs,
        }
    }
}

/// Lists who builds what where; all that is built has to be one image.
fn rows(cage: &Cage, places: &Places) -> Vec<(&'static str, Build)> {
    let somebody = home(cage, "somebody");
    give_away(&somebody);
    base::open_to_all(&cage.path("homes"));
    Tool::from_line("chmod 1777").run(&cage.path("tmp").display().to_string());
    let first = |name: &str| Build::of(&places.first, &home(cage, name));
    let other = |path: &Path, name: &str| Build::of(path, &home(cage, name));
    let dockerfile = places.first.join("Dockerfile");
    vec![
        ("root, ext4, umask 0022, cold", first("warm")),
        ("the same, cached", first("warm")),
        ("the same, --no-cache", first("warm").with("--no-cache")),
        ("one thread", first("one").with("--threads 1")),
        ("two threads", first("two").with("--threads 2")),
        ("seven threads", first("seven").with("--threads 7")),
        ("tmpfs, shuffled", other(&places.on_tmpfs, "tmpfs")),
        (
            "umask 0002, shuffled",
            other(&places.shared, "shared").umask("0002"),
        ),
        (
            "umask 0077, shuffled",
            other(&places.private, "private").umask("0077"),
        ),
        (
            "another uid",
            Build::of(&places.theirs, &somebody).user(SOMEBODY),
        ),
        ("tar on stdin", first("sorted").piped(&places.sorted)),
        (
            "unsorted tar.gz on stdin",
            first("packed").piped(&places.packed),
        ),
        ("a tar as the context", other(&places.sorted, "file")),
        (
            "Dockerfile beside the context",
            first("beside").with(&format!("-f {}", dockerfile.display())),
        ),
    ]
}

fn home(cage: &Cage, name: &str) -> PathBuf {
    cage.make(&format!("homes/{name}"))
}

fn give_away(path: &Path) {
    let line = format!("chown -R {SOMEBODY}:{SOMEBODY}");
    Tool::from_line(&line).run(&path.display().to_string());
}

fn pack(cage: &Cage, name: &str, flags: &str, context: &Path) -> PathBuf {
    let tar = cage.path(name);
    let line = format!(
        "tar -C {} {flags} -cf {} .",
        context.display(),
        tar.display()
    );
    Tool::from_line(&line).run("");
    tar
}
