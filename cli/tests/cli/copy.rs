//! `wharf copy`.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::harness::{Home, Registry};

#[test]
fn an_image_goes_there_and_back_byte_for_byte() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let registry = Registry::open(&home);
    let name = format!("{}/x:1", registry.host);
    let digest = format!("{}\n", image.digest());

    let ended = home.wharf(&["copy", "--jobs", "1", "oci:in:1", &name]);
    assert_eq!(ended.ok(), digest);
    let (config, layer) = (image.config_digest(), image.layer_digest());
    let (config, layer) = (&config[7..19], &layer[7..19]);
    let size = image.config.len();
    let total = size + image.layer.len();
    let total = indicatif::BinaryBytes(total as u64);
    assert_eq!(
        ended.talk(),
        format!(
            "2 blobs, {total}\n\
             config {config} copied {size} B\n\
             layer  {layer} copied 10.00 KiB\n\
             copied `oci:in:1` to `docker://{name}`\n"
        )
    );

    let again = home.wharf(&["copy", "--jobs", "1", "oci:in:1", &name]);
    assert_eq!(again.ok(), digest);
    assert!(
        again
            .stderr
            .contains(&format!("layer  {layer} is there already\n")),
        "{}",
        again.stderr
    );

    let back = home.wharf(&["-q", "copy", &name, "oci-archive:out.tar:2"]);
    assert_eq!((back.ok(), back.stderr.as_str()), (digest.as_str(), ""));
    let raw = home.wharf(&["inspect", "--raw", "manifest", "oci-archive:out.tar:2"]);
    raw.ok();
    assert_eq!(raw.bytes, image.manifest);
}

#[test]
fn a_mirror_stands_for_a_registry_that_is_out_of_reach() {
    let mut home = Home::new();
    let image = home.layout("in", "1");
    let registry = Registry::open(&home);
    let mirrored = format!("{}/hub/library/x:1", registry.host);
    home.wharf(&["copy", "oci:in:1", &mirrored]).ok();
    home.write(
        "wharf.toml",
        &format!(
            "[[registry]]\nprefix = \"docker.io\"\nmirrors = [\"{}/hub\"]\nfallback = false\n",
            registry.host
        ),
    );
    home.set("WHARF_CONFIG", "wharf.toml");
    let ended = home.wharf(&["-q", "copy", "x:1", "oci:out:1"]);
    assert_eq!(ended.ok(), format!("{}\n", image.digest()));
}

#[test]
fn what_is_not_there_is_told() {
    let home = Home::new();
    let registry = Registry::open(&home);
    let name = format!("{}/none:1", registry.host);
    let ended = home.wharf(&["copy", &name, "oci:out:1"]);
    let error = ended.failed(3);
    assert!(error.starts_with("error: "), "{error}");
    assert!(
        error.contains("MANIFEST_UNKNOWN") || error.contains("NAME_UNKNOWN"),
        "{error}"
    );
    assert!(
        error.ends_with(
            "hint: check the name; `wharf list docker://HOST/REPOSITORY` lists the tags of a repository\n"
        ),
        "{error}"
    );
}

#[test]
fn a_registry_that_does_not_run_is_told() {
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = port.local_addr().expect("an address").to_string();
    drop(port);
    let ended = home.wharf(&["copy", &format!("{host}/x:1"), "oci:out:1"]);
    let error = ended.failed(6);
    assert!(
        error.contains("caused by: Connection refused (os error 111)\n"),
        "{error}"
    );
    assert!(
        error.ends_with(&format!(
            "hint: nothing listens there; check that `{host}` is running, and its port\n"
        )),
        "{error}"
    );
}

#[test]
fn content_that_does_not_verify_is_not_kept() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let layer = image.layer_digest();
    let file = format!("in/blobs/sha256/{}", &layer[7..]);
    home.write(&file, &"x".repeat(image.layer.len()));
    let registry = Registry::open(&home);
    let name = format!("{}/x:1", registry.host);
    let ended = home.wharf(&["copy", "oci:in:1", &name]);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert_eq!(ended.bytes, b"");
    home.wharf(&["inspect", &format!("docker://{name}")])
        .failed(3);
}

/// An address where nothing listens.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port");
    port.local_addr().expect("an address").to_string()
}

#[test]
fn the_end_that_failed_is_blamed() {
    let home = Home::new();
    home.layout("in", "1");
    let registry = Registry::open(&home);
    let host = &registry.host;
    let nowhere = nowhere();
    let there = format!("{host}/x:1");
    home.wharf(&["-q", "copy", "oci:in:1", &there]).ok();
    let down = format!("{nowhere}/x:1");
    let not_running =
        format!("hint: nothing listens there; check that `{nowhere}` is running, and its port\n");
    let not_found = "hint: check the name; `wharf list docker://HOST/REPOSITORY` lists the tags of a repository\n";
    let not_in_library = "hint: `wharf list` lists the names in the library\n";
    let missing = format!("{host}/none:1");
    for (from, to, code, end, hint) in [
        (
            there.as_str(),
            down.as_str(),
            6,
            "destination",
            Some(not_running.as_str()),
        ),
        (&down, &there, 6, "source", Some(&not_running)),
        (&missing, "local:x:1", 3, "source", Some(not_found)),
        ("local:none:1", &there, 3, "source", Some(not_in_library)),
        // Neither the library nor the registry can help here.
        ("oci:none:1", "local:x:1", 3, "source", None),
        ("oci:none:1", &there, 3, "source", None),
    ] {
        let ended = home.wharf(&["copy", from, to]);
        let error = ended.failed(code);
        let first = error.lines().find(|line| line.starts_with("error: "));
        let first = first.expect("an error");
        assert!(first.ends_with(&format!(": the {end} failed")), "{error}");
        match hint {
            Some(hint) => assert!(error.ends_with(hint), "{error}"),
            None => assert!(!error.contains("hint:"), "{error}"),
        }
    }
    // The source fails while the destination takes its layer.
    let layer = home.layout("in", "1").layer_digest();
    fs_err::remove_file(home.path(&format!("in/blobs/sha256/{}", &layer[7..]))).expect("removed");
    let ended = home.wharf(&["copy", "oci:in:1", &format!("{host}/y:1")]);
    assert!(
        ended.failed(3).contains(": the source failed\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_image_says_for_which_platform_it_is() {
    let home = Home::new();
    home.layout("in", "1");
    let ended = home.wharf(&["inspect", "oci:in:1", "--platform", "linux/arm64"]);
    assert_eq!(
        ended.failed(3),
        "error: the image is for `linux/amd64`, not for `linux/arm64`\n"
    );
    home.wharf(&["inspect", "oci:in:1", "--platform", "linux/amd64"])
        .ok();
}

#[test]
fn credentials_that_are_named_have_to_be_there() {
    let home = Home::new();
    let ended = home.wharf(&["copy", "--authfile", "nofile", "oci:in:1", "a.test/x:1"]);
    let error = ended.failed(2);
    assert!(error.starts_with("error: "), "{error}");
    assert!(
        error.contains("`--authfile`") && error.contains("`nofile`"),
        "{error}"
    );
}

#[test]
fn a_proxy_that_does_not_run_is_blamed() {
    let mut home = Home::new();
    let proxy = nowhere();
    home.set("HTTPS_PROXY", format!("http://me:hunter2@{proxy}"));
    home.set("no_proxy", "direct.test");
    let ended = home.wharf(&["copy", "registry.test/x:1", "oci:out:1"]);
    let error = ended.failed(6);
    let hint = format!(
        "hint: `registry.test` is reached through the proxy `http://{proxy}/`, where nothing listens; "
    );
    assert!(
        error.contains(&hint) && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn only_mirrors_are_listed_where_the_registry_may_not_be_asked() {
    let mut home = Home::new();
    home.layout("in", "1");
    let registry = Registry::open(&home);
    let (host, nowhere) = (&registry.host, nowhere());
    let name = format!("{host}/hub/team/x:1");
    home.wharf(&["-q", "copy", "oci:in:1", &name]).ok();
    home.write(
        "wharf.toml",
        &format!(
            "[[registry]]\nprefix = \"registry.test\"\nmirrors = [\"{nowhere}\", \"{host}/hub\"]\nfallback = false\n"
        ),
    );
    home.set("WHARF_CONFIG", "wharf.toml");
    let ended = home.wharf(&["list", "docker://registry.test/team/x"]);
    assert_eq!(ended.ok(), "1\n");
    let ended = home.wharf(&["list", "docker://registry.test"]);
    assert_eq!(
        ended.failed(2),
        format!(
            "error: `registry.test` is not asked itself: it has `fallback = false`\nhint: list its mirror `{nowhere}` instead\n"
        )
    );
}

#[test]
fn a_page_in_a_browser_does_not_push() {
    let home = Home::new();
    for (options, host, status) in [
        (&[][..], "evil.test", "403"),
        (&[], "localhost", "200"),
        (&["--allow-hosts", "evil.test"], "evil.test", "200"),
        (&["--allow-hosts", "*"], "evil.test", "200"),
        (&["--anonymous=pull"], "evil.test", "200"),
    ] {
        let storage = format!(
            "--storage=data-{}-{host}-{}",
            options.len(),
            options.concat().len()
        );
        let storage = storage.replace('*', "any");
        let registry = Registry::start(&home, &[options, &[&storage]].concat());
        let mut stream = TcpStream::connect(&registry.host).expect("connects");
        let request =
            format!("GET /v2/ HTTP/1.1\r\nhost: {host}:5000\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status),
            "{options:?} {host}: {answer}"
        );
    }
}

#[test]
fn an_archive_comes_through_standard_input() {
    let home = Home::new();
    home.layout("in", "1");
    for kind in ["docker-archive", "oci-archive"] {
        let file = format!("{kind}:image.tar");
        home.wharf(&["copy", "oci:in:1", &file]).ok();
        // Nothing in it is compressed.
        let archive = fs_err::read_to_string(home.path("image.tar")).expect("text");
        let (from, to) = (format!("{kind}:-"), format!("local:{kind}:1"));
        let copied = home.wharf_told(&["copy", &from, &to], &archive);
        let from_file = home.wharf(&["copy", &file, "local:file:1"]);
        assert_eq!(copied.ok(), from_file.ok());
        let said = format!("copied `{from}` to `{to}`");
        let said = said.replace("local:", "local:docker.io/library/");
        assert!(copied.stderr.contains(&said), "{}", copied.stderr);

        let refused = home.wharf_told(&["copy", &from, "local:none:1"], "");
        let start = format!("error: can not copy `{from}` to ");
        assert!(refused.failed(1).starts_with(&start), "{}", refused.stderr);
        for arguments in [&["inspect", &from][..], &["copy", "oci:in:1", &from]] {
            let refused = home.wharf(arguments);
            let start = format!(
                "error: `{from}` is standard input or output, which is not supported here\n"
            );
            assert!(refused.failed(2).starts_with(&start), "{}", refused.stderr);
        }
    }
}
