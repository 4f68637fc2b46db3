use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn host(text: &str) -> RegistryHost {
    text.parse().expect("a registry")
}

fn named(username: &str, password: &str) -> Credential {
    Credential::Basic {
        username: username.to_owned(),
        password: Secret::new(password),
    }
}

fn ask(
    keychain: &Keychain,
    registry: &str,
    repository: Option<&str>,
) -> Result<Credential, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let found = runtime.block_on(async {
        match repository {
            Some(name) => {
                let name = name.parse().expect("a repository");
                keychain.for_repository(&host(registry), &name).await
            }
            None => keychain.for_registry(&host(registry)).await,
        }
    });
    found.map_err(|error| error.to_string())
}

/// Is a home directory with files.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn with(self, name: &str, text: &str) -> Self {
        let path = self.0.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(path, text).expect("written");
        self
    }

    fn with_helper(self, name: &str, script: &str) -> Self {
        let program = format!("bin/docker-credential-{name}");
        let home = self.with(&program, &format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(home.path(&program), mode).expect("made to run");
        home
    }

    fn keychain(&self) -> Keychain {
        let (home, bin) = (self.path(""), self.path("bin"));
        Keychain::read(&Environment::of(&[("HOME", &home), ("PATH", &bin)]), None)
    }
}

fn login(username: &str) -> String {
    format!(r#"{{"auths":{{"a.test":{{"username":"{username}","password":"x"}}}}}}"#)
}

#[test]
fn places_count_in_their_order() {
    let home = Home::new()
        .with("flag.json", &login("flag"))
        .with("file.json", &login("variable"))
        .with("docker/config.json", &login("docker-variable"))
        .with(".docker/config.json", &login("docker"))
        .with("run/containers/auth.json", &login("runtime"))
        .with(".config/containers/auth.json", &login("podman"));
    let flag = home.path("flag.json");
    let all = [
        ("REGISTRY_AUTH_FILE", home.path("file.json")),
        ("DOCKER_CONFIG", home.path("docker")),
        ("DOCKER_AUTH_CONFIG", login("text")),
        ("XDG_RUNTIME_DIR", home.path("run")),
        ("HOME", home.path("")),
    ];
    let check = |names: &[&str], authfile: Option<&Path>, expected: &str| {
        let chosen = all.iter().filter(|(name, _)| names.contains(name));
        let chosen: Vec<_> = chosen
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let keychain = Keychain::read(&Environment::of(&chosen), authfile);
        assert_eq!(ask(&keychain, "a.test", None), Ok(named(expected, "x")));
    };
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    check(&names, Some(Path::new(&flag)), "flag");
    check(&names, None, "variable");
    check(&names[1..], None, "docker-variable");
    check(&names[2..], None, "docker");
    fs_err::remove_file(home.path(".docker/config.json")).expect("removed");
    check(&names[2..], None, "text");
    check(&names[3..], None, "runtime");
    check(&names[4..], None, "podman");
}

#[test]
fn a_place_that_does_not_know_the_registry_is_passed_over() {
    let home = Home::new()
        .with(
            ".docker/config.json",
            r#"{"auths":{"b.test":{"auth":"Yjpj"},"a.test":{}}}"#,
        )
        .with(".config/containers/auth.json", &login("podman"));
    let keychain = home.keychain();
    assert_eq!(ask(&keychain, "a.test", None), Ok(named("podman", "x")));
    assert_eq!(ask(&keychain, "b.test", None), Ok(named("b", "c")));
    assert_eq!(ask(&keychain, "c.test", None), Ok(Credential::Anonymous));
    assert_eq!(keychain.places_of(&host("a.test")).len(), 1);
}

#[test]
fn keys_are_read_however_they_are_written() {
    let text = r#"{"auths":{
        "https://index.docker.io/v1/":{"auth":"aHViOmE6Yg=="},
        "https://a.test:5000/v2/":{"auth":"YTpi"},
        "http://b.test/":{"identitytoken":"i"},
        "c.test":{"registrytoken":"r"},
        "d.test":{"auth":"PHRva2VuPjpz"},
        "e.test":null}}"#;
    let keychain = Home::new().with(".docker/config.json", text).keychain();
    for (registry, expected) in [
        ("docker.io", named("hub", "a:b")),
        ("a.test:5000", named("a", "b")),
        ("b.test", Credential::IdentityToken(Secret::new("i"))),
        ("c.test", Credential::Bearer(Secret::new("r"))),
        ("d.test", Credential::IdentityToken(Secret::new("s"))),
        ("e.test", Credential::Anonymous),
        ("a.test", Credential::Anonymous),
    ] {
        assert_eq!(
            ask(&keychain, registry, None),
            Ok(expected),
            "for {registry}"
        );
    }
}

#[test]
fn the_longest_key_counts() {
    let entry = |name: &str| format!(r#"{{"username":"{name}","password":"x"}}"#);
    let text = format!(
        r#"{{"auths":{{"a.test":{},"a.test/team":{},"a.test/team/app":{}}}}}"#,
        entry("all"),
        entry("team"),
        entry("app"),
    );
    let keychain = Home::new()
        .with(".config/containers/auth.json", &text)
        .keychain();
    for (repository, expected) in [
        ("team/app", "app"),
        ("team/app/part", "app"),
        ("team/application", "team"),
        ("teams", "all"),
    ] {
        let found = ask(&keychain, "a.test", Some(repository));
        assert_eq!(found, Ok(named(expected, "x")), "for {repository}");
    }
    assert_eq!(ask(&keychain, "a.test", None), Ok(named("all", "x")));
}

#[test]
fn helpers_are_asked() {
    let home = Home::new()
        .with_helper(
            "own",
            r#"read server; [ "$1" = get ] || exit 9
            echo "{\"ServerURL\":\"$server\",\"Username\":\"$server\",\"Secret\":\"s\"}""#,
        )
        .with_helper(
            "empty",
            "echo credentials not found in native keychain; exit 1",
        )
        .with_helper("broken", "echo 'no\nkeychain'; exit 1")
        .with_helper("talks", "echo s3cret")
        .with(
            ".docker/config.json",
            r#"{"auths":{"c.test":{"auth":"YTpi"}},"credsStore":"empty","credHelpers":{
                "https://index.docker.io/v1/":"own","a.test":"own","b.test":"broken",
                "d.test":"absent","e.test":"../own","f.test":"talks"}}"#,
        );
    let keychain = home.keychain();
    for (registry, expected) in [
        ("a.test", Ok(named("a.test", "s"))),
        ("docker.io", Ok(named("https://index.docker.io/v1/", "s"))),
        ("c.test", Ok(named("a", "b"))),
        ("unknown.test", Ok(Credential::Anonymous)),
        (
            "b.test",
            Err("`docker-credential-broken get` failed: no\\nkeychain"),
        ),
        (
            "d.test",
            Err("can not run `docker-credential-absent get`: not found in `PATH`"),
        ),
        (
            "e.test",
            Err("`docker-credential-../own` is no name of a program"),
        ),
        (
            "f.test",
            Err("`docker-credential-talks get` did not answer in JSON"),
        ),
    ] {
        let found = ask(&keychain, registry, None);
        match (found, expected) {
            (Err(error), Err(expected)) => assert!(error.ends_with(expected), "`{error}`"),
            (found, expected) => assert_eq!(found, expected.map_err(str::to_owned)),
        }
    }
}

#[test]
fn a_broken_place_is_named_when_its_turn_comes_and_keeps_its_secrets() {
    for text in [
        "s3cret",
        "[]",
        r#"{"auths":{"a.test":{"auth":5}}} s3cret"#,
        r#"{"auths":{"a.test":{"auth":"s3cret!"}}}"#,
        r#"{"auths":{"a.test":{"auth":"czNjcmV0"}}}"#,
        r#"{"auths":{"a.test":{"auth":"/w=="}}}"#,
    ] {
        let home = Home::new().with(".docker/config.json", text);
        let error = ask(&home.keychain(), "a.test", None).expect_err("refused");
        assert!(error.contains(".docker/config.json` "), "`{error}`");
        assert!(!error.contains("s3cret"), "`{error}`");
        assert!(!format!("{:?}", home.keychain()).contains("s3cret"));
    }
    for text in ["", "\n", "{}", r#"{"auths":null,"credsStore":""}"#] {
        let home = Home::new().with(".docker/config.json", text);
        assert_eq!(
            ask(&home.keychain(), "a.test", None),
            Ok(Credential::Anonymous)
        );
    }
}

#[test]
fn an_editor_changes_nothing_else() {
    let before = r#"{"zebra":{"b":1,"a":[2.50]},"auths":{"https://a.test/v2/":{"auth":"YTpi","email":"x"},"b.test":{}},"currentContext":"c"}"#;
    let home = Home::new().with("config.json", before);
    let path = home.path("config.json");
    let path = Path::new(&path);
    let mut editor = Editor::open(path).expect("opened");
    editor.put(&host("a.test"), "me", &Secret::new("p:w"));
    editor.put(&host("docker.io"), "me", &Secret::new("x"));
    editor.save().expect("saved");
    let text = fs_err::read_to_string(path).expect("read");
    let compact: String = text.split_whitespace().collect();
    assert_eq!(
        compact,
        r#"{"zebra":{"b":1,"a":[2.5]},"auths":{"b.test":{},"a.test":{"auth":"bWU6cDp3"},"https://index.docker.io/v1/":{"auth":"bWU6eA=="}},"currentContext":"c"}"#
    );
    let mode = fs_err::metadata(path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut editor = Editor::open(path).expect("opened");
    assert_eq!(editor.remove(&host("docker.io")), Removed::Entry);
    assert_eq!(editor.remove(&host("docker.io")), Removed::Nothing);
    assert_eq!(editor.remove(&host("c.test")), Removed::Nothing);
}

#[test]
fn an_editor_makes_the_file_and_follows_links() {
    let home = Home::new().with("real.json", "{\"a\":1}");
    let path = home.path("new/folder/config.json");
    let mut editor = Editor::open(Path::new(&path)).expect("opened");
    editor.put(&host("a.test"), "a", &Secret::new("b"));
    editor.save().expect("saved");
    let made = fs_err::read_to_string(&path).expect("made");
    assert_eq!(
        made,
        "{\n  \"auths\": {\n    \"a.test\": {\n      \"auth\": \"YTpi\"\n    }\n  }\n}\n"
    );

    let link = home.path("link.json");
    std::os::unix::fs::symlink(home.path("real.json"), &link).expect("linked");
    let mut editor = Editor::open(Path::new(&link)).expect("opened");
    editor.put(&host("a.test"), "a", &Secret::new("b"));
    editor.save().expect("saved");
    let real = fs_err::read_to_string(home.path("real.json")).expect("there");
    assert!(real.contains("\"a\": 1") && real.contains("YTpi"));
}

#[test]
fn a_candidate_is_shown_to_its_registry_alone() {
    let candidate = Candidate::new(&host("a.test"), "me", &Secret::new("s3cret"));
    assert!(!format!("{candidate:?}").contains("s3cret"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let other = runtime.block_on(candidate.for_registry(&host("b.test")));
    assert_eq!(other.expect("an answer"), Credential::Anonymous);
}
