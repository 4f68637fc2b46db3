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
    let (shared, private) = (masked("shared", 0o002), masked("private", 0o077));
    let theirs = make("theirs", 1);
    let home = |name: &str| cage.make(&format!("homes/{name}"));
    let homes = cage.path("homes");
    let owned = |path: &Path| {
        Tool::from_line(&format!("chown -R {SOMEBODY}:{SOMEBODY}"))
            .run(&path.display().to_string());
    };
    let somebody = home("somebody");
    for path in [&theirs, &somebody] {
        owned(path);
    }
    base::open_to_all(&homes);
    Tool::from_line("chmod 1777").run(&cage.path("tmp").display().to_string());
    let pack = |name: &str, flags: &str, context: &Path| -> PathBuf {
        let tar = cage.path(name);
        let line = format!(
            "tar -C {} {flags} -cf {} .",
            context.display(),
            tar.display()
        );
        Tool::from_line(&line).run("");
        tar
    };
    let (sorted, packed) = (
        pack("sorted.tar", "--sort=name --format=pax", &first),
        pack(
            "packed.tar.gz",
            "--gzip --format=gnu --sort=none",
            &on_tmpfs,
        ),
    );
    let warm = home("warm");
    let rows: Vec<(&str, Build)> = vec![
        ("root, ext4, umask 0022, cold", Build::of(&first, &warm)),
        ("the same, cached", Build::of(&first, &warm)),
        (
            "the same, --no-cache",
            Build::of(&first, &warm).with("--no-cache"),
        ),
        (
            "one thread",
            Build::of(&first, &home("one")).with("--threads 1"),
        ),
        (
            "two threads",
            Build::of(&first, &home("two")).with("--threads 2"),
        ),
        (
            "seven threads",
            Build::of(&first, &home("seven")).with("--threads 7"),
        ),
        ("tmpfs, shuffled", Build::of(&on_tmpfs, &home("tmpfs"))),
        (
            "umask 0002, shuffled",
            Build::of(&shared, &home("shared")).umask("0002"),
        ),
        (
            "umask 0077, shuffled",
            Build::of(&private, &home("private")).umask("0077"),
        ),
        ("another uid", Build::of(&theirs, &somebody).user(SOMEBODY)),
        (
            "tar on stdin",
            Build::of(&first, &home("sorted")).piped(&sorted),
        ),
        (
            "unsorted tar.gz on stdin",
            Build::of(&first, &home("packed")).piped(&packed),
        ),
        ("a tar as the context", Build::of(&sorted, &home("file"))),
        (
            "Dockerfile beside the context",
            Build::of(&first, &home("beside"))
                .with(&format!("-f {}", first.join("Dockerfile").display())),
        ),
    ];
    let mut digests = Vec::new();
    for (name, build) in &rows {
        cases.run(name, || {
            let (digest, said) = build.run();
            println!("| {name} | {digest} |");
            let is_cached = said.contains("nothing was written");
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
        let (digest, _) = Build::of(&first, &warm)
            .with("--source-date-epoch 86400")
            .run();
        assert_ne!(digest, digests[0]);
    });
}
