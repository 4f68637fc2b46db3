//! The servers of a long run: one on a directory, or three on a bucket behind a balancer.
//! They collect garbage while they serve, with hardly any grace.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use spec_tests::Balancer;
use spec_tests::s3::{BUCKET, S3};
use tempfile::TempDir;

use crate::http::Door;
use crate::server::{Server, Setup, is_peer};

/// Servers on one bucket.
const REPLICAS: usize = 3;

/// How servers collect while there is load: often, and sparing only what is being pushed.
const BUSY: [&str; 2] = ["--gc-interval=200ms", "--gc-grace=5s"];

/// How they collect in the end: everything that nothing leads to.
const LAST: [&str; 2] = ["--gc-interval=200ms", "--upload-expiry=1s"];

/// How old something must be in the end, for servers and checks.
const LAST_GRACE: (&str, &str) = ("WHARF_GC_GRACE", "1s");

/// After which everything is that old.
const AGED: Duration = Duration::from_millis(1500);

/// Longest that garbage may stay in the end.
const PATIENCE: Duration = Duration::from_secs(300);

/// Where the data of a fleet lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    /// A directory, and one server.
    Directory,
    /// A bucket, and three.
    Bucket,
}

/// Servers that come and go on one storage.
pub(crate) struct Fleet {
    /// Holds the storage, or the logs alone.
    pub(crate) directory: TempDir,
    setup: Setup,
    servers: Vec<Option<Server>>,
    balancer: Option<Balancer>,
    /// Ends after the servers.
    bucket: Option<S3>,
}

impl Fleet {
    /// Starts all servers.
    pub(crate) fn start(site: Site) -> Self {
        let count = if site == Site::Bucket { REPLICAS } else { 1 };
        Self::start_some(site, count, &BUSY)
    }

    /// Starts one server, whose memory can be looked at, and which collects nothing soon.
    pub(crate) fn start_alone(site: Site) -> Self {
        Self::start_some(site, 1, &[])
    }

    fn start_some(site: Site, count: usize, flags: &[&str]) -> Self {
        let directory = TempDir::with_prefix("wharf-soak-").expect("a temporary directory");
        let mut setup = Setup {
            storage: directory.path().join("storage").into(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            variables: Vec::new(),
        };
        let mut bucket = None;
        if site == Site::Bucket {
            let started = S3::start();
            setup.storage = format!("s3://{BUCKET}/soak").into();
            setup.variables = started.environment();
            bucket = Some(started);
        }
        let mut fleet = Self {
            directory,
            setup,
            servers: (0..count).map(|_| None).collect(),
            balancer: None,
            bucket,
        };
        fleet.start_missing();
        if count > 1 {
            let running = fleet.servers.iter().flatten();
            let addresses: Vec<_> = running.map(Server::address).collect();
            fleet.balancer = Some(Balancer::start(&addresses));
        }
        fleet
    }

    /// Returns where clients call.
    pub(crate) fn door(&self) -> Door {
        match &self.balancer {
            Some(balancer) => Door {
                address: balancer.address(),
                alternates: true,
            },
            None => {
                let server = self.servers.iter().flatten().next();
                Door::from(server.expect("it runs").address())
            }
        }
    }

    /// Returns a field of the kernel's account of the first server's memory, in KiB.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let first = self.servers.iter().flatten().next();
        first.expect("it runs").memory(field)
    }

    /// Returns how many servers there are when all run.
    pub(crate) fn size(&self) -> usize {
        self.servers.len()
    }

    /// Kills some servers as a crash would.
    pub(crate) fn kill(&mut self, which: &[usize]) {
        for number in which {
            if let Some(server) = self.servers[*number].take() {
                server.kill();
            }
        }
    }

    /// Kills all that run.
    pub(crate) fn kill_all(&mut self) {
        let all: Vec<usize> = (0..self.size()).collect();
        self.kill(&all);
    }

    /// Starts those that were killed.
    pub(crate) fn start_missing(&mut self) {
        for (number, slot) in self.servers.iter_mut().enumerate() {
            if slot.is_none() {
                let place = self.directory.path().join(format!("server-{number}"));
                let server = start(&self.setup, &place, &self.directory.path().join("storage"));
                if let Some(balancer) = &self.balancer {
                    balancer.replace(number, server.address());
                }
                *slot = Some(server);
            }
        }
    }

    /// Starts a server and kills it at once, while it may still be starting.
    pub(crate) fn start_and_kill(&self, after: Duration) {
        let mut process = self.setup.command("serve");
        let process = process
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut process = process.spawn().expect("the program starts");
        sleep(after);
        process.kill().expect("it is ours");
        process.wait().expect("it is ours");
    }

    /// Lets `wharf check` read everything; a directory must have no server then. Returns
    /// how many things nobody needs it found that no collector knows of.
    ///
    /// # Panics
    /// Panics when it finds damage.
    pub(crate) fn check(&self) -> usize {
        if is_peer() {
            return 0;
        }
        self.setup.check(&[])
    }

    /// Restarts all with settings that leave no garbage, once the collector was told what
    /// kills have left.
    pub(crate) fn collect_all(&mut self) {
        self.kill_all();
        let (name, value) = LAST_GRACE;
        self.setup.variables.push((name.into(), value.into()));
        // In a bucket what is young may be somebody's push.
        sleep(AGED);
        self.setup.check(&["--repair"]);
        self.setup.flags = LAST.map(str::to_owned).into();
        self.start_missing();
    }

    /// Waits until no content is left, once nothing leads to any.
    ///
    /// # Panics
    /// Panics when some stays.
    pub(crate) fn wait_until_empty(&self) {
        let start = Instant::now();
        loop {
            let left = self.contents();
            if left.is_empty() {
                return;
            }
            let patient = start.elapsed() < PATIENCE;
            assert!(
                patient,
                "{} blobs stay: {:?}",
                left.len(),
                &left[..left.len().min(5)]
            );
            sleep(Duration::from_millis(200));
        }
    }

    /// Returns the files that hold blobs, as far as they can be seen: in a bucket those
    /// over 64 KiB.
    fn contents(&self) -> Vec<PathBuf> {
        match &self.bucket {
            Some(bucket) => files(bucket.folder()),
            None => files(&self.directory.path().join("storage/blobs")),
        }
    }

    /// Returns all that the servers have logged.
    pub(crate) fn words(&self) -> String {
        let logs = (0..self.size()).map(|number| format!("server-{number}.log"));
        logs.map(|log| fs_err::read_to_string(self.directory.path().join(log)))
            .map(Result::unwrap_or_default)
            .collect()
    }
}

fn start(setup: &Setup, place: &Path, storage: &Path) -> Server {
    if is_peer() {
        return Server::start(storage);
    }
    Server::start_with(setup, place)
}

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs_err::read_dir(&folder) else {
            // A collector removes folders as well.
            continue;
        };
        for entry in entries.map_while(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}
