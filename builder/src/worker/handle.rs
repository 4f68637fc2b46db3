//! The builder's side of a worker: each question waits for its answer.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Mutex;

use layer::{EntryPath, Form, Observation, Operation, Performed, Rights, Settlement, Time};
use sandbox::{Ended, Launch, Step, Tier, Worker};

use crate::error::{Error, ErrorKind};
use crate::pack::layers::locked;
use crate::request::OciRuntime;
use crate::step::run::mounts::Shape;
use crate::worker::message::{Answer, Ask, Fault, FaultKind, Overlay};

/// Asks a worker. Everything here blocks.
#[derive(Debug)]
pub(crate) struct Handle {
    worker: Mutex<Worker>,
}

impl Handle {
    /// Starts a worker in a sandbox.
    pub(crate) fn start(launch: &Launch, tier: &Tier) -> Result<Self, Error> {
        let worker = Worker::start(launch, tier)
            .map_err(|error| failed("can not start the sandbox".to_owned(), error.into()))?;
        Ok(Self {
            worker: Mutex::new(worker),
        })
    }

    /// Makes a directory, and gives the time of the file system then.
    pub(crate) fn make(&self, directory: &Path) -> Result<Time, Error> {
        let ask = Ask::Make {
            directory: directory.to_owned(),
        };
        match self.ask(&ask, &[], "can not make a directory for `RUN`")? {
            (Answer::Made(time), _) => Ok(time),
            _ => Err(astray()),
        }
    }

    /// Does to a directory what a layer says.
    pub(crate) fn perform(
        &self,
        directory: &Path,
        operations: Vec<Operation>,
        content: BorrowedFd<'_>,
        (form, rights): (Form, Rights),
    ) -> Result<Performed, Error> {
        let ask = Ask::Perform {
            directory: directory.to_owned(),
            operations,
            form,
            rights,
        };
        match self.ask(&ask, &[content], "can not unpack a layer for `RUN`")? {
            (Answer::Performed(performed), _) => Ok(performed),
            _ => Err(astray()),
        }
    }

    /// Renames something.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.done(&Ask::Rename { from, to }, "can not keep what `RUN` made")
    }

    /// Takes something away.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), Error> {
        let path = path.to_owned();
        self.done(&Ask::Remove { path }, "can not clear up")
    }

    /// Mounts an overlay.
    pub(crate) fn mount(&self, overlay: Overlay) -> Result<(), Error> {
        self.done(
            &Ask::Mount(overlay),
            "can not mount the file system of a stage",
        )
    }

    /// Unmounts it.
    pub(crate) fn unmount(&self, directory: &Path) -> Result<(), Error> {
        let directory = directory.to_owned();
        self.done(
            &Ask::Unmount { directory },
            "can not unmount the file system of a stage",
        )
    }

    /// Runs a command, by this program or a runtime.
    pub(crate) fn run(
        &self,
        step: Step,
        runtime: &OciRuntime,
        descriptors: &[OwnedFd],
    ) -> Result<Ended, Error> {
        let descriptors: Vec<_> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        let ask = Ask::Run {
            step: Box::new(step),
            runtime: runtime.clone(),
        };
        match self.ask(&ask, &descriptors, "can not run the command")? {
            (Answer::Ended(ended), _) => Ok(ended),
            _ => Err(astray()),
        }
    }

    /// Looks at the upper directory of an overlay.
    pub(crate) fn observe(
        &self,
        directory: &Path,
        (form, rights): (Form, Rights),
    ) -> Result<Observation, Error> {
        self.observed(&Ask::Observe {
            directory: directory.to_owned(),
            form,
            rights,
        })
    }

    /// Has a directory remembered.
    pub(crate) fn remember(&self, directory: &Path) -> Result<(), Error> {
        let directory = directory.to_owned();
        self.done(
            &Ask::Remember { directory },
            "can not look at the file system of a stage",
        )
    }

    /// Looks at what is other than was remembered.
    pub(crate) fn compare(&self, directory: &Path, rights: Rights) -> Result<Observation, Error> {
        self.observed(&Ask::Compare {
            directory: directory.to_owned(),
            rights,
        })
    }

    /// Takes away what was put there for mounts, unless something is in it.
    pub(crate) fn unstub(&self, directory: &Path, paths: &[EntryPath]) -> Result<(), Error> {
        let (directory, paths) = (directory.to_owned(), paths.to_vec());
        self.done(&Ask::Unstub { directory, paths }, "can not clear up")
    }

    /// Has nothing in a directory be younger than a time.
    pub(crate) fn age(&self, directory: &Path, youngest: Time) -> Result<(), Error> {
        let directory = directory.to_owned();
        let ask = Ask::Age {
            directory,
            youngest,
        };
        self.done(&ask, "can not prepare a cache")
    }

    /// Makes what something can be mounted on, as far as it is missing.
    pub(crate) fn stub(
        &self,
        directory: &Path,
        path: &EntryPath,
        shape: Shape,
    ) -> Result<(), Error> {
        let ask = Ask::Stub {
            directory: directory.to_owned(),
            path: path.clone(),
            is_directory: shape == Shape::Directory,
        };
        self.done(&ask, "can not make a place for a mount")
    }

    /// Adds up the bytes of the files in a directory.
    pub(crate) fn measure(&self, directory: &Path) -> Result<u64, Error> {
        let directory = directory.to_owned();
        match self.ask(
            &Ask::Measure { directory },
            &[],
            "can not measure a directory",
        )? {
            (Answer::Measured(bytes), _) => Ok(bytes),
            _ => Err(astray()),
        }
    }

    /// Lists the files of a directory, with the times of their last use.
    pub(crate) fn uses(&self, directory: &Path) -> Result<Vec<(EntryPath, Time)>, Error> {
        let directory = directory.to_owned();
        match self.ask(&Ask::Uses { directory }, &[], "can not look at a cache")? {
            (Answer::Uses(uses), _) => Ok(uses),
            _ => Err(astray()),
        }
    }

    /// Says whether there is nothing in a directory.
    pub(crate) fn is_empty(&self, directory: &Path) -> Result<bool, Error> {
        let directory = directory.to_owned();
        match self.ask(&Ask::IsEmpty { directory }, &[], "can not look at a cache")? {
            (Answer::IsEmpty(is_empty), _) => Ok(is_empty),
            _ => Err(astray()),
        }
    }

    fn observed(&self, ask: &Ask) -> Result<Observation, Error> {
        match self.ask(ask, &[], "can not look at what `RUN` made")? {
            (Answer::Observed(observation), _) => Ok(observation),
            _ => Err(astray()),
        }
    }

    /// Opens a file.
    pub(crate) fn open(&self, directory: &Path, path: &EntryPath) -> Result<OwnedFd, Error> {
        let ask = Ask::Open {
            directory: directory.to_owned(),
            path: path.clone(),
        };
        match self.ask(&ask, &[], "can not read what `RUN` made")? {
            (Answer::Open, mut descriptors) => descriptors.pop().ok_or_else(astray),
            _ => Err(astray()),
        }
    }

    /// Has a directory be what its layer says.
    pub(crate) fn settle(
        &self,
        directory: &Path,
        settlements: Vec<Settlement>,
        (form, rights): (Form, Rights),
    ) -> Result<(), Error> {
        let ask = Ask::Settle {
            directory: directory.to_owned(),
            settlements,
            form,
            rights,
        };
        self.done(&ask, "can not keep what `RUN` made")
    }

    fn done(&self, ask: &Ask, doing: &str) -> Result<(), Error> {
        match self.ask(ask, &[], doing)? {
            (Answer::Done, _) => Ok(()),
            _ => Err(astray()),
        }
    }

    fn ask(
        &self,
        ask: &Ask,
        descriptors: &[BorrowedFd<'_>],
        doing: &str,
    ) -> Result<(Answer, Vec<OwnedFd>), Error> {
        let broken = |error: sandbox::Error| failed(doing.to_owned(), error.into());
        let message = postcard::to_allocvec(ask).expect("numbers, bytes and lists have a form");
        let mut worker = locked(&self.worker);
        let channel = worker.channel();
        channel.send(&message, descriptors).map_err(broken)?;
        let Some((answer, descriptors)) = channel.receive().map_err(broken)? else {
            return Err(Error::new(ErrorKind::Sandbox, doing.to_owned())
                .with_hint("the sandbox ended by itself: was it killed, or out of memory?"));
        };
        match postcard::from_bytes(&answer) {
            Ok(Answer::Failed(fault)) => Err(failed(doing.to_owned(), fault)),
            Ok(answer) => Ok((answer, descriptors)),
            Err(_) => Err(astray()),
        }
    }
}

fn failed(doing: String, mut fault: Fault) -> Error {
    let hint = fault.hint.take();
    let kind = match fault.kind {
        FaultKind::Command => ErrorKind::Command,
        FaultKind::Denied | FaultKind::Failed => ErrorKind::Sandbox,
        FaultKind::Unsupported => ErrorKind::Unsupported,
    };
    let error = Error::caused(kind, doing, fault);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn astray() -> Error {
    Error::new(ErrorKind::Sandbox, "the sandbox says what nobody asked")
}
