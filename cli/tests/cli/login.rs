//! `wharf login` and `wharf logout`, and where credentials come from.

use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Home, Registry};

/// A helper that keeps everything in one file and notes what it was asked.
const HELPER: &str = r#"#!/bin/sh
cd "$HOME" || exit 1
echo "$1" >>asked
case $1 in
store) cat >kept ;;
get)
    [ -f kept ] || { echo 'credentials not found in native keychain'; exit 1; }
    cat >/dev/null; cat kept ;;
erase) rm -f kept ;;
esac
"#;

#[test]
fn credentials_are_tried_stored_used_and_forgotten() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let registry = Registry::closed(&home);
    let host = registry.host.as_str();
    let name = format!("{host}/x:1");
    let login = ["login", host, "--username", "eve", "--password-stdin"];

    let ended = home.wharf(&["copy", "oci:in:1", &name]);
    let error = ended.stderr.as_str();
    assert_eq!(ended.code, Some(4), "{error}");
    let hint = format!("hint: give credentials for `{host}`: `wharf login {host}`\n");
    assert!(error.ends_with(&hint), "{error}");

    let ended = home.wharf_told(&login, "s3cret\n");
    let error = ended.failed(4);
    assert!(
        error.starts_with(&format!("error: can not log in to `{host}`\n")),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
    assert!(!home.path(".docker/config.json").exists());

    home.write(".docker/config.json", "{\"HttpHeaders\": {\"a\": \"b\"}}");
    let ended = home.wharf_told(&login, "pass word\n");
    assert_eq!(ended.ok(), "");
    let file = home.path(".docker/config.json");
    assert_eq!(
        ended.stderr,
        format!(
            "logged in to `{host}` as `eve`, kept by `{}`\n",
            file.display()
        )
    );
    let mode = fs_err::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs_err::read_to_string(&file).expect("read");
    assert!(text.starts_with("{\n  \"HttpHeaders\": {"), "{text}");
    assert!(text.contains("ZXZlOnBhc3Mgd29yZA=="), "{text}");

    let ended = home.wharf(&["-q", "copy", "oci:in:1", &name]);
    assert_eq!(ended.ok(), format!("{}\n", image.digest()));

    let ended = home.wharf(&["logout", host]);
    assert_eq!(
        (ended.ok(), ended.stderr.clone()),
        ("", format!("logged out of `{host}`\n"))
    );
    let ended = home.wharf(&["logout", host]);
    assert_eq!(
        (ended.ok(), ended.stderr.clone()),
        ("", format!("was not logged in to `{host}`\n"))
    );
    home.wharf(&["inspect", &format!("docker://{name}")])
        .failed(4);
}

#[test]
fn a_helper_keeps_them() {
    let home = Home::new();
    let registry = Registry::closed(&home);
    let host = registry.host.as_str();
    let helper = home.write("bin/docker-credential-test", HELPER);
    fs_err::set_permissions(helper, std::fs::Permissions::from_mode(0o755)).expect("made to run");
    let before = format!("{{\"credHelpers\":{{\"{host}\":\"test\"}}}}");
    let file = home.write(".docker/config.json", &before);

    let login = ["-q", "login", host, "-u", "eve", "--password-stdin"];
    let ended = home.wharf_told(&login, "pass word");
    assert_eq!((ended.ok(), ended.stderr.as_str()), ("", ""));
    assert_eq!(fs_err::read_to_string(&file).expect("read"), before);
    let kept = fs_err::read_to_string(home.path("kept")).expect("kept");
    assert_eq!(
        kept,
        format!("{{\"ServerURL\":\"{host}\",\"Username\":\"eve\",\"Secret\":\"pass word\"}}")
    );
    assert_eq!(home.wharf(&["list", &format!("docker://{host}")]).ok(), "");
    home.wharf(&["-q", "logout", host]).ok();
    assert!(!home.path("kept").exists());
    home.wharf(&["list", &format!("docker://{host}")]).failed(4);
    let asked = fs_err::read_to_string(home.path("asked")).expect("asked");
    assert_eq!(asked, "store\nget\nget\nerase\nget\n");
}

#[test]
fn files_are_found_where_other_programs_leave_them() {
    let mut home = Home::new();
    let registry = Registry::closed(&home);
    let host = registry.host.as_str();
    let list = ["list", &format!("docker://{host}")];
    let entry = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"ZXZlOnBhc3Mgd29yZA==\"}}}}}}");
    let wrong = format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"ZXZlOng=\"}}}}}}");
    home.write("auth.json", &entry);
    home.wharf(&list).failed(4);
    home.wharf(&["list", list[1], "--authfile", "auth.json"])
        .ok();
    home.write(".config/containers/auth.json", &entry);
    home.wharf(&list).ok();
    home.set("DOCKER_AUTH_CONFIG", wrong.as_str());
    home.wharf(&list).failed(4);
    home.set(
        "REGISTRY_AUTH_FILE",
        home.path("auth.json").display().to_string(),
    );
    home.wharf(&list).ok();

    let ended = home.wharf(&["logout", host]);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        lines[1],
        format!("the environment variable `DOCKER_AUTH_CONFIG` still has credentials for `{host}`")
    );
}

#[test]
fn nobody_is_asked_who_is_not_there() {
    let home = Home::new();
    let ended = home.wharf(&["login", "a.test", "-u", "eve"]);
    assert_eq!(
        ended.failed(2),
        "error: nobody can be asked for a password: standard input is no terminal\n\
         hint: give it by `--username NAME --password-stdin`\n"
    );
    let told = home.wharf_told(&["login", "a.test", "-u", "eve", "--password-stdin"], "\n");
    assert_eq!(told.failed(2), "error: the password is empty\n");
}

#[test]
fn an_open_registry_is_told_apart() {
    let home = Home::new();
    let registry = Registry::open(&home);
    let host = registry.host.as_str();
    let ended = home.wharf_told(&["login", host, "-u", "eve", "--password-stdin"], "x");
    ended.ok();
    assert!(
        ended.stderr.starts_with(&format!(
            "`{host}` did not ask who it is: the credentials are stored, but were not tried\n"
        )),
        "{}",
        ended.stderr
    );
}
