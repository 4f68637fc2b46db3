//! Steps that are found: by what they are made of, by what they come to, and
//! why one is not.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use builder::{
    Built, Cache, CacheDestination, CacheExtent, CacheFailure, CacheSource, CacheTarget,
    NamedContext,
};
use image::Place;
use oci::Platform;

use crate::scene::Scene;

fn platform(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    }
}

/// Builds, and gives what became of the layers.
async fn told(scene: &Scene, dockerfile: &str) -> (Built, Vec<String>) {
    let built = scene.build(dockerfile).await;
    (built, scene.told())
}

#[tokio::test]
async fn a_miss_names_what_changed() {
    let scene = Scene::new();
    scene.write("src/a", "1");
    scene.write("src/b", "1");
    let dockerfile = "FROM scratch\nARG V=1\nWORKDIR /$V\nCOPY src /src\n";
    let (first, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed", "packed"]);
    assert_eq!(
        scene.missed(),
        [
            "the step was in no earlier build",
            "the step was in no earlier build"
        ]
    );
    let (again, said) = told(&scene, dockerfile).await;
    assert_eq!(
        (said.as_slice(), scene.missed().as_slice()),
        (&["cached".to_owned(), "cached".to_owned()][..], &[][..])
    );
    assert_eq!(again.descriptor, first.descriptor);

    scene.write("src/b", "2");
    scene.write("src/c", "1");
    told(&scene, dockerfile).await;
    assert_eq!(
        scene.missed(),
        ["the file `b` has another content", "the file `c` is new"]
    );
    fs_err::remove_file(scene.path("src/a")).expect("it was there");
    told(&scene, dockerfile).await;
    assert_eq!(scene.missed(), ["the file `a` is gone"]);

    // The nearest build is not the last one.
    scene.write("src/a", "1");
    scene.write("src/b", "1");
    told(&scene, dockerfile).await;
    assert_eq!(scene.missed(), ["the file `b` has another content"]);

    let mut request = scene.request(dockerfile);
    request.epoch = 1;
    scene.run(request).await.expect("it can be built");
    assert_eq!(
        scene.missed(),
        [
            "the option `--source-date-epoch` is another one",
            "what the steps before it came to is another one",
            "the option `--source-date-epoch` is another one"
        ]
    );
    let mut request = scene.request(dockerfile);
    request.cache = Cache::Refresh;
    scene.run(request).await.expect("it can be built");
    assert_eq!(
        scene.missed(),
        ["`--no-cache` asks for it", "`--no-cache` asks for it"]
    );
}

#[tokio::test]
async fn what_was_done_needs_nothing_of_its_base() {
    let scene = Scene::new();
    scene.write("a", "1");
    let base = scene.build("FROM scratch\nCOPY a /base\n").await;
    let library = scene.images.library().expect("a library");
    let name = "localhost/base:1".parse().expect("a name");
    library
        .set(&name, &base.descriptor)
        .await
        .expect("writable");
    let dockerfile = "FROM localhost/base:1\nCOPY a /own\nWORKDIR /deep/er\n";
    let (first, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed", "packed"]);
    // Neither the layer of the base nor what is known of it is there any more.
    let layer = base.images[0].layers[0].descriptor.digest;
    let blob = scene.home().join("blobs/sha256").join(layer.hex());
    fs_err::remove_file(&blob).expect("it was there");
    fs_err::remove_dir_all(scene.home().join("notes/indexes")).expect("they were there");
    let (again, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["cached", "cached"]);
    assert_eq!(again.descriptor, first.descriptor);
}

#[tokio::test]
async fn a_stage_that_comes_to_the_same_changes_nothing_after_it() {
    let scene = Scene::new();
    scene.write("used", "1");
    scene.write("unused", "1");
    let dockerfile = "FROM scratch AS one\nCOPY used unused /in/\n\
        FROM scratch\nCOPY --from=one /in/used /out\nWORKDIR /after\n";
    let (first, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed", "packed", "packed"]);
    scene.write("unused", "2");
    let (again, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed", "cached", "cached"]);
    assert_eq!(again.descriptor, first.descriptor);
}

#[tokio::test]
async fn stages_at_a_time_do_not_change_the_image() {
    let mut stages = String::new();
    let mut last = "FROM scratch\n".to_owned();
    for number in 0..9 {
        stages.push_str(&format!("FROM scratch AS s{number}\nCOPY f{number} /\n"));
        last.push_str(&format!("COPY --from=s{number} / /all\n"));
    }
    let dockerfile = stages + &last;
    let mut digests = Vec::new();
    for jobs in [1, 2, 8] {
        let scene = Scene::new();
        for number in 0..9 {
            scene.write(&format!("f{number}"), vec![number; 100_000]);
        }
        let mut request = scene.request(&dockerfile);
        request.jobs = NonZeroUsize::new(jobs).expect("not zero");
        let built = scene.run(request).await.expect("it can be built");
        let texts: Vec<&str> = built.images[0]
            .steps
            .iter()
            .map(|step| step.text.as_str())
            .collect();
        assert_eq!(texts.first(), Some(&"COPY f0 /"));
        assert_eq!(texts.last(), Some(&"COPY --from=s8 / /all"));
        digests.push(built.descriptor.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn several_platforms_become_an_index_and_share_what_is_the_same() {
    let scene = Scene::new();
    scene.write("a", "1");
    let mut request = scene.request(
        "FROM --platform=$BUILDPLATFORM scratch AS tool\nCOPY a /tool\n\
         FROM scratch\nARG TARGETARCH\nCOPY --from=tool /tool /$TARGETARCH\n",
    );
    request.platforms = vec![platform("amd64"), platform("arm64")];
    let built = scene.run(request).await.expect("it can be built");
    let mut said = scene.told();
    said.sort();
    assert_eq!(said, ["cached", "packed", "packed", "packed"]);
    assert_eq!(
        built.descriptor.media_type.to_string(),
        "application/vnd.oci.image.index.v1+json"
    );
    let index: serde_json::Value =
        serde_json::from_slice(&scene.blob(&built.descriptor.digest).await).expect("JSON");
    let listed: Vec<(&str, &str)> = index["manifests"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            let architecture = one["platform"]["architecture"].as_str().expect("a word");
            (architecture, one["digest"].as_str().expect("a digest"))
        })
        .collect();
    let images: Vec<String> = built
        .images
        .iter()
        .map(|image| image.descriptor.digest.to_string())
        .collect();
    assert_eq!(listed, [("amd64", &*images[0]), ("arm64", &*images[1])]);
    assert_ne!(images[0], images[1]);
    // The name stands for the index.
    let library = scene.images.library().expect("a library");
    let named = library.resolve(&built.names[0]).await.expect("it is named");
    assert_eq!(named.descriptor.digest, built.descriptor.digest);
}

#[tokio::test]
async fn a_platform_twice_is_refused() {
    let scene = Scene::new();
    let mut request = scene.request("FROM scratch\n");
    request.platforms = vec![platform("amd64"), platform("amd64")];
    let refused = scene.run(request).await.expect_err("it is given twice");
    assert_eq!(
        refused.to_string(),
        "the platform `linux/amd64` is given twice"
    );
}

#[tokio::test]
async fn a_layer_that_is_gone_is_made_again() {
    let scene = Scene::new();
    scene.write("a", "1");
    let dockerfile = "FROM scratch\nCOPY a /\n";
    let (first, _) = told(&scene, dockerfile).await;
    let layer = first.images[0].layers[0].descriptor.digest;
    let blob = scene.home().join("blobs/sha256").join(layer.hex());
    fs_err::remove_file(&blob).expect("it was there");
    let (again, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed"]);
    assert_eq!(
        scene.missed(),
        ["the step was done before, and what it came to is gone"]
    );
    assert_eq!(again.descriptor, first.descriptor);
}

/// Says what becomes of the last step of a build after something changed.
async fn last(scene: &Scene, dockerfile: &str) -> String {
    let (_, said) = told(scene, dockerfile).await;
    said.last().cloned().unwrap_or_default()
}

#[tokio::test]
async fn lists_that_only_look_alike_are_not_taken_for_each_other() {
    // Fields that could be joined in two ways, files for directories, other
    // names, and what a variable expands to.
    let scene = Scene::new();
    scene.write("t/ab/c", "1");
    scene.write("t/x", "1");
    assert_eq!(last(&scene, "FROM scratch\nCOPY t /t\n").await, "packed");
    fs_err::rename(scene.path("t/ab"), scene.path("t/a")).expect("renamed");
    fs_err::rename(scene.path("t/a/c"), scene.path("t/a/bc")).expect("renamed");
    assert_eq!(last(&scene, "FROM scratch\nCOPY t /t\n").await, "packed");
    fs_err::rename(scene.path("t/x"), scene.path("t/y")).expect("renamed");
    assert_eq!(last(&scene, "FROM scratch\nCOPY t /t\n").await, "packed");
    fs_err::remove_file(scene.path("t/y")).expect("there");
    fs_err::create_dir(scene.path("t/y")).expect("free");
    assert_eq!(last(&scene, "FROM scratch\nCOPY t /t\n").await, "packed");
    let with = |value: &str| format!("FROM scratch\nARG V={value}\nCOPY t/a /$V\n");
    assert_eq!(last(&scene, &with("one")).await, "packed");
    assert_eq!(last(&scene, &with("two")).await, "packed");
    assert_eq!(last(&scene, &with("one")).await, "cached");
    let heredoc = |text: &str| format!("FROM scratch\nCOPY <<E /h\n{text}\nE\n");
    assert_eq!(last(&scene, &heredoc("1")).await, "packed");
    assert_eq!(last(&scene, &heredoc("2")).await, "packed");
    assert_eq!(last(&scene, &heredoc("1")).await, "cached");
    assert_eq!(
        last(&scene, "FROM scratch\nCOPY --chmod=600 t/a /one\n").await,
        "packed"
    );
    assert_eq!(
        last(&scene, "FROM scratch\nCOPY --chown=7 t/a /one\n").await,
        "packed"
    );
}

#[tokio::test]
async fn names_of_one_file_are_not_files_of_their_own() {
    let scene = Scene::new();
    scene.write("a", "same");
    fs_err::hard_link(scene.path("a"), scene.path("b")).expect("linked");
    let dockerfile = "FROM scratch\nCOPY . /d/\n";
    let (linked, _) = told(&scene, dockerfile).await;
    fs_err::remove_file(scene.path("b")).expect("there");
    scene.write("b", "same");
    let (apart, said) = told(&scene, dockerfile).await;
    assert_eq!(said, ["packed"]);
    assert_ne!(linked.descriptor, apart.descriptor);
}

#[tokio::test]
async fn a_context_is_known_by_its_files_and_not_by_its_name() {
    let scene = Scene::new();
    scene.write("one/a", "1");
    scene.write("two/a", "1");
    scene.write("three/a", "3");
    let mut said = Vec::new();
    for directory in ["one", "two", "three"] {
        let mut request = scene.request("FROM scratch\nCOPY --from=more a /\n");
        let files = builder::ContextSource::Directory(scene.path(directory));
        request.contexts = BTreeMap::from([("more".to_owned(), NamedContext::Files(files))]);
        scene.run(request).await.expect("it can be built");
        said.extend(scene.told());
    }
    assert_eq!(said, ["packed", "cached", "packed"]);
}

#[tokio::test]
async fn a_base_is_known_by_its_layers() {
    let scene = Scene::new();
    scene.write("a", "1");
    let library = scene.images.library().expect("a library").clone();
    let label = |text: &str| format!("FROM scratch\nCOPY a /base\nLABEL l={text}\n");
    let name = "localhost/base:1".parse().expect("a name");
    let dockerfile = "FROM localhost/base:1\nCOPY a /own\n";
    let mut said = Vec::new();
    for text in ["one", "two"] {
        let base = scene.build(&label(text)).await;
        library
            .set(&name, &base.descriptor)
            .await
            .expect("writable");
        said.push(last(&scene, dockerfile).await);
    }
    // Other labels, the same files.
    assert_eq!(said, ["packed", "cached"]);
    let place = Place::Library("localhost/shop:1".parse().expect("a name"));
    let choice = image::PlatformChoice::One(platform("amd64"));
    let inspected = scene.images.inspect(&place, &choice).await.expect("there");
    let config = inspected.config.expect("a config");
    assert!(String::from_utf8_lossy(&config).contains(r#""l":"two""#));
}

#[tokio::test]
async fn a_stage_becomes_an_image_of_the_same_bytes_whenever_that_is() {
    let dockerfile = "FROM scratch AS one\nCOPY big /in/\nWORKDIR /in/deep\n\
        FROM scratch\nCOPY --from=one /in/big /out\n";
    let furnish = |scene: &Scene| {
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|n| (n.wrapping_mul(n) / 7) as u8)
            .collect();
        scene.write("big", bytes);
    };
    let target = |scene: &Scene| {
        let mut request = scene.request(dockerfile);
        request.target = Some("one".to_owned());
        request
    };
    let fresh = Scene::new();
    furnish(&fresh);
    let expected = fresh.run(target(&fresh)).await.expect("it can be built");
    assert_eq!(fresh.told(), ["packed", "packed"]);

    let scene = Scene::new();
    furnish(&scene);
    let whole = scene.build(dockerfile).await;
    let one = &whole.images[0].steps[0];
    let packed = one.layer.as_ref().expect("it made a layer");
    // Nobody has it but wharf, so it need not be small.
    assert_eq!(
        packed.descriptor.media_type.to_string(),
        "application/vnd.oci.image.layer.v1.tar+zstd"
    );
    let last = whole.images[0].layers.last().expect("a layer");
    assert_eq!(
        last.descriptor.media_type.to_string(),
        "application/vnd.oci.image.layer.v1.tar+gzip"
    );
    for _ in 0..2 {
        let one = scene.run(target(&scene)).await.expect("it can be built");
        assert_eq!(scene.told(), ["cached", "cached"]);
        assert_eq!(one.descriptor, expected.descriptor);
    }
    // And the other way about: what an image has serves a stage.
    let again = scene.build(dockerfile).await;
    assert_eq!(scene.told(), ["cached", "cached", "cached"]);
    assert_eq!(again.descriptor, whole.descriptor);
    let later = fresh.build(dockerfile).await;
    assert_eq!(fresh.told(), ["cached", "cached", "packed"]);
    assert_eq!(later.descriptor, whole.descriptor);
}

#[tokio::test]
async fn what_a_directory_has_is_taken_over_or_done_again() {
    let dockerfile = "FROM scratch AS one\nCOPY a /in/\nFROM scratch\n\
        COPY --from=one /in/a /out\nCOPY b /\n";
    let furnished = || {
        let scene = Scene::new();
        scene.write("a", "1");
        scene.write("b", "2");
        scene
    };
    let (first, tag) = (furnished(), builder::cache_tag());
    let directory = first.home().join("cache");
    let mut request = first.request(dockerfile);
    request.caches.to = vec![CacheTarget {
        destination: CacheDestination::Layout {
            directory: directory.clone(),
            tag: tag.clone(),
        },
        extent: CacheExtent::All,
        failure: CacheFailure::Fails,
    }];
    let built = first.run(request).await.expect("it can be built");
    let from = |scene: &Scene| {
        let mut request = scene.request(dockerfile);
        request.caches.from = vec![CacheSource::Layout {
            directory: directory.clone(),
            tag: tag.clone(),
        }];
        request
    };
    // Nobody could fetch the layers from that directory later.
    let other = furnished();
    let again = other.run(from(&other)).await.expect("it can be built");
    assert_eq!(other.told(), ["cached", "cached", "cached"]);
    assert_eq!(again.descriptor, built.descriptor);
    for layer in &again.images[0].layers {
        other.blob(&layer.descriptor.digest).await;
    }
    // What is not there, though it was promised, is made again: of the image, and
    // of a stage that a later step wants to read.
    let last = &built.images[0].layers[1].descriptor.digest;
    fs_err::write(directory.join("blobs/sha256").join(last.hex()), "x").expect("writable");
    let third = furnished();
    let again = third.run(from(&third)).await.expect("it can be built");
    assert_eq!(again.descriptor, built.descriptor);
    let told = third.told();
    assert_eq!(
        told.iter().filter(|line| *line == "packed").count(),
        1,
        "{told:?}"
    );
    let warned = format!("warning: the layer `{last}` of the cache `");
    let warned = told.iter().filter(|line| line.starts_with(&warned));
    assert_eq!(warned.count(), 1, "{told:?}");
    let stages: Vec<_> = fs_err::read_dir(directory.join("blobs/sha256"))
        .expect("a layout")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| fs_err::read(path).is_ok_and(|blob| !blob.starts_with(b"{")))
        .collect();
    for layer in stages {
        fs_err::remove_file(layer).expect("it is there");
    }
    let changed = furnished();
    let dockerfile = dockerfile.replace("/out", "/other");
    let mut request = changed.request(&dockerfile);
    request.caches.from = vec![CacheSource::Layout { directory, tag }];
    let built = changed.run(request).await.expect("it can be built");
    let told = changed.told();
    let without = furnished().build(&dockerfile).await;
    assert_eq!(built.descriptor, without.descriptor, "{told:?}");
    assert!(!told.contains(&"cached".to_owned()), "{told:?}");
}
