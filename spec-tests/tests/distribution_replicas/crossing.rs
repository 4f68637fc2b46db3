//! What is begun on one process goes on with on another, and what one process did is seen
//! by the others at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use spec_tests::{Answer, Content, Image, Registry, blob, digest, media, with_query};

/// Longest that an upload may be held by a process that is dead.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a piece that are sent before the process dies, or the connection.
const CUTS: [usize; 6] = [0, 1, 4_097, 300_000, 6_000_000, 18_000_000];

/// Bytes that were acknowledged before.
const ACKNOWLEDGED: usize = 700_001;

/// Bytes of the blob that is cut; more than one part of an upload to S3.
const LENGTH: usize = 20 << 20;

/// How often a change is looked at from everywhere.
const CHANGES: u64 = 20;

pub(crate) fn replicas() -> Option<Registry> {
    let registry = Registry::builder().start()?;
    assert_eq!(
        registry.replicas(),
        3,
        "this binary is about three processes"
    );
    Some(registry)
}

/// Returns the URL of a path on one process.
pub(crate) fn at(registry: &Registry, replica: usize, path: &str) -> String {
    let path = match path.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').expect("a path")..],
        None => path,
    };
    format!("{}{path}", registry.replica(replica))
}

fn open(registry: &Registry, replica: usize, repository: &str) -> String {
    let path = format!("/v2/{repository}/blobs/uploads/");
    let request = registry.post(&at(registry, replica, &path)).body("");
    request.send().expect(202).location()
}

/// Sends a piece to one process.
fn append(
    registry: &Registry,
    replica: usize,
    location: &str,
    first: usize,
    piece: &[u8],
) -> Answer {
    let range = format!("{first}-{}", first + piece.len() - 1);
    let request = registry.patch(&at(registry, replica, location));
    request.header("content-range", &range).body(piece).send()
}

/// Asks one process how many bytes of an upload there are.
fn received(registry: &Registry, replica: usize, location: &str) -> (usize, String) {
    let request = registry.get(&at(registry, replica, location));
    let answer = request.send().expect(204);
    let range = answer.header("range").unwrap_or("0-0");
    let last = range.strip_prefix("0-").and_then(|last| last.parse().ok());
    let last: usize = last.expect("a range from the start");
    (if last == 0 { 0 } else { last + 1 }, answer.location())
}

/// Checks that every process gives the bytes.
fn same_everywhere(registry: &Registry, repository: &str, bytes: &[u8]) {
    let path = format!("/v2/{repository}/blobs/{}", digest(bytes));
    for replica in 0..registry.replicas() {
        let answer = registry
            .get(&at(registry, replica, &path))
            .send()
            .expect(200);
        assert!(answer.body == bytes, "process {replica} gives other bytes");
    }
}

#[test]
fn requests_go_round() {
    let Some(registry) = replicas() else { return };
    for _ in 0..9 {
        let _ = registry.get("/v2/").send().expect(200);
    }
    let balancer = registry.balancer().expect("there is one");
    assert_eq!(balancer.given(), [3, 3, 3]);
}

#[test]
fn an_upload_goes_through_every_process() {
    let Some(registry) = replicas() else { return };
    let bytes = blob(1, 1_000_000);
    let location = open(&registry, 0, "crossing/pieces");
    let mut location = location;
    for (number, piece) in bytes.chunks(150_000).enumerate() {
        let answer = append(&registry, number % 3, &location, number * 150_000, piece);
        let answer = answer.expect(202);
        let next = (number + 1) % 3;
        let (count, _) = received(&registry, next, &answer.location());
        assert_eq!(count, number * 150_000 + piece.len());
        location = answer.location();
    }
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let _ = registry.put(&at(&registry, 2, &target)).send().expect(201);
    same_everywhere(&registry, "crossing/pieces", &bytes);
    let _ = registry
        .get(&at(&registry, 0, &location))
        .send()
        .expect(404);
}

/// Starts a PATCH of the rest of a blob on one process and sends `sent` bytes of it.
fn begin_piece(
    registry: &Registry,
    replica: usize,
    location: &str,
    (rest, sent): (&[u8], usize),
) -> TcpStream {
    let url = at(registry, replica, location);
    let (_, rest_of_url) = url.split_once("://").expect("a URL");
    let (host, path) = rest_of_url.split_at(rest_of_url.find('/').expect("a path"));
    let mut stream = TcpStream::connect(host).expect("it listens");
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {}\r\n\r\n",
        rest.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    stream.write_all(&rest[..sent]).expect("it reads");
    stream
}

/// Goes on with an upload on one process, as soon as that may, and ends it on another;
/// returns how many bytes were there.
fn finish(
    registry: &Registry,
    (one, other): (usize, usize),
    location: &str,
    bytes: &[u8],
) -> usize {
    let start = Instant::now();
    loop {
        let (count, next) = received(registry, one, location);
        let range = format!("{count}-{}", bytes.len() - 1);
        let request = registry.patch(&at(registry, one, &next));
        let request = request.header("content-range", &range);
        // A refusal may come, and the connection end, while the bytes are still sent.
        let answer = request.body(&bytes[count..]).try_send();
        if let Ok(answer) = answer
            && answer.status == 202
        {
            let query = format!("digest={}", digest(bytes));
            let target = with_query(&answer.location(), &query);
            let request = registry.put(&at(registry, other, &target));
            let _ = request.send().expect(201);
            return count;
        }
        assert!(start.elapsed() < PATIENCE, "the upload stays refused");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_upload_outlives_the_process_it_was_sent_to() {
    let Some(mut registry) = replicas() else {
        return;
    };
    let mut kept = Vec::new();
    for (number, cut) in CUTS.into_iter().enumerate() {
        let bytes = blob(10 + number as u64, LENGTH);
        let repository = format!("crossing/killed-{number}");
        let location = open(&registry, 0, &repository);
        let (head, rest) = bytes.split_at(ACKNOWLEDGED);
        let location = append(&registry, 1, &location, 0, head)
            .expect(202)
            .location();
        let stream = begin_piece(&registry, 1, &location, (rest, cut));
        registry.kill_replica(1);
        drop(stream);
        let count = finish(&registry, (2, 0), &location, &bytes);
        assert!(
            count >= ACKNOWLEDGED,
            "{count} bytes are left of {ACKNOWLEDGED}"
        );
        registry.start_replica(1);
        same_everywhere(&registry, &repository, &bytes);
        kept.push(count);
    }
    println!("bytes that were not sent twice: {kept:?}");
}

#[test]
fn an_upload_outlives_its_connection() {
    let Some(registry) = replicas() else { return };
    let mut kept = Vec::new();
    for (number, cut) in CUTS.into_iter().enumerate() {
        let bytes = blob(20 + number as u64, LENGTH);
        let repository = format!("crossing/cut-{number}");
        let location = open(&registry, 2, &repository);
        let (head, rest) = bytes.split_at(ACKNOWLEDGED);
        let location = append(&registry, 0, &location, 0, head)
            .expect(202)
            .location();
        drop(begin_piece(&registry, 1, &location, (rest, cut)));
        let count = finish(&registry, (2, 0), &location, &bytes);
        assert!(
            count >= ACKNOWLEDGED,
            "{count} bytes are left of {ACKNOWLEDGED}"
        );
        same_everywhere(&registry, &repository, &bytes);
        kept.push(count);
    }
    println!("bytes that were not sent twice: {kept:?}");
}

#[test]
fn a_balancer_that_cuts_loses_nothing() {
    let Some(registry) = replicas() else { return };
    for cut in [1, 200, 5_000, 2_000_000] {
        let bytes = blob(30 + cut, 3_000_000);
        let repository = format!("crossing/balanced-{cut}");
        let location = registry.open_upload(&repository);
        let balancer = registry.balancer().expect("there is one");
        balancer.cut_next_after(cut);
        let sent = registry.patch(&location).body(&bytes).try_send();
        assert!(sent.is_err(), "the connection was cut");
        finish(&registry, (0, 1), &location, &bytes);
        same_everywhere(&registry, &repository, &bytes);
    }
}

#[test]
fn an_upload_is_cancelled_anywhere() {
    let Some(registry) = replicas() else { return };
    let location = open(&registry, 0, "crossing/cancelled");
    let piece = blob(40, 200_000);
    let location = append(&registry, 1, &location, 0, &piece)
        .expect(202)
        .location();
    let request = registry.delete(&at(&registry, 2, &location));
    let _ = request.send().expect(204);
    let target = with_query(&location, &format!("digest={}", digest(&piece)));
    for replica in 0..3 {
        let asked = registry.get(&at(&registry, replica, &location)).send();
        asked.refused(404, "BLOB_UPLOAD_UNKNOWN");
        let sent = append(&registry, replica, &location, piece.len(), b"more");
        sent.refused(404, "BLOB_UPLOAD_UNKNOWN");
        let ended = registry.put(&at(&registry, replica, &target)).send();
        ended.refused(404, "BLOB_UPLOAD_UNKNOWN");
    }
    let path = format!("/v2/crossing/cancelled/blobs/{}", digest(&piece));
    let _ = registry.head(&path).send().expect(404);
}

#[test]
fn an_upload_of_a_dead_process_is_cancelled() {
    let Some(mut registry) = replicas() else {
        return;
    };
    let bytes = blob(41, 1_000_000);
    let location = open(&registry, 0, "crossing/orphan");
    let stream = begin_piece(&registry, 1, &location, (&bytes, 400_000));
    registry.kill_replica(1);
    drop(stream);
    let request = registry.delete(&at(&registry, 2, &location));
    let _ = request.send().expect(204);
    let asked = registry.get(&at(&registry, 0, &location)).send();
    asked.refused(404, "BLOB_UPLOAD_UNKNOWN");
}

#[test]
fn an_image_in_parts_from_everywhere_is_one_image() {
    let Some(registry) = replicas() else { return };
    let image = Image::new(50);
    let parts = image.layers.iter().chain([&image.config]);
    for (number, part) in parts.enumerate() {
        let path = "/v2/crossing/parts/blobs/uploads/";
        let target = with_query(path, &format!("digest={}", digest(part)));
        let request = registry.post(&at(&registry, number % 3, &target));
        let _ = request.body(part).send().expect(201);
        // Whoever is asked knows it at once.
        for replica in 0..3 {
            let path = format!("/v2/crossing/parts/blobs/{}", digest(part));
            let _ = registry
                .head(&at(&registry, replica, &path))
                .send()
                .expect(200);
        }
    }
    for replica in 0..3 {
        let path = format!("/v2/crossing/parts/manifests/tag-{replica}");
        put(&registry, replica, &path, &image.manifest);
    }
    let answer = registry.get("/v2/crossing/parts/tags/list").send();
    assert_eq!(
        answer.expect(200).json()["tags"],
        json!(["tag-0", "tag-1", "tag-2"])
    );
}

fn put(registry: &Registry, replica: usize, path: &str, manifest: &Content) {
    let request = registry.put(&at(registry, replica, path));
    let request = request.header("content-type", &manifest.media_type);
    let _ = request.body(&manifest.bytes).send().expect(201);
}

/// Asks every process for a manifest and gives the statuses and digests.
fn ask(registry: &Registry, path: &str) -> Vec<(u16, String)> {
    let asked = (0..3).flat_map(|replica| {
        ["HEAD", "GET"].map(|method| {
            let request = registry.request(method, &at(registry, replica, path));
            let answer = request.header("accept", media::MANIFEST).send();
            let known = answer.header("docker-content-digest").unwrap_or_default();
            (answer.status, known.to_owned())
        })
    });
    asked.collect()
}

fn numbered(number: u64) -> Content {
    let number = number.to_string();
    Content::manifest(&json!({ "annotations": { "org.example.number": number } }))
}

#[test]
fn a_moved_tag_is_seen_at_once() {
    let Some(registry) = replicas() else { return };
    registry.push_parts("crossing/tags");
    let path = "/v2/crossing/tags/manifests/moving";
    for number in 0..CHANGES {
        let manifest = numbered(number);
        put(&registry, (number % 3) as usize, path, &manifest);
        for seen in ask(&registry, path) {
            assert_eq!(seen, (200, manifest.digest()), "after change {number}");
        }
    }
}

#[test]
fn a_deleted_manifest_is_gone_at_once() {
    let Some(registry) = replicas() else { return };
    registry.push_parts("crossing/deleted");
    let tag = "/v2/crossing/deleted/manifests/tag";
    for number in 0..CHANGES {
        let manifest = numbered(number);
        put(&registry, (number % 3) as usize, tag, &manifest);
        let path = format!("/v2/crossing/deleted/manifests/{}", manifest.digest());
        for (status, _) in ask(&registry, &path).into_iter().chain(ask(&registry, tag)) {
            assert_eq!(status, 200);
        }
        let other = at(&registry, ((number + 1) % 3) as usize, &path);
        let _ = registry.delete(&other).send().expect(202);
        for (status, _) in ask(&registry, &path).into_iter().chain(ask(&registry, tag)) {
            assert_eq!(status, 404, "after change {number}");
        }
        let list = at(
            &registry,
            (number % 3) as usize,
            "/v2/crossing/deleted/tags/list",
        );
        let tags = registry.get(&list).send().expect(200).json();
        assert_eq!(tags["tags"], json!([]), "after change {number}");
    }
}

#[test]
fn a_deleted_tag_is_gone_at_once() {
    let Some(registry) = replicas() else { return };
    registry.push_parts("crossing/untagged");
    let tag = "/v2/crossing/untagged/manifests/tag";
    for number in 0..CHANGES {
        let manifest = numbered(number);
        put(&registry, (number % 3) as usize, tag, &manifest);
        assert_eq!(ask(&registry, tag)[0].0, 200);
        let other = at(&registry, ((number + 1) % 3) as usize, tag);
        let _ = registry.delete(&other).send().expect(202);
        for (status, _) in ask(&registry, tag) {
            assert_eq!(status, 404, "after change {number}");
        }
    }
}

#[test]
fn a_deleted_blob_is_gone_at_once() {
    let Some(registry) = replicas() else { return };
    let bytes = blob(60, 5_000);
    let known = registry.push_blob("crossing/blobs", &bytes);
    let path = format!("/v2/crossing/blobs/blobs/{known}");
    same_everywhere(&registry, "crossing/blobs", &bytes);
    let _ = registry.delete(&at(&registry, 1, &path)).send().expect(202);
    for replica in 0..3 {
        let _ = registry
            .get(&at(&registry, replica, &path))
            .send()
            .expect(404);
    }
}

#[test]
fn a_referrer_is_listed_at_once() {
    let Some(registry) = replicas() else { return };
    registry.push_parts("crossing/referrers");
    let subject = numbered(0);
    put(
        &registry,
        0,
        "/v2/crossing/referrers/manifests/subject",
        &subject,
    );
    let artifact = Content::artifact("application/vnd.example", &subject.descriptor());
    let path = format!("/v2/crossing/referrers/manifests/{}", artifact.digest());
    put(&registry, 1, &path, &artifact);
    let list = format!("/v2/crossing/referrers/referrers/{}", subject.digest());
    for replica in 0..3 {
        let answer = registry
            .get(&at(&registry, replica, &list))
            .send()
            .expect(200);
        assert_eq!(
            answer.json()["manifests"][0]["digest"],
            json!(artifact.digest())
        );
    }
}

#[test]
fn a_blob_is_mounted_from_where_another_process_put_it() {
    let Some(registry) = replicas() else { return };
    let bytes = blob(61, 50_000);
    let location = open(&registry, 0, "crossing/origin");
    let target = with_query(&location, &format!("digest={}", digest(&bytes)));
    let _ = registry
        .put(&at(&registry, 0, &target))
        .body(&bytes)
        .send()
        .expect(201);
    let query = format!("mount={}&from=crossing/origin", digest(&bytes));
    let path = with_query("/v2/crossing/mounted/blobs/uploads/", &query);
    let _ = registry
        .post(&at(&registry, 1, &path))
        .body("")
        .send()
        .expect(201);
    let path = format!("/v2/crossing/origin/blobs/{}", digest(&bytes));
    let _ = registry.delete(&at(&registry, 2, &path)).send().expect(202);
    same_everywhere(&registry, "crossing/mounted", &bytes);
}
