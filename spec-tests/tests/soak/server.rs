//! A process of the built program on a directory that outlives it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Variable that names another registry program to run the same tests against, to
/// prove the tests themselves: `docker-registry`.
const PEER: &str = "WHARF_TEST_PEER";

/// Longest that a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a server, or another command on its storage, is told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    /// What stands behind `--storage`.
    pub(crate) storage: OsString,
    /// Other arguments of `wharf serve`.
    pub(crate) flags: Vec<String>,
    /// Environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

impl Setup {
    /// Returns `wharf VERB` on this storage; `serve` with a port and the flags.
    pub(crate) fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(spec_tests::program());
        command.arg(verb).arg("--storage").arg(&self.storage);
        if verb == "serve" {
            command.args(["--listen", "127.0.0.1:0"]).args(&self.flags);
        }
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.envs(variables).stdin(Stdio::null());
        command
    }

    /// Lets `wharf check` read everything; a directory must have no server then. Returns
    /// how many things nobody needs it found that no collector knows of.
    ///
    /// # Panics
    /// Panics when it finds damage.
    pub(crate) fn check(&self, flags: &[&str]) -> usize {
        let mut command = self.command("check");
        let output = command.args(["--format", "json"]).args(flags).output();
        let output = output.expect("the program starts");
        let told = String::from_utf8_lossy(&output.stdout);
        let words = String::from_utf8_lossy(&output.stderr);
        let report: Result<Value, _> = serde_json::from_str(&told);
        let report = report.unwrap_or_else(|_| panic!("no report: {told}\n{words}"));
        let findings = report["findings"].as_array().expect("a list");
        // A kill between two steps may leave what nobody needs; that is no damage.
        let damage = findings.iter().filter(|one| one["kind"] != "orphaned");
        let damage: Vec<&Value> = damage.collect();
        assert!(damage.is_empty(), "damage: {damage:?}\n{words}");
        assert!(
            output.status.success() || !findings.is_empty(),
            "it failed: {told}\n{words}"
        );
        findings.len()
    }
}

/// A running server; it is killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts a server on `storage` and waits until it listens.
    pub(crate) fn start(storage: &Path) -> Self {
        Self::start_in(storage, &[])
    }

    /// Starts a server through another program, such as one that enters a namespace.
    pub(crate) fn start_in(storage: &Path, prefix: &[&str]) -> Self {
        Self::run(serve(storage, prefix), storage)
    }

    /// Starts a server as `setup` says, with its log beside `storage`.
    pub(crate) fn start_with(setup: &Setup, storage: &Path) -> Self {
        Self::run(setup.command("serve"), storage)
    }

    /// Does both.
    pub(crate) fn start_in_with(setup: &Setup, storage: &Path, prefix: &[&str]) -> Self {
        let inner = setup.command("serve");
        let (first, rest) = prefix.split_first().expect("a program");
        let mut command = Command::new(first);
        command.args(rest).arg(inner.get_program());
        command.args(inner.get_args()).stdin(Stdio::null());
        let variables = setup.variables.iter().map(|(name, value)| (name, value));
        command.envs(variables);
        Self::run(command, storage)
    }

    fn run(mut command: Command, storage: &Path) -> Self {
        let log = storage.with_extension("log");
        let file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log beside the storage");
        command.stderr(file.into_file());
        if is_peer() {
            return Self::start_peer(command, storage, log);
        }
        command.stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program starts");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a pipe");
        let address = line.trim().strip_prefix("listening http://");
        let address = address.and_then(|text| text.parse().ok());
        let Some(address) = address else {
            let _ = process.kill();
            let _ = process.wait();
            let words = fs_err::read_to_string(&log).unwrap_or_default();
            panic!("the server said `{line}`:\n{words}");
        };
        Self {
            process,
            address,
            log,
        }
    }

    /// Runs a server that must refuse to start, and returns what it said.
    ///
    /// # Panics
    /// Panics when it starts.
    pub(crate) fn refused(storage: &Path) -> String {
        let mut command = serve(storage, &[]);
        let mut process = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let start = Instant::now();
        while matches!(process.try_wait(), Ok(None)) {
            if start.elapsed() > PATIENCE {
                let _ = process.kill();
                panic!("a second server runs on one directory");
            }
            sleep(Duration::from_millis(10));
        }
        let output = process.wait_with_output().expect("it is ours");
        assert!(!output.status.success(), "it must say so by its status");
        assert_eq!(output.stdout, b"", "it does not listen");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its process ID.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Kills it as a crash would: it cannot do anything about it.
    pub(crate) fn kill(mut self) {
        assert!(self.is_running(), "it ended by itself:\n{}", self.words());
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-TERM", &id]).status();
        assert!(status.expect("`kill` is everywhere").success());
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// Panics when it does not.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Returns all that servers on this storage have logged.
    pub(crate) fn words(&self) -> String {
        fs_err::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns a field of the kernel's account of its memory, in KiB.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.id()));
        let status = status.expect("it runs");
        let line = status.lines().find(|line| line.starts_with(field));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.expect("the kernel has this field")
    }

    fn start_peer(mut command: Command, storage: &Path, log: PathBuf) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = port.expect("loopback has ports");
        let config = storage.with_extension("yml");
        let text = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
             http: {{addr: '{address}'}}\n",
            storage.display()
        );
        fs_err::write(&config, text).expect("beside the storage");
        let process = command
            .stdout(Stdio::null())
            .spawn()
            .expect("the peer starts");
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "the peer does not listen");
            sleep(Duration::from_millis(5));
        }
        Self {
            process,
            address,
            log,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says whether the tests run against the peer, which lacks the newer requests.
pub(crate) fn is_peer() -> bool {
    variable(PEER).is_some()
}

/// Returns a variable of this process's environment.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment what to run, and for how long"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn serve(storage: &Path, prefix: &[&str]) -> Command {
    let program = variable(PEER).map_or_else(spec_tests::program, PathBuf::from);
    let mut command = match prefix.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.arg("serve");
    if is_peer() {
        command.arg(storage.with_extension("yml"));
    } else {
        command.args(["--listen", "127.0.0.1:0", "--storage"]);
        command.arg(storage);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}
