//! Layers that are compressed in other ways than usual.

use builder::{Compression, CompressionMethod, ErrorKind, Format, Prepared};
use oci::MediaType;

use crate::scene::Scene;

const DOCKERFILE: &str = "FROM scratch\nWORKDIR /w\nCOPY . .\n";

#[tokio::test]
async fn compression_changes_the_blobs_and_not_what_is_in_them() {
    let scene = Scene::new();
    scene.write("a", "a line that comes again\n".repeat(1000));
    let usual = scene.build(DOCKERFILE).await;
    let usual_ids: Vec<_> = usual.images[0].layers.iter().map(|of| of.diff_id).collect();
    for (method, media_type) in [
        (CompressionMethod::Zstd, MediaType::OCI_LAYER_ZSTD),
        (CompressionMethod::Uncompressed, MediaType::OCI_LAYER),
    ] {
        let mut request = scene.request(DOCKERFILE);
        request.compression = Compression::of(method);
        let built = scene.run(request.clone()).await.expect("it can be built");
        // What was packed otherwise is not taken.
        assert_eq!(scene.told(), ["packed", "packed"]);
        let layers = &built.images[0].layers;
        let ids: Vec<_> = layers.iter().map(|of| of.diff_id).collect();
        assert_eq!(ids, usual_ids);
        for (at, layer) in layers.iter().enumerate() {
            assert_eq!(layer.descriptor.media_type, media_type);
            let bytes = scene.blob(&layer.descriptor.digest).await;
            assert_eq!(bytes.len() as u64, layer.descriptor.size);
            let plain = scene.unpacked(&built, at).await;
            assert_eq!(oci::Digest::sha256(&plain), layer.diff_id);
        }
        assert_ne!(built.descriptor, usual.descriptor);
        let again = scene.run(request).await.expect("it can be built");
        assert_eq!(scene.told(), ["cached", "cached"]);
        assert_eq!(again.descriptor, built.descriptor);
        assert_eq!(again.written, 0);
    }
    let again = scene.build(DOCKERFILE).await;
    assert_eq!(scene.told(), ["cached", "cached"]);
    assert_eq!(again.descriptor, usual.descriptor);
}

#[tokio::test]
async fn a_level_is_another_way() {
    let scene = Scene::new();
    scene.write("a", "a line that comes again\n".repeat(1000));
    scene.build(DOCKERFILE).await;
    let mut request = scene.request(DOCKERFILE);
    request.compression = Compression::at(CompressionMethod::Gzip, 6).expect("a level");
    scene.run(request.clone()).await.expect("it can be built");
    assert_eq!(scene.told(), ["cached", "cached"]);
    request.compression = Compression::at(CompressionMethod::Gzip, 0).expect("a level");
    let built = scene.run(request).await.expect("it can be built");
    assert_eq!(scene.told(), ["packed", "packed"]);
    let layer = &built.images[0].layers[1].descriptor;
    assert_eq!(layer.media_type, MediaType::OCI_LAYER_GZIP);
    assert!(layer.size > 24_000, "{}", layer.size);
}

#[tokio::test]
async fn docker_has_no_word_for_zstd() {
    let scene = Scene::new();
    let mut request = scene.request("FROM scratch\n");
    request.format = Format::Docker;
    request.compression = Compression::of(CompressionMethod::Zstd);
    let refused = Prepared::new(request.clone()).await.map(drop);
    assert_eq!(
        refused.expect_err("there is no such type").kind(),
        ErrorKind::Unsupported
    );
    request.compression = Compression::of(CompressionMethod::Uncompressed);
    assert!(Prepared::new(request).await.is_ok());
}
