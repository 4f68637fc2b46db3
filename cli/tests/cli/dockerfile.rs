//! `wharf dockerfile`, and what `wharf build --call` tells of a Dockerfile.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::Value;

use crate::harness::Home;

/// In no good form, and its good form.
const UGLY: &str =
    "from scratch  as base\n\n\n\ncopy   a b   /srv/ \n# why\nRUN  x \\\n   # inside\n   y\n";

/// With two mistakes.
const WRONG: &str = "from scratch\nCOPY --chwon=1 a /\nFRM x\n";

/// Formats a text, and expects that it is text.
fn formatted(home: &Home, text: &str) -> String {
    let ended = home.wharf_told(&["dockerfile", "fmt", "-"], text);
    ended.ok().to_owned()
}

#[test]
fn a_file_is_formatted_in_its_place() {
    let home = Home::new();
    let path = home.write("a/Dockerfile", UGLY);
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("ours");
    let inode = fs_err::metadata(&path).expect("there").ino();
    let good = formatted(&home, UGLY);
    assert_ne!(good, UGLY);
    assert!(good.starts_with("FROM scratch AS base\n"), "{good}");
    assert!(
        good.contains("# why\n") && good.contains("# inside\n"),
        "{good}"
    );

    let first = home.wharf(&["dockerfile", "fmt", "a/Dockerfile"]);
    assert_eq!(
        (first.ok(), first.stderr.as_str()),
        ("", "formatted `a/Dockerfile`\n")
    );
    assert_eq!(fs_err::read_to_string(&path).expect("there"), good);
    let after = fs_err::metadata(&path).expect("there");
    assert_eq!(after.mode() & 0o7777, 0o640);
    // It is another file, so that nobody reads half of it.
    assert_ne!(after.ino(), inode);

    let second = home.wharf(&["dockerfile", "fmt", "a/Dockerfile"]);
    assert_eq!((second.ok(), second.stderr.as_str()), ("", ""));
    let unchanged = fs_err::metadata(&path).expect("there");
    assert_eq!(unchanged.ino(), after.ino(), "what is right is left alone");
}

#[test]
fn files_that_would_change_are_named() {
    let home = Home::new();
    home.write("ugly", UGLY);
    home.write("good", &formatted(&home, UGLY));
    let check = |files: &[&str]| home.wharf(&[&["dockerfile", "fmt", "--check"], files].concat());
    let ended = check(&["good", "ugly"]);
    assert_eq!(
        (ended.code, ended.bytes.as_slice()),
        (Some(1), &b"ugly\n"[..])
    );
    assert_eq!(ended.stderr, "");
    assert_eq!(check(&["good"]).ok(), "");
    let text = fs_err::read_to_string(home.path("ugly")).expect("there");
    assert_eq!(text, UGLY);
    let piped = home.wharf_told(&["dockerfile", "fmt", "--check", "-"], UGLY);
    assert_eq!((piped.code, piped.bytes.as_slice()), (Some(1), &b"-\n"[..]));
}

#[test]
fn what_would_change_is_shown() {
    let home = Home::new();
    let text = "from scratch\nLABEL a=b\n";
    home.write("Dockerfile", text);
    let expected = "--- Dockerfile\n+++ Dockerfile (formatted)\n@@ -1,2 +1,2 @@\n-from scratch\n+FROM scratch\n LABEL a=b\n";
    assert_eq!(home.wharf(&["dockerfile", "fmt", "--diff"]).ok(), expected);
    let both = home.wharf(&["dockerfile", "fmt", "--diff", "--check"]);
    assert_eq!(
        (both.code, both.bytes.as_slice()),
        (Some(1), expected.as_bytes())
    );
    let kept = fs_err::read_to_string(home.path("Dockerfile")).expect("there");
    assert_eq!(kept, text);
}

#[test]
fn a_file_with_mistakes_is_left_alone() {
    let home = Home::new();
    home.write("wrong", WRONG);
    home.write("ugly", UGLY);
    let refused = home.wharf(&["dockerfile", "fmt", "wrong"]);
    let said = refused.failed(2);
    for part in [
        "wrong:2:6",
        "did you mean `--chown`?",
        "wrong:3:1",
        "`wrong` has 2 mistakes, and is left as it is",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let both = home.wharf(&["dockerfile", "fmt", "wrong", "ugly"]);
    assert!(
        both.failed(2).contains("formatted `ugly`\n"),
        "{}",
        both.stderr
    );
    assert!(
        both.stderr
            .ends_with("error: 1 of 2 files could not be formatted\n"),
        "{}",
        both.stderr
    );
    assert_eq!(
        fs_err::read_to_string(home.path("wrong")).expect("there"),
        WRONG
    );
    let piped = home.wharf_told(&["dockerfile", "fmt", "-"], WRONG);
    piped.failed(2);
    let missing = home.wharf(&["dockerfile", "fmt", "none"]);
    assert_eq!(
        missing.failed(3),
        "error: there is no Dockerfile `none`\nhint: name a file, or `-` for standard input\n"
    );
}

#[test]
fn a_link_stays_a_link() {
    let home = Home::new();
    let path = home.write("real", UGLY);
    std::os::unix::fs::symlink(&path, home.path("link")).expect("made");
    home.wharf(&["dockerfile", "fmt", "-q", "link"]).ok();
    assert!(home.path("link").is_symlink());
    let text = fs_err::read_to_string(path).expect("there");
    assert_eq!(text, formatted(&home, UGLY));
}

#[test]
fn a_syntax_tree_is_printed() {
    let home = Home::new();
    home.write("Dockerfile", UGLY);
    let parse = ["dockerfile", "parse", "--json"];
    let tree: Value = serde_json::from_str(home.wharf(&parse).ok()).expect("JSON");
    assert!(tree.is_object(), "{tree}");
    let piped = home.wharf_told(&[&parse[..], &["-"]].concat(), UGLY);
    assert_eq!(
        serde_json::from_str::<Value>(piped.ok()).expect("JSON"),
        tree
    );
    let wrong = home.wharf_told(&[&parse[..], &["-"]].concat(), WRONG);
    assert_eq!((wrong.code, wrong.stderr.as_str()), (Some(2), ""));
    let tree: Value = serde_json::from_slice(&wrong.bytes).expect("JSON");
    assert!(tree.to_string().contains("unknown-flag"), "{tree}");
}

#[test]
fn a_file_is_shown_as_it_is_understood() {
    let home = Home::new();
    let parsed = home.wharf_told(&["dockerfile", "parse", "-"], UGLY);
    let lines: Vec<&str> = parsed
        .ok()
        .lines()
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[0], "FROM scratch AS base");
    let wrong = home.wharf_told(&["dockerfile", "parse", "-"], WRONG);
    assert!(
        wrong.failed(2).ends_with("error: `-` has 2 mistakes\n"),
        "{}",
        wrong.stderr
    );
}

/// With comments that describe, and a secret.
const SHOP: &str = "\
# VERSION is what the shop says it is
ARG VERSION=dev
FROM scratch AS base
FROM base AS release
ARG VERSION
# WHO is greeted
ARG WHO
RUN --mount=type=secret,id=token,required=true --mount=type=ssh x
# check tries it
FROM release AS check
";

#[test]
fn targets_are_listed() {
    let home = Home::new();
    let call = |call: &str| home.wharf_told(&["build", call, "-"], SHOP);
    assert_eq!(
        call("--call=targets").ok(),
        "TARGET            DESCRIPTION\nbase\nrelease\ncheck (default)   tries it\n"
    );
    let json: Value = serde_json::from_str(call("--call=targets,format=json").ok()).expect("JSON");
    let line = |line: usize| serde_json::json!({"ranges": [{"start": {"line": line}, "end": {"line": line}}]});
    assert_eq!(
        json["targets"],
        serde_json::json!([
            {"name": "base", "base": "scratch", "location": line(3)},
            {"name": "release", "base": "base", "location": line(4)},
            {"name": "check", "default": true, "description": "tries it", "base": "release", "location": line(10)},
        ])
    );
    assert!(!home.path(".local").exists(), "no library is made");
    let unnamed = home.wharf_told(&["build", "--call=targets", "-"], "FROM scratch\n");
    assert_eq!(unnamed.ok(), "TARGET        DESCRIPTION\n0 (default)\n");
}

#[test]
fn an_outline_says_what_a_stage_takes() {
    let home = Home::new();
    let call = |arguments: &[&str]| {
        home.wharf_told(
            &[&["build", "--build-arg", "WHO=you", "-"], arguments].concat(),
            SHOP,
        )
    };
    let text = "TARGET:      check
DESCRIPTION: tries it

BUILD ARG   VALUE   DESCRIPTION
VERSION     dev     is what the shop says it is
WHO         you     is greeted

SECRET   REQUIRED
token    true

SSH       REQUIRED
default
";
    assert_eq!(call(&["--call=outline"]).ok(), text);
    assert_eq!(
        call(&["--call=outline", "--target", "base"]).ok(),
        "TARGET:      base\n"
    );
    let json = call(&["--call=outline,format=json", "--target=release"]);
    let json: Value = serde_json::from_str(json.ok()).expect("JSON");
    assert_eq!(json["name"], "release");
    assert_eq!(json["args"][0]["name"], "VERSION");
    assert_eq!(json["args"][0]["value"], "dev");
    assert_eq!(json["args"][1]["description"], "is greeted");
    assert_eq!(json["secrets"][0]["required"], true);
    assert_eq!(json["ssh"][0]["name"], "default");
    assert_eq!(
        call(&["--call=outline", "--target=none"]).failed(2),
        "error: there is no stage `none` to build\n\
         hint: `wharf build --call=targets` lists the stages\n"
    );
    let wrong = home.wharf_told(&["build", "--call=outline", "-"], WRONG);
    assert!(
        wrong
            .failed(2)
            .ends_with("error: the Dockerfile has 2 mistakes\n"),
        "{}",
        wrong.stderr
    );
}
