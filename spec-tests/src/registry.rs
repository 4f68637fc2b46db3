//! A registry under test: the built program as [`Deployment`] says, or somebody's URL.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use ureq::Agent;

use crate::balancer::Balancer;
use crate::deployment::Deployment;
use crate::environment::{program, skip, variable};
use crate::http::{Request, agent, agent_without_memory};

/// Longest that the program may take to say that it listens, or to end when told to.
const PATIENCE: Duration = Duration::from_secs(30);

/// Numbers the repositories of this process, so that no two tests share one.
static REPOSITORIES: AtomicU32 = AtomicU32::new(0);

/// A registry that answers; processes of ours are killed with this value.
pub struct Registry {
    url: String,
    agent: Agent,
    credentials: Vec<(String, String)>,
    processes: Vec<Process>,
    balancer: Option<Balancer>,
    /// How the processes were started.
    recipe: Builder,
    /// Removes the directory with the registry; none when the caller took it.
    owned: Vec<TempDir>,
}

/// A process of ours.
struct Process {
    child: Child,
    url: String,
    log: PathBuf,
}

/// How the program is to be started; from [`Registry::builder`].
#[derive(Default, Clone)]
pub struct Builder {
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    storage: PathBuf,
    roots: Vec<Vec<u8>>,
    deployment: Option<Deployment>,
}

impl Registry {
    /// Starts the built program on fresh storage, or takes the registry that
    /// `WHARF_REGISTRY_URL` names.
    ///
    /// # Panics
    /// When the program does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::given().unwrap_or_else(|| Builder::default().spawn())
    }

    /// Starts the built program with flags of the caller's.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Returns `http://ADDR:PORT`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns `ADDR:PORT`, as it stands in image names and in `Host`.
    #[must_use]
    pub fn host(&self) -> &str {
        let scheme = self.url.find("://").map_or(0, |at| at + 3);
        &self.url[scheme..]
    }

    /// Says whether the server is a process of ours, so that its files can be looked at.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        !self.processes.is_empty()
    }

    /// Returns the storage directory of a process of ours; an empty path otherwise.
    #[must_use]
    pub fn storage(&self) -> &Path {
        &self.recipe.storage
    }

    /// Returns what the processes of ours have written on stderr.
    #[must_use]
    pub fn log(&self) -> String {
        let logs = self.processes.iter().map(|process| &process.log);
        logs.map(|log| fs_err::read_to_string(log).unwrap_or_default())
            .collect()
    }

    /// Makes a repository name that nobody used before.
    #[must_use]
    pub fn repository(&self) -> String {
        let number = REPOSITORIES.fetch_add(1, Ordering::Relaxed);
        let chance = RandomState::new().hash_one(number);
        format!("spec/t{number}-{chance:016x}")
    }

    /// Starts a GET of a path, such as `/v2/`, or of a whole URL on this registry.
    #[must_use]
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// Starts a HEAD.
    #[must_use]
    pub fn head(&self, path: &str) -> Request {
        self.request("HEAD", path)
    }

    /// Starts a POST without a body.
    #[must_use]
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// Starts a PUT without a body.
    #[must_use]
    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    /// Starts a PATCH without a body.
    #[must_use]
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// Starts a DELETE.
    #[must_use]
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// Starts a request with any method. Credentials from the environment are added.
    #[must_use]
    pub fn request(&self, method: &str, path: &str) -> Request {
        let whole = path.contains("://");
        let url = if whole {
            path.to_owned()
        } else {
            format!("{}{path}", self.url)
        };
        let request = Request::new(&self.agent, method, &url);
        match self.credentials.first() {
            Some((user, password)) => request.basic(user, password),
            None => request,
        }
    }

    /// Returns the process id of the first process of ours.
    ///
    /// # Panics
    /// When the registry was given by URL.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let first = self.processes.first();
        first.expect("a process of ours").child.id()
    }

    /// Kills the processes of ours at once, as `kill -9` does, and waits until they are
    /// gone.
    pub fn kill(&mut self) {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// Asks the processes of ours to end (SIGTERM) and waits for them; returns how the
    /// first ended that did not end well, else how they ended.
    ///
    /// # Panics
    /// When one does not end in time.
    pub fn terminate(&mut self) -> ExitStatus {
        for process in &self.processes {
            let pid = i32::try_from(process.child.id())
                .ok()
                .and_then(Pid::from_raw);
            kill_process(pid.expect("a process id"), Signal::TERM).expect("it runs");
        }
        let ended = self.processes.iter_mut().map(Process::wait);
        let ended: Vec<ExitStatus> = ended.collect();
        let bad = ended.iter().find(|status| !status.success());
        *bad.or(ended.first()).expect("a process of ours")
    }

    /// Takes the registry that the environment names, if it names one.
    fn given() -> Option<Self> {
        let url = variable("WHARF_REGISTRY_URL")?;
        let user = variable("WHARF_REGISTRY_USER");
        let password = variable("WHARF_REGISTRY_PASSWORD").unwrap_or_default();
        Some(Self {
            url: url.trim_end_matches('/').to_owned(),
            agent: agent(&[]),
            credentials: user.map(|user| (user, password)).into_iter().collect(),
            processes: Vec::new(),
            balancer: None,
            recipe: Builder::default(),
            owned: Vec::new(),
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() && self.is_ours() {
            show_log(&self.log());
        }
    }
}

impl Builder {
    /// Adds one argument of `wharf serve`.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds one environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses a directory of the caller's, which stays when the registry goes.
    #[must_use]
    pub fn storage(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.storage);
        self
    }

    /// Deploys otherwise than [`Deployment::here`] says.
    #[must_use]
    pub fn deployed(mut self, deployment: Deployment) -> Self {
        self.deployment = Some(deployment);
        self
    }

    /// Trusts a certificate, given as DER.
    #[must_use]
    pub fn trust(mut self, certificate: &[u8]) -> Self {
        self.roots.push(certificate.to_vec());
        self
    }

    /// Starts the program; skips, and returns nothing, when a registry was given by URL.
    ///
    /// # Panics
    /// When the program does not start.
    #[must_use]
    pub fn start(self) -> Option<Registry> {
        is_free_to_start().then(|| self.spawn())
    }

    /// Makes the command without running it, for tests of starts that must fail; skips,
    /// and returns nothing, when a registry was given by URL.
    ///
    /// `--listen` and `--storage` are part of it, unless the flags say them.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        is_free_to_start().then(|| self.serve())
    }

    fn deployment(&self) -> Deployment {
        self.deployment.unwrap_or_else(Deployment::here)
    }

    fn serve(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("serve");
        if !self.flags.iter().any(|flag| flag.starts_with("--listen")) {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !self.storage.as_os_str().is_empty() {
            let (storage, variables) = self.deployment().storage(&self.storage);
            command.arg("--storage").arg(storage).envs(variables);
        }
        command.args(&self.flags);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn spawn(mut self) -> Registry {
        let home = tempfile::tempdir().expect("a temporary directory");
        if self.storage.as_os_str().is_empty() {
            self.storage = home.path().join("storage");
        }
        let deployment = self.deployment();
        let numbers = 0..deployment.processes();
        let processes: Vec<Process> = numbers
            .map(|number| Process::start(&self, home.path(), number))
            .collect();
        let addresses: Vec<SocketAddr> = processes.iter().map(Process::address).collect();
        let first = processes.first().map(|process| process.url.clone());
        let mut url = first.expect("there is at least one");
        let mut http = agent(&self.roots);
        let mut balancer = None;
        if deployment == Deployment::Replicas {
            let started = Balancer::start(&addresses);
            url = url.replace(&addresses[0].to_string(), &started.address().to_string());
            balancer = Some(started);
            // Every request has a connection of its own, and so another process.
            http = agent_without_memory(&self.roots);
        }
        Registry {
            url,
            agent: http,
            credentials: Vec::new(),
            processes,
            balancer,
            recipe: self,
            owned: vec![home],
        }
    }
}

impl Process {
    /// Starts a process and waits until it listens.
    fn start(recipe: &Builder, home: &Path, number: usize) -> Self {
        let log = home.join(format!("log-{number}"));
        let words = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log");
        let child = recipe
            .serve()
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(words.into_file())
            .spawn();
        let mut process = Self {
            child: child.expect("the program starts"),
            url: String::new(),
            log,
        };
        process.url = process.wait_until_it_listens();
        process
    }

    /// Reads the one line that the program prints when it is ready.
    fn wait_until_it_listens(&mut self) -> String {
        let output = self.child.stdout.take().expect("it is piped");
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that the program never writes into a closed pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let line = receiver.recv_timeout(PATIENCE).unwrap_or_default();
        let Some(url) = line.strip_prefix("listening ") else {
            let _ = self.child.kill();
            let log = fs_err::read_to_string(&self.log).unwrap_or_default();
            panic!("the program said `{line}`:\n{log}");
        };
        url.trim_end_matches('/').to_owned()
    }

    fn address(&self) -> SocketAddr {
        let address = self.url.split_once("://").map(|(_, address)| address);
        let address = address.and_then(|text| text.parse().ok());
        address.expect("it listens on an address")
    }

    fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            let patient = start.elapsed() < PATIENCE;
            assert!(patient, "the server does not end on SIGTERM");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Registry {
    /// Returns how many processes of ours serve it.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.processes.len()
    }

    /// Returns the URL of one process of ours, past the balancer.
    ///
    /// # Panics
    /// When there is no such process.
    #[must_use]
    pub fn replica(&self, number: usize) -> &str {
        &self.processes[number].url
    }

    /// Kills one process of ours, as `kill -9` does.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn kill_replica(&mut self, number: usize) {
        let _ = self.processes[number].child.kill();
        let _ = self.processes[number].child.wait();
    }

    /// Starts one process of ours again.
    ///
    /// # Panics
    /// When there is no such process, or it does not start.
    pub fn start_replica(&mut self, number: usize) {
        self.kill_replica(number);
        let home = self.processes[number].log.parent().map(Path::to_owned);
        let home = home.expect("a log lies in a folder");
        self.processes[number] = Process::start(&self.recipe, &home, number);
        if let Some(balancer) = &self.balancer {
            balancer.replace(number, self.processes[number].address());
        }
    }

    /// Returns the balancer before the processes of ours, if there is one.
    #[must_use]
    pub fn balancer(&self) -> Option<&Balancer> {
        self.balancer.as_ref()
    }

    /// Keeps the directory of a process of ours alive as long as the value; used when a
    /// second process is to take it over after [`Registry::kill`].
    #[must_use]
    pub fn keep_directory(&mut self) -> Vec<TempDir> {
        std::mem::take(&mut self.owned)
    }
}

/// Says whether a test may start the program; skips when a registry was given by URL.
fn is_free_to_start() -> bool {
    let free = variable("WHARF_REGISTRY_URL").is_none();
    if !free {
        skip("needs flags of its own, and a registry was given by URL");
    }
    free
}

/// Shows what the server wrote, beside the failure of the test that started it.
#[expect(clippy::print_stderr, reason = "part of a failed test's output")]
fn show_log(log: &str) {
    let tail: Vec<&str> = log.lines().rev().take(20).collect();
    for line in tail.iter().rev() {
        eprintln!("server: {line}");
    }
}
