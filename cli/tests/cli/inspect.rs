//! `wharf inspect`.

use crate::harness::{Home, Registry};

#[test]
fn a_person_is_told_what_it_is() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let ended = home.wharf(&["inspect", "oci:in:1"]);
    assert_eq!(
        ended.ok(),
        format!(
            "\
name           oci:in:1
digest         {}
media type     application/vnd.oci.image.manifest.v1+json
platform       linux/amd64
created        2024-05-06T07:08:09Z
entrypoint     [\"/init\"]
command        [\"--help\"]
user           1000
working dir    /srv
ports          80/tcp
environment    PATH TOKEN
labels         team=harbour
size           10.00 KiB in 1 layer
layers         {} 10.00 KiB tar
",
            image.digest(),
            image.layer_digest()
        )
    );
    assert_eq!(ended.stderr, "");
    let quiet = home.wharf(&["inspect", "-q", "oci:in:1"]);
    assert_eq!(quiet.ok(), format!("{}\n", image.digest()));
}

#[test]
fn a_program_is_told_in_json_or_exact_bytes() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let registry = Registry::open(&home);
    let name = format!("{}/x:1", registry.host);
    home.wharf(&["copy", "oci:in:1", &name]).ok();

    let ended = home.wharf(&["inspect", "--json", &format!("docker://{name}")]);
    let json: serde_json::Value = serde_json::from_str(ended.ok()).expect("JSON");
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        ["reference", "digest", "mediaType", "manifest", "config"]
    );
    assert_eq!(json["reference"], name);
    assert_eq!(json["digest"], image.digest());
    assert_eq!(json["mediaType"], json["manifest"]["mediaType"]);
    assert_eq!(json["config"]["config"]["Env"][1], "TOKEN=s3cret");
    assert_eq!(ended.stderr, "");

    for (which, bytes) in [("manifest", &image.manifest), ("config", &image.config)] {
        let raw = home.wharf(&["inspect", "--raw", which, &format!("docker://{name}")]);
        raw.ok();
        assert_eq!(&raw.bytes, bytes);
    }
}

#[test]
fn a_name_is_looked_for_in_the_library_first() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let registry = Registry::open(&home);
    let name = format!("{}/x:1", registry.host);
    home.wharf(&["copy", "oci:in:1", &name]).ok();
    let digest = format!("{}\n", image.digest());
    let said = format!("`local:{name}` is not in the library; asking for `docker://{name}`\n");

    // Neither without a library nor with one that lacks the name.
    let ended = home.wharf(&["inspect", "-q", &name]);
    assert_eq!(
        (ended.ok(), ended.stderr.as_str()),
        (digest.as_str(), said.as_str())
    );
    assert!(!home.path(".local/share/wharf").exists());
    home.wharf(&["-q", "copy", "oci:in:1", "local:other:1"])
        .ok();
    let ended = home.wharf(&["inspect", "-q", &name]);
    assert_eq!(
        (ended.ok(), ended.stderr.as_str()),
        (digest.as_str(), said.as_str())
    );

    home.wharf(&["-q", "pull", &name]).ok();
    drop(registry);
    let ended = home.wharf(&["inspect", "-q", &name]);
    assert_eq!((ended.ok(), ended.stderr.as_str()), (digest.as_str(), ""));
}

#[test]
fn a_name_of_the_library_is_not_looked_for_elsewhere() {
    let home = Home::new();
    let ended = home.wharf(&["inspect", "local:none:1"]);
    let error = ended.failed(3);
    assert!(
        error.ends_with("hint: `wharf list` lists the names in the library\n"),
        "{error}"
    );
}

#[test]
fn an_index_is_shown_with_its_platforms() {
    let home = Home::new();
    let image = home.layout("in", "1");
    let size = image.manifest.len();
    let digest = image.digest();
    let entry = |media_type: &str, digest: &str, size: usize, rest: &str| {
        format!("{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":{size},{rest}}}")
    };
    let platform = "\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}";
    let child = entry(
        "application/vnd.oci.image.manifest.v1+json",
        &digest,
        size,
        platform,
    );
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index =
        format!("{{\"schemaVersion\":2,\"mediaType\":\"{index_type}\",\"manifests\":[{child}]}}");
    let index_digest = oci::Digest::sha256(index.as_bytes()).to_string();
    home.write(&format!("in/blobs/sha256/{}", &index_digest[7..]), &index);
    let tag = "\"annotations\":{\"org.opencontainers.image.ref.name\":\"2\"}";
    let top = entry(index_type, &index_digest, index.len(), tag);
    home.write(
        "in/index.json",
        &format!("{{\"schemaVersion\":2,\"manifests\":[{top}]}}"),
    );

    assert_eq!(
        home.wharf(&["inspect", "oci:in:2"]).ok(),
        format!(
            "\
name           oci:in:2
digest         {index_digest}
media type     {index_type}
images         {digest} linux/amd64
"
        )
    );
    let one = ["inspect", "-q", "oci:in:2", "--platform", "linux/amd64"];
    assert_eq!(home.wharf(&one).ok(), format!("{digest}\n"));
    assert_eq!(
        home.wharf(&["inspect", "--raw", "config", "oci:in:2"])
            .failed(3),
        "error: `oci:in:2` has no config of its own\n\
         hint: it is an index of several images; choose one by `--platform`\n"
    );
    let none = ["inspect", "oci:in:2", "--platform", "linux/s390x"];
    home.wharf(&none).failed(3);
}
