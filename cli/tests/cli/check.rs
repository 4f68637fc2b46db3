//! `wharf check`, and `wharf build --check`.

use serde_json::Value;

use crate::harness::Home;

/// Two warnings.
const ODD: &str = "from scratch\nCOPY a.key /\nWORKDIR app\n";

/// The same with an error.
const WRONG: &str = "from scratch\nCOPY a.key /\nWORKDIR app\nFRM x\n";

fn furnished(dockerfile: &str) -> Home {
    let home = Home::new();
    home.write("shop/Dockerfile", dockerfile);
    home.write("shop/.dockerignore", "*.key\n");
    home.write("shop/a.key", "1234");
    home
}

/// What is on standard output, however it ended.
fn told(ended: &crate::harness::Ended) -> &str {
    std::str::from_utf8(&ended.bytes).expect("text")
}

#[test]
fn what_is_odd_is_shown_where_it_is() {
    let home = furnished(ODD);
    let checked = home.wharf(&["check", "shop"]);
    assert_eq!(
        told(&checked),
        "warning[ConsistentInstructionCasing]: `from` is not in capitals, as most instructions of this file are
 --> shop/Dockerfile:1:1
  |
1 | from scratch
  | ^^^^
  |
  = hint: write `FROM`

warning[CopyIgnoredFile]: `COPY` of `a.key`, which the ignore file leaves out
 --> shop/Dockerfile:2:6
  |
2 | COPY a.key /
  |      ^^^^^
  |
  = hint: add `!a.key` to the end of the ignore file, or copy something else

warning[WorkdirRelativePath]: `app` is relative to the working directory of the image
 --> shop/Dockerfile:3:9
  |
3 | WORKDIR app
  |         ^^^
  |
  = hint: write the whole path, such as `/app`
"
    );
    assert_eq!(
        (checked.code, checked.stderr.as_str()),
        (
            Some(1),
            "checked `shop/Dockerfile` and `shop/.dockerignore`: 3 warnings\n"
        )
    );
    assert!(!home.path(".local").exists(), "no library is made");
}

#[test]
fn the_end_says_how_bad_it_is() {
    for (dockerfile, code, summary) in [
        ("FROM scratch\nLABEL a=b\n", 0, "nothing was found"),
        (ODD, 1, "3 warnings"),
        (WRONG, 2, "1 error, 3 warnings"),
        (
            "# check=error=true\nFROM scratch\nWORKDIR app\n",
            2,
            "1 error",
        ),
        (
            "# check=skip=WorkdirRelativePath\nFROM scratch\nWORKDIR app\n",
            0,
            "nothing was found",
        ),
    ] {
        let home = furnished(dockerfile);
        let summary = format!("checked `shop/Dockerfile` and `shop/.dockerignore`: {summary}\n");
        let checked = home.wharf(&["check", "shop"]);
        assert_eq!((checked.code, &checked.stderr), (Some(code), &summary));
        let build = home.wharf(&["build", "--check", "-t", "x:1", "-o", "out", "shop"]);
        let idle = "warning: nothing is built, so these do nothing: `--output`\n   hint: leave out `--check` and `--call` to build\n";
        assert_eq!(
            (build.code, &build.stderr, &build.bytes),
            (Some(code), &format!("{idle}{summary}"), &checked.bytes)
        );
        assert!(!home.path("out").exists());
        let quiet = home.wharf(&["check", "-q", "shop"]);
        assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(code), ""));
        assert_eq!(quiet.bytes, checked.bytes);
    }
}

#[test]
fn programs_are_told_too() {
    let home = furnished(WRONG);
    let check = |format: &str| home.wharf(&["check", "shop", "--format", format]);
    let json: Value = serde_json::from_str(told(&check("json"))).expect("JSON");
    let codes: Vec<&str> = json["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["code"].as_str())
        .collect();
    let expected = [
        "ConsistentInstructionCasing",
        "CopyIgnoredFile",
        "WorkdirRelativePath",
        "unknown-instruction",
    ];
    assert_eq!(codes, expected);
    let sarif: Value = serde_json::from_str(told(&check("sarif"))).expect("JSON");
    let results = sarif["runs"][0]["results"].as_array().expect("a list");
    let rules: Vec<&str> = results
        .iter()
        .filter_map(|one| one["ruleId"].as_str())
        .collect();
    assert_eq!(rules, expected);
    let lines = told(&check("github")).lines().count();
    assert_eq!(lines, expected.len());
    for format in ["json", "sarif", "github", "human"] {
        let call = format!("--call=check,format={format}");
        let called = home.wharf(&["build", &call, "shop"]);
        let checked = check(format);
        assert_eq!(called.bytes, checked.bytes);
        assert_eq!((called.code, checked.code), (Some(2), Some(2)));
    }
}

#[test]
fn files_are_named_as_seen_from_here() {
    let home = furnished("FROM scratch\nWORKDIR app\n");
    home.write("Other", "FROM scratch\nWORKDIR app\n");
    home.write("Other.dockerignore", "a\n");
    let absolute = home.path("shop").display().to_string();
    let rows: [(&[&str], &str); 6] = [
        (&["shop"], "shop/Dockerfile"),
        (&["./shop/"], "shop/Dockerfile"),
        (&[&absolute], "shop/Dockerfile"),
        (&["-f", "Other"], "Other"),
        (&["-f", "./Other", "shop"], "Other"),
        (&["-f", "-", "shop"], "-"),
    ];
    for (arguments, name) in rows {
        let check = [&["check", "--format", "github"], arguments].concat();
        let checked = home.wharf_told(&check, "FROM scratch\nWORKDIR app\n");
        let expected = format!("::warning file={name},line=2,endLine=2,col=9,");
        assert!(told(&checked).starts_with(&expected), "{checked:?}");
    }
    let checked = home.wharf(&["check", "-f", "Other", "shop"]);
    assert_eq!(
        checked.stderr,
        "checked `Other` and `Other.dockerignore`: 1 warning\n"
    );
}

#[test]
fn a_mistake_of_the_ignore_file_is_shown_in_it() {
    let home = furnished("FROM scratch\nLABEL a=b\n");
    home.write("shop/.dockerignore", "ok\n[a\n");
    let checked = home.wharf(&["check", "--format=github", "shop"]);
    assert_eq!(checked.code, Some(2));
    let start = "::error file=shop/.dockerignore,line=2,";
    assert!(told(&checked).starts_with(start), "{checked:?}");
}

#[test]
fn what_can_not_be_read_is_an_error_as_in_a_build() {
    let home = furnished(ODD);
    fs_err::remove_file(home.path("shop/Dockerfile")).expect("there");
    assert_eq!(
        home.wharf(&["check", "shop"]).failed(3),
        "error: there is no Dockerfile `Dockerfile`\n\
         hint: name it with `-f FILE`, or `-f -` for standard input\n"
    );
    home.write("Dockerfile", ODD);
    let hint = "hint: a Dockerfile is named by `-f`: `wharf check -f FILE`\n";
    let refused = home.wharf(&["check", "Dockerfile"]);
    assert!(refused.failed(2).contains(hint), "{}", refused.stderr);
    let target = home.wharf(&["check", "--target", "none"]);
    assert_eq!(target.code, Some(2));
    assert!(told(&target).contains("unknown-target"), "{target:?}");
    for call in ["x", "check,format=xml", "check,quick", "build,format=json"] {
        let refused = home.wharf(&["build", "--call", call, "shop"]);
        refused.failed(2);
    }
}
