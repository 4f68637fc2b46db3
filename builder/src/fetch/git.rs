//! Repositories, by the `git` program: one commit of one, with its submodules,
//! as files in a directory that is gone with its [`Checkout`].
//!
//! Nothing of a repository runs: it brings no settings, hooks or filters of
//! its own, and those of the machine and its users are not read.

mod program;
mod room;
mod tidy;

use std::path::{Path, PathBuf};

use self::program::{Failed, Pace, Program};
use self::room::Room;
use super::Way;
use super::network::Limits;
use super::repository::{GitSource, SHA1, SHA256};
use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::Event;

/// What a remote calls its default branch.
const HEAD: &str = "HEAD";

/// What git says where a server gives no commit by its name, or nothing but
/// whole histories.
const NEEDS_ALL: [&str; 4] = [
    "not our ref",
    "unadvertised object",
    "does not support shallow",
    "shallow capabilities",
];

/// What git says where another attempt may help.
const MAY_PASS: [&str; 8] = [
    "returned error: 429",
    "returned error: 500",
    "returned error: 502",
    "returned error: 503",
    "returned error: 504",
    "early EOF",
    "Connection reset",
    "unexpected disconnect",
];

/// Is a commit of a repository, as files.
#[derive(Debug)]
pub(crate) struct Checkout {
    directory: PathBuf,
    commit: String,
    /// The files are gone with it.
    _room: Room,
}

impl Checkout {
    /// Names the directory that was wanted, with `.git` where that was. It is
    /// gone with this value.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Gives the name of the commit, all of it.
    pub(crate) fn commit(&self) -> &str {
        &self.commit
    }
}

/// Fetches what is wanted of a repository.
pub(crate) async fn git(way: &Way<'_>, source: &GitSource) -> Result<Checkout, Error> {
    way.progress.note(&Event::Fetching {
        url: source.address(),
        position: 0,
        size: 0,
    });
    let (scratch, network) = (way.scratch.to_owned(), way.network.clone());
    let making = blocking::run(move || Room::create(&scratch, &network));
    let room = making.await?;
    let work = Work {
        source,
        git: Program::new(way.network, &room, source),
        files: room.files(),
    };
    let commit = work.fetch().await?;
    work.check_out(&commit).await?;
    work.submodules().await?;
    if source.keeps_git_dir() {
        work.tidy().await?;
    }
    let (keep, wanted) = (source.keeps_git_dir(), source.subdirectory().to_owned());
    let shown = source.to_string();
    let finishing = blocking::run(move || {
        if !keep {
            tidy::remove_git_directories(&room.files())?;
        }
        room.remove_home()?;
        let directory = tidy::subdirectory(&room.files(), &wanted, &shown)?;
        Ok(Checkout {
            directory,
            commit,
            _room: room,
        })
    });
    let checkout = finishing.await?;
    way.progress.note(&Event::CheckedOut {
        url: source.address(),
        commit: checkout.commit(),
    });
    Ok(checkout)
}

struct Work<'a> {
    source: &'a GitSource,
    git: Program<'a>,
    files: PathBuf,
}

/// Is what a name stands for in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tip {
    /// A reference by its whole name, and what it points at: a commit or tag.
    Reference { name: String, object: String },
    /// A commit by its whole name.
    Commit(String),
    /// Perhaps the start of a commit's name.
    Start(String),
}

impl Work<'_> {
    /// Fetches the commit that is wanted, and gives its name.
    async fn fetch(&self) -> Result<String, Error> {
        let tip = self.tip().await?;
        let digits = match &tip {
            Tip::Reference { object: name, .. } | Tip::Commit(name) => name.len(),
            Tip::Start(_) => SHA1,
        };
        let format = if digits == SHA256 { "sha256" } else { "sha1" };
        let format = format!("--object-format={format}");
        let init = ["init", "--quiet", &format];
        self.in_files(Pace::Local, &init).await?;
        let remote = ["remote", "add", "--", "origin", self.source.address()];
        self.in_files(Pace::Local, &remote).await?;
        let name = match &tip {
            Tip::Reference { name, .. } if name.starts_with("refs/heads/") => {
                self.shallow(&format!("+{name}:{name}")).await?
            }
            Tip::Reference { name, .. } if name.starts_with("refs/tags/") => {
                self.shallow(&format!("+{name}:{name}")).await?
            }
            Tip::Reference { name, .. } => self.shallow(name).await?,
            Tip::Commit(name) => self.commit(name).await?,
            Tip::Start(start) => {
                self.everything().await?;
                start.clone()
            }
        };
        let commit = self.peel(&name).await?;
        self.check(&tip, &commit)?;
        Ok(commit)
    }

    /// Finds out what the name stands for. A branch goes before a tag.
    async fn tip(&self) -> Result<Tip, Error> {
        let name = self.source.reference().unwrap_or(HEAD);
        if is_commit(name) {
            return Ok(Tip::Commit(name.to_ascii_lowercase()));
        }
        let candidates: Vec<String> = if name == HEAD || name.starts_with("refs/") {
            vec![name.to_owned()]
        } else {
            ["refs/heads/", "refs/tags/", "refs/"]
                .map(|prefix| format!("{prefix}{name}"))
                .to_vec()
        };
        let mut arguments = vec!["ls-remote", "--", self.source.address()];
        arguments.extend(candidates.iter().map(String::as_str));
        let listed = self.patiently(async || self.in_files(Pace::Remote, &arguments).await);
        let listed = listed.await?;
        let listed: Vec<(&str, &str)> = listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .collect();
        for candidate in &candidates {
            let found = listed.iter().find(|(_, name)| name == candidate);
            if let Some((object, name)) = found
                && is_commit(object)
            {
                return Ok(Tip::Reference {
                    name: (*name).to_owned(),
                    object: (*object).to_owned(),
                });
            }
        }
        let is_start = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_start && name.len() < SHA1 {
            return Ok(Tip::Start(name.to_ascii_lowercase()));
        }
        Err(self.missing(name))
    }

    fn missing(&self, name: &str) -> Error {
        let message = match name {
            HEAD => format!("`{}` has no default branch", self.source),
            _ => format!("`{}` has no branch or tag `{name}`", self.source),
        };
        Error::new(ErrorKind::NotFound, message)
    }

    /// Fetches one commit without those before it, and says how git calls it.
    async fn shallow(&self, wanted: &str) -> Result<String, Error> {
        match self.fetching(&["--depth=1"], &[wanted]).await {
            Ok(()) => {}
            Err(failed) if failed.says(&NEEDS_ALL) => self.fetching(&[], &[wanted]).await?,
            Err(failed) => return Err(failed.into()),
        }
        Ok("FETCH_HEAD".to_owned())
    }

    /// Fetches a commit by its name, and all there is where that is refused.
    async fn commit(&self, name: &str) -> Result<String, Error> {
        match self.fetching(&["--depth=1"], &[name]).await {
            Ok(()) => {}
            Err(failed) if failed.says(&NEEDS_ALL) => self.everything().await?,
            Err(failed) => return Err(failed.into()),
        }
        Ok(name.to_owned())
    }

    async fn everything(&self) -> Result<(), Error> {
        let wanted = [
            "+refs/heads/*:refs/remotes/origin/*",
            "+refs/tags/*:refs/tags/*",
        ];
        Ok(self.fetching(&[], &wanted).await?)
    }

    async fn fetching(&self, options: &[&str], wanted: &[&str]) -> Result<(), Failed> {
        let mut arguments = vec![
            "fetch",
            "--progress",
            "--no-tags",
            "--no-recurse-submodules",
            "--update-head-ok",
        ];
        arguments.extend(options);
        arguments.extend(["--", "origin"]);
        arguments.extend(wanted);
        self.patiently(async || self.in_files(Pace::Remote, &arguments).await)
            .await?;
        Ok(())
    }

    /// Gives the whole name of a commit.
    async fn peel(&self, name: &str) -> Result<String, Error> {
        let wanted = format!("{name}^{{commit}}");
        let arguments = [
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &wanted,
        ];
        match self.in_files(Pace::Local, &arguments).await {
            Ok(commit) if is_commit(commit.trim()) => Ok(commit.trim().to_owned()),
            Err(failed) if failed.is_of_machine() => Err(failed.into()),
            _ => {
                let name = self.source.reference().unwrap_or(HEAD);
                let message = format!("`{}` has no one commit `{name}`", self.source);
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }

    fn check(&self, tip: &Tip, commit: &str) -> Result<(), Error> {
        let Some(checksum) = self.source.checksum() else {
            return Ok(());
        };
        // The name of a tag that has a text of its own is as good.
        let is_tag = matches!(tip, Tip::Reference { object, .. } if object.starts_with(checksum));
        if commit.starts_with(checksum) || is_tag {
            return Ok(());
        }
        let name = self.source.reference().unwrap_or(HEAD);
        let message = format!(
            "`{name}` of `{}` is `{commit}`, not `{checksum}`",
            self.source
        );
        Err(Error::new(ErrorKind::Mismatch, message)
            .with_hint("see why it is another commit before the checksum is changed"))
    }

    /// Counts what a commit has: a tree that has another one many times is
    /// small until its files are written.
    async fn count(&self, commit: &str) -> Result<(), Error> {
        let limits = self.git.limits();
        let (mut files, mut bytes) = (0_u64, 0_u64);
        let mut count = |output: &mut Vec<u8>| {
            let end = output.iter().rposition(|byte| *byte == 0);
            let Some(end) = end else { return Ok(()) };
            for record in output.drain(..=end).as_slice().split(|byte| *byte == 0) {
                files += u64::from(!record.is_empty());
                bytes = bytes.saturating_add(size_of(record));
            }
            if files > limits.files || bytes > limits.bytes {
                let Limits { files, bytes, .. } = limits;
                let message = format!("the commit has more than {files} files or {bytes} bytes");
                return Err(Error::new(ErrorKind::Fetch, message));
            }
            Ok(())
        };
        let arguments = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit];
        let counting = self
            .git
            .run_with(Pace::Local, &self.files, &arguments, &mut count);
        Ok(counting.await?)
    }

    async fn check_out(&self, commit: &str) -> Result<(), Error> {
        self.count(commit).await?;
        let arguments = ["checkout", "--quiet", "--force", "--detach", commit];
        self.in_files(Pace::Local, &arguments).await?;
        Ok(())
    }

    async fn submodules(&self) -> Result<(), Error> {
        let list = self.files.join(".gitmodules");
        if !self.source.with_submodules() || fs_err::symlink_metadata(list).is_err() {
            return Ok(());
        }
        let update = ["submodule", "update", "--init", "--recursive", "--progress"];
        let shallow: Vec<&str> = update.into_iter().chain(["--depth=1"]).collect();
        let updated = self.patiently(async || self.in_files(Pace::Remote, &shallow).await);
        match updated.await {
            Ok(_) => Ok(()),
            // A server may refuse to give a commit by its name.
            Err(failed) if failed.says(&NEEDS_ALL) => {
                let whole = self.in_files(Pace::Remote, &update);
                Ok(whole.await.map(drop)?)
            }
            Err(failed) => Err(failed.into()),
        }
    }

    /// Makes every `.git` a function of its commit.
    async fn tidy(&self) -> Result<(), Error> {
        let files = self.files.clone();
        for directory in blocking::run(move || tidy::work_trees(&files)).await? {
            let git =
                async |arguments: &[&str]| self.git.run(Pace::Local, &directory, arguments).await;
            // What a server packs depends on its version and its mood.
            git(&["repack", "-a", "-d", "-F", "-q", "--threads=1"]).await?;
            let own = git(&["rev-parse", "--absolute-git-dir"]).await?;
            let own = PathBuf::from(own.trim_end_matches('\n'));
            blocking::run(move || tidy::forget(&own)).await?;
            // The index without times and numbers of files.
            git(&["read-tree", HEAD]).await?;
        }
        Ok(())
    }

    async fn in_files(&self, pace: Pace, arguments: &[&str]) -> Result<String, Failed> {
        self.git.run(pace, &self.files, arguments).await
    }

    /// Tries again what may pass.
    async fn patiently<T>(&self, work: impl AsyncFn() -> Result<T, Failed>) -> Result<T, Failed> {
        let limits = self.git.limits();
        let mut wait = limits.first_wait;
        for _ in 1..limits.attempts {
            match work().await {
                Err(failed) if failed.says(&MAY_PASS) => tokio::time::sleep(wait).await,
                done => return done,
            }
            wait = wait.saturating_mul(2);
        }
        work().await
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), SHA1 | SHA256) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the size from a line of `git ls-tree -l`; submodules have none.
fn size_of(record: &[u8]) -> u64 {
    let ahead = record
        .split(|byte| *byte == b'\t')
        .next()
        .unwrap_or_default();
    let ahead = String::from_utf8_lossy(ahead);
    let size = ahead.split_whitespace().nth(3);
    size.and_then(|size| size.parse().ok()).unwrap_or(0)
}
