//! The process around the API: health, metrics, one per directory, ending well.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use spec_tests::{Deployment, Registry, blob, digest, media, with_query};

#[test]
fn health_and_readiness_and_metrics() {
    let Some(registry) = Registry::builder().start() else {
        return;
    };
    let _ = registry.get("/healthz").send().expect(200);
    let _ = registry.get("/readyz").send().expect(200);
    let answer = registry.get("/metrics").send().expect(200);
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(
        kind.starts_with("text/plain") || kind.contains("openmetrics"),
        "{kind}"
    );
    assert!(answer.text().contains("# TYPE "), "{}", answer.summary());
}

#[test]
fn a_second_process_is_refused_the_directory() {
    if !Deployment::here().is_directory() {
        // Any number may share a bucket.
        return;
    }
    let Some(registry) = Registry::builder().start() else {
        return;
    };
    let command = Registry::builder().storage(registry.storage()).command();
    let output = command
        .expect("it is ours")
        .output()
        .expect("the program starts");
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("storage"),
        "it does not name the directory: {words}"
    );
    assert!(!words.contains("panicked"), "{words}");
    let _ = registry.get("/v2/").send().expect(200);
}

#[test]
fn everything_is_there_after_a_restart() {
    let home = tempfile::tempdir().expect("a directory");
    let storage = home.path().join("storage");
    let Some(mut registry) = Registry::builder().storage(&storage).start() else {
        return;
    };
    let image = registry.push_image("kept/app", "1", 131);
    let location = registry.open_upload("kept/app");
    let half = blob(132, 40_000);
    let _ = registry
        .patch(&location)
        .body(&half[..20_000])
        .send()
        .expect(202);
    assert!(registry.terminate().success());
    let Some(registry) = Registry::builder().storage(&storage).start() else {
        return;
    };
    let path = "/v2/kept/app/manifests/1";
    let answer = registry
        .get(path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, image.manifest.bytes);
    for part in image.layers.iter().chain([&image.config]) {
        let path = format!("/v2/kept/app/blobs/{}", digest(part));
        assert!(&registry.get(&path).send().expect(200).body == part);
    }
    let status = registry.get(&location).send().expect(204);
    assert_eq!(status.header("range"), Some("0-19999"));
    let target = with_query(&status.location(), &format!("digest={}", digest(&half)));
    let _ = registry
        .put(&target)
        .body(&half[20_000..])
        .send()
        .expect(201);
}

#[test]
fn everything_is_there_after_a_kill() {
    let home = tempfile::tempdir().expect("a directory");
    let storage = home.path().join("storage");
    let Some(mut registry) = Registry::builder().storage(&storage).start() else {
        return;
    };
    let image = registry.push_image("killed/app", "1", 133);
    registry.kill();
    let Some(registry) = Registry::builder().storage(&storage).start() else {
        return;
    };
    let path = "/v2/killed/app/manifests/1";
    let answer = registry
        .get(path)
        .header("accept", media::MANIFEST)
        .send()
        .expect(200);
    assert_eq!(answer.body, image.manifest.bytes);
}

#[test]
fn what_was_begun_is_finished_before_the_end() {
    let Some(mut registry) = Registry::builder().start() else {
        return;
    };
    let bytes = blob(134, 100_000);
    let location = registry.open_upload("drained/app");
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let mut stream = registry.connect();
    let head = format!(
        "PUT {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        registry.host(),
        bytes.len()
    );
    stream.write_all(head.as_bytes()).expect("the server reads");
    stream
        .write_all(&bytes[..50_000])
        .expect("the server reads");
    std::thread::sleep(Duration::from_millis(200));
    let rest = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(400));
        stream
            .write_all(&bytes[50_000..])
            .expect("the server still reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    });
    assert!(registry.terminate().success());
    let answer = rest.join().expect("the request ended");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[test]
fn one_line_on_stdout() {
    // The harness reads the first line; a second one would break those who do the same.
    let home = tempfile::tempdir().expect("a directory");
    let command = Registry::builder()
        .storage(&home.path().join("storage"))
        .command();
    let Some(mut command) = command else {
        return;
    };
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut output = child.stdout.take().expect("it is piped");
    let mut start = [0; 17];
    output.read_exact(&mut start).expect("a line");
    std::thread::sleep(Duration::from_millis(300));
    let _ = child.kill();
    let _ = child.wait();
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert_eq!(&start, b"listening http://");
    assert_eq!(rest.matches('\n').count(), 1, "{rest}");
}
