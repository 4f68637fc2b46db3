//! Storages of registries: how they are named, `wharf gc`, and `wharf check
//! --storage`.

use crate::harness::{Ended, Home, Registry};

/// A storage with an image, after its server has ended.
fn filled() -> (Home, crate::harness::Image) {
    let home = Home::new();
    let image = home.layout("shop", "1");
    let registry = Registry::start(&home, &["--storage", "data"]);
    let target = format!("docker://{}/shop:1", registry.host);
    home.wharf(&["copy", "oci:shop:1", &target, "--quiet"]).ok();
    (home, image)
}

/// What is on standard output, however it ended.
fn told(ended: &Ended) -> &str {
    std::str::from_utf8(&ended.bytes).expect("text")
}

#[test]
fn what_can_not_be_used_is_told_with_its_source() {
    let mut home = Home::new();
    home.set("AWS_EC2_METADATA_DISABLED", "true");
    home.set("AWS_REGION", "eu-test-1");
    for (arguments, expected) in [
        (
            &["serve", "--storage", "ftp://x"][..],
            "error: `serve.storage` (set by the flag `--storage`): `ftp://x` has the scheme `ftp`, which is none of `s3`, `gs` and `az`; a directory has none\n",
        ),
        (
            &["serve", "--storage", "data", "--s3-region", "x"],
            "error: `serve.s3.region` (set by the flag `--s3-region`) is about buckets, and the storage is a directory\nhint: a bucket is named by `--storage s3://BUCKET/PREFIX`\n",
        ),
        (
            &["serve", "--storage", "s3://images"],
            "error: nothing says with which credentials the bucket is reached, and `AWS_EC2_METADATA_DISABLED` forbids to ask the machine\nhint: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or `access-key-id` and `secret-access-key` in `[serve.s3]`\n",
        ),
        (
            &["serve", "--storage", "data", "--redirect"],
            "error: `serve.redirect` (set by the flag `--redirect`): clients can not be sent to a directory\n",
        ),
        (
            &["serve", "--storage", "data", "--gc-interval", "0s"],
            "error: `serve.gc-interval` (set by the flag `--gc-interval`): collections need a time between them\nhint: `--gc off` leaves garbage where it is\n",
        ),
        (
            &["serve", "--storage", "data", "--immutable-tags", "v[0-9]"],
            "error: `serve.immutable-tags` (set by the flag `--immutable-tags`): `v[0-9]` is no pattern of tags, such as `v*`\n",
        ),
        (
            &["serve", "--storage", "data", "--trace-endpoint", "x"],
            "error: `serve.trace-endpoint` (set by the flag `--trace-endpoint`): `x` is no URL such as `http://localhost:4318/v1/traces`\n",
        ),
        (
            &["check", "--storage", "data", "."],
            "error: `--storage` checks a storage, and what else was named is about a Dockerfile\n",
        ),
        (
            &["check", "--s3-region", "x"],
            "error: `--s3-region` is about a storage, and `--storage` names none\n",
        ),
        (
            &["check", "--storage", "data", "--format", "sarif"],
            "error: a storage is told of by `--format human` or `--format json`\n",
        ),
    ] {
        assert_eq!(home.wharf(arguments).failed(2), expected, "{arguments:?}");
    }
    home.set("WHARF_GC_GRACE", "soon");
    let ended = home.wharf(&["config"]);
    assert_eq!(
        ended.failed(2),
        "error: the environment variable `WHARF_GC_GRACE`: `serve.gc-grace`: `soon` is no span of time such as `30s`, `10m`, `24h` or `7d`\n"
    );
}

#[test]
fn what_is_not_there_is_not_made() {
    let home = Home::new();
    for arguments in [
        &["gc", "--storage", "data"][..],
        &["check", "--storage", "data"],
    ] {
        assert_eq!(
            home.wharf(arguments).failed(3),
            "error: there is no registry's storage in `data`\nhint: `wharf serve --storage PLACE` makes one\n"
        );
        assert!(!home.path("data").exists());
    }
}

#[test]
fn a_directory_that_is_served_is_left_to_its_server() {
    let home = Home::new();
    let _registry = Registry::start(&home, &["--storage", "data"]);
    let ended = home.wharf(&["gc", "--storage", "data"]);
    let error = ended.failed(1);
    assert!(error.contains("is in use by another process\n"), "{error}");
    assert!(error.contains("`kill -USR1 PID`"), "{error}");
    let ended = home.wharf(&["check", "--storage", "data"]);
    let error = ended.failed(1);
    assert!(error.contains("is in use by another process\n"), "{error}");
    assert!(
        error.contains("hint: one process has a directory"),
        "{error}"
    );
}

#[test]
fn garbage_goes_and_the_rest_stays() {
    let (home, image) = filled();
    let storage = ["--storage", "data", "--gc-grace", "0s"];
    let nothing = home.wharf(&[&["gc"][..], &storage].concat());
    assert_eq!(nothing.ok(), "removed nothing\n");
    let untagged = ["--untagged-after", "0s"];
    // A tag keeps it.
    let nothing = home.wharf(&[&["gc"][..], &storage, &untagged].concat());
    assert_eq!(nothing.ok(), "removed nothing\n");
    let registry = Registry::start(&home, &["--storage", "data", "--gc", "off"]);
    let name = format!("docker://{}/shop@{}", registry.host, image.digest());
    home.wharf(&["delete", &name, "--quiet"]).ok();
    drop(registry);
    let foreseen = home.wharf(&[&["gc", "--dry-run"][..], &storage].concat());
    let digest = image.digest();
    let hex = &digest["sha256:".len()..];
    assert!(
        foreseen.ok().contains(&format!("blobs/sha256/{hex}\n")),
        "{}",
        foreseen.ok()
    );
    assert!(home.path(&format!("data/blobs/sha256/{hex}")).exists());
    let collected = home.wharf(&[&["gc", "--format", "json"][..], &storage].concat());
    let counts: serde_json::Value = serde_json::from_str(collected.ok()).expect("JSON");
    let bytes = image.config.len() + image.layer.len() + image.manifest.len();
    assert_eq!(
        (&counts["blobs"], &counts["bytes"], &counts["dryRun"]),
        (&3.into(), &bytes.into(), &false.into()),
        "{counts}"
    );
    assert!(!home.path(&format!("data/blobs/sha256/{hex}")).exists());
    let checked = home.wharf(&["check", "--storage", "data"]);
    assert_eq!(checked.ok(), "");
    assert_eq!(
        checked.stderr,
        "read 0 blobs of 0 B, 0 manifests and 0 tags: nothing is wrong\n"
    );
}

#[test]
fn damage_is_found_and_healed() {
    let (home, image) = filled();
    let checked = home.wharf(&["check", "--storage", "data"]);
    assert_eq!(checked.ok(), "");
    let layer = image.layer_digest();
    let hex = &layer["sha256:".len()..];
    let holder = home.path(&format!("data/links/sha256/{hex}/shop"));
    fs_err::remove_file(&holder).expect("removed");
    let link = format!("repositories/shop/blobs/sha256/{hex}/link");
    let what = format!("`links/sha256/{hex}/shop` is not there, by which it is found");
    let checked = home.wharf(&["check", "--storage", "data"]);
    assert_eq!(checked.code, Some(1));
    assert_eq!(
        told(&checked),
        format!(
            "KIND        DONE      {:width$}   WHAT\nunindexed   nothing   {link}   {what}\n",
            "KEY",
            width = link.len()
        )
    );
    assert!(
        checked
            .stderr
            .ends_with("1 manifest and 1 tag: 1 problem found, 1 of them remain\n"),
        "{}",
        checked.stderr
    );
    let checked = home.wharf(&["check", "--storage", "data", "--repair"]);
    assert!(
        checked.ok().contains("unindexed   rewritten"),
        "{}",
        told(&checked)
    );
    assert!(
        checked.stderr.ends_with("1 problem healed\n"),
        "{}",
        checked.stderr
    );
    assert!(holder.exists());
    let file = home.path(&format!("data/blobs/sha256/{hex}"));
    fs_err::write(&file, b"cut off").expect("written");
    let arguments = ["check", "--storage", "data", "--repair", "--format", "json"];
    let checked = home.wharf(&[&arguments[..], &["--rate", "unlimited"]].concat());
    assert_eq!(checked.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(told(&checked)).expect("JSON");
    let findings = report["findings"].as_array().expect("a list");
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| (&finding["kind"], &finding["done"], &finding["key"]))
        .map(|(kind, done, key)| format!("{kind} {done} {key}").replace('"', ""))
        .collect();
    assert_eq!(
        findings,
        [format!("corrupt quarantined blobs/sha256/{hex}")]
    );
    assert_eq!(report["remaining"], 1);
    let aside = home.path(&format!("data/quarantine/sha256/{hex}"));
    assert_eq!(fs_err::read(aside).expect("put aside"), b"cut off");
}
