//! Caches in registries: the real one, where it was built.

use std::net::TcpListener;
use std::time::Duration;

use ::image::{Origin, Place, Sent};
use bytes::Bytes;
use oci::{Descriptor, Digest, ImageName, Manifest, MediaType, Reference};
use serde_json::json;

use super::scene::{self, Machine, Said, Server, chain, from_layout, key, to_layout, to_registry};
use crate::cache::remote::export::{ExportedStep, export_all};
use crate::cache::remote::import::{Cost, import_within};
use crate::cache::remote::{CacheDestination, CacheExtent, CacheSource, CacheTarget};

/// Starts a registry, or says that there is none.
fn server(machine: &Machine) -> Option<Server> {
    let server = Server::start(&machine.path("storage"));
    if server.is_none() {
        println!("skipped: `wharf` is not built");
    }
    server
}

#[tokio::test]
async fn a_cache_goes_by_a_registry() {
    let (one, other) = (Machine::new(), Machine::new());
    let Some(server) = server(&one) else { return };
    let name = server.name("shop:cache");
    let source = CacheSource::Registry(name.clone());
    let absent = other.import(&source).await.expect("no error");
    assert!(absent.is_none(), "a first build has no cache");

    let steps = [one.step("a", true).await, one.step("b", true).await];
    let sent = one.export(&to_registry(&name), &steps).await.expect("sent");
    assert_eq!((sent.blobs_sent, sent.blobs_present), (3, 0));
    let read = other
        .import(&source)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(*read.records[&key("b")], scene::read("b", &steps[1]));

    // Another repository of the same registry: nothing is uploaded but the
    // list, though the other machine has no layer.
    let library = other.images.library().expect("a library");
    for record in read.records.values() {
        let layer = record.layer.as_ref().expect("a layer");
        let origin = Origin {
            registry: name.registry().clone(),
            repository: name.repository().clone(),
        };
        let digest = layer.descriptor.digest;
        library.add_origin(&digest, &origin).await.expect("noted");
    }
    let lazy = steps.clone().map(|step| ExportedStep {
        place: read.place.clone(),
        ..step
    });
    let elsewhere = server.name("market:cache");
    let sent = other
        .export(&to_registry(&elsewhere), &lazy)
        .await
        .expect("sent");
    assert_eq!((sent.blobs_mounted, sent.blobs_sent), (2, 1));
    let again = other
        .export(&to_registry(&elsewhere), &lazy)
        .await
        .expect("sent");
    assert_eq!((again.blobs_sent, again.blobs_present), (0, 3));
    assert_eq!(again.digest, sent.digest);

    // To another registry they are passed through.
    let Some(second) = Server::start(&other.path("storage")) else {
        return;
    };
    let far = to_registry(&second.name("shop:cache"));
    let sent = other.export(&far, &lazy).await.expect("sent");
    assert_eq!((sent.blobs_sent, sent.left_out), (3, 0));
    drop(server);
    let third = Machine::new();
    let far = to_registry(&second.name("market:cache"));
    let sent = third.export(&far, &lazy).await.expect("sent");
    assert_eq!(
        (sent.steps, sent.left_out),
        (0, 2),
        "their registry is gone"
    );
}

#[tokio::test]
async fn what_can_not_be_reached_is_said() {
    let machine = Machine::new();
    // Nobody listens there.
    let name: ImageName = "127.0.0.1:1/shop:cache".parse().expect("a name");
    let refused = machine.import(&CacheSource::Registry(name.clone())).await;
    let refused = chain(&refused.expect_err("nobody is there"));
    assert!(
        refused.starts_with("Image: can not read the cache `127.0.0.1:1/shop:cache`"),
        "{refused}"
    );
    let refused = machine.export(&to_registry(&name), &[]).await;
    let refused = chain(&refused.expect_err("nobody is there"));
    assert!(refused.starts_with("Image: "), "{refused}");
}

#[tokio::test]
async fn who_never_answers_is_not_waited_for() {
    let machine = Machine::new();
    let steps = [machine.step("a", true).await];
    let layout = machine.path("cache");
    let target = to_layout(&layout, CacheExtent::Result);
    machine.export(&target, &steps).await.expect("written");
    // They take connections, as the kernel does that for them, and no more.
    let silent = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [first, last] = silent.each_ref().map(|listener| {
        let address = listener.local_addr().expect("an address");
        let name = format!("{address}/shop:cache");
        CacheSource::Registry(name.parse().expect("a name"))
    });
    let sources = [first.clone(), from_layout(&layout), last.clone()];
    let said = Said::default();
    let cost = Cost {
        time: Duration::from_secs(1),
        ..Cost::USUAL
    };
    let all = import_within(&machine.images, &sources, &said, cost).await;
    assert_eq!(all.len(), 1);
    assert!(all[0].records.contains_key(&key("a")));
    let said = said.0.into_inner().expect("no panic");
    let expected = [first, last].map(|source| {
        format!("the cache `{source}` was not there after 1s (the build goes on without it)")
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn all_caches_of_an_image_share_the_room() {
    let (one, other) = (Machine::new(), Machine::new());
    let Some(server) = server(&one) else { return };
    let name = server.name("shop:1");
    let pushed = push_manifest(&one, &name, &image("shop")).await;
    let targets = [CacheTarget {
        destination: CacheDestination::Inline,
        ..to_registry(&name)
    }];
    let said = Said::default();
    for word in ["a", "b", "c"] {
        let steps = [one.step(word, true).await];
        let all = export_all(&one.images, &targets, &steps, &pushed, &said).await;
        let inline = all.expect("nothing to fail").inline.expect("asked for");
        inline.push(&one.images, &name).await.expect("pushed");
    }
    let sources = [CacheSource::Registry(name.clone())];
    for (bytes, steps, warnings) in [(10_000, 3, 0), (800, 2, 1), (500, 1, 1)] {
        let said = Said::default();
        let cost = Cost {
            bytes,
            ..Cost::USUAL
        };
        let all = import_within(&other.images, &sources, &said, cost).await;
        // Each has two keys.
        assert_eq!(all[0].records.len(), 2 * steps);
        let said = said.0.into_inner().expect("no panic");
        assert_eq!(said.len(), warnings, "{said:?}");
    }
}

/// Pushes bytes as a manifest, and gives how an index lists it.
async fn push_manifest(machine: &Machine, name: &ImageName, manifest: &Manifest) -> Descriptor {
    let place = Place::Registry(name.clone());
    let delivery = machine.images.delivery(&place).await.expect("a registry");
    if let Some(config) = manifest.config() {
        let bytes = Bytes::from_static(b"{}");
        delivery.bytes(config, bytes).await.expect("sent");
    }
    delivery.name(manifest).await.expect("pushed");
    manifest.descriptor()
}

fn image(word: &str) -> Manifest {
    let config = Descriptor::new(MediaType::OCI_CONFIG, Digest::sha256(b"{}"), 2);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": config,
        "layers": [],
        "annotations": {"word": word},
    });
    Manifest::detect(manifest.to_string().into()).expect("a manifest")
}

#[tokio::test]
async fn an_inline_cache_refers_to_its_image() {
    let (one, other) = (Machine::new(), Machine::new());
    let Some(server) = server(&one) else { return };
    let name = server.name("shop:1");
    let source = CacheSource::Registry(name.clone());
    let steps = [one.step("a", true).await, one.step("b", false).await];
    let image = image("shop");
    let pushed = push_manifest(&one, &name, &image).await;
    let refused = other.import(&source).await.expect_err("no cache");
    assert!(
        refused
            .to_string()
            .ends_with("is an image that no cache refers to")
    );

    let targets = [CacheTarget {
        destination: CacheDestination::Inline,
        ..to_registry(&name)
    }];
    let said = Said::default();
    let all = export_all(&one.images, &targets, &steps, &pushed, &said).await;
    let inline = all.expect("nothing to fail").inline.expect("asked for");
    let sent = inline.push(&one.images, &name).await.expect("pushed");
    assert_eq!((sent.steps, sent.blobs_sent), (1, 2));
    let read = other
        .import(&source)
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(*read.records[&key("a")], scene::read("a", &steps[0]));
    assert!(!read.records.contains_key(&key("b")));

    // Somebody makes an index of two such images.
    let second = self::image("another");
    let second = push_manifest(&one, &server.name("shop:2"), &second).await;
    let targets = [targets[0].clone()];
    let steps = [one.step("c", true).await];
    let all = export_all(&one.images, &targets, &steps, &second, &said).await;
    let inline = all.expect("nothing to fail").inline.expect("asked for");
    inline.push(&one.images, &name).await.expect("pushed");
    let index = oci::Index::new(vec![pushed, second]).to_bytes();
    let index = Manifest::parse(index, &MediaType::OCI_INDEX).expect("an index");
    push_manifest(&one, &server.name("shop:all"), &index).await;
    let source = CacheSource::Registry(server.name("shop:all"));
    let read = other
        .import(&source)
        .await
        .expect("readable")
        .expect("there");
    assert!(read.records.contains_key(&key("a")) && read.records.contains_key(&key("c")));
}

#[tokio::test]
async fn one_blob_is_sent_once() {
    let machine = Machine::new();
    let Some(server) = server(&machine) else {
        return;
    };
    let done = machine.step("a", true).await;
    let layer = done.record.layer.expect("a layer").descriptor;
    let name = server.name("shop:1");
    let by_digest = name.with_reference(Reference::Digest(layer.digest));
    let (images, place) = (&machine.images, &done.place);
    let turns = [&name, &by_digest, &name].map(|to| images.send(&layer, place, to));
    let mut sent: Vec<Sent> = futures_util::future::try_join_all(turns)
        .await
        .expect("sent");
    sent.sort_by_key(|sent| *sent == Sent::Present);
    let bytes = layer.size;
    assert_eq!(
        sent,
        [Sent::Uploaded { bytes }, Sent::Present, Sent::Present]
    );
    let other = server.name("other:1");
    let library = images.library().expect("a library");
    let origin = Origin {
        registry: name.registry().clone(),
        repository: name.repository().clone(),
    };
    library
        .add_origin(&layer.digest, &origin)
        .await
        .expect("noted");
    assert_eq!(
        images.send(&layer, place, &other).await.expect("sent"),
        Sent::Mounted
    );

    // What failed is tried again.
    let absent = Descriptor::new(MediaType::OCI_LAYER, Digest::sha256(b"later"), 5);
    let refused = images
        .send(&absent, place, &name)
        .await
        .expect_err("nowhere");
    assert_eq!(refused.end(), Some(::image::End::Source));
    library
        .keep(Bytes::from_static(b"later"))
        .await
        .expect("kept");
    let sent = images.send(&absent, place, &name).await.expect("sent");
    assert_eq!(sent, Sent::Uploaded { bytes: 5 });
}
