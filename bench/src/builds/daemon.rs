//! A daemon of docker's with files of its own; BuildKit is inside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::stopwatch::run;
use crate::error::Error;

/// Where Debian has it.
const DAEMON: &str = "/usr/sbin/dockerd";

/// Longest that it may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running daemon; it ends with this value.
#[derive(Debug)]
pub(super) struct Daemon {
    process: Child,
    socket: String,
    config: PathBuf,
}

impl Daemon {
    /// Starts one with its files below a directory, where there is one to start.
    ///
    /// # Errors
    /// Says that it does not start.
    pub(super) fn start(directory: &Path) -> Result<Option<Self>, Error> {
        if !Path::new(DAEMON).is_file() {
            eprintln!("there is no {DAEMON}: it is left out");
            return Ok(None);
        }
        let at = |name: &str| directory.join(name).display().to_string();
        let socket = format!("unix://{}", at("docker.sock"));
        fs_err::create_dir_all(directory)?;
        let log = fs_err::File::create(directory.join("dockerd.log"))?;
        let process = Command::new(DAEMON)
            .args(["--data-root", &at("docker"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("docker.pid"), "--host", &socket])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .args(["--storage-driver", "overlay2"])
            .stdin(Stdio::null())
            .stderr(log.into_file())
            .spawn()?;
        let daemon = Self {
            process,
            socket,
            config: directory.join("docker-config"),
        };
        fs_err::create_dir_all(&daemon.config)?;
        let start = Instant::now();
        while run(daemon.client().arg("info")).is_err() {
            if start.elapsed() > START_LIMIT {
                return Err(Error::new("dockerd does not start"));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(Some(daemon))
    }

    /// Returns the client that talks to it.
    pub(super) fn client(&self) -> Command {
        let mut command = Command::new("/usr/bin/docker");
        command.args(["--host", &self.socket]);
        command.env("DOCKER_BUILDKIT", "1");
        command.env("DOCKER_CONFIG", &self.config);
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked, it ends what it started.
        let number = self.process.id().to_string();
        let _ = Command::new("kill").arg(number).status();
        let _ = self.process.wait();
    }
}
