//! Proving who asks: Basic, tokens, and what is never sent to whom.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Access, Credential, ErrorKind, Mounted, Secret};
use futures_util::future::join_all;
use oci::Digest;

use crate::fake::{EVE, Fake, Known, Reply, Seen, client, eve, name, options};

fn digest() -> Digest {
    Digest::sha256(b"x")
}

/// A registry that lets in whoever shows one of these headers.
fn guarded(challenge: &'static str, accepted: &'static [&'static str]) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        if accepted.contains(&seen.header("authorization")) {
            Reply::new(200).content("x")
        } else {
            Reply::error(401, "UNAUTHORIZED", "who are you").with("www-authenticate", challenge)
        }
    }
}

#[tokio::test]
async fn basic_is_sent_after_it_was_asked_for() {
    let fake = Fake::start(guarded("Basic realm=\"x\"", &[EVE])).await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    for _ in 0..2 {
        assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
    }
    let sent: Vec<_> = fake
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").to_owned())
        .collect();
    assert_eq!(sent, ["", EVE, EVE]);
    assert_eq!(fake.seen()[0].header("user-agent"), "test/1");
    assert_eq!(fake.seen()[0].header("accept-encoding"), "");
}

#[tokio::test]
async fn without_credentials_it_is_denied_at_once() {
    let fake = Fake::start(guarded("Basic realm=\"x\"", &[EVE])).await;
    let error = fake
        .repository()
        .manifest(&"latest".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(
        error.to_string(),
        format!(
            "`GET {}` answered 401 Unauthorized: UNAUTHORIZED: who are you",
            fake.url("/v2/a/b/manifests/latest")
        )
    );
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_is_shown_once() {
    let fake = Fake::start(guarded("Basic realm=\"x\"", &["Basic other"])).await;
    let registry = client(Known::options(&fake.host, eve())).registry(&fake.host);
    let error = registry.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(fake.seen().len(), 2);
    assert!(!format!("{error:?}").contains("pass:word"));
}

#[tokio::test]
async fn ping_tells_whether_credentials_were_looked_at() {
    let open = Fake::start(|_| Reply::new(200)).await;
    let registry = client(Known::options(&open.host, eve())).registry(&open.host);
    assert_eq!(registry.ping().await.unwrap(), Access::Open);

    let closed = Fake::start(guarded("Basic realm=\"x\"", &[EVE])).await;
    let registry = client(Known::options(&closed.host, eve())).registry(&closed.host);
    assert_eq!(registry.ping().await.unwrap(), Access::Granted);

    let other = Fake::start(|_| Reply::new(404)).await;
    let registry = client(options()).registry(&other.host);
    let error = registry.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// A registry with its token endpoint, at `/token`. A token is the scopes that
/// it was asked for, and lets in whom `enough` says.
async fn with_tokens(
    tokens: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    enough: impl Fn(&Seen, &str) -> Result<(), String> + Send + Sync + 'static,
) -> Fake {
    Fake::start(move |seen| {
        if seen.path == "/token" {
            return tokens(seen);
        }
        match enough(seen, seen.header("authorization")) {
            Ok(()) => Reply::new(202)
                .with("location", "/v2/a/b/blobs/uploads/1")
                .content("x"),
            Err(scope) => {
                let realm = format!("http://{}/token", seen.header("host"));
                Reply::error(401, "UNAUTHORIZED", "token please").with(
                    "www-authenticate",
                    format!(r#"Bearer realm="{realm}",service="reg",scope="{scope}""#),
                )
            }
        }
    })
    .await
}

fn token_of_scopes(seen: &Seen) -> Reply {
    let scopes = seen.parameters("scope").join(" ").replace(' ', "|");
    Reply::new(200).body(format!(r#"{{"token":"{scopes}","expires_in":300}}"#))
}

const PULL: &str = "repository:a/b:pull";

#[tokio::test]
async fn one_token_serves_many_requests_at_once() {
    let fake = with_tokens(token_of_scopes, |_, shown| {
        (shown == format!("Bearer {PULL}"))
            .then_some(())
            .ok_or_else(|| PULL.to_owned())
    })
    .await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    let digest = digest();
    let sizes = join_all((0..8).map(|_| repository.blob_size(&digest))).await;
    assert!(sizes.iter().all(|size| matches!(size, Ok(Some(1)))));
    repository.blob_size(&digest).await.unwrap();
    let asked: Vec<_> = fake
        .seen()
        .into_iter()
        .filter(|s| s.path == "/token")
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].header("authorization"), EVE);
    assert_eq!(asked[0].parameter("service"), "reg");
    assert_eq!(asked[0].parameters("scope"), [PULL]);
}

#[tokio::test]
async fn nobody_gets_a_token_too() {
    let fake = with_tokens(token_of_scopes, |_, shown| {
        (!shown.is_empty())
            .then_some(())
            .ok_or_else(|| PULL.to_owned())
    })
    .await;
    assert_eq!(
        fake.repository().blob_size(&digest()).await.unwrap(),
        Some(1)
    );
    let asked = fake.seen();
    let token = asked.iter().find(|seen| seen.path == "/token").unwrap();
    assert_eq!(token.header("authorization"), "");
}

#[tokio::test]
async fn a_token_that_is_too_narrow_is_widened_once() {
    let wide = "repository:a/b:pull|repository:base:pull";
    let fake = with_tokens(token_of_scopes, move |_, shown| {
        (shown == format!("Bearer {wide}"))
            .then_some(())
            .ok_or_else(|| match shown {
                "" => PULL.to_owned(),
                _ => "repository:base:pull".to_owned(),
            })
    })
    .await;
    let repository = fake.repository();
    assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
    assert_eq!(fake.count("GET", "/token"), 2);
    // The wider token is remembered for the same wish.
    assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
    assert_eq!(fake.count("GET", "/token"), 2);
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced() {
    let issued = Arc::new(AtomicUsize::new(0));
    let valid = Arc::new(AtomicUsize::new(1));
    let (issue, check) = (Arc::clone(&issued), Arc::clone(&valid));
    let fake = with_tokens(
        move |_| {
            let number = issue.fetch_add(1, Ordering::SeqCst) + 1;
            Reply::new(200).body(format!(
                r#"{{"access_token":"t{number}","expires_in":300}}"#
            ))
        },
        move |_, shown| {
            (shown == format!("Bearer t{}", check.load(Ordering::SeqCst)))
                .then_some(())
                .ok_or_else(|| PULL.to_owned())
        },
    )
    .await;
    let repository = fake.repository();
    repository.blob_size(&digest()).await.unwrap();
    valid.store(2, Ordering::SeqCst);
    repository.blob_size(&digest()).await.unwrap();
    assert_eq!(issued.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_fresh_token_that_is_refused_is_the_end() {
    let fake = with_tokens(token_of_scopes, |_, _| Err(PULL.to_owned())).await;
    let error = fake.repository().blob_size(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(fake.count("GET", "/token"), 1);
    assert_eq!(fake.seen().len(), 3);
}

#[tokio::test]
async fn an_identity_token_is_exchanged() {
    let fake = with_tokens(
        |seen| {
            assert_eq!(seen.method, "POST");
            let body = String::from_utf8(seen.body.to_vec()).unwrap();
            assert!(body.contains("grant_type=refresh_token"), "{body}");
            assert!(body.contains("refresh_token=id-token"), "{body}");
            Reply::new(200).body(r#"{"access_token":"good"}"#)
        },
        |_, shown| {
            (shown == "Bearer good")
                .then_some(())
                .ok_or_else(|| PULL.to_owned())
        },
    )
    .await;
    let identity = Credential::IdentityToken(Secret::new("id-token"));
    let repository = fake.repository_with(Known::options(&fake.host, identity));
    assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
}

#[tokio::test]
async fn an_endpoint_without_post_is_asked_by_get() {
    for refusal in [404, 405] {
        let fake = with_tokens(
            move |seen| match seen.method.as_str() {
                "POST" => Reply::new(refusal),
                _ => Reply::new(200).body(r#"{"token":"good"}"#),
            },
            |_, shown| {
                (shown == "Bearer good")
                    .then_some(())
                    .ok_or_else(|| PULL.to_owned())
            },
        )
        .await;
        let identity = Credential::IdentityToken(Secret::new("id-token"));
        let repository = fake.repository_with(Known::options(&fake.host, identity));
        assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
        assert_eq!(
            (fake.count("POST", "/token"), fake.count("GET", "/token")),
            (1, 1)
        );
    }
}

#[tokio::test]
async fn a_token_that_was_handed_in_is_shown_as_it_is() {
    let fake = with_tokens(token_of_scopes, |_, shown| {
        (shown == "Bearer raw")
            .then_some(())
            .ok_or_else(|| PULL.to_owned())
    })
    .await;
    let raw = Credential::Bearer(Secret::new("raw"));
    let repository = fake.repository_with(Known::options(&fake.host, raw));
    assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
    assert_eq!(fake.count("GET", "/token"), 0);
}

#[tokio::test]
async fn what_a_token_endpoint_says_is_passed_on() {
    let fake = with_tokens(
        |_| Reply::new(401).body(r#"{"details":"incorrect username or password"}"#),
        |_, _| Err(PULL.to_owned()),
    )
    .await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    let error = repository.blob_size(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(
        error.to_string(),
        format!(
            "`GET {}` answered 401 Unauthorized: incorrect username or password",
            fake.url("/token")
        )
    );
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_for_a_moment_is_waited_for() {
    let tries = AtomicUsize::new(0);
    let fake = with_tokens(
        move |seen| match tries.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::new(503),
            _ => token_of_scopes(seen),
        },
        |_, shown| {
            (!shown.is_empty())
                .then_some(())
                .ok_or_else(|| PULL.to_owned())
        },
    )
    .await;
    assert_eq!(
        fake.repository().blob_size(&digest()).await.unwrap(),
        Some(1)
    );
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories() {
    let fake = with_tokens(token_of_scopes, |_, shown| {
        (!shown.is_empty())
            .then_some(())
            .ok_or_else(|| PULL.to_owned())
    })
    .await;
    let mounted = fake.repository().mount_blob(&digest(), &name("base")).await;
    assert_eq!(mounted.unwrap(), Mounted::Refused);
    let seen = fake.seen();
    let token = seen.iter().find(|seen| seen.path == "/token").unwrap();
    assert_eq!(
        token.parameters("scope"),
        ["repository:a/b:pull,push", "repository:base:pull"]
    );
}

#[tokio::test]
async fn credentials_are_not_sent_to_an_endpoint_in_the_clear() {
    let fake = Fake::start(|_| {
        Reply::new(401).with(
            "www-authenticate",
            r#"Bearer realm="http://auth.invalid/token",service="x""#,
        )
    })
    .await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    let error = repository.blob_size(&digest()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(
        error.to_string().contains("http://auth.invalid/token"),
        "{error}"
    );
}

#[tokio::test]
async fn another_host_is_not_shown_who_asks() {
    let storage = Fake::start(|_| Reply::new(200).content("x")).await;
    let elsewhere = storage.url("/bucket/x?signature=s");
    let fake = Fake::start(move |seen| match seen.header("authorization") {
        EVE => Reply::new(307).with("location", &elsewhere),
        _ => Reply::new(401).with("www-authenticate", "Basic realm=x"),
    })
    .await;
    let repository = fake.repository_with(Known::options(&fake.host, eve()));
    assert_eq!(repository.blob_size(&digest()).await.unwrap(), Some(1));
    let seen = storage.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), "");
    assert_eq!(seen[0].parameter("signature"), "s");
}

#[tokio::test]
async fn credentials_of_one_host_are_not_for_another() {
    let fake = Fake::start(guarded("Basic realm=\"x\"", &[EVE])).await;
    let other = "other.example".parse().unwrap();
    let mut options = options();
    options.credentials = Arc::new(Known(HashMap::from([(other, eve())])));
    let error = fake.repository_with(options).blob_size(&digest()).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
    assert!(
        fake.seen()
            .iter()
            .all(|s| s.header("authorization").is_empty())
    );
}
