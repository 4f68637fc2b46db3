//! `ADD`: archives in every form, files from URLs, and git repositories.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use builder::ErrorKind;

use crate::copies::entries;
use crate::scene::Scene;
use crate::server::Server;

/// Makes an archive: a directory with a set-id file of somebody, another name
/// of it, a link, and a pipe.
fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8], target: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(77);
        header.set_size(content.len() as u64);
        if !target.is_empty() {
            header.set_link_name(target).expect("short");
        }
        header.set_path(path).expect("short");
        header.set_cksum();
        builder.append(&header, content).expect("memory");
    };
    add("./", tar::EntryType::Directory, 0o700, b"", "");
    add("./bin/", tar::EntryType::Directory, 0o750, b"", "");
    add("./bin/su", tar::EntryType::Regular, 0o4755, b"program", "");
    add("./bin/twin", tar::EntryType::Link, 0o644, b"", "./bin/su");
    add("./bin/l", tar::EntryType::Symlink, 0o777, b"", "/etc/x");
    add("./implied/p", tar::EntryType::Fifo, 0o600, b"", "");
    builder.into_inner().expect("memory")
}

const UNPACKED: [&str; 7] = [
    "/x 0755 0:0 0",
    "/x/bin 0750 5:6 77",
    "/x/bin/l -> /etc/x 0777 5:6 77",
    "/x/bin/su 4755 5:6 77",
    "/x/bin/twin = /x/bin/su",
    "/x/implied 0755 0:0 0",
    "/x/implied/p 0600 5:6 77",
];

/// Has a module of Python compress.
fn compress(module: &str, content: &[u8]) -> Vec<u8> {
    let code = format!(
        "import sys, {module}; sys.stdout.buffer.write({module}.compress(sys.stdin.buffer.read()))"
    );
    let mut child = Command::new("python3")
        .args(["-c", &code])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there");
    // The archives here fit into a pipe.
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(content).expect("it reads");
    drop(input);
    child.wait_with_output().expect("it ends").stdout
}

/// Makes a frame of zstd that has a block as it is (RFC 8878, section 3.1.1).
fn zstd(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("small");
    let mut frame = b"\x28\xb5\x2f\xfd\xa0".to_vec();
    frame.extend(size.to_le_bytes());
    frame.extend(&(size << 3 | 1).to_le_bytes()[..3]);
    frame.extend(content);
    frame
}

#[tokio::test]
async fn archives_are_known_by_what_is_in_them() {
    let scene = Scene::new();
    let plain = archive();
    let mut digests = Vec::new();
    for (name, content) in [
        ("a.tar", plain.clone()),
        ("a", compress("gzip", &plain)),
        ("a.zip", compress("bz2", &plain)),
        ("a.txt", compress("lzma", &plain)),
        ("a.zst", zstd(&plain)),
    ] {
        scene.write(name, content);
        let built = scene.build(&format!("FROM scratch\nADD {name} /x\n")).await;
        assert_eq!(entries(&scene, &built, 0).await, UNPACKED, "{name}");
        digests.push(built.images[0].layers[0].descriptor.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
    // The same again comes from what was kept.
    let again = scene.build("FROM scratch\nADD a.txt /x/\n").await;
    assert_eq!(again.images[0].layers[0].descriptor.digest, digests[0]);
    assert_eq!(scene.told(), ["cached"]);
}

#[tokio::test]
async fn contexts_may_be_compressed_in_every_form() {
    let scene = Scene::new();
    let plain = archive();
    for (name, content) in [
        ("tar", plain.clone()),
        ("bz2", compress("bz2", &plain)),
        ("xz", compress("lzma", &plain)),
    ] {
        scene.write(name, content);
        let file = fs_err::File::open(scene.path(name)).expect("just written");
        let mut request = scene.request("FROM scratch\nCOPY bin/su /\n");
        request.context = builder::ContextSource::Archive(std::sync::Arc::new(file.into_parts().0));
        let built = scene.run(request).await.expect("it can be built");
        assert_eq!(
            entries(&scene, &built, 0).await,
            ["/su 0755 0:0 0"],
            "{name}"
        );
    }
}

#[tokio::test]
async fn what_is_no_archive_or_not_to_be_unpacked_is_copied() {
    let scene = Scene::new();
    scene.write("a.tar", archive());
    scene.write("d/a.tar", archive());
    scene.write("a.gz", compress("gzip", b"a letter"));
    scene.write("b.tar", "not one");
    let built = scene
        .build(
            "FROM scratch\n\
             ADD --unpack=false a.tar /x/\n\
             ADD d a.gz b.tar /y/\n\
             COPY a.tar /z/\n\
             ADD --exclude=*.tar --exclude=bin * /x/\n",
        )
        .await;
    assert_eq!(
        entries(&scene, &built, 0).await,
        ["/x 0755 0:0 0", "/x/a.tar 0644 0:0 0"]
    );
    assert_eq!(
        entries(&scene, &built, 1).await,
        [
            "/y 0755 0:0 0",
            "/y/a.gz 0644 0:0 0",
            "/y/a.tar 0644 0:0 0",
            "/y/b.tar 0644 0:0 0"
        ]
    );
    assert_eq!(
        entries(&scene, &built, 2).await,
        ["/z 0755 0:0 0", "/z/a.tar 0644 0:0 0"]
    );
    assert_eq!(
        entries(&scene, &built, 3).await,
        ["/x 0755 0:0 0", "/x/a.gz 0644 0:0 0"]
    );
}

#[tokio::test]
async fn flags_count_for_what_was_unpacked() {
    let scene = Scene::new();
    scene.write("a.tar", archive());
    let built = scene
        .build("FROM scratch\nADD --link --chown=8:9 --chmod=go= --exclude=bin/l a.tar /x\n")
        .await;
    assert_eq!(
        entries(&scene, &built, 0).await,
        [
            "/x 0755 8:9 0",
            "/x/bin 0700 8:9 77",
            "/x/bin/su 4700 8:9 77",
            "/x/bin/twin = /x/bin/su",
            "/x/implied 0755 8:9 0",
            "/x/implied/p 0600 8:9 77"
        ]
    );
}

#[tokio::test]
async fn an_archive_that_can_not_be_unpacked_says_why() {
    let scene = Scene::new();
    let mut cut = archive();
    cut.truncate(1100);
    scene.write("cut.tar", cut);
    let mut hidden = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(0);
    hidden
        .append_data(&mut header, "d/.wh.gone", b"".as_slice())
        .expect("memory");
    scene.write("hidden.tar", hidden.into_inner().expect("memory"));
    for (name, expected) in [
        ("cut.tar", "`/cut.tar` can not be read as a tar archive"),
        (
            "hidden.tar",
            "`/hidden.tar` has a name that starts with `.wh.` in place of `/d/gone`",
        ),
    ] {
        let text = format!("FROM scratch\nADD {name} /\n");
        let error = scene.run(scene.request(&text)).await.expect_err(name);
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Step, expected)
        );
        let span = error.span().expect("a place");
        assert_eq!(&text[span.start..span.end], name);
        assert!(error.hint().is_some());
    }
}

#[tokio::test]
async fn files_come_from_urls() {
    let scene = Scene::new();
    let served = tempfile::tempdir().expect("a temporary directory");
    fs_err::write(served.path().join("tool.bin"), "abc").expect("writable");
    fs_err::write(served.path().join("a.tar.gz"), compress("gzip", &archive())).expect("writable");
    scene.write("local.tar", archive());
    let server = Server::of(served.path());
    let (tool, packed) = (server.url("tool.bin?x=1"), server.url("a.tar.gz"));
    let right = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let mut request = scene.request(&format!(
        "FROM scratch\n\
         ARG URL={tool}\n\
         ADD --checksum={right} $URL /bin/tool\n\
         ADD --chmod=755 --chown=3 {tool} {packed} /x/\n\
         ADD --unpack=true {packed} /x\n\
         ADD --unpack --link {packed} {tool} local.tar /y/\n"
    ));
    request.epoch = 1_000_000_000;
    let built = scene.run(request).await.expect("it can be built");
    assert_eq!(
        entries(&scene, &built, 0).await,
        ["/bin 0755 0:0 1000000000", "/bin/tool 0600 0:0 784111777"]
    );
    assert_eq!(
        entries(&scene, &built, 1).await,
        [
            "/x 0755 3:3 1000000000",
            "/x/a.tar.gz 0755 3:3 784111777",
            "/x/tool.bin 0755 3:3 784111777"
        ]
    );
    let at = |line: &&str| line.replace("0:0 0", "0:0 1000000000");
    let unpacked = entries(&scene, &built, 2).await;
    assert_eq!(
        unpacked[1..],
        UNPACKED.iter().map(at).collect::<Vec<_>>()[1..]
    );
    let mixed = entries(&scene, &built, 3).await;
    assert_eq!(mixed.len(), UNPACKED.len() + 1);
    assert!(
        mixed.contains(&"/y/tool.bin 0600 0:0 784111777".to_owned()),
        "{mixed:?}"
    );
    // Its time is its own, whatever that of the build is.
    let early = scene.build(&format!("FROM scratch\nADD {tool} /\n")).await;
    assert_eq!(
        entries(&scene, &early, 0).await,
        ["/tool.bin 0600 0:0 784111777"]
    );
}

#[tokio::test]
async fn a_file_that_is_another_or_none_is_refused() {
    let scene = Scene::new();
    let served = tempfile::tempdir().expect("a temporary directory");
    fs_err::write(served.path().join("f"), "abd").expect("writable");
    let server = Server::of(served.path());
    let (url, missing, nameless) = (server.url("f"), server.url("no"), server.url(""));
    let sum = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (line, part, kind) in [
        (
            format!("ADD --checksum={sum} {url} /"),
            url.as_str(),
            ErrorKind::Mismatch,
        ),
        (
            format!("ADD {missing} /"),
            missing.as_str(),
            ErrorKind::NotFound,
        ),
        (
            format!("ADD {nameless} /"),
            nameless.as_str(),
            ErrorKind::NotFound,
        ),
    ] {
        let text = format!("FROM scratch\n{line}\n");
        let error = scene.run(scene.request(&text)).await.expect_err(&line);
        assert_eq!(error.kind(), kind, "{line}: {error}");
        let span = error.span().expect("a place");
        assert_eq!(&text[span.start..span.end], part);
    }
}

/// Runs git in a directory.
fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .output()
        .expect("git is there");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

#[tokio::test]
async fn files_come_from_git() {
    use std::os::unix::fs::PermissionsExt as _;
    let served = tempfile::tempdir().expect("a temporary directory");
    let work = served.path().join("work");
    fs_err::create_dir_all(work.join("sub/deep")).expect("writable");
    fs_err::write(work.join("sub/deep/f"), "f").expect("writable");
    fs_err::write(work.join("run"), "#!/bin/sh\n").expect("writable");
    let executable = std::fs::Permissions::from_mode(0o700);
    fs_err::set_permissions(work.join("run"), executable).expect("our own file");
    fs_err::os::unix::fs::symlink("run", work.join("l")).expect("writable");
    git(&work, &["init", "--quiet"]);
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "first"]);
    let commit = git(&work, &["rev-parse", "HEAD"]);
    git(
        &work,
        &["clone", "--quiet", "--bare", ".", "../repository.git"],
    );
    git(
        &served.path().join("repository.git"),
        &["update-server-info"],
    );
    let server = Server::of(served.path());
    let url = server.url("repository.git");
    let scene = Scene::new();
    scene.write("local", "x");
    let mut request = scene.request(&format!(
        "FROM scratch\n\
         ADD --checksum={commit} {url} /src\n\
         ADD --exclude=**/f {url}#main:sub local /x/\n\
         ADD --keep-git-dir=true --link {url} /kept/\n"
    ));
    request.epoch = 9;
    let built = scene.run(request).await.expect("it can be built");
    assert_eq!(
        entries(&scene, &built, 0).await,
        [
            "/src 0755 0:0 9",
            "/src/l -> run 0777 0:0 9",
            "/src/run 0755 0:0 9",
            "/src/sub 0755 0:0 9",
            "/src/sub/deep 0755 0:0 9",
            "/src/sub/deep/f 0644 0:0 9"
        ]
    );
    assert_eq!(
        entries(&scene, &built, 1).await,
        ["/x 0755 0:0 9", "/x/deep 0755 0:0 9", "/x/local 0644 0:0 9"]
    );
    let kept = entries(&scene, &built, 2).await;
    assert!(
        kept.iter().any(|line| line.starts_with("/kept/.git/HEAD ")),
        "{kept:?}"
    );
}
