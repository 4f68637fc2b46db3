//! `wharf copy`.

use std::net::TcpListener;

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
