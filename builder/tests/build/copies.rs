//! The flags of `COPY`: what their layers hold, and that what makes no
//! difference changes no digest.

use builder::{Built, ErrorKind};
use layer::LayerIndex;

use crate::scene::Scene;

/// Lists the entries of a layer with mode, owner and time.
pub(crate) async fn entries(scene: &Scene, built: &Built, layer: usize) -> Vec<String> {
    let bytes = scene.unpacked(built, layer).await;
    let index = LayerIndex::read(&mut bytes.as_slice()).expect("a layer");
    let line = |record: &layer::Record| {
        let metadata = &record.entry.metadata;
        let kind = match &record.entry.kind {
            layer::Kind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
            // It has what its file has.
            layer::Kind::HardLink { target } => return format!("{} = {target}", record.entry.path),
            _ => String::new(),
        };
        format!(
            "{}{kind} {:04o} {}:{} {}",
            record.entry.path, metadata.mode, metadata.uid, metadata.gid, metadata.mtime
        )
    };
    index.records().iter().map(line).collect()
}

fn furnished() -> Scene {
    let scene = Scene::new();
    scene.write("a.txt", "a");
    scene.write("d/b.txt", "b");
    scene.write("d/e/c.md", "c");
    scene.write("passwd", "app:x:5:6::/:\n");
    scene
}

#[tokio::test]
async fn a_linked_layer_is_one_and_the_same_on_all_bases() {
    let scene = furnished();
    let mut digests = Vec::new();
    for base in [
        "",
        "COPY --chmod=1777 d /srv/d\n",
        "COPY a.txt /srv\n",
        "WORKDIR /srv/d/e\nUSER 7\n",
    ] {
        let text = format!("FROM scratch\n{base}COPY --link --chown=3:4 d /srv/d/\n");
        let built = scene.build(&text).await;
        let last = built.images[0].layers.len() - 1;
        assert_eq!(
            entries(&scene, &built, last).await,
            [
                "/srv 0755 3:4 0",
                "/srv/d 0755 3:4 0",
                "/srv/d/b.txt 0644 3:4 0",
                "/srv/d/e 0755 3:4 0",
                "/srv/d/e/c.md 0644 3:4 0"
            ]
        );
        digests.push(built.images[0].layers[last].descriptor.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[tokio::test]
async fn a_linked_layer_needs_nothing_of_its_base() {
    let scene = furnished();
    let mut request = scene.request("FROM scratch\nCOPY d /d/\n");
    request.names = vec!["localhost/base:1".parse().expect("a name")];
    let base = scene.run(request).await.expect("it can be built");
    let hex = base.images[0].layers[0].descriptor.digest.to_string();
    let hex = hex.split(':').nth(1).expect("a digest");
    let kept = crate::scene::files(&scene.home());
    let blob = kept.keys().find(|path| path.ends_with(hex));
    // Without its files and what was noted of them.
    fs_err::write(blob.expect("it was kept"), "damaged").expect("writable");
    let noted = kept
        .keys()
        .filter(|path| path.starts_with(scene.home().join("notes/indexes")));
    noted.for_each(|path| fs_err::remove_file(path).expect("writable"));
    let text = "FROM localhost/base:1\nENV A=1\nCOPY --link a.txt /d/\n";
    let built = scene.build(text).await;
    assert_eq!(built.images[0].layers.len(), 2);
    let error = scene
        .run(scene.request("FROM localhost/base:1\nCOPY a.txt /d/\n"))
        .await;
    assert!(error.is_err(), "this needs to know what is below");
}

#[tokio::test]
async fn what_links_leave_is_what_their_layers_make() {
    let scene = furnished();
    fs_err::os::unix::fs::symlink("etc", scene.path("d/srv")).expect("writable");
    let text = "FROM scratch AS a\n\
         COPY d /\n\
         COPY a.txt /e/way\n\
         COPY --link a.txt /srv/way\n\
         COPY --link d /e/way/\n\
         COPY --link --parents a.txt d/./e/*.md /\n";
    let within = scene
        .build(&format!("{text}FROM scratch\nCOPY --from=a / /\n"))
        .await;
    // The same from the layers alone, as they are read from the library.
    let mut request = scene.request(text);
    request.names = vec!["localhost/linked:1".parse().expect("a name")];
    scene.run(request).await.expect("it can be built");
    let without = scene
        .build("FROM scratch\nCOPY --from=localhost/linked:1 / /\n")
        .await;
    assert_eq!(
        within.images[0].layers[0].descriptor.digest,
        without.images[0].layers[0].descriptor.digest
    );
    let all = entries(&scene, &within, 0).await;
    assert!(all.contains(&"/srv/way 0644 0:0 0".to_owned()), "{all:?}");
    assert!(
        all.contains(&"/e/way/b.txt 0644 0:0 0".to_owned()),
        "{all:?}"
    );
}

#[tokio::test]
async fn flags_that_change_nothing_change_no_digest() {
    let scene = furnished();
    let plain = scene.build("FROM scratch\nCOPY d /x/\n").await;
    for flags in [
        "--link",
        "--link=false",
        "--exclude=no-such-file",
        "--chmod=u=rwX,go=rX",
        "--chmod=a+r",
        "--chown=0:0",
        "--parents=false",
    ] {
        let built = scene
            .build(&format!("FROM scratch\nCOPY {flags} d /x/\n"))
            .await;
        assert_eq!(
            built.images[0].layers[0].descriptor, plain.images[0].layers[0].descriptor,
            "{flags}"
        );
    }
    let parents = scene.build("FROM scratch\nCOPY --parents d/./ /x/\n").await;
    assert_eq!(
        parents.images[0].layers[0].descriptor,
        plain.images[0].layers[0].descriptor
    );
}

#[tokio::test]
async fn flags_work_on_all_there_is_to_copy() {
    let scene = furnished();
    let built = scene
        .build(
            "FROM scratch AS files\n\
             COPY . /in/\n\
             FROM scratch\n\
             ARG WHAT=*.txt\n\
             COPY --from=files --parents --exclude=**/$WHAT in/./d /p\n\
             COPY --chmod=u+x,go= --exclude=$WHAT <<run.sh <<notes.txt /h/\n\
             echo\n\
             run.sh\n\
             none\n\
             notes.txt\n",
        )
        .await;
    assert_eq!(
        entries(&scene, &built, 0).await,
        [
            "/p 0755 0:0 0",
            "/p/d 0755 0:0 0",
            "/p/d/e 0755 0:0 0",
            "/p/d/e/c.md 0644 0:0 0"
        ]
    );
    assert_eq!(
        entries(&scene, &built, 1).await,
        ["/h 0755 0:0 0", "/h/run.sh 0700 0:0 0"]
    );
}

#[tokio::test]
async fn a_mistake_is_told_where_it_stands() {
    let scene = furnished();
    for (line, part, expected) in [
        (
            "COPY --parents d/no/x a.txt /y/",
            "d/no/x",
            "`/d/no` is not there",
        ),
        (
            "COPY --exclude=$E a.txt /",
            "$E",
            "`--exclude` is empty once it is expanded",
        ),
        (
            "COPY --link --chown=$N a.txt /",
            "$N",
            "`app` is a name, and a layer of `--link` knows no names: it is made without what is below it",
        ),
        (
            "COPY --chmod=$N a.txt /",
            "$N",
            "`app` is no mode: `p` is none of its letters",
        ),
    ] {
        let text = format!("FROM scratch\nARG E=\nARG N=app\nCOPY passwd /etc/passwd\n{line}\n");
        let error = scene.run(scene.request(&text)).await.expect_err(line);
        assert_eq!(error.to_string(), expected, "{line}");
        let span = error.span().expect("a place");
        assert_eq!(&text[span.start..span.end], part, "{line}");
        assert_ne!(error.kind(), ErrorKind::Mistakes, "{line}");
    }
}

#[tokio::test]
async fn a_linked_layer_that_changes_directories_says_so() {
    let scene = furnished();
    scene
        .build(
            "FROM scratch\n\
             COPY --parents --chmod=1777 d/e /\n\
             COPY --link a.txt /d/e/a\n",
        )
        .await;
    let told = scene.told();
    let warned: Vec<&String> = told
        .iter()
        .filter(|line| line.starts_with("warning"))
        .collect();
    assert_eq!(
        warned,
        [
            "warning: `/d` is 1777 of 0:0 below, and becomes 0755 of 0:0 by `--link`",
            "warning: `/d/e` is 1777 of 0:0 below, and becomes 0755 of 0:0 by `--link`"
        ]
    );
}
