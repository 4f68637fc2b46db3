//! The library: `wharf push`, `pull`, `list`, `tag` and `delete`.

use crate::harness::{Home, Registry};

#[test]
fn names_come_and_go() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let digest = image.digest();
    assert_eq!(home.wharf(&["list"]).ok(), "");
    home.wharf(&["-q", "copy", "oci:in:1", "local:base:1"]).ok();
    let ended = home.wharf(&["tag", "base:1", "localhost:5000/other"]);
    assert_eq!(ended.ok(), format!("{digest}\n"));
    assert_eq!(
        ended.stderr,
        "`local:localhost:5000/other:latest` is `local:docker.io/library/base:1`\n"
    );
    assert_eq!(
        home.wharf(&["list"]).ok(),
        format!("docker.io/library/base:1     {digest}\nlocalhost:5000/other:latest  {digest}\n")
    );
    assert_eq!(
        home.wharf(&["list", "-q", "base"]).ok(),
        "docker.io/library/base:1\n"
    );
    let json = home.wharf(&["list", "--json", "base"]);
    let json: serde_json::Value = serde_json::from_str(json.ok()).expect("JSON");
    assert_eq!(json[0]["digest"], digest);

    let ended = home.wharf(&["delete", "base:1"]);
    assert_eq!(
        (ended.ok(), ended.stderr.as_str()),
        ("", "deleted `local:docker.io/library/base:1`\n")
    );
    assert_eq!(
        home.wharf(&["list", "-q"]).ok(),
        "localhost:5000/other:latest\n"
    );
    home.wharf(&["delete", "base:1"]).failed(3);
    home.wharf(&["tag", "base:1", "x"]).failed(3);
    assert_eq!(
        home.wharf(&["inspect", "-q", "local:localhost:5000/other"])
            .ok(),
        format!("{digest}\n")
    );
}

#[test]
fn one_name_that_is_missing_keeps_no_other() {
    let home = Home::new();
    home.layout("in", "1");
    for name in ["local:a:1", "local:c:1"] {
        home.wharf(&["-q", "copy", "oci:in:1", name]).ok();
    }
    let ended = home.wharf(&["delete", "a:1", "b:1", "oci:none:1", "c:1"]);
    let error = ended.failed(3);
    assert_eq!(home.wharf(&["list"]).ok(), "");
    let said: Vec<&str> = error
        .lines()
        .filter(|line| !line.starts_with("caused by:"))
        .collect();
    let [first, second, hint, third, last, end] = said[..] else {
        panic!("{error}");
    };
    assert_eq!(first, "deleted `local:docker.io/library/a:1`");
    assert!(
        second.starts_with("error: ") && second.contains("b:1"),
        "{second}"
    );
    assert_eq!(hint, "hint: `wharf list` lists the names in the library");
    assert!(
        third.starts_with("error: ") && third.contains("none"),
        "{third}"
    );
    assert_eq!(last, "deleted `local:docker.io/library/c:1`");
    assert_eq!(end, "error: 2 of 4 could not be deleted");
}

#[test]
fn an_image_goes_through_the_library() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let digest = format!("{}\n", image.digest());
    let registry = Registry::open(&home);
    let host = &registry.host;
    let (one, two) = (format!("{host}/x:1"), format!("{host}/team/y:2"));
    home.wharf(&["copy", "oci:in:1", &one]).ok();
    assert_eq!(home.wharf(&["pull", "-q", &one]).ok(), digest);
    assert_eq!(home.wharf(&["push", "-q", &one, &two]).ok(), digest);
    assert_eq!(home.wharf(&["push", "-q", &one]).ok(), digest);

    let ended = home.wharf(&[
        "tag",
        &format!("docker://{two}"),
        &format!("docker://{host}/team/y:3"),
    ]);
    assert_eq!(ended.ok(), digest);
    assert_eq!(
        home.wharf(&["list", &format!("docker://{host}")]).ok(),
        "team/y\nx\n"
    );
    let tags = format!("docker://{host}/team/y");
    assert_eq!(home.wharf(&["list", &tags]).ok(), "2\n3\n");
    assert_eq!(
        home.wharf(&["list", "--json", &tags]).ok(),
        "[\n  \"2\",\n  \"3\"\n]\n"
    );

    home.wharf(&["delete", &format!("docker://{two}")]).ok();
    assert_eq!(home.wharf(&["list", &tags]).ok(), "3\n");
    home.wharf(&["delete", &format!("docker://{two}")])
        .failed(3);
}

#[test]
fn a_home_that_can_not_be_written_is_told() {
    let mut home = Home::new();
    home.layout("in", "1");
    home.set("WHARF_HOME", "/dev/null/library");
    for arguments in [&["list"][..], &["copy", "oci:in:1", "local:x"]] {
        let ended = home.wharf(arguments);
        let error = ended.failed(2);
        assert!(
            error.starts_with(
                "error: can not open the library of images in `/dev/null/library`\ncaused by: "
            ),
            "{error}"
        );
        assert!(
            error.ends_with(
                "hint: set `WHARF_HOME` to a directory that is empty or a library, and can be written\n"
            ),
            "{error}"
        );
    }
}

#[test]
fn the_library_is_where_the_environment_says() {
    let mut home = Home::new();
    home.layout("in", "1");
    home.wharf(&["-q", "copy", "oci:in:1", "local:a"]).ok();
    assert!(home.path(".local/share/wharf").is_dir());
    home.set("XDG_DATA_HOME", home.path("data").display().to_string());
    assert_eq!(home.wharf(&["list"]).ok(), "");
    home.wharf(&["-q", "copy", "oci:in:1", "local:b"]).ok();
    assert!(home.path("data/wharf").is_dir());
    home.set("WHARF_HOME", home.path("own").display().to_string());
    home.wharf(&["-q", "copy", "oci:in:1", "local:c"]).ok();
    assert_eq!(
        home.wharf(&["list", "-q"]).ok(),
        "docker.io/library/c:latest\n"
    );
    assert!(home.path("own").is_dir());
}
