//! Tags and repositories, page by page.

use client::ErrorKind;
use oci::{RepositoryName, Tag};

use crate::fake::{Fake, Reply, client, options};

fn page(list: &str, link: &str) -> Reply {
    let reply = Reply::new(200).body(format!(r#"{{"name":"a/b","tags":{list}}}"#));
    if link.is_empty() {
        return reply;
    }
    reply.with("link", format!("<{link}>; rel=\"next\""))
}

fn texts(tags: &[Tag]) -> Vec<&str> {
    tags.iter().map(Tag::as_str).collect()
}

#[tokio::test]
async fn pages_follow_each_other() {
    let fake = Fake::start(|seen| match seen.parameter("last").as_str() {
        "" => page(r#"["1","2"]"#, "/v2/a/b/tags/list?last=2&n=1000"),
        "2" => page("null", "?last=3"),
        _ => page(r#"["3"]"#, ""),
    })
    .await;
    let mut pages = fake.repository().tags().await.unwrap();
    assert_eq!(texts(&pages.next().await.unwrap().unwrap()), ["1", "2"]);
    assert_eq!(texts(&pages.next().await.unwrap().unwrap()), [""; 0]);
    assert_eq!(texts(&pages.next().await.unwrap().unwrap()), ["3"]);
    assert!(pages.next().await.unwrap().is_none());
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(fake.seen()[0].parameter("n"), "1000");

    let all = fake.repository().tags().await.unwrap().collect(3).await;
    assert_eq!(texts(&all.unwrap()), ["1", "2", "3"]);
    let all = fake.repository().tags().await.unwrap().collect(2).await;
    assert_eq!(all.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn names_that_are_none_are_left_out() {
    let fake = Fake::start(|_| page(r#"["ok","","not ok","-x"]"#, "")).await;
    let all = fake.repository().tags().await.unwrap().collect(10).await;
    assert_eq!(texts(&all.unwrap()), ["ok"]);
}

#[tokio::test]
async fn links_in_a_circle_and_elsewhere() {
    for link in ["?n=1000", "http://evil.invalid/v2/a/b/tags/list"] {
        let fake = Fake::start(move |_| page(r#"["1"]"#, link)).await;
        let all = fake.repository().tags().await.unwrap().collect(10).await;
        assert_eq!(all.unwrap_err().kind(), ErrorKind::Protocol, "{link}");
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn answers_that_are_no_lists() {
    for (reply, kind) in [
        (
            Reply::error(404, "NAME_UNKNOWN", "no such repository"),
            ErrorKind::NotFound,
        ),
        (Reply::new(200).body("<html>"), ErrorKind::Protocol),
        (Reply::new(200).body(r#"{"tags":{}}"#), ErrorKind::Protocol),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let all = fake.repository().tags().await.unwrap().collect(10).await;
        assert_eq!(all.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn repositories_are_listed() {
    let fake = Fake::start(|seen| {
        if !seen.is("GET", "/v2/_catalog") {
            return Reply::new(404);
        }
        match seen.parameter("last").as_str() {
            "" => Reply::new(200)
                .body(r#"{"repositories":["a","b/c"]}"#)
                .with("link", "</v2/_catalog?last=b%2Fc>; rel=\"next\""),
            _ => Reply::new(200).body(r#"{"repositories":["d","NOT"]}"#),
        }
    })
    .await;
    let registry = client(options()).registry(&fake.host);
    let all = registry
        .repositories()
        .await
        .unwrap()
        .collect(10)
        .await
        .unwrap();
    let all: Vec<_> = all.iter().map(RepositoryName::as_str).collect();
    assert_eq!(all, ["a", "b/c", "d"]);
}
