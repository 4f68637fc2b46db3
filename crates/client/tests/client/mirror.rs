//! Mirrors: asked in order, for reading only, and told whose content is
//! wanted.

use bytes::Bytes;
use client::{ErrorKind, Fallback, Mirror, MirrorRule, Options, Repository};
use futures_util::StreamExt as _;
use oci::{Descriptor, Digest, MediaType, Reference, RegistryHost};

use crate::fake::{Fake, Reply, client, name, options};
use crate::memory::ranged;

fn content() -> Bytes {
    vec![7; 50_000].into()
}

fn descriptor() -> Descriptor {
    Descriptor::new(MediaType::OCI_LAYER, Digest::sha256(&content()), 50_000)
}

async fn holding() -> Fake {
    Fake::start(|seen| ranged(seen, &content())).await
}

async fn lacking() -> Fake {
    Fake::start(|_| Reply::error(404, "BLOB_UNKNOWN", "not here")).await
}

fn mirror(fake: &Fake, prefix: &str) -> Mirror {
    Mirror {
        registry: fake.host.clone(),
        prefix: (!prefix.is_empty()).then(|| name(prefix)),
    }
}

fn rule(registry: &RegistryHost, mirrors: Vec<Mirror>, fallback: Fallback) -> Options {
    let mut options = options();
    options.mirrors = vec![MirrorRule {
        registry: registry.clone(),
        namespace: None,
        mirrors,
        fallback,
    }];
    options
}

async fn fetched(repository: &Repository) -> Result<Bytes, client::Error> {
    repository.blob(&descriptor()).await?.read(1 << 20).await
}

#[tokio::test]
async fn mirrors_are_asked_in_order_and_told_for_whom() {
    let (first, second, own) = (lacking().await, holding().await, holding().await);
    let mirrors = vec![mirror(&first, ""), mirror(&second, "docker.io")];
    let repository = own.repository_with(rule(&own.host, mirrors, Fallback::Registry));
    assert_eq!(fetched(&repository.mirrored()).await.unwrap(), content());
    let path = format!("blobs/{}", descriptor().digest);
    assert_eq!(first.asked(), [format!("GET /v2/a/b/{path}")]);
    assert_eq!(second.asked(), [format!("GET /v2/docker.io/a/b/{path}")]);
    assert_eq!(second.seen()[0].parameter("ns"), own.host.as_str());
    assert_eq!(own.asked(), [""; 0]);

    // A push asks the registry itself what it has.
    assert_eq!(
        repository.blob_size(&descriptor().digest).await.unwrap(),
        Some(50_000)
    );
    assert_eq!(own.seen().len(), 1);
    assert_eq!(own.seen()[0].query, "");
}

#[tokio::test]
async fn the_registry_is_asked_in_the_end() {
    let (first, own) = (Fake::start(|_| Reply::new(500)).await, holding().await);
    let mirrors = vec![mirror(&first, "")];
    let repository = own.repository_with(rule(&own.host, mirrors, Fallback::Registry));
    assert_eq!(fetched(&repository.mirrored()).await.unwrap(), content());
    assert_eq!(first.seen().len(), 1, "a mirror is not waited for");
}

#[tokio::test]
async fn or_is_not_asked_where_it_can_not_be_reached() {
    let (first, second, own) = (lacking().await, lacking().await, holding().await);
    let mirrors = vec![mirror(&first, ""), mirror(&second, "")];
    let repository = own
        .repository_with(rule(&own.host, mirrors, Fallback::Never))
        .mirrored();
    let error = fetched(&repository).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains(second.host.as_str()), "{text}");
    assert!(
        text.contains(&format!("before that, mirror {}", first.host)),
        "{text}"
    );
    assert_eq!(
        repository.blob_size(&descriptor().digest).await.unwrap(),
        None
    );
    let tag: Reference = "latest".parse().unwrap();
    assert!(repository.head_manifest(&tag).await.unwrap().is_none());
    assert_eq!(own.asked(), [""; 0]);
}

#[tokio::test]
async fn a_mirror_that_breaks_off_is_continued_elsewhere() {
    let own = holding().await;
    let first = Fake::start(|_| {
        Reply::new(200)
            .with("content-length", 50_000)
            .body(content().slice(..20_000))
            .breaking()
    })
    .await;
    let mirrors = vec![mirror(&first, "")];
    let repository = own
        .repository_with(rule(&own.host, mirrors, Fallback::Registry))
        .mirrored();
    let blob = repository.blob(&descriptor()).await.unwrap();
    let pieces: Vec<_> = blob
        .unverified()
        .map(|piece| piece.unwrap())
        .collect()
        .await;
    assert_eq!(pieces.concat(), content());
    assert_eq!(own.seen()[0].header("range"), "bytes=20000-");
}

#[tokio::test]
async fn the_longest_namespace_counts() {
    let (wide, narrow) = (holding().await, holding().await);
    let registry: RegistryHost = "registry.invalid".parse().unwrap();
    let mut options = rule(&registry, vec![mirror(&wide, "")], Fallback::Never);
    options.mirrors.push(MirrorRule {
        namespace: Some(name("library")),
        ..rule(&registry, vec![mirror(&narrow, "")], Fallback::Never)
            .mirrors
            .remove(0)
    });
    let client = client(options);
    for (repository, expected) in [("library/x", (0, 1)), ("librarian/x", (1, 1))] {
        let repository = client.repository(&registry, &name(repository)).mirrored();
        fetched(&repository).await.unwrap();
        assert_eq!((wide.seen().len(), narrow.seen().len()), expected);
    }
}
