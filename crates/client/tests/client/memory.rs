//! A registry in memory that keeps to the specification, for tests that break
//! one thing of it at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use oci::Digest;

use crate::fake::{Reply, Seen};

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    blobs: HashMap<Digest, Bytes>,
    uploads: HashMap<String, Vec<u8>>,
    manifests: HashMap<String, (String, Bytes)>,
}

impl Memory {
    pub(crate) fn blob(&self, digest: &Digest) -> Option<Bytes> {
        self.0.lock().expect("no panic").blobs.get(digest).cloned()
    }

    pub(crate) fn manifest(&self, reference: &str) -> Option<Bytes> {
        let state = self.0.lock().expect("no panic");
        state
            .manifests
            .get(reference)
            .map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn open_uploads(&self) -> usize {
        self.0.lock().expect("no panic").uploads.len()
    }

    pub(crate) fn answer(&self, seen: &Seen) -> Reply {
        let mut state = self.0.lock().expect("no panic");
        let Some(path) = seen.path.strip_prefix("/v2/a/b/") else {
            return Reply::new(if seen.path == "/v2/" { 200 } else { 404 });
        };
        if let Some(id) = path.strip_prefix("blobs/uploads/") {
            return state.upload(seen, id);
        }
        if let Some(digest) = path.strip_prefix("blobs/") {
            let digest: Digest = digest.parse().expect("a digest");
            return match state.blobs.get(&digest) {
                Some(content) => ranged(seen, content),
                None => Reply::error(404, "BLOB_UNKNOWN", "no such blob"),
            };
        }
        if let Some(reference) = path.strip_prefix("manifests/") {
            return state.at_manifest(seen, reference);
        }
        Reply::new(404)
    }
}

impl State {
    fn upload(&mut self, seen: &Seen, id: &str) -> Reply {
        if seen.method == "POST" {
            let id = format!("u{}", self.uploads.len());
            self.uploads.insert(id.clone(), Vec::new());
            return Reply::new(202).with("location", location(&id));
        }
        let Some(held) = self.uploads.get_mut(id) else {
            return Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "no such upload");
        };
        assert_eq!(seen.parameter("_state"), "s=1", "the query is kept");
        match seen.method.as_str() {
            "GET" => Reply::new(204),
            "DELETE" => {
                self.uploads.remove(id);
                return Reply::new(204);
            }
            "PATCH" => {
                let start = format!("{}-", held.len());
                if !seen.header("content-range").starts_with(&start) {
                    return Reply::new(416).with("range", range(held));
                }
                held.extend_from_slice(&seen.body);
                Reply::new(202)
            }
            "PUT" => {
                held.extend_from_slice(&seen.body);
                let complete = seen.header("content-length") == seen.body.len().to_string();
                if !complete {
                    return Reply::new(500);
                }
                let digest: Digest = seen.parameter("digest").parse().expect("a digest");
                if Digest::of(digest.algorithm(), held) != digest {
                    self.uploads.remove(id);
                    return Reply::error(400, "DIGEST_INVALID", "other content");
                }
                let content = self.uploads.remove(id).expect("it is there");
                self.blobs.insert(digest, content.into());
                return Reply::new(201).with("docker-content-digest", digest);
            }
            _ => return Reply::new(405),
        }
        .with("location", location(id))
        .with("range", range(held))
    }

    fn at_manifest(&mut self, seen: &Seen, reference: &str) -> Reply {
        if seen.method == "PUT" {
            let held = (seen.header("content-type").to_owned(), seen.body.clone());
            self.manifests.insert(reference.to_owned(), held);
            return Reply::new(201).with("docker-content-digest", Digest::sha256(&seen.body));
        }
        match self.manifests.get(reference) {
            Some((media_type, bytes)) => Reply::new(200)
                .with("content-type", media_type)
                .with("docker-content-digest", Digest::sha256(bytes))
                .content(bytes.clone()),
            None => Reply::error(404, "MANIFEST_UNKNOWN", "no such manifest"),
        }
    }
}

fn location(id: &str) -> String {
    format!("/v2/a/b/blobs/uploads/{id}?_state=s%3D1")
}

fn range(held: &[u8]) -> String {
    format!("0-{}", held.len().saturating_sub(1))
}

/// Serves a part where one is asked for.
pub(crate) fn ranged(seen: &Seen, content: &Bytes) -> Reply {
    let total = content.len();
    let Some(range) = seen.header("range").strip_prefix("bytes=") else {
        return Reply::new(200).content(content.clone());
    };
    let (start, end) = range.split_once('-').expect("a range");
    let start: usize = start.parse().expect("a number");
    let end = end.parse().map_or(total, |end: usize| end + 1);
    Reply::new(206)
        .with(
            "content-range",
            format!("bytes {start}-{}/{total}", end - 1),
        )
        .content(content.slice(start..end))
}
