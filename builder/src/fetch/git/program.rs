//! Running `git`: without a shell, in an environment of our making, and never
//! for longer than it gets on.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use client::Proxies;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::room::Room;
use crate::error::{Error, ErrorKind};
use crate::fetch::Network;
use crate::fetch::network::{Limits, Repositories};

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
    pub(super) fn new(network: &'a Network, room: &Room) -> Self {
        Self {
            network,
            environment: environment(network, room),
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
        let child = Command::new(GIT)
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
        running.limit_files(limits.size);
        let verb = arguments.first().copied().unwrap_or_default();
        match pace {
            Pace::Remote => running.finish(verb, limits.quiet).await,
            Pace::Local => {
                let finishing = running.finish(verb, limits.local);
                match tokio::time::timeout(limits.local, finishing).await {
                    Ok(done) => done,
                    Err(_elapsed) => Err(Failed::too_long(verb, limits.local)),
                }
            }
        }
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
fn environment(network: &Network, room: &Room) -> Vec<(&'static str, OsString)> {
    let protocols = match network.repositories {
        Repositories::Remote => "http:https:git:ssh",
        #[cfg(test)]
        Repositories::Local => "http:https:git:ssh:file",
    };
    let home = room.home();
    let mut all: Vec<(&'static str, OsString)> = vec![
        ("PATH", network.search_path.clone()),
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

    /// Keeps it, and what it starts from now on, from writing larger files. A
    /// repository comes as one file, whatever is in it.
    fn limit_files(&self, size: u64) {
        let limit = Rlimit {
            current: Some(size),
            maximum: Some(size),
        };
        // Without a number it would be this process that is limited.
        if let Some(group) = self.group {
            // It may have ended already; no harm is done then.
            let _ = rustix::process::prlimit(Some(group), Resource::Fsize, limit);
        }
    }

    /// Reads what it says until its end; silence may take so long.
    async fn finish(mut self, verb: &str, quiet: Duration) -> Result<String, Failed> {
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
            if output.len() > OUTPUT_LIMIT {
                let message = format!("`git {verb}` puts out more than {OUTPUT_LIMIT} bytes");
                return Err(Failed::of(Error::new(ErrorKind::Fetch, message)));
            }
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
            return Ok(String::from_utf8_lossy(&output).into_owned());
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        let message = format!("`git {verb}` failed");
        let mut error = Error::caused(ErrorKind::Fetch, message, told(&said));
        if TOO_LARGE.iter().any(|words| said.contains(words)) {
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
        .map(|line| without_password(&plain(line)))
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

/// Hides what stands between `://` and `@`, if a password is in it.
fn without_password(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        rest = behind;
        let end = behind.find(['/', ' ', '\'']).unwrap_or(behind.len());
        let (authority, further) = behind.split_at(end);
        if let Some((who, _)) = authority.rsplit_once('@')
            && who.contains(':')
        {
            shown.push_str("[redacted]");
            rest = behind.get(who.len()..).unwrap_or(further);
        }
    }
    shown.push_str(rest);
    shown
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
