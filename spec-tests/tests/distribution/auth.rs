//! Who may: htpasswd files, and what a caller without credentials may do.

use std::path::PathBuf;
use std::process::{Command, Output};

use spec_tests::{Registry, digest, skip, with_query};
use tempfile::TempDir;

/// `ci` with the password `wharf-secret`, as `htpasswd -B` writes it.
const LINE: &str = "ci:$2y$05$wlCKq4YKqbcXQJYYuYvYxuxHX5zZ5QyQw3d0yRyJv1S1KJ7lcu1jK";

/// Writes an htpasswd file.
fn file(lines: &str) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().join("htpasswd");
    fs_err::write(&path, lines).expect("it is writable");
    (home, path)
}

/// Makes a line with the `htpasswd` program; nothing when it is not installed.
fn line(user: &str, password: &str) -> Option<String> {
    let output = Command::new("htpasswd")
        .args(["-nbB", "-C", "5", user, password])
        .output();
    let Ok(Output { status, stdout, .. }) = output else {
        skip("needs the program `htpasswd`");
        return None;
    };
    assert!(status.success());
    Some(String::from_utf8(stdout).expect("text").trim().to_owned())
}

/// Starts a registry with the users `ci` (`wharf-secret`) and `dev` (`other secret`).
fn guarded() -> Option<(TempDir, Registry)> {
    let lines = format!(
        "# users\n{}\n\n{}\n",
        line("ci", "wharf-secret")?,
        line("dev", "other secret")?
    );
    let (home, path) = file(&lines);
    let registry = Registry::builder()
        .flag("--htpasswd")
        .flag(path.to_str().expect("a plain path"))
        .start()?;
    Some((home, registry))
}

#[test]
fn without_credentials_the_door_is_shut() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    for request in [registry.get("/v2/"), registry.head("/v2/")] {
        let answer = request.send().expect(401);
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Basic realm=\"wharf\"")
        );
        assert_eq!(
            answer.header("docker-distribution-api-version"),
            Some("registry/2.0")
        );
    }
    registry.get("/v2/").send().refused(401, "UNAUTHORIZED");
}

#[test]
fn with_credentials_it_opens() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    for (user, password) in [("ci", "wharf-secret"), ("dev", "other secret")] {
        for request in [registry.get("/v2/"), registry.head("/v2/")] {
            let answer = request.basic(user, password).send().expect(200);
            assert_eq!(
                answer.header("docker-distribution-api-version"),
                Some("registry/2.0")
            );
        }
    }
}

#[test]
fn wrong_credentials_do_not_open_it() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    for (user, password) in [
        ("ci", "wrong"),
        ("ci", ""),
        ("ci", "wharf-secret "),
        ("CI", "wharf-secret"),
        ("nobody", "wharf-secret"),
        ("", ""),
        ("dev", "wharf-secret"),
    ] {
        let answer = registry.get("/v2/").basic(user, password).send();
        assert_eq!(
            answer.status,
            401,
            "{user}:{password}: {}",
            answer.summary()
        );
        // Once more, should the first result have been kept.
        let answer = registry.get("/v2/").basic(user, password).send();
        assert_eq!(
            answer.status,
            401,
            "{user}:{password}: {}",
            answer.summary()
        );
    }
}

#[test]
fn headers_that_are_no_credentials_do_not_open_it() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    for value in [
        "Basic",
        "Basic !!!",
        "Basic Y2k=",
        "Bearer abc",
        "Digest x=y",
        "basic",
        ":",
    ] {
        let answer = registry.get("/v2/").header("authorization", value).send();
        assert_eq!(answer.status, 401, "{value}: {}", answer.summary());
    }
}

#[test]
fn the_scheme_is_read_in_any_case() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    // `ci:wharf-secret`
    let request = registry
        .get("/v2/")
        .header("authorization", "basic Y2k6d2hhcmYtc2VjcmV0");
    let _ = request.send().expect(200);
}

#[test]
fn every_path_needs_credentials() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    let absent = digest(b"x");
    for (method, path) in [
        ("GET", "/v2/_catalog".to_owned()),
        ("GET", "/v2/a/tags/list".to_owned()),
        ("GET", "/v2/a/manifests/latest".to_owned()),
        ("HEAD", "/v2/a/manifests/latest".to_owned()),
        ("PUT", "/v2/a/manifests/latest".to_owned()),
        ("DELETE", "/v2/a/manifests/latest".to_owned()),
        ("GET", format!("/v2/a/blobs/{absent}")),
        ("HEAD", format!("/v2/a/blobs/{absent}")),
        ("DELETE", format!("/v2/a/blobs/{absent}")),
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        (
            "GET",
            "/v2/a/blobs/uploads/00000000-1111-4222-8333-444444444444".to_owned(),
        ),
        ("GET", format!("/v2/a/referrers/{absent}")),
    ] {
        let answer = registry.request(method, &path).send();
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.summary());
        assert!(
            answer.header("www-authenticate").is_some(),
            "{method} {path}"
        );
    }
}

#[test]
fn a_push_with_credentials_is_pulled_with_others() {
    let Some((_home, registry)) = guarded() else {
        return;
    };
    let path = "/v2/guarded/app/blobs/uploads/";
    let request = registry.post(path).basic("ci", "wharf-secret").body("");
    let location = request.send().expect(202).location();
    let target = with_query(&location, &format!("digest={}", digest(b"guarded")));
    let _ = registry.put(&target).body("guarded").send().expect(401);
    let request = registry.put(&target).basic("ci", "wharf-secret");
    let location = request.body("guarded").send().expect(201).location();
    let _ = registry.get(&location).send().expect(401);
    let answer = registry
        .get(&location)
        .basic("dev", "other secret")
        .send()
        .expect(200);
    assert_eq!(answer.body, b"guarded");
}

#[test]
fn anonymous_pull_reads_and_writes_nothing() {
    let Some(registry) = Registry::builder().flag("--anonymous=pull").start() else {
        return;
    };
    let _ = registry.get("/v2/").send().expect(200);
    let _ = registry.get("/v2/a/manifests/latest").send().expect(404);
    for request in [
        registry.post("/v2/a/blobs/uploads/").body(""),
        registry.put("/v2/a/manifests/latest").body("{}"),
        registry.delete("/v2/a/manifests/latest"),
    ] {
        let answer = request.send();
        assert!([401, 403].contains(&answer.status), "{}", answer.summary());
        assert!(["UNAUTHORIZED", "DENIED"].contains(&answer.code().as_str()));
    }
}

/// Runs a start that must fail, and gives what it said.
#[track_caller]
fn fails(flags: &[&str]) -> Option<String> {
    let home = tempfile::tempdir().expect("a directory");
    let mut builder = Registry::builder().storage(&home.path().join("storage"));
    for flag in flags {
        builder = builder.flag(*flag);
    }
    let mut child = builder
        .command()?
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    let start = std::time::Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed().as_secs() > 20 {
            let _ = child.kill();
            panic!("`wharf serve {}` runs, and should not", flags.join(" "));
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("its output");
    assert!(!output.status.success(), "it ended well");
    assert!(output.stdout.is_empty(), "it said that it listens");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!words.contains("panicked"), "{words}");
    assert!(!words.trim().is_empty());
    Some(words)
}

#[test]
fn off_loopback_somebody_must_say_who_may() {
    let Some(words) = fails(&["--listen=0.0.0.0:0", "--plain-http"]) else {
        return;
    };
    assert!(
        words.contains("--htpasswd") && words.contains("--anonymous"),
        "{words}"
    );
}

#[test]
fn off_loopback_somebody_must_say_that_it_is_plain() {
    let Some(words) = fails(&["--listen=0.0.0.0:0", "--anonymous=pull"]) else {
        return;
    };
    assert!(
        words.contains("--tls-cert") && words.contains("--plain-http"),
        "{words}"
    );
}

#[test]
fn other_hashes_than_bcrypt_are_refused() {
    for hash in [
        "$apr1$Q1X5Rb9n$Ox4PFmSnVPpKcZ8u2ZtVs0",
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "plain",
        "$2y$05$short",
    ] {
        let (_home, path) = file(&format!("{LINE}\nold:{hash}\n"));
        let flag = format!("--htpasswd={}", path.display());
        let Some(words) = fails(&[&flag]) else { return };
        assert!(words.contains("bcrypt") || words.contains("old"), "{words}");
        assert!(!words.contains(hash), "a secret is shown: {words}");
    }
}

#[test]
fn a_missing_file_is_refused() {
    let Some(words) = fails(&["--htpasswd=/nonexistent/htpasswd"]) else {
        return;
    };
    assert!(words.contains("/nonexistent/htpasswd"), "{words}");
}
