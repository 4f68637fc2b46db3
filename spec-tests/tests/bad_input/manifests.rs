//! Documents that are no manifests.

use serde_json::{Value, json};
use spec_tests::{Content, blob, descriptor, digest, media};

use crate::scene::{Case, ESCAPE, Scene};

/// Nesting that a reader which calls itself would die of.
const DEEP: usize = 100_000;

/// The largest manifest that is taken, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// What every one of them is answered with, unless its table says otherwise.
const INVALID: &str = "400 MANIFEST_INVALID";

pub(crate) fn cases(scene: &Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for (wrong, text) in texts() {
        let request = scene.push(text);
        cases.push(Case::raw(&format!("manifest, {wrong}"), request, INVALID));
    }
    for (wrong, fields, expected) in fields() {
        let request = scene.push(Content::manifest(&fields).bytes);
        cases.push(Case::raw(&format!("manifest, {wrong}"), request, expected));
    }
    for (wrong, fields) in indexes() {
        let document = Content::index(&[], &fields);
        let headers = format!("Content-Type: {}\r\n", media::INDEX);
        let request = scene.with("PUT", "/v2/{r}/manifests/bad", &headers, &document.bytes);
        cases.push(Case::raw(&format!("index, {wrong}"), request, INVALID));
    }
    let image = Content::manifest(&json!({}));
    let headers = format!("Content-Type: {}\r\n", media::INDEX);
    cases.push(Case::raw(
        "manifest, pushed as an index",
        scene.with("PUT", "/v2/{r}/manifests/bad", &headers, &image.bytes),
        INVALID,
    ));
    let mut large = image.bytes.clone();
    large.resize(LARGEST + 1, b' ');
    cases.push(Case::raw(
        "manifest, one byte too long",
        scene.push(&large),
        "413 SIZE_INVALID|413 MANIFEST_INVALID",
    ));
    let mut other = scene.push(&image.bytes);
    other.truncate(other.len() - 100);
    cases.push(Case::cut("manifest, half of its body", other, "400|closed"));
    // It is JSON, so it may be stored; what matters is that nobody dies of reading it.
    let nested = format!("\"deep\": {}1{}, ", "[".repeat(DEEP), "]".repeat(DEEP));
    let mut deep = String::from_utf8(image.bytes.clone()).expect("JSON is text");
    deep.insert_str(deep.find('{').expect("an object") + 1, &nested);
    let headers = format!("Content-Type: {}\r\n", media::MANIFEST);
    let path = format!("/v2/{{r}}/manifests/{}", digest(deep.as_bytes()));
    cases.push(Case::raw(
        "manifest, 100,000 lists in an unknown field",
        scene.with("PUT", &path, &headers, deep.as_bytes()),
        "400 MANIFEST_INVALID|201",
    ));
    let path = format!("/v2/{{r}}/manifests/{}", digest(b"other bytes"));
    cases.push(Case::raw(
        "manifest, under another digest",
        scene.with("PUT", &path, &headers, &image.bytes),
        "400 DIGEST_INVALID",
    ));
    cases
}

/// Texts that are no documents.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let good = String::from_utf8(Content::manifest(&json!({})).bytes).expect("JSON is text");
    let opening = good.find('{').expect("an object") + 1;
    let again = format!("\"config\": {}, ", descriptor(media::CONFIG, b"other"));
    let twice = format!("{}{again}{}", &good[..opening], &good[opening..]);
    let mut bytes = good.clone().into_bytes();
    bytes.splice(opening..opening, *b"\"a\": \"\xff\xfe\", ");
    vec![
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("a number", b"12".to_vec()),
        ("a string", b"\"manifest\"".to_vec()),
        ("a list", b"[]".to_vec()),
        ("an empty object", b"{}".to_vec()),
        ("no JSON", b"<manifest/>".to_vec()),
        ("half of it", good.as_bytes()[..good.len() / 2].to_vec()),
        ("more behind it", format!("{good}{{}}").into_bytes()),
        ("a byte order mark", format!("\u{feff}{good}").into_bytes()),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("bytes outside UTF-8", bytes),
        (
            "a null byte",
            good.replace("schemaVersion", "schema\0Version")
                .into_bytes(),
        ),
        (
            "half a surrogate",
            good.replace("schemaVersion", "\\ud800").into_bytes(),
        ),
        ("a comment", good.replace('{', "{ /* x */").into_bytes()),
        ("a comma too many", good.replace('}', ",}").into_bytes()),
        ("a key twice", twice.into_bytes()),
        ("100,000 lists in lists", "[".repeat(DEEP).into_bytes()),
        (
            "100,000 objects in objects",
            "{\"a\":".repeat(DEEP).into_bytes(),
        ),
    ]
}

/// Documents with one wrong field, and what they are answered with.
fn fields() -> Vec<(&'static str, Value, &'static str)> {
    let mut fields: Vec<(&'static str, Value, &'static str)> = vec![
        ("schema version 1", json!({ "schemaVersion": 1 }), INVALID),
        ("schema version 3", json!({ "schemaVersion": 3 }), INVALID),
        (
            "schema version a string",
            json!({ "schemaVersion": "2" }),
            INVALID,
        ),
        (
            "another media type than its header",
            json!({ "mediaType": media::INDEX }),
            INVALID,
        ),
        ("media type a number", json!({ "mediaType": 5 }), INVALID),
        ("no config", json!({ "config": null }), INVALID),
        (
            "config a string",
            json!({ "config": "sha256:abc" }),
            INVALID,
        ),
        ("config a list", json!({ "config": [] }), INVALID),
        ("config empty", json!({ "config": {} }), INVALID),
        ("layers an object", json!({ "layers": {} }), INVALID),
        (
            "layers of strings",
            json!({ "layers": ["sha256:abc"] }),
            INVALID,
        ),
        (
            "layers and children at once",
            json!({ "manifests": [] }),
            INVALID,
        ),
        (
            "subject a string",
            json!({ "subject": digest(b"x") }),
            INVALID,
        ),
        (
            "subject without a digest",
            json!({ "subject": { "size": 1 } }),
            INVALID,
        ),
        (
            "artifact type a number",
            json!({ "artifactType": 5 }),
            INVALID,
        ),
        (
            "annotations a list",
            json!({ "annotations": ["a"] }),
            INVALID,
        ),
        (
            "annotations of numbers",
            json!({ "annotations": { "a": 1 } }),
            INVALID,
        ),
        (
            "a layer that is not there",
            json!({ "layers": [descriptor(media::LAYER, b"not there")] }),
            "404 MANIFEST_BLOB_UNKNOWN",
        ),
    ];
    fields.extend(descriptors().into_iter().map(|(wrong, name, value)| {
        let mut entry = descriptor(media::LAYER, &blob(1, 64));
        entry[name] = value;
        (wrong, json!({ "layers": [entry] }), INVALID)
    }));
    fields
}

/// Descriptors of a layer with one wrong field.
fn descriptors() -> Vec<(&'static str, &'static str, Value)> {
    let unknown = json!(format!("md5:{}", "0".repeat(32)));
    let escape = json!(format!("sha256:../../{ESCAPE}"));
    vec![
        ("digest short", "digest", json!("sha256:abc")),
        (
            "digest upper case",
            "digest",
            json!(digest(b"x").to_uppercase()),
        ),
        ("digest a number", "digest", json!(7)),
        ("digest an escape", "digest", escape),
        ("digest of an unknown algorithm", "digest", unknown),
        ("digest missing", "digest", Value::Null),
        ("size negative", "size", json!(-1)),
        ("size a fraction", "size", json!(64.5)),
        ("size a string", "size", json!("64")),
        ("size beyond 64 bits", "size", json!(1e30)),
        ("size missing", "size", Value::Null),
        ("media type of a layer missing", "mediaType", Value::Null),
    ]
}

/// Indexes with one wrong field.
fn indexes() -> Vec<(&'static str, Value)> {
    vec![
        ("no children", json!({ "manifests": null })),
        ("children an object", json!({ "manifests": {} })),
        ("a child a string", json!({ "manifests": ["sha256:abc"] })),
        (
            "a child without a digest",
            json!({ "manifests": [{ "size": 1, "mediaType": media::MANIFEST }] }),
        ),
        ("layers and children at once", json!({ "layers": [] })),
        ("schema version missing", json!({ "schemaVersion": null })),
    ]
}
