//! Words that make no sense, and how that is told.

use crate::harness::Home;

/// What is typed, and how the error starts.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["copy"],
        "error: the following required arguments were not provided:",
    ),
    (
        &["copy", "a", "b", "c"],
        "error: unexpected argument 'c' found",
    ),
    (
        &["frobnicate"],
        "error: unrecognized subcommand 'frobnicate'",
    ),
    (
        &["copy", "a", "b", "--jobs", "0"],
        "error: invalid value '0' for '--jobs <NUMBER>'",
    ),
    (
        &["copy", "UPPER/", "oci:x"],
        "error: `UPPER/` names no image\n",
    ),
    (&["copy", "", "oci:x"], "error: `` names no image\n"),
    (
        &["copy", "a:b:c", "oci:x"],
        "error: `a:b:c` names no image\n",
    ),
    (
        &["copy", "a@sha256:12", "oci:x"],
        "error: `a@sha256:12` names no image\n",
    ),
    (
        &["copy", "a\u{1b}[2Jb", "oci:x"],
        "error: `a\\u{1b}[2Jb` names no image\n",
    ),
    (
        &["copy", "ftp://a/b", "oci:x"],
        "error: `ftp://a/b` names no image\n",
    ),
    (&["copy", "oci:", "oci:x"], "error: `oci:` names no image\n"),
    (
        &["copy", "a", "b", "--platform", "linux"],
        "error: `--platform linux` names no platform\n",
    ),
    (
        &["push", "oci:x:1"],
        "error: `oci:x:1` is not in the library\n",
    ),
    (
        &["push", "x", "oci:x:1"],
        "error: `oci:x:1` is not in a registry\n",
    ),
    (
        &["pull", "local:x"],
        "error: `local:docker.io/library/x:latest` is not in a registry\n",
    ),
    (
        &["tag", "x", "docker://y"],
        "error: `local:docker.io/library/x:latest` and `docker://docker.io/library/y:latest` are not in the same place\n",
    ),
    (&["list", "docker://A b"], "error: this can not be listed\n"),
    (
        &["delete"],
        "error: the following required arguments were not provided:",
    ),
    (
        &["inspect", "x", "--raw", "layers"],
        "error: invalid value 'layers' for '--raw <WHICH>'",
    ),
    (
        &["inspect", "x", "--raw", "config", "--json"],
        "error: the argument '--raw <WHICH>' cannot be used with '--json'",
    ),
    (
        &["login", "a.test/x"],
        "error: invalid value 'a.test/x' for '[REGISTRY]'",
    ),
    (
        &["login", "a.test", "--password-stdin"],
        "error: the following required arguments were not provided:",
    ),
    (
        &["login", "a.test", "-u", "a:b", "--password-stdin"],
        "error: the user name is empty or has a colon",
    ),
    (
        &["config", "--config", "/nonexistent"],
        "error: can not read the configuration file\n",
    ),
];

#[test]
fn words_that_make_no_sense_are_refused() {
    let home = Home::new();
    for (arguments, expected) in REFUSED {
        let ended = home.wharf_told(arguments, "x");
        let error = ended.failed(2);
        assert!(error.starts_with(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn places_are_listed_where_none_was_named() {
    let home = Home::new();
    let ended = home.wharf(&["copy", "ftp://a/b", "oci:x"]);
    let error = ended.failed(2);
    assert!(
        error.ends_with(
            "hint: a place is `docker://REF`, `local:NAME`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`\n"
        ),
        "{error}"
    );
}
