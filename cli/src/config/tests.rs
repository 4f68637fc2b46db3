use super::*;

fn load_text(text: &str, flags: Vec<FlagValue>) -> Result<(Config, Sources), String> {
    let mut merged = Merged::default();
    let outcome = merged
        .add_file(Path::new("wharf.toml"), text)
        .and_then(|()| {
            for (key, flag, value) in flags {
                merged.set(key, value, Source::Flag(flag));
            }
            merged.finish()
        });
    outcome.map_err(|error| format!("{error:#}"))
}

#[test]
fn flags_are_stronger_than_the_file() {
    let flag = vec![("serve.listen", "--listen", Value::from("127.0.0.1:0"))];
    let text = "[serve]\nlisten = \"127.0.0.1:1\"\nstorage = \"/data\"\n";
    let (config, sources) = load_text(text, flag).expect("valid");
    assert_eq!(
        (config.serve.listen.as_str(), config.serve.storage.as_str()),
        ("127.0.0.1:0", "/data")
    );
    assert_eq!(
        sources.name("serve.listen"),
        "`serve.listen` (set by the flag `--listen`)"
    );
    assert_eq!(
        sources.name("serve.storage"),
        "`serve.storage` (set by `wharf.toml`)"
    );
    assert_eq!(sources.name("serve.log"), "`serve.log` (the default)");
}

#[test]
fn mistakes_name_key_and_source() {
    for (text, expected) in [
        (
            "[serve]\nlissten = \"x\"",
            "`wharf.toml`: `serve.lissten`: unknown field `lissten`",
        ),
        (
            "[serve]\nlisten = 5",
            "`wharf.toml`: `serve.listen`: invalid type: integer `5`, expected a string",
        ),
        (
            "[serve]\nanonymous = \"all\"",
            "`wharf.toml`: `serve.anonymous`: unknown variant `all`",
        ),
        (
            "[build]\nsandbox = \"best\"",
            "`wharf.toml`: `build.sandbox`: unknown variant `best`",
        ),
        (
            "[[registry]]\nmirrors = []",
            "`wharf.toml`: `registry[0]`: missing field `prefix`",
        ),
        ("[serve", "`wharf.toml` is not valid TOML"),
    ] {
        let error = load_text(text, Vec::new()).expect_err("invalid");
        assert!(error.starts_with(expected), "`{error}` for `{text}`");
    }
    let error = load_text("[serve]\nlissten = \"x\"", Vec::new()).expect_err("invalid");
    assert!(error.ends_with("did you mean `listen`?"), "`{error}`");
}

#[test]
fn variables_are_stronger_than_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("wharf.toml");
    fs_err::write(&file, "[build]\nsandbox = \"chroot\"\n").expect("written");
    let nothing = Environment::of(&[]);
    let (config, _) = load(&nothing, Some(&file), Vec::new()).expect("valid");
    assert_eq!(config.build.sandbox, Sandbox::Chroot);
    let environment = Environment::of(&[("WHARF_SANDBOX", "one")]);
    let (config, sources) = load(&environment, Some(&file), Vec::new()).expect("valid");
    assert_eq!(config.build.sandbox, Sandbox::One);
    assert_eq!(
        sources.name("build.sandbox"),
        "`build.sandbox` (set by the environment variable `WHARF_SANDBOX`)"
    );
}
