//! `/v2/_catalog`: which repositories there are. No part of the specification any more,
//! but mirrors and search live on it.

use serde_json::json;
use spec_tests::{Content, Registry};

use super::walk::{next, pages, strings};

/// Starts a registry with repositories below one name of their own.
fn filled() -> (Registry, Vec<String>) {
    let registry = Registry::start();
    let base = registry.repository();
    let mut names = Vec::new();
    for tail in ["/b", "/a", "/a/nested", "-sibling", "/c0"] {
        let repository = format!("{base}{tail}");
        registry.push_parts(&repository);
        registry.push_manifest(&repository, "latest", &Content::manifest(&json!({})));
        names.push(repository);
    }
    names.sort();
    (registry, names)
}

/// Keeps the repositories that a test made.
fn ours(listed: Vec<String>, names: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = listed
        .into_iter()
        .filter(|name| names.contains(name))
        .collect();
    kept.sort();
    kept
}

#[test]
fn every_repository_is_listed() {
    let (registry, names) = filled();
    let answers = pages(&registry, "/v2/_catalog");
    let listed = answers
        .iter()
        .flat_map(|answer| strings(answer, "repositories"));
    assert_eq!(ours(listed.collect(), &names), names);
    let kind = answers[0].header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{kind}");
}

#[test]
fn pages_cover_everything_once() {
    let (registry, names) = filled();
    let answers = pages(&registry, "/v2/_catalog?n=2");
    let listed: Vec<String> = answers
        .iter()
        .flat_map(|answer| strings(answer, "repositories"))
        .collect();
    assert_eq!(ours(listed.clone(), &names), names);
    let mut once = listed.clone();
    once.sort();
    once.dedup();
    assert_eq!(
        once.len(),
        listed.len(),
        "a repository is listed twice: {listed:?}"
    );
    for answer in &answers {
        assert!(strings(answer, "repositories").len() <= 2);
    }
}

#[test]
fn n_gives_a_page_and_a_link() {
    let (registry, _) = filled();
    let answer = registry.get("/v2/_catalog?n=2").send().expect(200);
    assert_eq!(strings(&answer, "repositories").len(), 2);
    assert!(next(&answer).is_some(), "{}", answer.summary());
}

#[test]
fn last_gives_what_comes_after() {
    let (registry, _) = filled();
    let answer = registry.get("/v2/_catalog?n=3").send().expect(200);
    let first = strings(&answer, "repositories");
    let last = first[0].replace('/', "%2F");
    let answer = registry
        .get(&format!("/v2/_catalog?n=2&last={last}"))
        .send()
        .expect(200);
    assert_eq!(strings(&answer, "repositories"), first[1..]);
}

#[test]
fn n_of_zero_gives_none() {
    let (registry, _) = filled();
    let answer = registry.get("/v2/_catalog?n=0").send().expect(200);
    assert!(strings(&answer, "repositories").is_empty());
    assert_eq!(answer.header("link"), None);
}

#[test]
fn a_registry_without_repositories_has_an_empty_list() {
    let Some(registry) = Registry::builder().start() else {
        return;
    };
    let answer = registry.get("/v2/_catalog").send().expect(200);
    assert_eq!(answer.json(), json!({ "repositories": [] }));
}
