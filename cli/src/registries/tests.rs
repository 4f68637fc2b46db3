use super::*;

fn nowhere() -> &'static Path {
    Path::new("/nonexistent/certs.d")
}

/// Environments whose only roots are none, so that the machine's do not count.
fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables)
}

fn config(text: &str) -> Config {
    toml::from_str(text).expect("valid")
}

fn certificate(directory: &Path, name: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec!["registry.test".to_owned()]).expect("made");
    fs_err::write(directory.join(name), made.cert.pem()).expect("written");
    made.cert.der().to_vec()
}

#[test]
fn a_registry_may_be_insecure_or_mirrored_or_both() {
    let config = config(
        "[[registry]]\nprefix = \"docker.io\"\nmirrors = [\"mirror.test:5000/docker.io\", \"other.test\"]\nfallback = false\n\
         [[registry]]\nprefix = \"mirror.test:5000\"\ninsecure = true\n\
         [[registry]]\nprefix = \"ghcr.io/acme\"\nmirrors = [\"mirror.test:5000\"]\n",
    );
    let options = options(&environment(&[]), &config, nowhere()).expect("valid");
    let rules: Vec<_> = options.hosts.iter().collect();
    let shown: Vec<_> = rules
        .iter()
        .map(|rule| (rule.registry.as_str(), rule.scheme, rule.verification))
        .collect();
    assert_eq!(
        shown,
        [
            ("docker.io", Scheme::Https, Verification::Full),
            (
                "mirror.test:5000",
                Scheme::HttpsElseHttp,
                Verification::Skip
            ),
            ("ghcr.io", Scheme::Https, Verification::Full),
        ]
    );
    let [hub, acme] = &options.mirrors[..] else {
        panic!("{:?}", options.mirrors);
    };
    assert_eq!(
        (hub.registry.as_str(), hub.fallback),
        ("docker.io", Fallback::Never)
    );
    assert_eq!(hub.namespace, None);
    let mirrors: Vec<_> = hub
        .mirrors
        .iter()
        .map(|mirror| {
            (
                mirror.registry.as_str(),
                mirror.prefix.as_ref().map(|p| p.as_str()),
            )
        })
        .collect();
    assert_eq!(
        mirrors,
        [
            ("mirror.test:5000", Some("docker.io")),
            ("other.test", None)
        ]
    );
    assert_eq!(acme.namespace.as_ref().map(|n| n.as_str()), Some("acme"));
    assert_eq!(acme.fallback, Fallback::Registry);
}

#[test]
fn a_bad_prefix_names_its_entry() {
    let config = config("[[registry]]\nprefix = \"https://docker.io\"\n");
    let error = options(&environment(&[]), &config, nowhere()).expect_err("refused");
    assert_eq!(
        format!("{error:#}"),
        "`registry[0]` can not be used: invalid registry `https:`: expected a host name or address, \
         and perhaps `:` and a port, without scheme or path"
    );
}

#[test]
fn certificates_come_from_directories_and_configuration() {
    let directory = tempfile::tempdir().expect("a directory");
    let host = directory.path().join("registry.test:5000");
    fs_err::create_dir(&host).expect("made");
    fs_err::create_dir(directory.path().join("not a host")).expect("made");
    let first = certificate(&host, "ca.crt");
    fs_err::write(host.join("client.key"), "secret").expect("written");
    let second = certificate(directory.path(), "own.pem");
    let text = format!(
        "[[registry]]\nprefix = \"registry.test:5000\"\nca = \"{}\"\n",
        directory.path().join("own.pem").display()
    );
    let options = options(&environment(&[]), &config(&text), directory.path()).expect("valid");
    let [rule] = &options.hosts[..] else {
        panic!("{:?}", options.hosts);
    };
    assert_eq!(rule.certificates, [first, second]);
    assert_eq!(rule.scheme, Scheme::Https);
}

#[test]
fn a_file_without_a_certificate_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("empty.pem");
    fs_err::write(&path, "nothing").expect("written");
    let text = format!(
        "[[registry]]\nprefix = \"a.test\"\nca = \"{}\"\n",
        path.display()
    );
    let error = options(&environment(&[]), &config(&text), nowhere()).expect_err("refused");
    assert!(format!("{error:#}").contains("there is no `BEGIN CERTIFICATE` in it"));
}

#[test]
fn roots_are_those_that_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let der = certificate(directory.path(), "roots.pem");
    let path = directory.path().join("roots.pem");
    let named = environment(&[("SSL_CERT_FILE", path.to_str().expect("text"))]);
    let roots_of = |named| roots(named).expect("there");
    assert_eq!(roots_of(&named).get().expect("read"), [der]);
    let empty = directory.path().join("empty.pem");
    fs_err::write(&empty, "nothing").expect("written");
    let empty = environment(&[("SSL_CERT_FILE", empty.to_str().expect("text"))]);
    let error = roots_of(&empty).get().expect_err("there are none");
    assert!(
        error.to_string().contains("name no certificates"),
        "{error}"
    );
    let missing = environment(&[("SSL_CERT_FILE", "/nonexistent.pem")]);
    assert!(roots(&missing).is_err());
}

#[test]
fn proxies_are_read_in_either_case() {
    let proxies = proxies(&environment(&[
        ("http_proxy", "http://lower"),
        ("HTTP_PROXY", "http://upper"),
        ("HTTPS_PROXY", "http://secure"),
        ("no_proxy", ""),
        ("NO_PROXY", ".test"),
    ]));
    assert_eq!(
        (
            proxies.http.as_str(),
            proxies.https.as_str(),
            proxies.no_proxy.as_str()
        ),
        ("http://lower", "http://secure", ".test")
    );
}
