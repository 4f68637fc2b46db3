//! Referrers: the registry's list, and the one under the fallback tag.

use bytes::Bytes;
use client::ErrorKind;
use oci::{Descriptor, Digest, Index, Manifest, MediaType, Reference};

use crate::fake::{Fake, Reply};
use crate::memory::Memory;

fn referrer(text: &str, artifact_type: &str) -> Descriptor {
    let digest = Digest::sha256(text.as_bytes());
    let mut descriptor = Descriptor::new(MediaType::OCI_MANIFEST, digest, 1);
    descriptor.artifact_type = Some(artifact_type.to_owned());
    descriptor
}

fn list(referrers: &[Descriptor]) -> Reply {
    Reply::new(200)
        .with("content-type", MediaType::OCI_INDEX)
        .content(Index::new(referrers.to_vec()).to_bytes())
}

fn subject() -> Digest {
    Digest::sha256(b"subject")
}

#[tokio::test]
async fn the_registry_s_list_is_read_to_its_end() {
    let path = format!("/v2/a/b/referrers/{}", subject());
    let first = path.clone();
    let fake = Fake::start(move |seen| match seen.parameter("page").as_str() {
        "" => {
            list(&[referrer("1", "x/sig")]).with("link", format!("<{first}?page=2>; rel=\"next\""))
        }
        _ => list(&[referrer("2", "x/sbom")]),
    })
    .await;
    let repository = fake.repository();
    let found = repository.referrers(&subject()).await.unwrap();
    assert_eq!(found, [referrer("1", "x/sig"), referrer("2", "x/sbom")]);
    // A registry that ignores the filter does no harm.
    let found = repository
        .referrers_of_type(&subject(), "x/sbom")
        .await
        .unwrap();
    assert_eq!(found, [referrer("2", "x/sbom")]);
    assert_eq!(fake.seen()[2].parameter("artifactType"), "x/sbom");
    assert!(fake.seen()[2].is("GET", &path));
}

#[tokio::test]
async fn without_a_list_the_tag_is_read() {
    let tag = format!("/v2/a/b/manifests/sha256-{}", subject().hex());
    for status in [404, 405, 400] {
        let tag = tag.clone();
        let fake = Fake::start(move |seen| {
            if seen.path == tag {
                list(&[referrer("1", "x/sig"), referrer("2", "x/sbom")])
            } else {
                Reply::new(status)
            }
        })
        .await;
        let found = fake
            .repository()
            .referrers_of_type(&subject(), "x/sig")
            .await;
        assert_eq!(found.unwrap(), [referrer("1", "x/sig")]);
    }
    let fake = Fake::start(|_| Reply::new(404)).await;
    assert_eq!(fake.repository().referrers(&subject()).await.unwrap(), []);
}

#[tokio::test]
async fn answers_that_are_no_lists() {
    for (reply, kind) in [
        (Reply::new(200).content("<html>"), ErrorKind::Protocol),
        (Reply::new(403), ErrorKind::Denied),
    ] {
        let fake = Fake::start(move |_| reply.clone()).await;
        let error = fake.repository().referrers(&subject()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

fn signature() -> Manifest {
    let empty = Digest::sha256(b"{}");
    Manifest::detect(Bytes::from(format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"x/sig",
        "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{empty}","size":2}},
        "layers":[],"annotations":{{"k":"v"}},
        "subject":{{"mediaType":"{}","digest":"{}","size":7}}}}"#,
        MediaType::OCI_MANIFEST,
        MediaType::OCI_MANIFEST,
        subject(),
    )))
    .expect("a manifest")
}

#[tokio::test]
async fn a_pushed_referrer_is_listed_under_the_tag_where_the_registry_does_not() {
    let memory = Memory::default();
    let held = memory.clone();
    let fake = Fake::start(move |seen| held.answer(seen)).await;
    let repository = fake.repository();
    let manifest = signature();
    let reference = Reference::Digest(Digest::sha256(manifest.bytes()));
    // Twice, to see that it is listed once.
    for _ in 0..2 {
        repository
            .put_manifest(&reference, &manifest)
            .await
            .unwrap();
    }
    let listed = memory
        .manifest(&format!("sha256-{}", subject().hex()))
        .unwrap();
    let listed = Manifest::detect(listed).unwrap();
    assert_eq!(listed.children().len(), 1);
    let entry = &listed.children()[0];
    assert_eq!(entry.digest, Digest::sha256(manifest.bytes()));
    assert_eq!(entry.artifact_type.as_deref(), Some("x/sig"));
    assert_eq!(entry.annotations["k"], "v");
    assert_eq!(
        repository.referrers(&subject()).await.unwrap(),
        listed.children()
    );
}

#[tokio::test]
async fn a_registry_that_lists_referrers_needs_no_tag() {
    let fake = Fake::start(|_| Reply::new(201).with("oci-subject", subject())).await;
    let manifest = signature();
    let reference = Reference::Digest(Digest::sha256(manifest.bytes()));
    fake.repository()
        .put_manifest(&reference, &manifest)
        .await
        .unwrap();
    assert_eq!(fake.seen().len(), 1);
}
