//! What a build writes, takes from earlier builds, and refuses.

use builder::ErrorKind;

use crate::scene::{Scene, files};

#[tokio::test]
async fn an_unchanged_build_writes_nothing() {
    let scene = Scene::new();
    scene.write("a", "1");
    let dockerfile = "FROM scratch\nWORKDIR /w\nCOPY . .\nCMD [\"x\"]\n";
    let first = scene.build(dockerfile).await;
    assert_eq!(scene.told(), ["packed", "packed"]);
    assert!(first.written > 0);
    let before = files(&scene.home());
    let second = scene.build(dockerfile).await;
    assert_eq!(scene.told(), ["cached", "cached"]);
    assert_eq!(second.written, 0);
    assert_eq!(second.descriptor, first.descriptor);
    assert_eq!(files(&scene.home()), before);
}

#[tokio::test]
async fn content_decides_and_not_its_time_or_place() {
    let scene = Scene::new();
    scene.write("d/a", "1");
    scene.write("e/a", "1");
    scene.build("FROM scratch\nCOPY d /x\n").await;
    scene.build("FROM scratch\nCOPY e/ /x/\n").await;
    assert_eq!(scene.told(), ["cached"]);
    scene.write("e/a", "1");
    scene.build("FROM scratch\nCOPY e/ /x/\n").await;
    assert_eq!(scene.told(), ["cached"]);
    // The same size, in the same second.
    scene.write("e/a", "2");
    scene.build("FROM scratch\nCOPY e/ /x/\n").await;
    assert_eq!(scene.told(), ["packed"]);
    fs_err::rename(scene.path("e/a"), scene.path("e/b")).expect("writable");
    scene.build("FROM scratch\nCOPY e/ /x/\n").await;
    assert_eq!(scene.told(), ["packed"]);
}

#[tokio::test]
async fn a_layer_that_is_gone_is_packed_again() {
    let scene = Scene::new();
    scene.write("a", "1");
    let built = scene.build("FROM scratch\nCOPY a /\n").await;
    let digest = built.images[0].layers[0].descriptor.digest;
    let blob = scene.home().join(format!("blobs/sha256/{}", digest.hex()));
    fs_err::remove_file(&blob).expect("it was kept");
    let again = scene.build("FROM scratch\nCOPY a /\n").await;
    assert_eq!(scene.told(), ["packed"]);
    assert_eq!(again.descriptor, built.descriptor);
    assert!(blob.is_file());
}

#[tokio::test]
async fn ignored_files_are_not_there() {
    let scene = Scene::new();
    scene.write("a", "1");
    scene.write("secret/key", "2");
    scene.write("secret/public", "3");
    scene.write(".dockerignore", "secret\n!secret/public\n");
    let kept = scene.build("FROM scratch\nCOPY . /\n").await;
    fs_err::remove_file(scene.path("secret/key")).expect("writable");
    let without = scene.build("FROM scratch\nCOPY . /\n").await;
    assert_eq!(kept.descriptor, without.descriptor);
    assert_eq!(scene.told(), ["cached"]);
    let refused = scene
        .run(scene.request("FROM scratch\nCOPY secret/key /\n"))
        .await;
    let refused = refused.expect_err("it is not there");
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn files_that_stand_out_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    for (name, mode) in [("open", 0o644), ("key", 0o600), ("su", 0o4755)] {
        scene.write(name, name);
        let permissions = std::fs::Permissions::from_mode(mode);
        fs_err::set_permissions(scene.path(name), permissions).expect("our own file");
    }
    scene.build("FROM scratch\nCOPY . /\n").await;
    assert_eq!(
        scene.told(),
        [
            "warning: `/key` has the mode 0600, and can be read by everybody in the image",
            "warning: `/su` has the mode 4755, of which set-id and sticky bits were dropped",
            "packed",
        ]
    );
    scene.build("FROM scratch\nCOPY --chmod=600 key /\n").await;
    assert_eq!(scene.told(), ["packed"]);
}

#[tokio::test]
async fn a_failed_build_leaves_the_names_as_they_were() {
    let scene = Scene::new();
    scene.write("a", "1");
    let built = scene.build("FROM scratch\nCOPY a /\n").await;
    let failed = scene
        .run(scene.request("FROM scratch\nCOPY a /b\nCOPY nothing /\n"))
        .await;
    let failed = failed.expect_err("there is no such file");
    assert_eq!(failed.to_string(), "`/nothing` is not there");
    assert!(failed.span().is_some());
    let library = scene.images.library().expect("a library");
    let name = "localhost/shop:1".parse().expect("a name");
    assert_eq!(
        library.resolve(&name).await.expect("there").descriptor,
        built.descriptor
    );
}
