//! Private namespaces for one test: it runs itself again inside `unshare`.
//!
//! Inside there is a loopback of its own with a second address, which stands for a
//! registry that is not on this machine's loopback; `/etc/docker`, `/etc/hosts`, `/run`,
//! `/dev/shm` and `/var/lib/containers` are its own; and when the test ends, the
//! kernel ends every process and mount with it. Cgroups are not namespaced, so that
//! the directories which the container programs make are removed by hand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{cases::Cases, fixtures, tool};
use spec_tests::skip;

/// Name under which the registries off loopback are reached inside.
pub(crate) const REMOTE_NAME: &str = "registry.test";

/// Address of [`REMOTE_NAME`], from the block that RFC 5737 keeps for examples.
pub(crate) const REMOTE_ADDRESS: &str = "192.0.2.1";

/// Tells the test that it is inside, and which directory is its own.
const INSIDE: &str = "WHARF_TEST_CAGE";

/// Printed at the very end inside, so that a wrong test name cannot pass.
const FINISHED: &str = "cage: finished";

const NAMESPACES: &[&str] = &[
    "--mount",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
];

/// Keeps the network of the machine out.
const OWN_NETWORK: &str = "--net";

/// Cgroups that container programs make at the top and leave there.
const CGROUPS: &[&str] = &["buildah", "default", "docker", "libpod_parent"];

/// Longest wait for the kernel to let go of them, in case nobody else uses them.
const CGROUP_LIMIT: Duration = Duration::from_secs(2);

/// A test's own directory, seen from inside its namespaces.
pub(crate) struct Cage {
    directory: PathBuf,
}

impl Cage {
    /// Runs `body` in namespaces of its own; `test` is the full name of the calling
    /// test. Skips when this machine lacks one of the programs in `needs` or the
    /// right to make namespaces.
    pub(crate) fn run(test: &str, needs: &[&str], body: fn(&Cage, &mut Cases)) {
        Self::run_with(test, needs, &[OWN_NETWORK], body);
    }

    /// As [`Self::run`], but with the machine's network, for what has to be fetched. There
    /// is no second address.
    pub(crate) fn run_connected(test: &str, needs: &[&str], body: fn(&Cage, &mut Cases)) {
        Self::run_with(test, needs, &[], body);
    }

    fn run_with(test: &str, needs: &[&str], further: &[&str], body: fn(&Cage, &mut Cases)) {
        if let Some(directory) = tool::variable(INSIDE) {
            let cage = Cage {
                directory: directory.into(),
            };
            cage.furnish(further);
            let mut cases = Cases::new(test);
            body(&cage, &mut cases);
            cases.finish();
            println!("{FINISHED}");
        } else if let Some(reason) = obstacle(needs) {
            skip(&reason);
        } else {
            enter(test, further);
        }
    }

    /// Returns a path in this test's own directory; nothing is made there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a directory in this test's own directory, with its parents.
    pub(crate) fn make(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs_err::create_dir_all(&path).expect("the test's directory is writable");
        path
    }

    /// Covers what the programs share with the machine by what only this test sees.
    fn furnish(&self, namespaces: &[&str]) {
        for directory in ["home", "tmp", "etc-docker", "certificates"] {
            self.make(directory);
        }
        let hosts = self.path("hosts");
        let names = format!("127.0.0.1 localhost\n{REMOTE_ADDRESS} {REMOTE_NAME}\n");
        fs_err::write(&hosts, names).expect("the test's directory is writable");
        if namespaces.contains(&OWN_NETWORK) {
            let address = format!("ip addr add {REMOTE_ADDRESS}/32 dev lo");
            for line in ["ip link set lo up", &address] {
                tool::Tool::from_line(line).run("");
            }
        }
        for line in [
            format!("mount --bind {} /etc/hosts", hosts.display()),
            format!(
                "mount --bind {} /etc/docker",
                self.path("etc-docker").display()
            ),
        ] {
            tool::Tool::from_line(&line).run("");
        }
        for place in ["/run", "/dev/shm", "/var/lib/containers", "/var/lib/cni"] {
            if Path::new(place).is_dir() {
                tool::Tool::from_line(&format!("mount -t tmpfs tmpfs {place}")).run("");
            }
        }
        fixtures::make_certificates(self);
    }
}

/// Says why this machine cannot run the test, if it cannot.
fn obstacle(needs: &[&str]) -> Option<String> {
    let always = [
        "unshare", "ip", "mount", "openssl", "curl", "timeout", "tar",
    ];
    for program in always.iter().chain(needs) {
        if tool::find(program).is_none() {
            return Some(format!("the program `{program}` is not installed"));
        }
    }
    let probe = Command::new("unshare")
        .args(NAMESPACES)
        .arg(OWN_NETWORK)
        .arg("true")
        .output();
    match probe {
        Ok(output) if output.status.success() => {}
        _ => return Some("namespaces need root".to_owned()),
    }
    let debian = needs.contains(&fixtures::DEBIAN_MAKER);
    debian.then(fixtures::prepare_debian)?.err()
}

/// Runs the calling test again inside, and passes on what came of it.
fn enter(test: &str, further: &[&str]) {
    let directory = TempDir::with_prefix("wharf-clients-").expect("a temporary directory");
    let before = cgroups();
    let program = std::env::current_exe().expect("a running program has a path");
    // Whoever runs the tests in the background may ignore some signals, and
    // daemons hand that on to what they run.
    let output = Command::new("env")
        .args(["--default-signal", "unshare"])
        .args(NAMESPACES)
        .args(further)
        .arg(program)
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(INSIDE, directory.path())
        // A failed case says all in its message; its stack says nothing.
        .env("RUST_BACKTRACE", "0")
        .env("HOME", directory.path().join("home"))
        .env("TMPDIR", directory.path().join("tmp"))
        .env_remove("XDG_RUNTIME_DIR")
        .output()
        .expect("`unshare` was found before");
    // The kernel lets go of them a moment after the processes.
    let start = Instant::now();
    while cgroups().iter().any(|group| !before.contains(group)) && start.elapsed() < CGROUP_LIMIT {
        for group in cgroups().iter().filter(|group| !before.contains(group)) {
            remove_cgroup(group);
        }
        sleep(Duration::from_millis(20));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{test}` failed inside its cage");
    assert!(text.contains(FINISHED), "`{test}` did not run in its cage");
}

fn cgroups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    let controllers = fs_err::read_dir(root).into_iter().flatten().flatten();
    let places = controllers.map(|entry| entry.path()).chain([root.into()]);
    for place in places {
        for name in CGROUPS {
            let group = place.join(name);
            if group.is_dir() {
                found.push(group);
            }
        }
    }
    found
}

/// Removes a cgroup and those in it. One that is in use stays: another test, or
/// another daemon, has come to need it.
fn remove_cgroup(group: &Path) {
    for entry in fs_err::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let _ = fs_err::remove_dir(group);
}
