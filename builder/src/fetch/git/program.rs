//! Running `git`: without a shell, in an environment of our making, and never
//! for longer than it gets on.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use client::Proxies;
use rustix::fs::Access;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::room::Room;
use crate::error::{Error, ErrorKind};
use crate::fetch::network::{Limits, Repositories};
use crate::fetch::{GitSource, Network, without_secrets};

/// The program.
const GIT: &str = "git";

/// How SSH asks: never, since nobody is there to answer.
const SSH: &str = "ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15";

/// What git says of a file that may not grow further: that the signal
/// `SIGXFSZ` ended a program, or that a write failed.
const TOO_LARGE: [&str; 2] = ["signal 25", "File too large"];

/// The most that a command may put out, in bytes.
const OUTPUT_LIMIT: usize = 4 * 1024 * 1024;
/// The most that is kept of what a command says of itself, in bytes.
const SAID_LIMIT: usize = 64 * 1024;
/// The most lines that are shown of it.
const SHOWN_LINES: usize = 6;
/// How much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// The most memory that a program may take, in bytes: for objects that it
/// unpacks.
const MEMORY_LIMIT: u64 = 4 * 1024 * 1024 * 1024;
/// A directory that there is not.
const NOWHERE: &str = "/nowhere";

/// Takes what a command puts out.
pub(super) type Take<'a> = dyn FnMut(&mut Vec<u8>) -> Result<(), Error> + Send + 'a;

/// Says how long a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// It asks somebody: as long as it gets on.
    Remote,
    /// It works with files that are here.
    Local,
}

/// Runs git.
pub(super) struct Program<'a> {
    network: &'a Network,
    environment: Vec<(&'static str, OsString)>,
}

/// Is a command that failed.
#[derive(Debug)]
pub(super) struct Failed {
    error: Error,
    said: String,
    is_of_machine: bool,
}

impl<'a> Program<'a> {
    /// Makes one for a repository; `authorization` goes to its own server.
    pub(super) fn new(network: &'a Network, room: &Room, source: &GitSource) -> Self {
        let mut environment = environment(network, room, source.is_encrypted());
        // In the environment alone: a process that is killed leaves no file.
        if let Some((origin, header)) = source.authorization() {
            environment.extend([
                ("GIT_CONFIG_COUNT", "1".into()),
                (
                    "GIT_CONFIG_KEY_0",
                    format!("http.{origin}.extraHeader").into(),
                ),
                ("GIT_CONFIG_VALUE_0", header.into()),
            ]);
        }
        Self {
            network,
            environment,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.network.limits
    }

    /// Runs a command in a directory to its end, and gives what it put out.
    pub(super) async fn run(
        &self,
        pace: Pace,
        directory: &Path,
        arguments: &[&str],
    ) -> Result<String, Failed> {
        let verb = arguments.first().copied().unwrap_or_default();
        let mut whole = Vec::new();
        let mut keep = |output: &mut Vec<u8>| {
            whole.append(output);
            if whole.len() > OUTPUT_LIMIT {
                let message = format!("`git {verb}` puts out more than {OUTPUT_LIMIT} bytes");
                return Err(Error::new(ErrorKind::Fetch, message));
            }
            Ok(())
        };
        self.run_with(pace, directory, arguments, &mut keep).await?;
        Ok(String::from_utf8_lossy(&whole).into_owned())
    }

    /// Runs a command in a directory to its end; `take` takes what it puts out
    /// from the buffer, as much as it can make sense of.
    pub(super) async fn run_with(
        &self,
        pace: Pace,
        directory: &Path,
        arguments: &[&str],
        take: &mut Take<'_>,
    ) -> Result<(), Failed> {
        let child = Command::new(self.program())
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let running = Running::new(child.map_err(|error| self.not_started(error))?);
        let limits = &self.network.limits;
        running.limit(Resource::Fsize, limits.size);
        running.limit(Resource::Data, MEMORY_LIMIT);
        let verb = arguments.first().copied().unwrap_or_default();
        match pace {
            Pace::Remote => running.finish(verb, limits.quiet, take).await,
            Pace::Local => {
                let finishing = running.finish(verb, limits.local, take);
                match tokio::time::timeout(limits.local, finishing).await {
                    Ok(done) => done,
                    Err(_elapsed) => Err(Failed::too_long(verb, limits.local)),
                }
            }
        }
    }

    /// Finds the program; where it is not found its name alone, which fails.
    fn program(&self) -> PathBuf {
        let directories = std::env::split_paths(&self.network.search_path);
        let mut programs = directories
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(GIT));
        let found = programs.find(|program| rustix::fs::access(program, Access::EXEC_OK).is_ok());
        found.unwrap_or_else(|| Path::new(NOWHERE).join(GIT))
    }

    fn not_started(&self, error: std::io::Error) -> Failed {
        let places = self.network.search_path.to_string_lossy();
        let error = match error.kind() {
            std::io::ErrorKind::NotFound => Error::caused(
                ErrorKind::Fetch,
                format!("the program `git` is not in `{places}`"),
                error,
            )
            .with_hint("install git, which fetches repositories"),
            _ => Error::caused(ErrorKind::Fetch, "the program `git` can not be run", error),
        };
        Failed {
            error,
            said: String::new(),
            is_of_machine: true,
        }
    }
}

/// Makes the whole environment of git; of ours nothing is handed on.
fn environment(
    network: &Network,
    room: &Room,
    is_encrypted: bool,
) -> Vec<(&'static str, OsString)> {
    let protocols = match network.repositories {
        // Encryption is never given up, neither by a redirect nor by a
        // submodule.
        Repositories::Remote if is_encrypted => "https:ssh",
        Repositories::Remote => "http:https:git:ssh",
        #[cfg(test)]
        Repositories::Local => "http:https:git:ssh:file",
    };
    let home = room.home();
    let mut all: Vec<(&'static str, OsString)> = vec![
        ("PATH", absolute(&network.search_path)),
        ("HOME", home.clone().into()),
        ("XDG_CONFIG_HOME", home.clone().into()),
        ("TMPDIR", home.into()),
        ("LC_ALL", "C".into()),
        ("GIT_CONFIG_NOSYSTEM", "1".into()),
        ("GIT_CONFIG_GLOBAL", room.settings().into()),
        ("GIT_ATTR_NOSYSTEM", "1".into()),
        ("GIT_TEMPLATE_DIR", OsString::new()),
        ("GIT_TERMINAL_PROMPT", "0".into()),
        ("GIT_ALLOW_PROTOCOL", protocols.into()),
        ("GIT_SSH_COMMAND", SSH.into()),
        ("GIT_SSH_VARIANT", "ssh".into()),
        ("GIT_NO_REPLACE_OBJECTS", "1".into()),
        ("GIT_CEILING_DIRECTORIES", room.root().into()),
    ];
    if let Some(roots) = room.roots() {
        all.push(("GIT_SSL_CAINFO", roots.into()));
    }
    if let Some(agent) = &network.ssh_agent {
        all.push(("SSH_AUTH_SOCK", agent.into()));
    }
    let Proxies {
        http,
        https,
        no_proxy,
    } = &network.proxies;
    for (name, value) in [
        ("http_proxy", http),
        ("https_proxy", https),
        ("no_proxy", no_proxy),
    ] {
        if !value.is_empty() {
            all.push((name, value.into()));
        }
    }
    all
}

/// Leaves out of a search path what depends on where a program runs: there it
/// would be programs of the repository that are found.
fn absolute(path: &OsStr) -> OsString {
    let directories = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    // What was split has nothing in it that can not be joined.
    std::env::join_paths(directories).unwrap_or_default()
}

/// Is a command that runs; it ends with this value, and all it started.
struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    fn new(child: Child) -> Self {
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            child,
            group: group.and_then(Pid::from_raw),
        }
    }

    /// Limits it, and what it starts from now on: the size of a file, as which a
    /// whole repository comes; and its memory.
    fn limit(&self, resource: Resource, size: u64) {
        let limit = Rlimit {
            current: Some(size),
            maximum: Some(size),
        };
        // Without a number it would be this process that is limited.
        if let Some(group) = self.group {
            // It may have ended already; no harm is done then.
            let _ = rustix::process::prlimit(Some(group), resource, limit);
        }
    }

    /// Reads what it says until its end; silence may take so long.
    async fn finish(
        mut self,
        verb: &str,
        quiet: Duration,
        take: &mut Take<'_>,
    ) -> Result<(), Failed> {
        let broken = |error: std::io::Error| Failed {
            error: Error::caused(ErrorKind::Fetch, "the program `git` was cut off", error),
            said: String::new(),
            is_of_machine: true,
        };
        let mut stdout = self.child.stdout.take();
        let mut stderr = self.child.stderr.take();
        let (mut output, mut said) = (Vec::new(), Vec::new());
        while stdout.is_some() || stderr.is_some() {
            let reading = async {
                tokio::select! {
                    read = read(&mut stdout, &mut output) => read,
                    read = read(&mut stderr, &mut said) => read,
                }
            };
            match tokio::time::timeout(quiet, reading).await {
                Ok(read) => read.map_err(broken)?,
                Err(_elapsed) => return Err(Failed::too_long(verb, quiet)),
            }
            take(&mut output).map_err(Failed::of)?;
            let old = said.len().saturating_sub(SAID_LIMIT);
            said.drain(..old);
        }
        let status = match tokio::time::timeout(quiet, self.child.wait()).await {
            Ok(status) => status.map_err(broken)?,
            Err(_elapsed) => return Err(Failed::too_long(verb, quiet)),
        };
        // Its number may be another's from now on.
        self.group = None;
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        let message = format!("`git {verb}` failed");
        let mut error = Error::caused(ErrorKind::Fetch, message, told(&said));
        // The kernel ends who writes more than the limit, if git does not do so itself.
        let is_ended = status.signal() == Some(Signal::XFSZ.as_raw());
        if is_ended || TOO_LARGE.iter().any(|words| said.contains(words)) {
            error = error.with_hint("it may be that a file, or the repository, is too large");
        }
        Err(Failed {
            error,
            said,
            is_of_machine: false,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended just now.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads a piece of a stream, and forgets the stream at its end. Waits forever
/// for one that has ended.
async fn read(
    stream: &mut Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
) -> std::io::Result<()> {
    let Some(open) = stream else {
        return std::future::pending().await;
    };
    into.reserve(PIECE);
    if open.read_buf(into).await? == 0 {
        *stream = None;
    }
    Ok(())
}

/// Picks the last lines that say why, without progress and passwords.
fn told(said: &str) -> String {
    let lines: Vec<String> = said
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_progress(line))
        .map(|line| without_secrets(&plain(line)))
        .collect();
    let first = lines.len().saturating_sub(SHOWN_LINES);
    match lines.get(first..) {
        Some(lines) if !lines.is_empty() => lines.join("; "),
        _ => "it does not say why".to_owned(),
    }
}

/// Shows what would steer a terminal.
fn plain(line: &str) -> String {
    let shown = |c: char| match c {
        _ if c.is_control() => c.escape_debug().to_string(),
        _ => c.to_string(),
    };
    line.chars().map(shown).collect()
}

fn is_progress(line: &str) -> bool {
    line.starts_with("remote: Total ")
        || line.contains("objects: ")
        || line.contains("deltas: ")
        || line.contains("files: ")
}

impl Failed {
    fn of(error: Error) -> Self {
        Self {
            error,
            said: String::new(),
            is_of_machine: false,
        }
    }

    fn too_long(verb: &str, limit: Duration) -> Self {
        let message = format!(
            "`git {verb}` did not get on for {} seconds",
            limit.as_secs_f64()
        );
        Self::of(Error::new(ErrorKind::Fetch, message))
    }

    /// Says whether git said one of these.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|words| self.said.contains(words))
    }

    /// Says whether it could not be run at all.
    pub(super) fn is_of_machine(&self) -> bool {
        self.is_of_machine
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_shown_without_secrets() {
        for (said, expected) in [
            ("", "it does not say why"),
            ("fatal: no\n", "fatal: no"),
            (
                "Receiving objects:  3% (1/3)\rfatal: a\nfatal: b\n",
                "fatal: a; fatal: b",
            ),
            (
                "fatal: 'https://me:pass@h/x' is 'ssh://git@h'",
                "fatal: 'https://[redacted]@h/x' is 'ssh://git@h'",
            ),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
        ] {
            assert_eq!(told(said), expected);
        }
    }
}
