//! `/v2/<name>/tags/list`: order, `n`, `last` and `Link`.

use serde_json::json;
use spec_tests::{Content, Registry, blob};

use super::walk::{next, pages, strings};

/// Tags whose order tells a byte order from an order of words.
const TAGS: &[&str] = &[
    "v1.10", "B", "a", "_x", "0", "v1.2", "A", "b", "latest", "v1", "Z-9",
];

/// Starts a registry with a repository that has [`TAGS`], and gives them in the order in
/// which the registry lists them.
fn tagged() -> (Registry, String, Vec<String>) {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    for tag in TAGS {
        registry.push_manifest(&repository, tag, &manifest);
    }
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list"))
        .send()
        .expect(200);
    let tags = strings(&answer, "tags");
    (registry, repository, tags)
}

#[test]
fn every_tag_is_listed_in_order() {
    let (_registry, _, tags) = tagged();
    let mut bytes: Vec<&str> = TAGS.to_vec();
    bytes.sort_unstable();
    let mut words = bytes.clone();
    words.sort_by_key(|tag| tag.to_lowercase());
    // The specification allows both orders; which one it is must not change.
    assert!(tags == bytes || tags == words, "{tags:?}");
}

#[test]
fn the_body_names_the_repository() {
    let (registry, repository, _) = tagged();
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list"))
        .send()
        .expect(200);
    assert_eq!(answer.json()["name"], json!(repository));
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/json"), "{kind}");
}

#[test]
fn n_gives_the_first_ones() {
    let (registry, repository, tags) = tagged();
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list?n=4"))
        .send()
        .expect(200);
    let got = strings(&answer, "tags");
    assert_eq!(got, tags[..4]);
}

#[test]
fn link_leads_on_and_ends() {
    let (registry, repository, tags) = tagged();
    for n in [1, 2, 3, 4, 10] {
        let answers = pages(&registry, &format!("/v2/{repository}/tags/list?n={n}"));
        let got: Vec<String> = answers
            .iter()
            .flat_map(|answer| strings(answer, "tags"))
            .collect();
        assert_eq!(got, tags, "n={n}");
        assert!(answers.len() >= tags.len().div_ceil(n), "n={n}");
        assert!(next(answers.last().expect("a page")).is_none());
    }
}

#[test]
fn there_is_no_link_when_there_is_no_more() {
    let (registry, repository, tags) = tagged();
    let path = format!("/v2/{repository}/tags/list?n={}", tags.len());
    let answer = registry.get(&path).send().expect(200);
    assert_eq!(strings(&answer, "tags"), tags);
    assert!(next(&answer).is_none(), "{}", answer.summary());
}

#[test]
fn a_large_n_gives_all() {
    let (registry, repository, tags) = tagged();
    let answers = pages(&registry, &format!("/v2/{repository}/tags/list?n=1000"));
    let got: Vec<String> = answers
        .iter()
        .flat_map(|answer| strings(answer, "tags"))
        .collect();
    assert_eq!(got, tags);
}

#[test]
fn n_of_zero_gives_none_and_no_link() {
    let (registry, repository, _) = tagged();
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list?n=0"))
        .send()
        .expect(200);
    assert!(strings(&answer, "tags").is_empty());
    assert_eq!(answer.header("link"), None);
}

#[test]
fn last_gives_what_comes_after() {
    let (registry, repository, tags) = tagged();
    for (index, tag) in tags.iter().enumerate() {
        let path = format!("/v2/{repository}/tags/list?last={tag}");
        let answer = registry.get(&path).send().expect(200);
        assert_eq!(strings(&answer, "tags"), tags[index + 1..], "last={tag}");
    }
}

#[test]
fn last_need_not_exist() {
    let (registry, repository, tags) = tagged();
    let path = format!("/v2/{repository}/tags/list?last=v1.1");
    let answer = registry.get(&path).send().expect(200);
    assert_eq!(strings(&answer, "tags"), ["v1.10", "v1.2"], "{tags:?}");
}

#[test]
fn n_and_last_together() {
    let (registry, repository, tags) = tagged();
    let path = format!("/v2/{repository}/tags/list?n=3&last={}", tags[1]);
    let answer = registry.get(&path).send().expect(200);
    assert_eq!(strings(&answer, "tags"), tags[2..5]);
}

#[test]
fn last_at_the_end_gives_none() {
    let (registry, repository, tags) = tagged();
    let path = format!(
        "/v2/{repository}/tags/list?n=3&last={}",
        tags[tags.len() - 1]
    );
    let answer = registry.get(&path).send().expect(200);
    assert!(strings(&answer, "tags").is_empty());
    assert!(next(&answer).is_none());
}

#[test]
fn a_repository_without_tags_has_an_empty_list() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_parts(&repository);
    let manifest = Content::manifest(&json!({}));
    registry.push_manifest(&repository, &manifest.digest(), &manifest);
    let answer = registry
        .get(&format!("/v2/{repository}/tags/list"))
        .send()
        .expect(200);
    assert!(strings(&answer, "tags").is_empty());
}

#[test]
fn an_unknown_repository_is_404() {
    let registry = Registry::start();
    let repository = registry.repository();
    let answer = registry.get(&format!("/v2/{repository}/tags/list")).send();
    answer.refused(404, "NAME_UNKNOWN");
}

#[test]
fn tags_of_a_nested_repository_are_its_own() {
    let registry = Registry::start();
    let outer = registry.repository();
    let inner = format!("{outer}/inner");
    for (repository, tag) in [(&outer, "outer"), (&inner, "inner")] {
        registry.push_parts(repository);
        registry.push_manifest(repository, tag, &Content::manifest(&json!({})));
    }
    let answer = registry
        .get(&format!("/v2/{outer}/tags/list"))
        .send()
        .expect(200);
    assert_eq!(strings(&answer, "tags"), ["outer"]);
}

#[test]
fn many_tags_come_page_by_page() {
    let registry = Registry::start();
    let repository = registry.repository();
    registry.push_blob(&repository, b"{}");
    registry.push_blob(&repository, &blob(1, 64));
    let manifest = Content::manifest(&json!({}));
    let mut expected = Vec::new();
    for number in 0..130 {
        let tag = format!("t{number:04}");
        registry.push_manifest(&repository, &tag, &manifest);
        expected.push(tag);
    }
    let answers = pages(&registry, &format!("/v2/{repository}/tags/list?n=50"));
    let lengths: Vec<usize> = answers
        .iter()
        .map(|answer| strings(answer, "tags").len())
        .collect();
    assert_eq!(lengths, [50, 50, 30]);
    let got: Vec<String> = answers
        .iter()
        .flat_map(|answer| strings(answer, "tags"))
        .collect();
    assert_eq!(got, expected);
}
