//! Digests that have to be the same on every machine for as long as the format of
//! layers has its number. One that changes here changes for everybody.

use builder::{Cache, Format};
use oci::Digest;

use crate::scene::Scene;

/// What the builds of this file copy.
const DOCKERFILE: &str = "\
FROM scratch AS gathered
ARG VERSION=1
WORKDIR /srv
COPY . .
COPY <<END /etc/motd
version ${VERSION}
END
FROM scratch
COPY --from=gathered --chown=5:6 /srv /srv
COPY --from=gathered /etc/ /etc/
COPY data/empty /srv/data/more
ENV A=\"b c\" PATH=$PATH:/srv
EXPOSE 80
USER 5
ENTRYPOINT [\"/srv/run\"]
";

fn furnish(scene: &Scene) {
    use std::os::unix::fs::PermissionsExt as _;
    scene.write("run", "#!/bin/sh\n");
    scene.write("data/ünï", vec![7; 100_000]);
    scene.write("data/empty", "");
    fs_err::create_dir(scene.path("hollow")).expect("writable");
    fs_err::hard_link(scene.path("data/ünï"), scene.path("twin")).expect("one file system");
    fs_err::os::unix::fs::symlink("data", scene.path("link")).expect("writable");
    let executable = std::fs::Permissions::from_mode(0o700);
    fs_err::set_permissions(scene.path("run"), executable).expect("our own file");
}

#[tokio::test]
async fn an_image_has_this_digest() {
    let scene = Scene::new();
    furnish(&scene);
    let built = scene.build(DOCKERFILE).await;
    let layers: Vec<String> = built.images[0]
        .layers
        .iter()
        .map(|layer| layer.diff_id.to_string())
        .collect();
    assert_eq!(
        layers,
        [
            "sha256:56eb4664690b08a3d4c8591bf92cedd7d7d41120d50f927b55299d8fdf191c7d",
            "sha256:5116be0aa7e28a81ffd6abb6f07b9cad0dfac13f9bbc0d42291e25b9100bee48",
            "sha256:7f34b3d6b7105c92e4b5d4974be909f7c9e79942446d6d585fa066c4128c550d",
        ]
    );
    assert_eq!(
        built.images[0].config.to_string(),
        "sha256:8e21e8af4d951b020ac82981f447e4d301ae3c6489814c3a080cb1375e7ae3ba"
    );
    assert_eq!(
        built.descriptor.digest.to_string(),
        "sha256:9762cd28840d906c213323fdded038262624100810f54dba37c4ca76f0238f74"
    );
}

#[tokio::test]
async fn nothing_of_this_machine_shows() {
    let mut digests: Vec<Digest> = Vec::new();
    for threads in [1, 2, 5] {
        let scene = Scene::new();
        furnish(&scene);
        let mut request = scene.request(DOCKERFILE);
        request.threads = std::num::NonZeroUsize::new(threads).expect("some");
        for cache in [Cache::Use, Cache::Use, Cache::Refresh] {
            request.cache = cache;
            let built = scene.run(request.clone()).await.expect("it can be built");
            digests.push(built.descriptor.digest);
        }
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[tokio::test]
async fn what_is_asked_for_shows() {
    let scene = Scene::new();
    furnish(&scene);
    let plain = scene.request(DOCKERFILE);
    let mut digests = Vec::new();
    let mut later = plain.clone();
    later.epoch = 86_400;
    let mut docker = plain.clone();
    docker.format = Format::Docker;
    let mut version = plain.clone();
    version
        .arguments
        .insert("VERSION".to_owned(), "2".to_owned());
    for request in [plain, later, docker, version] {
        digests.push(
            scene
                .run(request)
                .await
                .expect("it can be built")
                .descriptor
                .digest,
        );
    }
    let count = digests.len();
    digests.sort_by_key(ToString::to_string);
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[tokio::test]
async fn an_argument_is_in_no_history() {
    let scene = Scene::new();
    let mut request = scene.request("FROM scratch\nARG TOKEN\nARG OTHER=$TOKEN\nLABEL a=b\n");
    request
        .arguments
        .insert("TOKEN".to_owned(), "hunter2".to_owned());
    let built = scene.run(request).await.expect("it can be built");
    let library = scene.images.library().expect("a library");
    for digest in [built.images[0].config, built.descriptor.digest] {
        let bytes = library
            .read(&digest, 1 << 20)
            .await
            .expect("readable")
            .expect("there");
        assert!(!String::from_utf8_lossy(&bytes).contains("hunter2"));
    }
}
