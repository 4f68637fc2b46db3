//! Builds that can not be done: each ends with its code and with words that name the
//! place, the value and what would be right; none panics, and none leaves a name in the
//! library.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use spec_tests::Wharf;
use tar::{Builder, EntryType, Header};

/// Exit codes, as `docs/reference/exit-codes.md` has them.
const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const UNAVAILABLE: i32 = 6;
const COMMAND: i32 = 7;

/// A Dockerfile that can not be built, how the program ends, and what it says.
type Row = (&'static str, &'static str, i32, &'static [&'static str]);

/// Dockerfiles with mistakes in their text: the place is named as `file:line:column`.
const TEXTS: &[Row] = &[
    (
        "nothing at all",
        "",
        USAGE,
        &["error[no-instructions]", "Dockerfile:1:1", "hint: "],
    ),
    (
        "comments alone",
        "# nothing\n\n",
        USAGE,
        &["error[no-instructions]"],
    ),
    (
        "no FROM first",
        "COPY a /\n",
        USAGE,
        &["Dockerfile:1:1", "`FROM`"],
    ),
    (
        "an unknown instruction",
        "FROM scratch\nCOPPY a /\n",
        USAGE,
        &[
            "`COPPY` is not an instruction",
            "Dockerfile:2:1",
            "did you mean `COPY`?",
        ],
    ),
    (
        "an unknown flag",
        "FROM scratch\nCOPY --chwon=1 a /\n",
        USAGE,
        &["`--chwon`", "Dockerfile:2:6", "did you mean `--chown`?"],
    ),
    (
        "a flag without a value",
        "FROM scratch\nCOPY --chown a /\n",
        USAGE,
        &["Dockerfile:2:6", "--chown"],
    ),
    (
        "a flag twice",
        "FROM scratch\nCOPY --chown=1 --chown=2 a /\n",
        USAGE,
        &["Dockerfile:2:16", "--chown"],
    ),
    (
        "too few paths",
        "FROM scratch\nCOPY a\n",
        USAGE,
        &["Dockerfile:2:", "COPY"],
    ),
    (
        "a heredoc without an end",
        "FROM scratch\nCOPY <<EOF /x\nhello\n",
        USAGE,
        &["EOF", "Dockerfile:2:"],
    ),
    (
        "a variable without an end",
        "FROM scratch\nENV A=${B\n",
        USAGE,
        &["`${B` has no `}`", "Dockerfile:2:7"],
    ),
    (
        "a modifier that is none",
        "FROM scratch\nENV A=${B!x}\n",
        USAGE,
        &["error[expansion]", "Dockerfile:2:"],
    ),
    (
        "a variable that has to be there",
        "FROM scratch\nENV A=\"${B:?set B}\"\n",
        USAGE,
        &["set B", "Dockerfile:2:"],
    ),
    (
        "a base that is empty",
        "ARG BASE\nFROM $BASE\n",
        USAGE,
        &[
            "`$BASE` is empty once it is expanded",
            "Dockerfile:2:6",
            "give `BASE` a value: `ARG BASE=...`",
        ],
    ),
    (
        "a base that is no name",
        "FROM Upper/Case\n",
        USAGE,
        &["`Upper/Case` names no image or stage", "Dockerfile:1:6"],
    ),
    (
        "a stage name that is none",
        "FROM scratch AS 1st\n",
        USAGE,
        &["`1st`", "Dockerfile:1:17"],
    ),
    (
        "a stage that is not there",
        "FROM scratch\nCOPY --from=3 a /\n",
        USAGE,
        &[
            "`--from=3` names no stage above this one",
            "Dockerfile:2:13",
        ],
    ),
    (
        "a circle of stages",
        "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
        USAGE,
        &["stages need each other in a circle"],
    ),
    (
        "a variable in --from",
        "FROM scratch\nARG X=0\nCOPY --from=$X a /\n",
        USAGE,
        &["`--from=$X` has a variable", "FROM ... AS name"],
    ),
    (
        "a platform that is none",
        "FROM --platform=pc scratch\n",
        USAGE,
        &["`pc` is no platform", "Dockerfile:1:17"],
    ),
    (
        "RUN with a flag that there is not",
        "FROM scratch\nRUN --device=a/b=c true\n",
        USAGE,
        &["`RUN` has no flag `--device`", "Dockerfile:2:5", "hint: "],
    ),
    (
        "RUN without a shell",
        "FROM scratch\nRUN true\n",
        COMMAND,
        &["`/bin/sh`: no such file", "Dockerfile:2:1"],
    ),
    (
        "a name where no names are known",
        "FROM scratch\nCOPY --link --chown=app a /\n",
        USAGE,
        &["`app` is a name", "Dockerfile:2:21", "write numbers"],
    ),
    (
        "ADD by a way that is not known",
        "FROM scratch\nADD ftp://example.com/x /\n",
        USAGE,
        &[
            "nothing is fetched by `ftp://`",
            "Dockerfile:2:5",
            "`https://`",
        ],
    ),
    (
        "a frontend that nobody knows",
        "# syntax=example/other:1\nFROM scratch\n",
        USAGE,
        &[
            "the syntax `example/other:1` is not known",
            "Dockerfile:1:10",
        ],
    ),
    (
        "bytes that are no text",
        "FROM scratch\nENV A=\u{0}\n",
        USAGE,
        &["Dockerfile:2:"],
    ),
    (
        "SHELL in words",
        "FROM scratch\nSHELL /bin/sh -c\n",
        USAGE,
        &["SHELL", "Dockerfile:2:"],
    ),
    (
        "a port that is none",
        "FROM scratch\nEXPOSE http\n",
        USAGE,
        &["`http` is no port", "Dockerfile:2:8", "53/udp"],
    ),
    (
        "a signal that is none",
        "FROM scratch\nSTOPSIGNAL SIGNOPE\n",
        USAGE,
        &["`SIGNOPE` is no signal", "Dockerfile:2:12"],
    ),
    (
        "an owner that the image lacks",
        "FROM scratch\nCOPY --chown=app a /\n",
        USAGE,
        &[
            "the image has no user `app`",
            "Dockerfile:2:14",
            "/etc/passwd",
        ],
    ),
    (
        "permissions that are none",
        "FROM scratch\nCOPY --chmod=rwx a /\n",
        USAGE,
        &["`rwx` is no mode", "Dockerfile:2:14", "`755`"],
    ),
    (
        "a file that is not there",
        "FROM scratch\nCOPY missing /\n",
        NOT_FOUND,
        &[
            "`/missing` is not there",
            "Dockerfile:2:6",
            "count from the root of the context",
        ],
    ),
    (
        "the second of two is not there",
        "FROM scratch\nCOPY a missing /x/\n",
        NOT_FOUND,
        &["`/missing` is not there", "Dockerfile:2:8"],
    ),
    (
        "everything, and what is not there",
        "FROM scratch\nCOPY / missing /x/\n",
        NOT_FOUND,
        &["`/missing` is not there", "Dockerfile:2:8"],
    ),
    (
        "a flag behind a path",
        "FROM scratch\nCOPY a --chown=[x /d/\n",
        USAGE,
        &["warning[late-flag]", "`--chown=[x` is no pattern"],
    ),
    (
        "permissions of digits that are none",
        "FROM scratch\nCOPY --chmod=9 a /\n",
        USAGE,
        &["error[invalid-value]: `9` is no octal number up to 7777"],
    ),
    (
        "a base that is named as its stage",
        "FROM localhost:1/node AS node\n",
        UNAVAILABLE,
        &["can not find the image `localhost:1/node:latest`"],
    ),
    (
        "a file above the context",
        "FROM scratch\nCOPY ../missing /\n",
        NOT_FOUND,
        &["`/missing` is not there", "nothing above it can be copied"],
    ),
    (
        "a comment behind an instruction",
        "FROM scratch\nCOPY a # the file\n",
        USAGE,
        &[
            "`file` has to be a directory",
            "Dockerfile:2:",
            "a comment stands on a line of its own",
        ],
    ),
    (
        "a file that is ignored",
        "FROM scratch\nCOPY ignored /\n",
        NOT_FOUND,
        &["`/ignored` is not there", "`.dockerignore` excludes it"],
    ),
    (
        "a pattern that finds nothing",
        "FROM scratch\nCOPY *.none /\n",
        NOT_FOUND,
        &["nothing is found by `*.none`", "Dockerfile:2:6"],
    ),
    (
        "a pattern that is none",
        "FROM scratch\nCOPY [a /\n",
        USAGE,
        &["`[a` is no pattern", "Dockerfile:2:6"],
    ),
    (
        "several to what is no directory",
        "FROM scratch\nCOPY a b /x\n",
        USAGE,
        &["`/x` has to be a directory", "`/x/`"],
    ),
    (
        "a directory onto a file",
        "FROM scratch\nCOPY a /d\nCOPY d /d\n",
        USAGE,
        &["`/d` is in the way", "Dockerfile:3:"],
    ),
    (
        "through a file",
        "FROM scratch\nCOPY a /f\nCOPY b /f/g\n",
        USAGE,
        &["`/f` is no directory"],
    ),
    (
        "a link that leads outside",
        "FROM scratch\nCOPY outside /\n",
        NOT_FOUND,
        &["`/outside` is a link to `/etc/passwd`, which is not there"],
    ),
    (
        "a circle of links",
        "FROM scratch\nCOPY circle /\n",
        USAGE,
        &["40 links"],
    ),
    (
        "an archive that is cut short",
        "FROM scratch\nADD archive.tgz /\n",
        USAGE,
        &[
            "`/archive.tgz` can not be read to its end",
            "Dockerfile:2:5",
            "the compression is damaged",
            "`COPY`, or `ADD --unpack=false`, keeps it as it is",
        ],
    ),
    (
        "a WORKDIR in a file",
        "FROM scratch\nCOPY a /f\nWORKDIR /f/g\n",
        USAGE,
        &["`/f` is no directory", "Dockerfile:3:"],
    ),
    (
        "a registry that is not there",
        "FROM localhost:1/base:1\nCOPY a /\n",
        UNAVAILABLE,
        &[
            "can not find the image `localhost:1/base:1`",
            "Dockerfile:1:1",
            "nothing listens there",
        ],
    ),
    (
        "a layout that is not there",
        "FROM oci-layout:///no/such/layout:1\n",
        NOT_FOUND,
        &[
            "can not find the image `oci-layout:///no/such/layout:1`",
            "Dockerfile:1:1",
        ],
    ),
];

/// Makes the context that the Dockerfiles are about.
fn context(wharf: &Wharf) {
    let root = wharf.home().join("context");
    let write = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs_err::create_dir_all(path.parent().expect("below the home")).expect("writable");
        fs_err::write(path, bytes).expect("writable");
    };
    write("a", b"a");
    write("b", b"b");
    write("d/e", b"e");
    write("ignored", b"i");
    write(".dockerignore", b"ignored\n");
    let mut packed = GzEncoder::new(Vec::new(), Compression::none());
    std::io::Write::write_all(&mut packed, &archive(&[("x", EntryType::Regular, "")]))
        .expect("memory");
    let packed = packed.finish().expect("memory");
    write("archive.tgz", packed.get(..900).expect("a header and more"));
    let link = |target: &str, name: &str| {
        fs_err::os::unix::fs::symlink(target, root.join(name)).expect("writable");
    };
    link("/etc/passwd", "outside");
    link("circle", "circle");
}

/// Makes a tar of entries by name, kind and target; names are taken as they are.
fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, target) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(0);
        header.set_mode(0o644);
        let fields = header.as_gnu_mut().expect("a GNU header");
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        builder.append(&header, &b""[..]).expect("memory");
    }
    builder.into_inner().expect("memory")
}

/// Says what is not as it should be of a build that has to fail with a code and words.
fn wrong(wharf: &Wharf, name: &str, arguments: &[&str], code: i32, words: &[&str]) -> Vec<String> {
    let ran = wharf.refuses(arguments);
    let mut wrong = Vec::new();
    if ran.status.code() != Some(code) {
        wrong.push(format!(
            "{name}: {} and not {code}:\n{}",
            ran.status, ran.words
        ));
    }
    for word in words.iter().filter(|word| !ran.words.contains(*word)) {
        wrong.push(format!("{name}: no `{word}` in:\n{}", ran.words));
    }
    if !ran.output.is_empty() {
        wrong.push(format!("{name}: something on standard output"));
    }
    wrong
}

/// Builds, and expects it to fail with a code and words.
#[track_caller]
fn refused(wharf: &Wharf, name: &str, arguments: &[&str], code: i32, words: &[&str]) {
    let wrong = wrong(wharf, name, arguments, code, words);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Expects that no image got a name.
fn nothing_is_named(wharf: &Wharf) {
    assert_eq!(wharf.does(&["list"]).output, b"", "a name was left");
}

#[test]
fn dockerfiles_are_refused_with_place_value_and_hint() {
    let wharf = Wharf::new();
    context(&wharf);
    let mut found = Vec::new();
    for (name, text, code, words) in TEXTS {
        let path = wharf.home().join("context/Dockerfile");
        fs_err::write(path, text).expect("writable");
        found.extend(wrong(&wharf, name, &["build", "context"], *code, words));
    }
    assert!(
        found.is_empty(),
        "{}",
        found.join(
            "
"
        )
    );
    nothing_is_named(&wharf);
}

#[test]
fn all_mistakes_of_a_file_are_told_in_one_run() {
    let wharf = Wharf::new();
    context(&wharf);
    let text = "FROM scratch\nCOPPY a /\nRUN --mount=x\nCOPY --chwon=1 a /\nENV A=${B\nEXPOSE\n";
    fs_err::write(wharf.home().join("context/Dockerfile"), text).expect("writable");
    let ran = wharf.refuses(&["build", "context"]);
    for line in 2..=6 {
        let place = format!("Dockerfile:{line}:");
        assert!(
            ran.words.contains(&place),
            "no `{place}` in:\n{}",
            ran.words
        );
    }
    assert!(
        ran.words.contains("the Dockerfile has 5 mistakes"),
        "{}",
        ran.words
    );
}

#[test]
fn ignore_files_are_refused_with_their_place() {
    let wharf = Wharf::new();
    context(&wharf);
    let write = |name: &str, text: &str| {
        fs_err::write(wharf.home().join("context").join(name), text).expect("writable");
    };
    write("Dockerfile", "FROM scratch\nCOPY a /\n");
    write(".dockerignore", "fine\n[\n");
    let words = [".dockerignore:2:1", "the ignore file has 1 mistake"];
    refused(
        &wharf,
        "a pattern that is none",
        &["build", "context"],
        USAGE,
        &words,
    );
    nothing_is_named(&wharf);
}

/// What is no build, whatever the context holds: arguments, the exit code, and
/// words of the message.
const NO_BUILDS: &[(&str, &[&str], i32, &[&str])] = &[
    (
        "no directory",
        &["build", "nothing"],
        NOT_FOUND,
        &["there is no context `nothing`", "hint: "],
    ),
    (
        "no Dockerfile",
        &["build", "context"],
        NOT_FOUND,
        &["there is no Dockerfile `Dockerfile`", "-f FILE"],
    ),
    (
        "no such Dockerfile",
        &["build", "-f", "other", "context"],
        NOT_FOUND,
        &["there is no Dockerfile `other`"],
    ),
    (
        "a context elsewhere",
        &["build", "ftp://example.com/x.tar"],
        USAGE,
        &["is neither a URL nor a git repository", "`https://`"],
    ),
    (
        "both on stdin",
        &["build", "-f", "-", "-"],
        USAGE,
        &["standard input can not be both"],
    ),
    (
        "an empty stdin",
        &["build", "-"],
        USAGE,
        &["the context on standard input is empty"],
    ),
    (
        "a stage that is not there",
        &["build", "--target", "x", "-f", "Dockerfile", "context"],
        USAGE,
        &["there is no stage `x` to build"],
    ),
    (
        "an output that is none",
        &["build", "-o", "type=zip,dest=x", "context"],
        USAGE,
        &["`zip` is no type of output", "type=oci"],
    ),
    (
        "a time that is none",
        &["build", "--source-date-epoch", "now", "context"],
        USAGE,
        &["`now`", "seconds since 1970"],
    ),
    (
        "a push to nowhere",
        &["build", "--push", "context"],
        USAGE,
        &["there is no `-t`"],
    ),
    (
        "a name that is none",
        &["build", "-t", "A B", "context"],
        USAGE,
        &["is no name for an image", "localhost:5000/shop:1"],
    ),
    (
        "an image for Windows",
        &["build", "--platform", "windows/amd64", "context"],
        USAGE,
        &["images for Windows are not supported", "hint: "],
    ),
    (
        "no threads",
        &["build", "--threads", "0", "context"],
        USAGE,
        &["a number from 1 to 8"],
    ),
];

#[test]
fn contexts_are_refused_with_a_reason() {
    let wharf = Wharf::new();
    context(&wharf);
    let write = |name: &str, bytes: &[u8]| {
        fs_err::write(wharf.home().join(name), bytes).expect("writable");
    };
    write("Dockerfile", b"FROM scratch\nCOPY . /\n");
    write("empty.tar", b"");
    write("text.tar", &[b'x'; 2000]);
    let regular = EntryType::Regular;
    write("climbs.tar", &archive(&[("../x", regular, "")]));
    write("whiteout.tar", &archive(&[(".wh.x", regular, "")]));
    write("link.tar", &archive(&[("l", EntryType::Link, "nowhere")]));
    let mut cut = archive(&[("Dockerfile", regular, ""), ("x", regular, "")]);
    cut.truncate(700);
    write("cut.tar", &cut);
    for name in [
        "text.tar",
        "climbs.tar",
        "whiteout.tar",
        "link.tar",
        "cut.tar",
    ] {
        refused(&wharf, name, &["build", name], USAGE, &["the context"]);
    }
    let words = ["there is no Dockerfile `Dockerfile`"];
    refused(
        &wharf,
        "an empty archive",
        &["build", "empty.tar"],
        NOT_FOUND,
        &words,
    );
    for (name, arguments, code, words) in NO_BUILDS {
        refused(&wharf, name, arguments, *code, words);
    }
    nothing_is_named(&wharf);
}

#[test]
fn links_that_lead_out_of_the_context_are_no_missing_files() {
    for name in ["Dockerfile", ".dockerignore"] {
        let wharf = Wharf::new();
        context(&wharf);
        let root = wharf.home().join("context");
        fs_err::write(wharf.home().join("outside"), "FROM scratch\n").expect("writable");
        fs_err::write(root.join("Dockerfile"), "FROM scratch\nCOPY . /\n").expect("writable");
        // The link takes the place of the file that is there.
        let _ = fs_err::remove_file(root.join(name));
        fs_err::os::unix::fs::symlink("../outside", root.join(name)).expect("writable");
        let message = format!("`/{name}` is a link to `../outside`, which is not in the context");
        refused(&wharf, name, &["build", "context"], USAGE, &[&message]);
    }
}

#[test]
fn a_file_that_can_not_be_read_is_named() {
    if rustix::process::geteuid().is_root() {
        // Root reads every file; a directory that is a file stands in for it.
        let wharf = Wharf::new();
        context(&wharf);
        let directory = wharf.home().join("context/Dockerfile");
        fs_err::create_dir(&directory).expect("writable");
        refused(
            &wharf,
            "a directory",
            &["build", "context"],
            USAGE,
            &["`/Dockerfile` is no file"],
        );
        return;
    }
    let wharf = Wharf::new();
    context(&wharf);
    let root = wharf.home().join("context");
    fs_err::write(root.join("Dockerfile"), "FROM scratch\nCOPY a /\n").expect("writable");
    close(&root.join("a"));
    refused(
        &wharf,
        "no permission",
        &["build", "context"],
        USAGE,
        &["`/a` can not be packed", "Permission denied"],
    );
}

/// Takes all permissions away.
fn close(path: &Path) {
    let none = std::fs::Permissions::from_mode(0o0);
    fs_err::set_permissions(path, none).expect("our own file");
}
