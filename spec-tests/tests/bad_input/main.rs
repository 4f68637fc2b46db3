//! Malformed requests: each is refused with its status and its error code, none brings
//! the server down, and nothing is written outside its directory.
//!
//! Every test prints its table, so that it can be quoted:
//! `cargo nextest run -p spec-tests --test bad_input --no-capture`.

mod digests;
mod headers;
mod http;
mod manifests;
mod names;
mod queries;
mod ranges;
mod scene;
mod uploads;

use scene::{Case, Scene};

/// The tables, by what is malformed in them.
const TABLES: &[fn(&Scene) -> Vec<Case>] = &[
    names::cases,
    digests::cases,
    ranges::cases,
    headers::cases,
    manifests::cases,
    uploads::cases,
    queries::cases,
    http::cases,
];

/// How many cases there must be at least.
const LEAST: usize = 60;

#[test]
fn there_are_enough_and_each_has_its_own_name() {
    let scene = Scene::new();
    let mut names: Vec<String> = Vec::new();
    for cases in TABLES {
        names.extend(cases(&scene).into_iter().map(|case| case.name));
    }
    let count = names.len();
    assert!(count >= LEAST, "{count} cases");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two cases share a name");
}

#[test]
fn names_and_tags() {
    Scene::new().run(names::cases);
}

#[test]
fn digests_of_every_wrong_kind() {
    Scene::new().run(digests::cases);
}

#[test]
fn ranges_of_blobs_and_uploads() {
    Scene::new().run(ranges::cases);
}

#[test]
fn headers_and_lengths() {
    Scene::new().run(headers::cases);
}

#[test]
fn documents_that_are_no_manifests() {
    Scene::new().run(manifests::cases);
}

#[test]
fn uploads_that_cannot_be() {
    Scene::new().run(uploads::cases);
}

#[test]
fn query_strings() {
    Scene::new().run(queries::cases);
}

#[test]
fn paths_methods_and_shapes_of_requests() {
    Scene::new().run(http::cases);
}
