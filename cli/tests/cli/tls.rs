//! Registries that speak TLS.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::harness::{Home, Registry, text};

#[test]
fn a_certificate_is_trusted_when_it_is_configured() {
    let mut home = Home::new();
    let image = home.layout("in", "1");
    let (authority, made, key) = certificates();
    let authority = home.write("ca.pem", &authority);
    let certificate = home.write("cert.pem", &made);
    let key = home.write("key.pem", &key);
    let options = ["--tls-cert", text(&certificate), "--tls-key", text(&key)];
    let registry = Registry::start(&home, &options);
    let host = registry.host.as_str();
    let copy = ["-q", "copy", "oci:in:1", &format!("{host}/x:1")];

    let ended = home.wharf(&copy);
    let error = ended.failed(1);
    assert!(
        error.contains("caused by: invalid peer certificate: "),
        "{error}"
    );
    assert!(
        error.ends_with(&format!(
            "hint: to trust its certificate, put it into `/etc/docker/certs.d/{host}/ca.crt`, or configure `[[registry]]` with `prefix = \"{host}\"` and `ca = \"FILE\"`\n"
        )),
        "{error}"
    );
    let dockerfile = format!("FROM scratch\nCOPY --from={host}/base:1 /x /\n");
    let built = home.wharf_told(&["build", "-t", "shop:1", "-"], &dockerfile);
    let hint = error.lines().last().expect("a hint");
    assert_eq!(built.failed(1).lines().last(), Some(hint));

    let config = |line: &str| format!("[[registry]]\nprefix = \"{host}\"\n{line}\n");
    let digest = format!("{}\n", image.digest());
    home.write("ca.toml", &config("ca = \"ca.pem\""));
    home.write("insecure.toml", &config("insecure = true"));
    for file in ["ca.toml", "insecure.toml"] {
        let ended = home.wharf(&[&copy[..], &["--config", file]].concat());
        assert_eq!(ended.ok(), digest, "with {file}");
    }
    home.set("SSL_CERT_FILE", text(&authority));
    assert_eq!(home.wharf(&copy).ok(), digest);

    home.write("bad.toml", &config("ca = \"key.pem\""));
    let ended = home.wharf(&[&copy[..], &["--config", "bad.toml"]].concat());
    assert_eq!(
        ended.failed(2),
        "error: `registry[0]` can not be used\n\
         caused by: can not read the certificates in `key.pem`\n\
         caused by: there is no `BEGIN CERTIFICATE` in it\n\
         hint: it has to be a file of certificates in PEM\n"
    );
}

/// Makes an authority's certificate, one that it signed, and the key of that.
fn certificates() -> (String, String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("signed").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid");
    let made = params.signed_by(&key, &issuer).expect("signed").pem();
    (authority, made, key.serialize_pem())
}
