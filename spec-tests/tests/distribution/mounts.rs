//! `POST /v2/<name>/blobs/uploads/?mount=<digest>`: a blob from another repository.

use spec_tests::{Registry, blob, digest, with_query};

use super::uploads::is_pullable;

#[test]
fn a_mounted_blob_is_there() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let bytes = blob(61, 5000);
    let name = registry.push_blob(&from, &bytes);
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
    let answer = registry.post(&path).body("").send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
    is_pullable(&registry, &format!("/v2/{to}/blobs/{name}"), &bytes);
    if let Some(told) = answer.header("docker-content-digest") {
        assert_eq!(told, name);
    }
}

#[test]
fn parameters_may_be_percent_encoded() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let name = registry.push_blob(&from, &blob(62, 500));
    let (name, from) = (name.replace(':', "%3A"), from.replace('/', "%2F"));
    let path = format!("/v2/{to}/blobs/uploads/?from={from}&mount={name}");
    let _ = registry.post(&path).body("").send().expect(201);
}

#[test]
fn a_missing_blob_opens_an_upload() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    registry.push_blob(&from, b"something else");
    let bytes = blob(63, 500);
    let name = digest(&bytes);
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
    let location = registry.post(&path).body("").send().expect(202).location();
    let target = with_query(&location, &format!("digest={name}"));
    let answer = registry.put(&target).body(&bytes).send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn a_missing_repository_opens_an_upload() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let name = digest(b"never pushed");
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
    let answer = registry.post(&path).body("").send().expect(202);
    let _ = registry.delete(&answer.location()).send().expect(204);
}

#[test]
fn without_from_any_repository_will_do() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let bytes = blob(64, 5000);
    let name = registry.push_blob(&from, &bytes);
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}");
    let answer = registry.post(&path).body("").send().expect(201);
    is_pullable(&registry, &answer.location(), &bytes);
}

#[test]
fn without_from_and_blob_an_upload_is_opened() {
    let registry = Registry::start();
    let to = registry.repository();
    let name = digest(b"never pushed anywhere, by any test");
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}");
    let answer = registry.post(&path).body("").send().expect(202);
    let _ = registry.get(&answer.location()).send().expect(204);
    let _ = registry
        .get(&format!("/v2/{to}/blobs/{name}"))
        .send()
        .expect(404);
}

#[test]
fn a_mounted_blob_serves_a_manifest() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let image = registry.push_image(&from, "1", 65);
    for part in image.layers.iter().chain([&image.config]) {
        let path = format!("/v2/{to}/blobs/uploads/?mount={}&from={from}", digest(part));
        let _ = registry.post(&path).body("").send().expect(201);
    }
    registry.push_manifest(&to, "1", &image.manifest);
}

#[test]
fn deleting_in_one_repository_leaves_the_other() {
    let registry = Registry::start();
    let (from, to) = (registry.repository(), registry.repository());
    let bytes = blob(66, 5000);
    let name = registry.push_blob(&from, &bytes);
    let path = format!("/v2/{to}/blobs/uploads/?mount={name}&from={from}");
    let _ = registry.post(&path).body("").send().expect(201);
    let (here, there) = (
        format!("/v2/{from}/blobs/{name}"),
        format!("/v2/{to}/blobs/{name}"),
    );
    let _ = registry.delete(&here).send().expect(202);
    let _ = registry.get(&here).send().expect(404);
    is_pullable(&registry, &there, &bytes);
    let _ = registry.delete(&there).send().expect(202);
    let _ = registry.get(&there).send().expect(404);
}
