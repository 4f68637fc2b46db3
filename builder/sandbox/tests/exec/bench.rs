//! A root to run commands in, and what runs them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use sandbox::{
    Channel, Ended, Error, ErrorKind, Ids, Isolation, Kept, Limits, Network, Stdio, Step, Tier, run,
};
use tempfile::TempDir;

use crate::Outcome;

const BUSYBOX: &str = "/bin/busybox";

pub(crate) const ROOT: Tier = Tier {
    ids: Ids::Real,
    isolation: Isolation::Namespaces,
};

pub(crate) const CHROOT: Tier = Tier {
    ids: Ids::Real,
    isolation: Isolation::Chroot,
};

/// Is what a command gave.
#[derive(Debug)]
pub(crate) struct Gave {
    pub(crate) ended: Result<Ended, Error>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Is a root, and what lies beside it.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) root: PathBuf,
}

/// Says why nothing can be tried here.
pub(crate) fn missing() -> Option<Outcome> {
    if !rustix::process::geteuid().is_root() {
        return Some(Outcome::Skipped("not root".to_owned()));
    }
    if !Path::new(BUSYBOX).exists() {
        return Some(Outcome::Skipped(format!("no `{BUSYBOX}`")));
    }
    None
}

/// Says why nothing can be tried in namespaces here.
pub(crate) fn missing_namespaces() -> Option<Outcome> {
    if let Some(why) = missing() {
        return Some(why);
    }
    match go(&ROOT, &Bench::new().command(&["true"]), &[]).ended {
        Err(error) if error.kind() == ErrorKind::Denied => {
            Some(Outcome::Skipped(error.to_string()))
        }
        _ => None,
    }
}

/// Says why nothing can be tried in another root directory here.
pub(crate) fn missing_chroot() -> Option<Outcome> {
    if let Some(why) = missing() {
        return Some(why);
    }
    let bench = Bench::new();
    let mut step = bench.command(&["true"]);
    step.network = Network::Host;
    match go(&CHROOT, &step, &[]).ended {
        Err(error) if error.kind() == ErrorKind::Denied => {
            Some(Outcome::Skipped(error.to_string()))
        }
        _ => None,
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::at(TempDir::new().unwrap())
    }

    /// Makes one whose files are in memory alone.
    pub(crate) fn in_memory() -> Option<Self> {
        TempDir::new_in("/dev/shm").ok().map(Self::at)
    }

    /// Makes one whose file system has no attributes, in a directory.
    pub(crate) fn without_attributes(directory: &Path) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        mount("none", directory, "ramfs", MountFlags::empty(), None).ok()?;
        let bench = TempDir::new_in(directory).ok().map(Self::at);
        assert!(bench.is_some(), "a file system in memory is empty");
        bench
    }

    fn at(directory: TempDir) -> Self {
        let root = directory.path().join("root");
        for name in [
            "bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp", "work",
        ] {
            fs_err::create_dir_all(root.join(name)).unwrap();
        }
        fs_err::create_dir_all(directory.path().join("scratch")).unwrap();
        fs_err::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
        let names = "sh cat ls id env hostname stat mount umount sleep ps grep sed true false \
            setsid nc wc head tr sort readlink mknod chmod chown test touch mkdir rm ip dd \
            kill nohup ln mv cut find unshare date seq yes timeout su";
        for name in names.split_whitespace() {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        Self { directory, root }
    }

    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, content).unwrap();
        path
    }

    pub(crate) fn step(&self, script: &str) -> Step {
        self.command(&["/bin/sh", "-c", script])
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Step {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Step {
            root: self.root.clone(),
            scratch: self.directory.path().join("scratch"),
            arguments: arguments.iter().map(|one| bytes(one)).collect(),
            environment: BTreeMap::from([(bytes("PATH"), bytes("/usr/bin:/bin"))]),
            directory: bytes("/"),
            user: 0,
            group: 0,
            groups: Vec::new(),
            hostname: "buildhost".to_owned(),
            network: Network::None,
            mounts: Vec::new(),
            kept: Kept::Default,
            limits: Limits::default(),
        }
    }

    /// Runs a script in the tier of real root.
    pub(crate) fn sh(&self, script: &str) -> Gave {
        go(&ROOT, &self.step(script), &[])
    }
}

impl Gave {
    /// Gives the output of a command that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            self.ended,
            Ok(Ended::Code(0)),
            "{}{}",
            self.output,
            self.errors
        );
        self.output
    }

    /// Gives the error of a command that was not started.
    #[track_caller]
    pub(crate) fn refused(self, kind: ErrorKind) -> Error {
        let error = self.ended.expect_err("it was not to be started");
        assert_eq!(error.kind(), kind, "{error}");
        error
    }
}

/// Runs a step here, with the content of secrets.
pub(crate) fn go(tier: &Tier, step: &Step, secrets: &[&str]) -> Gave {
    let (stop, _never) = pipe();
    go_until(tier, step, secrets, stop)
}

pub(crate) fn go_until(tier: &Tier, step: &Step, secrets: &[&str], stop: OwnedFd) -> Gave {
    let (output, output_in) = pipe();
    let (errors, errors_in) = pipe();
    let output = thread::spawn(move || all(output));
    let errors = thread::spawn(move || all(errors));
    let stdio = Stdio {
        output: output_in,
        errors: errors_in,
        descriptors: secrets.iter().map(|content| memory(content)).collect(),
        stop,
    };
    let ended = run(tier, step, stdio);
    Gave {
        ended,
        output: output.join().unwrap(),
        errors: errors.join().unwrap(),
    }
}

/// Makes a pipe that no other process inherits: its reader, and its writer.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn memory(content: &str) -> OwnedFd {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.rewind().unwrap();
    file.into()
}

fn all(from: OwnedFd) -> String {
    let mut text = Vec::new();
    File::from(from).read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// Answers as a worker: runs each step that comes.
pub(crate) fn serve(mut channel: Channel, tier: Tier) -> Result<(), Error> {
    while let Some((message, descriptors)) = channel.receive()? {
        let step: Step = postcard::from_bytes(&message).unwrap();
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().unwrap();
        let (output, errors, stop) = (next(), next(), next());
        let stdio = Stdio {
            output,
            errors,
            stop,
            descriptors: descriptors.collect(),
        };
        let ended = run(&tier, &step, stdio);
        channel.send(&postcard::to_allocvec(&ended).unwrap(), &[])?;
    }
    Ok(())
}

/// Runs a step in a worker of a tier.
pub(crate) fn go_in_worker(channel: &mut Channel, step: &Step, secrets: &[&str]) -> Gave {
    let (output, output_in) = pipe();
    let (errors, errors_in) = pipe();
    let (stop, _never) = pipe();
    let secrets: Vec<_> = secrets.iter().map(|content| memory(content)).collect();
    let mut descriptors: Vec<BorrowedFd<'_>> =
        vec![output_in.as_fd(), errors_in.as_fd(), stop.as_fd()];
    descriptors.extend(secrets.iter().map(AsFd::as_fd));
    let message = postcard::to_allocvec(step).unwrap();
    channel.send(&message, &descriptors).unwrap();
    drop((output_in, errors_in));
    let output = thread::spawn(move || all(output));
    let errors = thread::spawn(move || all(errors));
    let (answer, _) = channel.receive().unwrap().unwrap();
    Gave {
        ended: postcard::from_bytes(&answer).unwrap(),
        output: output.join().unwrap(),
        errors: errors.join().unwrap(),
    }
}

/// Says whether any process of this machine has a word among its arguments.
pub(crate) fn runs(word: &str) -> bool {
    let all = fs_err::read_dir("/proc").unwrap();
    all.flatten().any(|entry| {
        let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|argument| argument == word.as_bytes())
    })
}

/// Measures how long it takes to run a command that does nothing.
pub(crate) fn cost(out: &mut impl Write) {
    const RUNS: usize = 50;
    let bench = Bench::new();
    for (name, tier, network) in [
        ("root, network none", ROOT, Network::None),
        ("root, network host", ROOT, Network::Host),
        ("chroot, network host", CHROOT, Network::Host),
    ] {
        let mut step = bench.command(&["/bin/true"]);
        step.network = network;
        let mut times: Vec<_> = (0..RUNS)
            .map(|_| {
                let started = std::time::Instant::now();
                go(&tier, &step, &[]).ok();
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        writeln!(out, "{name}: {:?} (median of {RUNS})", times[RUNS / 2]).unwrap();
    }
}
