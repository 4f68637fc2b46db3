//! The directories that entries are in: each layer has them as they are below
//! it, because docker and podman unpack each layer by itself and make up what
//! is missing.

use builder::Built;
use layer::LayerIndex;

use crate::scene::Scene;

/// Lists the entries of a layer with mode, owner and time.
async fn entries(scene: &Scene, built: &Built, layer: usize) -> Vec<String> {
    let bytes = scene.unpacked(built, layer).await;
    let index = LayerIndex::read(&mut bytes.as_slice()).expect("a layer");
    let line = |record: &layer::Record| {
        let metadata = &record.entry.metadata;
        format!(
            "{} {:04o} {}:{} {}",
            record.entry.path, metadata.mode, metadata.uid, metadata.gid, metadata.mtime
        )
    };
    index.records().iter().map(line).collect()
}

#[tokio::test]
async fn a_layer_has_the_directories_that_were_there() {
    let scene = Scene::new();
    scene.write("tmp/.keep", "");
    scene.write("file", "x");
    let mut request = scene.request(
        "FROM scratch\n\
         COPY --chmod=1777 --chown=3:4 tmp /srv/tmp\n\
         COPY file /srv/tmp/a/b/\n\
         WORKDIR /srv/tmp/a/c\n\
         COPY file /srv/tmp/.keep\n\
         COPY --chown=7 --chmod=600 file /\n",
    );
    request.epoch = 5;
    let built = scene.run(request).await.expect("it can be built");
    let srv = "/srv 0755 3:4 5";
    let tmp = "/srv/tmp 0755 3:4 5";
    for (layer, expected) in [
        vec![srv, tmp, "/srv/tmp/.keep 1777 3:4 5"],
        vec![
            srv,
            tmp,
            "/srv/tmp/a 0755 0:0 5",
            "/srv/tmp/a/b 0755 0:0 5",
            "/srv/tmp/a/b/file 0644 0:0 5",
        ],
        vec![srv, tmp, "/srv/tmp/a 0755 0:0 5", "/srv/tmp/a/c 0755 0:0 5"],
        vec![srv, tmp, "/srv/tmp/.keep 0644 0:0 5"],
        vec!["/file 0600 7:7 5"],
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(
            entries(&scene, &built, layer).await,
            expected,
            "layer {layer}"
        );
    }
}

#[tokio::test]
async fn a_directory_of_the_base_is_said_as_the_base_has_it() {
    let scene = Scene::new();
    scene.write("d/e/f", "x");
    scene.write("file", "x");
    let mut request = scene.request(
        "FROM scratch AS base\n\
         COPY d /made/\n\
         FROM base\n\
         COPY --chmod=2750 --chown=8:9 d /made/\n\
         COPY file /made/e/g\n",
    );
    request.epoch = 5;
    let built = scene.run(request).await.expect("it can be built");
    // What a copy changes of a directory that was there, it says; what comes
    // later repeats it.
    assert_eq!(
        entries(&scene, &built, 2).await,
        [
            "/made 0755 0:0 5",
            "/made/e 2750 8:9 5",
            "/made/e/g 0644 0:0 5"
        ]
    );
}
