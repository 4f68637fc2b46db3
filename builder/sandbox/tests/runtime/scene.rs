//! A root to run commands in, and a worker that has a runtime run them.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;

use sandbox::{
    Channel, Ended, Error, ErrorKind, Kept, Limits, Network, Stdio, Step, Tier, TierName, Worker,
    run_with,
};
use tempfile::TempDir;

use crate::{BUSYBOX, launch};

/// Is asked of a worker.
#[derive(serde::Serialize, serde::Deserialize)]
enum Ask {
    /// Make a root, and an empty directory beside it.
    Make { directory: PathBuf },
    /// Run a step by a runtime.
    Run { runtime: PathBuf, step: Box<Step> },
}

/// Is what a command gave.
#[derive(Debug)]
pub(crate) struct Gave {
    pub(crate) ended: Result<Ended, Error>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

/// Is a root, what lies beside it, and a worker.
pub(crate) struct Scene {
    pub(crate) worker: Worker,
    pub(crate) runtime: PathBuf,
    pub(crate) tier: TierName,
    pub(crate) root: PathBuf,
    pub(crate) directory: TempDir,
}

impl Scene {
    pub(crate) fn new(runtime: &Path, tier: &Tier) -> Self {
        let directory = TempDir::new().unwrap();
        // The worker may be another user.
        fs_err::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        let mut worker = Worker::start(&launch(), tier).unwrap();
        let ask = Ask::Make {
            directory: directory.path().to_owned(),
        };
        let message = postcard::to_allocvec(&ask).unwrap();
        worker.channel().send(&message, &[]).unwrap();
        worker.channel().receive().unwrap().unwrap();
        Self {
            worker,
            runtime: runtime.to_owned(),
            tier: tier.name(),
            root: directory.path().join("root"),
            directory,
        }
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    pub(crate) fn script(&self, script: &str) -> Step {
        self.command(&["/bin/sh", "-c", script])
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Step {
        step(self.directory.path(), arguments)
    }

    pub(crate) fn sh(&mut self, script: &str) -> Gave {
        let step = self.script(script);
        self.go(&step, &[])
    }

    /// Runs a step, with the content of secrets.
    pub(crate) fn go(&mut self, step: &Step, secrets: &[&str]) -> Gave {
        let (stop, _never) = pipe();
        self.go_until(step, secrets, stop)
    }

    pub(crate) fn go_until(&mut self, step: &Step, secrets: &[&str], stop: OwnedFd) -> Gave {
        let (output, output_in) = pipe();
        let (errors, errors_in) = pipe();
        let secrets: Vec<_> = secrets.iter().map(|content| memory(content)).collect();
        let mut descriptors: Vec<BorrowedFd<'_>> =
            vec![output_in.as_fd(), errors_in.as_fd(), stop.as_fd()];
        descriptors.extend(secrets.iter().map(AsFd::as_fd));
        let ask = Ask::Run {
            runtime: self.runtime.clone(),
            step: Box::new(step.clone()),
        };
        let message = postcard::to_allocvec(&ask).unwrap();
        self.worker.channel().send(&message, &descriptors).unwrap();
        drop((output_in, errors_in, stop));
        let output = thread::spawn(move || all(output));
        let errors = thread::spawn(move || all(errors));
        let answer = self.worker.channel().receive();
        let ended = match answer {
            Ok(Some((answer, _))) => postcard::from_bytes(&answer).unwrap(),
            Ok(None) => Err(Error::new(ErrorKind::Broken, "the worker is gone")),
            Err(error) => Err(error),
        };
        Gave {
            ended,
            output: output.join().unwrap(),
            errors: errors.join().unwrap(),
        }
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

/// Gives a step in the root of a directory.
pub(crate) fn step(directory: &Path, arguments: &[&str]) -> Step {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Step {
        root: directory.join("root"),
        scratch: directory.join("scratch"),
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

/// Answers as a worker.
pub(crate) fn serve(mut channel: Channel, tier: Tier) -> Result<(), Error> {
    while let Some((message, descriptors)) = channel.receive()? {
        match postcard::from_bytes(&message).unwrap() {
            Ask::Make { directory } => {
                make(&directory);
                channel.send(&[], &[])?;
            }
            Ask::Run { runtime, step } => {
                let mut descriptors = descriptors.into_iter();
                let mut next = || descriptors.next().unwrap();
                let (output, errors, stop) = (next(), next(), next());
                let stdio = Stdio {
                    output,
                    errors,
                    stop,
                    descriptors: descriptors.collect(),
                };
                let ended = run_with(&runtime, &tier, &step, stdio);
                channel.send(&postcard::to_allocvec(&ended).unwrap(), &[])?;
            }
        }
    }
    Ok(())
}

fn make(directory: &Path) {
    let root = directory.join("root");
    for name in [
        "bin", "dev", "etc", "lib", "lib64", "proc", "run", "sys", "tmp", "usr", "work",
    ] {
        fs_err::create_dir_all(root.join(name)).unwrap();
    }
    fs_err::create_dir(directory.join("scratch")).unwrap();
    fs_err::copy(BUSYBOX, root.join("bin/busybox")).unwrap();
    let names = "sh cat ls id hostname stat mount sleep grep false setsid wc head tr touch \
        mknod test";
    for name in names.split_whitespace() {
        symlink("busybox", root.join("bin").join(name)).unwrap();
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

/// Says whether any process of this machine has a word among its arguments.
pub(crate) fn runs(word: &str) -> bool {
    let all = fs_err::read_dir("/proc").unwrap();
    all.flatten().any(|entry| {
        let line = fs_err::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|&byte| byte == 0)
            .any(|argument| argument == word.as_bytes())
    })
}
