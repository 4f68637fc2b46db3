//! A registry as source and target: the real one, where it was built.

#![expect(clippy::print_stdout, reason = "a test that can not run says so")]

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use image::{Origin, PlatformChoice};

use crate::fixture::{Content, Room, digest_of, listing, write_files};

/// Is a registry that ends with the test.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a registry; `None` where none was built.
fn serve(room: &Room) -> Option<Server> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let program = ["release/wharf", "debug/wharf"]
        .iter()
        .map(|name| target.join(name))
        .find(|path| path.exists());
    let Some(program) = program else {
        println!("skipped: `wharf` is not built");
        return None;
    };
    let mut child = Command::new(program)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--unsafe-no-sync",
            "--storage",
        ])
        .arg(room.path("storage"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a registry");
    let stdout = child.stdout.take().expect("a pipe");
    let mut line = String::new();
    std::io::BufReader::new(stdout)
        .read_line(&mut line)
        .expect("a line");
    let address = line
        .trim()
        .strip_prefix("listening http://")
        .expect("an address")
        .to_owned();
    Some(Server { child, address })
}

#[tokio::test]
async fn an_index_goes_there_and_back() {
    let room = Room::new();
    let Some(server) = serve(&room) else {
        return;
    };
    let mut content = Content::default();
    let images = [content.image("one", "amd64"), content.image("two", "arm64")];
    let mut elsewhere = Content::default();
    let index = content.index(&[
        images[0].clone(),
        images[1].clone(),
        elsewhere.image("x", "s390x"),
    ]);
    let digest = digest_of(&index);
    write_files(&room.path("in"), &content.layout(&[("v1", &index)]));
    let remote = |name: &str| format!("docker://{}/{name}", server.address);
    let copied = room
        .copy("oci:@/in:v1", &remote("a/b:1"))
        .await
        .expect("pushed");
    assert_eq!(
        (copied.digest, copied.blobs_copied, copied.absent.len()),
        (digest, 5, 1)
    );
    let mounted = room
        .copy(&remote("a/b:1"), &remote("c:1"))
        .await
        .expect("mounted");
    assert_eq!(
        (mounted.digest, mounted.blobs_mounted, mounted.blobs_copied),
        (digest, 5, 0)
    );
    let again = room
        .copy("oci:@/in:v1", &remote("c:2"))
        .await
        .expect("again");
    assert_eq!((again.blobs_present, again.blobs_copied), (5, 0));
    for to in ["oci:@/out:v1", "local:c", "oci-archive:@/a.tar"] {
        let pulled = room.copy(&remote("c:1"), to).await.expect(to);
        assert_eq!(
            (pulled.digest, pulled.blobs_copied, pulled.absent.len()),
            (digest, 5, 1),
            "{to}"
        );
    }
    assert_eq!(listing(&room.path("out")), listing(&room.path("in")));
    by_digest(&room, &server, digest, digest_of(&images[1])).await;
}

async fn by_digest(room: &Room, server: &Server, digest: oci::Digest, arm64: oci::Digest) {
    let remote = |name: &str| format!("docker://{}/{name}", server.address);
    let pinned = remote(&format!("c@{digest}"));
    assert_eq!(
        room.copy("oci:@/out", &pinned)
            .await
            .expect("by digest")
            .digest,
        digest
    );
    let place = room.place(&pinned);
    let one = "linux/arm64".parse().expect("a platform");
    let inspected = room.images.inspect(&place, &one).await.expect("an image");
    assert_eq!(inspected.digest, arm64);
    let wrong = remote(&format!("c@{arm64}"));
    assert!(
        room.refused("oci:@/out", &wrong)
            .await
            .starts_with("Mismatch: ")
    );
    let error = room.refused(&remote("none:1"), "local:x").await;
    assert!(error.starts_with("NotFound: can not fetch `"), "{error}");
    room.images
        .remove(&room.place(&remote("c:2")))
        .await
        .expect("removed");
    assert!(
        room.images
            .inspect(&room.place(&remote("c:2")), &PlatformChoice::All)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn wrong_content_is_not_pushed() {
    let room = Room::new();
    let Some(server) = serve(&room) else {
        return;
    };
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    let (name, _) = content
        .0
        .iter()
        .next()
        .map(|(n, b)| (n.clone(), b.clone()))
        .expect("a blob");
    let manifest = format!("blobs/sha256/{}", digest_of(&image).hex());
    let victim = if name == manifest {
        content.0.keys().nth(1).cloned().expect("a blob")
    } else {
        name
    };
    let bytes = content.0.get_mut(&victim).expect("a blob");
    bytes[0] ^= 1;
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let remote = format!("docker://{}/x:1", server.address);
    let error = room.refused("oci:@/in", &remote).await;
    assert!(
        error.starts_with("Mismatch: can not push `sha256:"),
        "{error}"
    );
    let stored = listing(&room.path("storage"));
    let hex = victim.rsplit('/').next().expect("a name");
    assert!(!stored.iter().any(|file| file.contains(hex)), "{stored:?}");
    let inspected = room
        .images
        .inspect(&room.place(&remote), &PlatformChoice::All)
        .await;
    assert!(inspected.is_err());
}

#[tokio::test]
async fn docker_archives_and_the_library_reach_it() {
    let room = Room::new();
    let Some(server) = serve(&room) else {
        return;
    };
    let mut content = Content::default();
    let image = content.image("word", "amd64");
    write_files(&room.path("in"), &content.layout(&[("", &image)]));
    let remote = format!("docker://{}/x:1", server.address);
    room.copy("oci:@/in", "local:x").await.expect("in");
    assert_eq!(
        room.copy("local:x", &remote).await.expect("pushed").digest,
        digest_of(&image)
    );
    room.copy(&remote, "docker-archive:@/a.tar")
        .await
        .expect("saved");
    let name = format!("docker-archive:@/a.tar:{}/x:1", server.address);
    let pushed = room
        .copy(&name, &format!("{remote}-d"))
        .await
        .expect("pushed");
    let back = room
        .copy(&format!("{remote}-d"), "local:d")
        .await
        .expect("pulled");
    assert_eq!(pushed.digest, back.digest);
}

#[tokio::test]
async fn what_the_library_lacks_comes_from_where_it_was() {
    let room = Room::new();
    let Some(server) = serve(&room) else {
        return;
    };
    let mut content = Content::default();
    let image = content.image("one", "amd64");
    write_files(&room.path("in"), &content.layout(&[("v1", &image)]));
    let remote = |name: &str| format!("docker://{}/{name}", server.address);
    room.copy("oci:@/in:v1", &remote("base:1"))
        .await
        .expect("pushed");
    let library = room.images.library().expect("a library");
    let platform = PlatformChoice::All;
    let place = room.place(&remote("base:1"));
    let inspected = room.images.inspect(&place, &platform).await.expect("there");
    let origin = Origin {
        registry: server.address.parse().expect("a registry"),
        repository: "base".parse().expect("a repository"),
    };
    for layer in inspected.manifest.layers() {
        assert_eq!(library.origins(&layer.digest).await.expect("none"), []);
        // Twice is once.
        for _ in 0..2 {
            library
                .add_origin(&layer.digest, &origin)
                .await
                .expect("noted");
        }
        let known = library.origins(&layer.digest).await.expect("one");
        assert_eq!(known, std::slice::from_ref(&origin));
    }
    for bytes in [
        inspected.config.expect("a config"),
        inspected.manifest.bytes().clone(),
    ] {
        library.keep(bytes).await.expect("kept");
    }
    let name = "localhost/shop:1".parse().expect("a name");
    let descriptor = inspected.manifest.descriptor();
    library.set(&name, &descriptor).await.expect("named");

    let layers = inspected.manifest.layers().len() as u64;
    let pushed = room
        .copy("local:localhost/shop:1", &remote("shop:1"))
        .await
        .expect("pushed");
    assert_eq!((pushed.blobs_mounted, pushed.blobs_copied), (layers, 1));
    let written = room
        .copy("local:localhost/shop:1", "oci:@/out:v1")
        .await
        .expect("written");
    assert_eq!(
        (written.digest, written.blobs_copied),
        (descriptor.digest, layers + 1)
    );
    let blobs = listing(&room.path("home")).into_iter();
    let kept = blobs.filter(|name| name.starts_with("blobs/")).count();
    assert_eq!(kept, 2, "layers pass by and are not kept");
    drop(server);
    let said = room
        .refused("local:localhost/shop:1", "oci:@/other:v1")
        .await;
    assert!(said.contains("where it came from"), "{said}");
}
