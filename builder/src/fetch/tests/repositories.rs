//! Repositories, made by `git` itself in directories of the test.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::{Reply, Server};
use super::*;
use crate::error::ErrorKind;
use crate::fetch::network::Repositories;
use crate::fetch::repository::GitSource;

/// Where git is looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Is a repository that others fetch from.
struct Origin {
    directory: tempfile::TempDir,
}

impl Origin {
    /// Makes one with a commit on `main`; `None` where there is no git.
    fn new() -> Option<Self> {
        let is_there = PATH
            .split(':')
            .any(|place| Path::new(place).join("git").exists());
        if !is_there {
            println!("skipped: there is no git");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let origin = Self { directory };
        origin.git(&["init", "--quiet", "--initial-branch=main"]);
        origin.write("file", "first");
        origin.write("sub/dir/inner", "inner");
        origin.commit("first");
        Some(origin)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .envs([
                ("PATH", PATH),
                ("HOME", "/nonexistent"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_ALLOW_PROTOCOL", "file"),
                ("GIT_AUTHOR_NAME", "a"),
                ("GIT_AUTHOR_EMAIL", "a@example.com"),
                ("GIT_AUTHOR_DATE", "1000000000 +0000"),
                ("GIT_COMMITTER_NAME", "c"),
                ("GIT_COMMITTER_EMAIL", "c@example.com"),
                ("GIT_COMMITTER_DATE", "1000000000 +0000"),
            ])
            .output()
            .expect("git runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs_err::write(path, content).expect("written");
    }

    /// Commits everything, and gives the name of the commit.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    fn source(&self, more: &str) -> GitSource {
        GitSource::local(&format!("{}{more}", self.url())).expect("a source")
    }
}

impl Bench {
    fn local() -> Self {
        let mut bench = Self::new();
        bench.network.repositories = Repositories::Local;
        bench
    }

    async fn git(&self, source: &GitSource) -> Result<Checkout, Error> {
        git(&self.way(), source).await
    }

    async fn refuses(&self, source: &GitSource) -> (ErrorKind, String) {
        let error = self.git(source).await.expect_err("it fails");
        assert_eq!(self.left(), Vec::<PathBuf>::new());
        (error.kind(), whole(&error))
    }
}

/// Reads all files below a directory, and where links lead.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs_err::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            let kind = fs_err::symlink_metadata(&path).expect("there").file_type();
            let name = path.strip_prefix(directory).expect("below it");
            let name = name.to_string_lossy().into_owned();
            if kind.is_dir() {
                left.push(path);
            } else if kind.is_symlink() {
                let target = fs_err::read_link(&path).expect("a link");
                all.insert(name, target.to_string_lossy().into_owned().into_bytes());
            } else {
                all.insert(name, fs_err::read(&path).expect("a file"));
            }
        }
    }
    all
}

fn names(checkout: &Checkout) -> Vec<String> {
    files(checkout.directory()).into_keys().collect()
}

fn file(checkout: &Checkout, name: &str) -> String {
    fs_err::read_to_string(checkout.directory().join(name)).expect(name)
}

#[tokio::test]
async fn branches_tags_and_commits() {
    let Some(origin) = Origin::new() else { return };
    let first = origin.git(&["rev-parse", "HEAD"]);
    origin.git(&["tag", "plain"]);
    origin.git(&["tag", "--annotate", "--message", "x", "annotated"]);
    let tag = origin.git(&["rev-parse", "annotated"]);
    origin.git(&["update-ref", "refs/pull/7/head", "HEAD"]);
    origin.git(&["checkout", "--quiet", "-b", "a/b"]);
    origin.write("file", "of the branch");
    let branch = origin.commit("branch");
    // A tag of the same name as a branch.
    origin.git(&["tag", "a/b", "main"]);
    origin.git(&["checkout", "--quiet", "main"]);
    origin.write("file", "second");
    let second = origin.commit("second");
    let bench = Bench::local();
    for (wanted, commit, content) in [
        ("", &second, "second"),
        ("#main", &second, "second"),
        ("#HEAD", &second, "second"),
        ("#plain", &first, "first"),
        ("#annotated", &first, "first"),
        ("?tag=plain", &first, "first"),
        ("#a/b", &branch, "of the branch"),
        ("?branch=a/b", &branch, "of the branch"),
        ("?tag=a/b", &first, "first"),
        ("#refs/heads/a/b", &branch, "of the branch"),
        ("#pull/7/head", &first, "first"),
        (&format!("#{first}"), &first, "first"),
        (&format!("#{}", first.to_uppercase()), &first, "first"),
        (&format!("#{}", &first[..9]), &first, "first"),
        (&format!("?commit={first}"), &first, "first"),
        (&format!("?checksum={}", &first[..7]), &first, "first"),
        (
            &format!("?ref=plain&commit={}", &first[..7]),
            &first,
            "first",
        ),
        (&format!("?tag=annotated&commit={tag}"), &first, "first"),
        (&format!("?tag=annotated&commit={first}"), &first, "first"),
    ] {
        let checkout = bench.git(&origin.source(wanted)).await.expect(wanted);
        assert_eq!(checkout.commit(), commit, "{wanted}");
        assert_eq!(file(&checkout, "file"), content, "{wanted}");
        assert_eq!(names(&checkout), ["file", "sub/dir/inner"], "{wanted}");
        drop(checkout);
        assert_eq!(bench.left(), Vec::<PathBuf>::new());
    }
}

#[tokio::test]
async fn what_is_not_there() {
    let Some(origin) = Origin::new() else { return };
    let first = origin.git(&["rev-parse", "HEAD"]);
    let absent = "0123456789abcdef0123456789abcdef01234567";
    let bench = Bench::local();
    for (wanted, kind, message) in [
        (
            "#nothing",
            ErrorKind::NotFound,
            "has no branch or tag `nothing`",
        ),
        (
            "?tag=main",
            ErrorKind::NotFound,
            "has no branch or tag `refs/tags/main`",
        ),
        (
            "#0123456",
            ErrorKind::NotFound,
            "has no one commit `0123456`",
        ),
        ("#:absent", ErrorKind::NotFound, "has no directory `absent`"),
        ("#:file", ErrorKind::NotFound, "has no directory `file`"),
        ("#:file/x", ErrorKind::NotFound, "has no directory `file/x`"),
        (
            &format!("?ref=main&commit={absent}"),
            ErrorKind::Mismatch,
            &first,
        ),
        (
            "?ref=main&commit=0123456",
            ErrorKind::Mismatch,
            "not `0123456`",
        ),
    ] {
        let (found, text) = bench.refuses(&origin.source(wanted)).await;
        assert_eq!(found, kind, "{text}");
        assert!(text.contains(message), "{text}");
    }
    let (kind, text) = bench.refuses(&origin.source(&format!("#{absent}"))).await;
    assert!(
        matches!(kind, ErrorKind::NotFound | ErrorKind::Fetch),
        "{text}"
    );
    let (kind, text) = bench
        .refuses(&GitSource::local("file:///nonexistent/x").expect("a source"))
        .await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(text.contains("`git ls-remote` failed"), "{text}");
    assert!(text.contains("/nonexistent/x"), "{text}");
}

#[tokio::test]
async fn one_directory() {
    let Some(origin) = Origin::new() else { return };
    std::os::unix::fs::symlink("/etc", origin.path().join("out")).expect("a link");
    std::os::unix::fs::symlink("sub", origin.path().join("in")).expect("a link");
    origin.commit("links");
    let bench = Bench::local();
    let checkout = bench.git(&origin.source("#:sub/dir")).await;
    assert_eq!(names(&checkout.expect("a checkout")), ["inner"]);
    let checkout = bench.git(&origin.source("?subdir=/sub")).await;
    assert_eq!(names(&checkout.expect("a checkout")), ["dir/inner"]);
    for link in ["#:out", "#:in", "#:in/dir", "#:out/apt"] {
        let (kind, text) = bench.refuses(&origin.source(link)).await;
        assert_eq!(kind, ErrorKind::NotFound, "{text}");
    }
    // Links are files as they are.
    let checkout = bench.git(&origin.source("")).await.expect("a checkout");
    assert_eq!(files(checkout.directory())["out"], b"/etc");
}

#[tokio::test]
async fn the_git_directory_is_kept_the_same_each_time() {
    let Some(origin) = Origin::new() else { return };
    let Some(part) = Origin::new() else { return };
    origin.git(&["submodule", "--quiet", "add", "--", &part.url(), "part"]);
    origin.write("file", "second");
    origin.commit("second");
    origin.git(&["tag", "--annotate", "--message", "x", "v1"]);
    let bench = Bench::local();
    let source = origin.source("?tag=v1&keep-git-dir=true");
    let one = bench.git(&source).await.expect("a checkout");
    // What the server sends depends on how it keeps it.
    let stored = ["-c", "pack.compression=0", "repack", "-a", "-d", "-F", "-q"];
    origin.git(&stored);
    part.git(&stored);
    let other = bench.git(&source).await.expect("a checkout");
    let kept = files(one.directory());
    let differ: Vec<_> = files(other.directory())
        .into_iter()
        .filter(|(name, content)| kept.get(name) != Some(content))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(differ, Vec::<String>::new());
    assert_eq!(kept.len(), files(other.directory()).len());
    let scratch = bench.scratch.path().display().to_string();
    for (name, content) in &kept {
        assert!(
            !name.contains("FETCH_HEAD") && !name.contains("logs/"),
            "{name}"
        );
        assert!(
            !String::from_utf8_lossy(content).contains(&scratch),
            "{name}"
        );
    }
    // It is one that git can work with.
    let run = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(one.directory())
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .expect("git runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(run(&["describe"]), "v1");
    assert_eq!(run(&["status", "--porcelain"]), "");
    assert_eq!(run(&["remote", "get-url", "origin"]), origin.url());
}

#[tokio::test]
async fn submodules_of_submodules() {
    let (Some(origin), Some(part), Some(inner)) = (Origin::new(), Origin::new(), Origin::new())
    else {
        return;
    };
    inner.write("innermost", "here");
    inner.commit("innermost");
    part.git(&["submodule", "--quiet", "add", "--", &inner.url(), "inner"]);
    part.commit("inner");
    origin.git(&["submodule", "--quiet", "add", "--", &part.url(), "a part"]);
    origin.commit("part");
    // The commit that is wanted is not the last one.
    part.write("later", "x");
    part.commit("later");
    let bench = Bench::local();
    let checkout = bench.git(&origin.source("")).await.expect("a checkout");
    let found = names(&checkout);
    assert!(
        found.contains(&"a part/inner/innermost".to_owned()),
        "{found:?}"
    );
    assert!(!found.contains(&"a part/later".to_owned()), "{found:?}");
    let is_git = |name: &String| {
        Path::new(name)
            .components()
            .any(|part| part.as_os_str() == ".git")
    };
    assert!(!found.iter().any(is_git), "{found:?}");
    let checkout = bench.git(&origin.source("?submodules=false")).await;
    let found = names(&checkout.expect("a checkout"));
    assert_eq!(found, [".gitmodules", "file", "sub/dir/inner"]);
}

#[tokio::test]
async fn nothing_of_a_repository_runs() {
    let Some(origin) = Origin::new() else { return };
    let ran = origin.path().join("ran");
    let touch = format!("touch '{}'", ran.display());
    // What a repository has of its own is not taken over.
    for hook in ["post-checkout", "post-merge", "reference-transaction"] {
        let path = origin.path().join("hooks").join(hook);
        origin.write(&format!("hooks/{hook}"), &format!("#!/bin/sh\n{touch}\n"));
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("set");
    }
    origin.write(
        ".gitattributes",
        "* filter=evil diff=evil merge=evil\nfile filter=lfs\n",
    );
    origin.write(
        ".gitconfig",
        &format!("[filter \"evil\"]\n\tsmudge = {touch}\n"),
    );
    origin.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/\n");
    origin.commit("evil");
    origin.git(&["config", "filter.evil.smudge", &touch]);
    origin.git(&["config", "uploadpack.packObjectsHook", &touch]);
    let bench = Bench::local();
    let checkout = bench.git(&origin.source("")).await.expect("a checkout");
    assert_eq!(file(&checkout, "file"), "first");
    drop(checkout);
    assert!(!ran.exists());
    // Neither as an address of a submodule, nor as its way to be updated.
    let module = |more: &str| format!("[submodule \"x\"]\n\tpath = x\n\turl = {more}\n");
    for (modules, message) in [
        (
            module(&format!("--upload-pack={touch}")),
            "disallowed submodule url",
        ),
        (
            module(&format!("ext::sh -c {touch}")),
            "transport 'ext' not allowed",
        ),
        (
            module(&format!("ssh://-oProxyCommand={touch}/x")),
            "strange hostname",
        ),
        (
            module(&format!("./x\n\tupdate = !{touch}")),
            "disallowed submodule update",
        ),
        (
            module(&origin.url()).replace("\"x\"", "\"../x\""),
            "disallowed submodule name",
        ),
    ] {
        origin.write(".gitmodules", &modules);
        let head = origin.git(&["rev-parse", "HEAD"]);
        let link = format!("160000,{head},x");
        origin.git(&["update-index", "--add", "--cacheinfo", &link]);
        origin.git(&["add", "--", ".gitmodules"]);
        origin.git(&["commit", "--quiet", "--message", message]);
        let (kind, text) = bench.refuses(&origin.source("")).await;
        assert_eq!(kind, ErrorKind::Fetch, "{text}");
        assert!(text.contains(message), "{text}");
        assert!(!ran.exists(), "{modules}");
        assert!(!origin.path().join("x").exists());
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_fetched() {
    let Some(origin) = Origin::new() else { return };
    // What can not be compressed (xorshift).
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: String = (0..200_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + (state % 90) as u8)
        })
        .collect();
    origin.write("noise", &noise);
    origin.commit("noise");
    let mut bench = Bench::local();
    bench.network.limits.size = 100_000;
    let (kind, text) = bench.refuses(&origin.source("")).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(
        // The limit may come too late for the first of the two.
        text.contains("`git fetch` failed (it may be that")
            || text.contains("`git checkout` failed (it may be that"),
        "{text}"
    );
    bench.network.limits.size = 1_000_000;
    let checkout = bench.git(&origin.source("")).await.expect("a checkout");
    assert_eq!(file(&checkout, "noise"), noise);
}

#[tokio::test]
async fn a_commit_is_counted_before_its_files_are_written() {
    let Some(origin) = Origin::new() else { return };
    // Five objects that are 10,000 files.
    let mut tree = origin.git(&["rev-parse", "HEAD:sub/dir"]);
    for _ in 0..4 {
        let entries = (0..10).map(|name| format!("040000 tree {tree}\t{name}\n"));
        let list = origin.path().join("list");
        fs_err::write(&list, entries.collect::<String>()).expect("written");
        let made = Command::new("git")
            .arg("mktree")
            .current_dir(origin.path())
            .stdin(fs_err::File::open(&list).expect("there").into_parts().0)
            .output();
        let made = made.expect("git runs");
        tree = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    }
    let bomb = origin.git(&["commit-tree", "-m", "bomb", &tree]);
    origin.git(&["update-ref", "refs/heads/bomb", &bomb]);
    let mut bench = Bench::local();
    bench.network.limits.files = 9_999;
    let (kind, text) = bench.refuses(&origin.source("#bomb")).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(text.contains("more than 9999 files"), "{text}");
    bench.network.limits.files = 10_000;
    bench.network.limits.bytes = 10_000 * "inner".len() as u64 - 1;
    let (_, text) = bench.refuses(&origin.source("#bomb")).await;
    assert!(text.contains("49999 bytes"), "{text}");
    bench.network.limits.bytes += 1;
    let checkout = bench.git(&origin.source("#bomb")).await;
    checkout.expect("not too many");
}

#[tokio::test]
async fn programs_of_a_repository_are_not_found() {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(origin) = Origin::new() else { return };
    let ran = origin.path().join("ran");
    for program in ["git", "sed", "sh", "git-submodule"] {
        origin.write(program, &format!("#!/bin/sh\ntouch {}\n", ran.display()));
        let mode = std::fs::Permissions::from_mode(0o755);
        fs_err::set_permissions(origin.path().join(program), mode).expect("our own file");
    }
    origin.write(".gitmodules", "");
    origin.commit("programs");
    let mut bench = Bench::local();
    for path in [
        format!(".:{PATH}"),
        format!(":{PATH}"),
        format!("x::{PATH}:."),
    ] {
        bench.network.search_path = path.into();
        let checkout = bench.git(&origin.source("?keep-git-dir=1")).await;
        checkout.expect("a checkout");
        assert!(!ran.exists());
    }
}

#[tokio::test]
async fn references_are_no_options() {
    let Some(origin) = Origin::new() else { return };
    let ran = origin.path().join("ran");
    for wanted in [
        format!("--upload-pack=touch${{IFS}}{}", ran.display()),
        "-h".to_owned(),
        "refs/heads/-x/../y".to_owned(),
    ] {
        assert!(GitSource::local(&format!("{}#{wanted}", origin.url())).is_err());
    }
    // Those of this machine can only be named by a test.
    let bench = Bench::new();
    let (_, text) = bench.refuses(&origin.source("")).await;
    assert!(text.contains("transport 'file' not allowed"), "{text}");
    assert!(remote(&origin.url()).is_none());
}

#[tokio::test]
async fn without_git_it_says_so() {
    let mut bench = Bench::local();
    bench.network.search_path = "/nonexistent".into();
    let source = GitSource::local("file:///nonexistent").expect("a source");
    let (kind, text) = bench.refuses(&source).await;
    assert_eq!(kind, ErrorKind::Fetch);
    assert!(
        text.contains("the program `git` is not in `/nonexistent`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_command_that_says_nothing_is_ended() {
    let mut bench = Bench::local();
    let programs = tempfile::tempdir().expect("a directory");
    let program = programs.path().join("git");
    let pid = programs.path().join("pid");
    // It starts another, which is ended as well.
    let script = format!(
        "#!/bin/sh\n/bin/sleep 1000 &\necho $! >'{}'\nwait\n",
        pid.display()
    );
    fs_err::write(&program, script).expect("written");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("set");
    bench.network.search_path = programs.path().into();
    bench.network.limits.quiet = Duration::from_secs(2);
    let source = GitSource::local("file:///nonexistent").expect("a source");
    let (_, text) = bench.refuses(&source).await;
    assert!(
        text.contains("`git ls-remote` did not get on for 2 seconds"),
        "{text}"
    );
    let pid = fs_err::read_to_string(pid).expect("it ran");
    let pid = pid
        .trim()
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a number");
    // Who started it reaps it, or init does.
    for _ in 0..1000 {
        if rustix::process::test_kill_process(pid).is_err() || is_zombie(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it still runs");
}

fn is_zombie(pid: rustix::process::Pid) -> bool {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    fs_err::read_to_string(path).is_ok_and(|stat| stat.contains(") Z "))
}

/// Serves the repository as files to whoever is `someone` with the password
/// `hunter2`.
fn guarded(origin: &Origin) -> Server {
    let bare = origin.path().join("bare.git");
    let bare_path = bare.display().to_string();
    origin.git(&[
        "clone",
        "--quiet",
        "--bare",
        "--",
        &origin.url(),
        &bare_path,
    ]);
    origin.git(&["-C", &bare_path, "update-server-info"]);
    let root = origin.path().to_owned();
    // `someone:hunter2`, as RFC 7617 has it.
    let proof = "basic c29tZW9uZTpodW50ZXIy";
    Server::seeing(move |head, _| {
        if !head
            .to_ascii_lowercase()
            .contains(&proof.to_ascii_lowercase())
        {
            let ask = "www-authenticate: Basic realm=\"x\"\r\n";
            return Reply::new("401 Unauthorized", ask, b"");
        }
        let target = head.split(' ').nth(1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match fs_err::read(root.join(path.trim_start_matches('/'))) {
            Ok(content) => Reply::new("200 OK", "", &content),
            Err(_) => Reply::new("404 Not Found", "", b""),
        }
    })
}

#[tokio::test]
async fn by_http_with_credentials_that_stay_apart() {
    let Some(origin) = Origin::new() else { return };
    if !origin
        .git(&["--exec-path"])
        .lines()
        .any(|path| Path::new(path).join("git-remote-http").exists())
    {
        println!("skipped: this git can not speak HTTP");
        return;
    }
    let server = guarded(&origin);
    let source = |who: &str, more: &str| {
        let text = format!("http://{who}127.0.0.1:{}/{more}", server.port());
        match remote(&text) {
            Some(Ok(Remote::Git(source))) => source,
            other => panic!("{other:?}"),
        }
    };
    let bench = Bench::new();
    let wanted = source("someone:hunter2@", "bare.git?keep-git-dir=1");
    let checkout = bench.git(&wanted).await.expect("a checkout");
    assert_eq!(file(&checkout, "file"), "first");
    for (name, content) in files(checkout.directory()) {
        assert!(
            !String::from_utf8_lossy(&content).contains("hunter2"),
            "{name}"
        );
    }
    let room = checkout.directory().parent().expect("a parent");
    let kept: Vec<String> = files(room).into_keys().collect();
    assert!(
        kept.iter().all(|name| name.starts_with("files/")),
        "{kept:?}"
    );
    drop(checkout);
    for (who, path, message) in [
        ("", "bare.git", "`git ls-remote` failed"),
        ("someone:wrong2@", "bare.git", "`git ls-remote` failed"),
        ("someone:hunter2@", "no.git", "`git ls-remote` failed"),
    ] {
        let (kind, text) = bench.refuses(&source(who, path)).await;
        assert_eq!(kind, ErrorKind::Fetch);
        assert!(text.contains(message), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("wrong2"),
            "{text}"
        );
    }
    let told = bench.told.0.lock().expect("not poisoned").clone();
    assert!(
        told.iter().all(|(url, ..)| !url.contains("hunter2")),
        "{told:?}"
    );
}
