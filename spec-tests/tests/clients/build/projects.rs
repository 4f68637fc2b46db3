//! Repositories of git, and a daemon that serves them.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::build::shelves::set_mode;
use crate::cage::Cage;
use crate::tool::Tool;

/// Where the daemon listens; the network is the test's own.
const ADDRESS: &str = "127.0.0.1:9418";

/// Longest that the daemon may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The daemon, and what it serves: `project.git`, and `part.git` that is a submodule.
pub(crate) struct Projects {
    process: Child,
    /// The first commit of the project, which has the tag `v1`.
    first: String,
    /// The last commit of its branch `main`.
    last: String,
}

impl Projects {
    /// Makes and serves them.
    pub(crate) fn start(cage: &Cage) -> Self {
        let root = cage.make("repositories");
        let (part, project) = (root.join("part.git"), root.join("project.git"));
        let git = |directory: &Path, line: &str| git(directory, line);
        fs_err::create_dir_all(&part).expect("a writable directory");
        git(&part, "init --quiet --initial-branch=main .");
        commit(&part, "p.txt", 0o644, "a part\n");
        fs_err::create_dir_all(&project).expect("a writable directory");
        git(&project, "init --quiet --initial-branch=main .");
        commit(&project, "readme", 0o640, "first\n");
        commit(&project, "src/main", 0o600, "main\n");
        commit(&project, "src/deep/run.sh", 0o700, "#!/bin/sh\n");
        git(&project, "tag v1");
        let first = git(&project, "rev-parse HEAD");
        git(&project, "checkout --quiet -b other");
        commit(&project, "src/other", 0o644, "other\n");
        git(&project, "checkout --quiet main");
        let link = project.join("link");
        fs_err::os::unix::fs::symlink("src/main", link).expect("a writable directory");
        git(&project, "submodule --quiet add ../part.git part");
        commit(&project, "readme", 0o644, "second\n");
        let last = git(&project, "rev-parse HEAD");
        let log = fs_err::File::create(cage.path("git-daemon.log")).expect("a writable directory");
        let process = Command::new("git")
            .args([
                "daemon",
                "--reuseaddr",
                "--export-all",
                "--listen=127.0.0.1",
            ])
            .arg(format!("--base-path={}", root.display()))
            .arg(&root)
            .stdin(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .expect("`git` was found before");
        let start = Instant::now();
        while TcpStream::connect(ADDRESS).is_err() {
            assert!(start.elapsed() < START_LIMIT, "no daemon of git");
            sleep(Duration::from_millis(50));
        }
        Self {
            process,
            first,
            last,
        }
    }

    /// Replaces `GIT` by the URL of the project, and the names of its commits.
    pub(crate) fn place(&self, lines: &str) -> String {
        lines
            .replace("GIT", &format!("git://{ADDRESS}/project.git"))
            .replace("FIRST_COMMIT", &self.first)
            .replace("LAST_COMMIT", &self.last)
    }
}

impl Drop for Projects {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes a file and commits all there is.
fn commit(directory: &Path, name: &str, mode: u32, content: &str) {
    let path = directory.join(name);
    let parent = path.parent().expect("it is below the root");
    fs_err::create_dir_all(parent).expect("a writable directory");
    fs_err::write(&path, content).expect("a writable directory");
    set_mode(&path, mode);
    git(directory, "add --all");
    git(directory, "commit --quiet --message more");
}

/// Runs git as somebody, at some time, and returns what it said.
fn git(directory: &Path, line: &str) -> String {
    let mut tool = Tool::from_line("git -c protocol.file.allow=always -C");
    for (name, value) in [
        ("GIT_AUTHOR_NAME", "somebody"),
        ("GIT_AUTHOR_EMAIL", "somebody@example.org"),
        ("GIT_AUTHOR_DATE", "1600000000 +0000"),
        ("GIT_COMMITTER_NAME", "somebody"),
        ("GIT_COMMITTER_EMAIL", "somebody@example.org"),
        ("GIT_COMMITTER_DATE", "1600000000 +0000"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
    ] {
        tool = tool.with(name, value);
    }
    tool.run(&format!("{} {line}", directory.display())).line()
}
