//! `wharf config`, `wharf version`, and what is said of the configuration.

use crate::harness::Home;

#[test]
fn the_effective_configuration_names_its_sources() {
    let mut home = Home::new();
    home.write(
        ".config/wharf/config.toml",
        "[serve]\nstorage = \"/data\"\n[serve.s3]\naccess-key-id = \"hunter1\"\n\n[[registry]]\nprefix = \"docker.io\"\nmirrors = [\"mirror.test\"]\n",
    );
    home.set("WHARF_LISTEN", "127.0.0.1:1");
    home.set("WHARF_S3_SECRET_ACCESS_KEY", "hunter2");
    let file = home.path(".config/wharf/config.toml");
    let file = file.display();
    assert_eq!(
        home.wharf(&["config"]).ok(),
        format!(
            "\
[serve]
listen = \"127.0.0.1:1\" # set by the environment variable `WHARF_LISTEN`
storage = \"/data\" # set by `{file}`
# htpasswd is not set
# anonymous is not set
# allow-hosts is not set
# tls-cert is not set
# tls-key is not set
plain-http = false # the default
# immutable-tags is not set
gc = \"on\" # the default
gc-interval = \"10m\" # the default
gc-grace = \"1d\" # the default
# untagged-after is not set
upload-expiry = \"1d\" # the default
redirect = false # the default
max-connections = 4096 # the default
metrics = \"beside\" # the default
access-log = false # the default
# trace-endpoint is not set
# scratch is not set
unsafe-no-sync = false # the default
log = \"human\" # the default

[serve.s3]
# endpoint is not set
# region is not set
# path-style is not set
access-key-id = \"[redacted]\" # set by `{file}`
secret-access-key = \"[redacted]\" # set by the environment variable `WHARF_S3_SECRET_ACCESS_KEY`
# session-token is not set
# sse is not set
# kms-key is not set
allow-http = false # the default

[build]
sandbox = \"auto\" # the default

[[registry]] # set by `{file}`
fallback = true
insecure = false
mirrors = [\"mirror.test\"]
prefix = \"docker.io\"
"
        )
    );
}

#[test]
fn the_schema_is_json() {
    let home = Home::new();
    let ended = home.wharf(&["config", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(ended.ok()).expect("JSON");
    assert_eq!(schema["title"], "Config");
    assert!(schema["$defs"]["Registry"]["properties"]["ca"].is_object());
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let home = Home::new();
    let file = home.write("wharf.toml", "[serve]\nlissten = \"x\"\n");
    let ended = home.wharf(&["config", "--config", "wharf.toml"]);
    let error = ended.failed(2);
    assert!(
        error.starts_with("error: `wharf.toml`: `serve.lissten`: unknown field `lissten`"),
        "{error}"
    );
    assert!(error.ends_with("did you mean `listen`?\n"), "{error}");
    fs_err::remove_file(file).expect("removed");
    let ended = home.wharf(&["config", "--config", "wharf.toml"]);
    assert_eq!(
        ended.failed(2),
        "error: can not read the configuration file\n\
         caused by: failed to open file `wharf.toml`: No such file or directory (os error 2)\n"
    );
}

#[test]
fn text_that_is_no_toml_is_told_with_its_place() {
    let home = Home::new();
    home.write("wharf.toml", "[serve]\nlisten = \"x\"\nstorage = secret\n");
    let ended = home.wharf(&["config", "--config", "wharf.toml"]);
    let error = ended.failed(2);
    assert!(
        error.starts_with("error: `wharf.toml` is not valid TOML\ncaused by: line 3, column 11: "),
        "{error}"
    );
    assert!(
        !error.contains("\\n") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn passwords_in_addresses_are_not_shown() {
    let home = Home::new();
    home.write(
        ".config/wharf/config.toml",
        "[[registry]]\nprefix = \"a.test\"\nmirrors = [\"https://me:hunter2@b.test/c\", \"me:hunter2@d.test\"]\n",
    );
    let shown = home.wharf(&["config"]);
    let expected = "mirrors = [\"https://[redacted]@b.test/c\", \"[redacted]@d.test\"]\n";
    assert!(shown.ok().contains(expected), "{}", shown.ok());
    for arguments in [
        &["copy", "a.test/x:1", "oci:out:1"][..],
        &["copy", "docker://me:hunter2@a.test/x:1", "oci:out:1"],
        &["inspect", "https://me:hunter2@a.test/x"],
    ] {
        let ended = home.wharf(arguments);
        assert!(ended.failed(2).contains("[redacted]@"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
}

#[test]
fn the_version_is_told() {
    let home = Home::new();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        home.wharf(&["version"])
            .ok()
            .starts_with(&format!("wharf {version} ("))
    );
    let ended = home.wharf(&["version", "--json"]);
    let json: serde_json::Value = serde_json::from_str(ended.ok()).expect("JSON");
    assert_eq!(json["version"], version);
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["version", "os", "architecture"]);
}
