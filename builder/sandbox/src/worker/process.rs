//! The process of a worker, seen from the one that started it.
//!
//! The kernel ends a child with the *thread* that started it, not with the
//! process. So a thread of its own starts the worker and waits for it.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::worker::Launch;

/// Is a worker's process. Dropped, it is killed and waited for.
#[derive(Debug)]
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    id: u32,
    keeper: Option<JoinHandle<io::Result<ExitStatus>>>,
}

/// Kills a worker with all that it started, from any thread.
#[derive(Debug, Clone)]
pub struct Killer {
    child: Arc<Mutex<Child>>,
}

impl Killer {
    /// Kills it, if it still runs.
    pub fn kill(&self) {
        kill(&self.child);
    }
}

impl Process {
    /// Starts this program with arguments, and a channel as its input.
    pub(crate) fn start(
        launch: &Launch,
        arguments: &[&str],
        theirs: Channel,
    ) -> Result<Self, Error> {
        let mut command = Command::new(&launch.program);
        command
            .args(arguments)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null());
        let failed = |source| {
            let context = format!("starting `{}` as a worker", launch.program.display());
            Error::system(context, source)
        };
        let (sender, receiver) = mpsc::channel();
        let keeper = Builder::new()
            .name("worker".to_owned())
            .spawn(move || keep(&mut command, &sender))
            .map_err(failed)?;
        if let Ok(child) = receiver.recv() {
            let id = locked(&child).id();
            let keeper = Some(keeper);
            return Ok(Self { child, id, keeper });
        }
        match keeper.join() {
            Ok(Err(source)) => Err(failed(source)),
            _ => Err(Error::new(ErrorKind::Broken, "a worker is lost")),
        }
    }

    /// Gives its number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Gives what kills it.
    pub(crate) fn killer(&self) -> Killer {
        Killer {
            child: Arc::clone(&self.child),
        }
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) -> Result<(), Error> {
        match self.join() {
            Some(Ok(status)) if status.success() => Ok(()),
            Some(Ok(status)) => {
                let context = format!("the worker ended with {status}");
                Err(Error::new(ErrorKind::Broken, context))
            }
            Some(Err(source)) => Err(Error::system("waiting for the worker", source)),
            None => Err(Error::new(ErrorKind::Broken, "the worker is lost")),
        }
    }

    /// Says how it ended, where that is not how it was to be.
    pub(crate) fn explain(self, error: Error) -> Error {
        // One that is ending already keeps the code that it ends with.
        kill(&self.child);
        match self.wait() {
            Ok(()) => error,
            Err(ended) => ended.with_hint(format!("before that: {error}")),
        }
    }

    fn join(&mut self) -> Option<io::Result<ExitStatus>> {
        self.keeper.take()?.join().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.keeper.is_some() {
            kill(&self.child);
            let _ = self.join();
        }
    }
}

/// Starts the worker, hands it on and waits for its end.
fn keep(
    command: &mut Command,
    started: &mpsc::Sender<Arc<Mutex<Child>>>,
) -> io::Result<ExitStatus> {
    let child = command.spawn()?;
    let id = Pid::from_child(&child);
    let child = Arc::new(Mutex::new(child));
    // Nobody may wait for it any more: then its channel is closed too.
    let _ = started.send(Arc::clone(&child));
    // The number stays taken until the lock is held, so that nobody kills
    // another process of the same number. Whoever kills may have waited first.
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(id), ended));
    locked(&child).wait()
}

/// Kills a worker and its process group, if it was not waited for yet.
fn kill(child: &Mutex<Child>) {
    let mut child = locked(child);
    let waited = matches!(child.try_wait(), Ok(Some(_)));
    if !waited {
        let group = Pid::from_child(&child);
        // A worker that has not come to leave the group of this process is in
        // none of its own: then there is nothing below it either.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.kill();
    }
}

fn locked(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}
