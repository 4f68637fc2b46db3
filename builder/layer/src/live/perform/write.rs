//! All that is no directory, written by several threads: each takes the next
//! few, so that large files do not keep the others waiting.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::entry::{DeviceKind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::live::operation::Operation;
use crate::live::perform::content::{self, Failed};
use crate::live::perform::inode::{Inode, State, Wanted};
use crate::live::perform::place::{Parents, Place};
use crate::live::perform::{Performed, Work};
use crate::live::{Given, RECORDED_NODE};
use crate::pass::THREADS_LIMIT;
use crate::path::EntryPath;

/// How many operations a thread takes at once: so many that most are in the
/// directory of the one before them.
const BATCH: usize = 64;
/// What new files may be until they get their metadata.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Does all operations that are of neither directories nor removals nor other
/// names of files.
pub(super) fn all(work: &Work<'_>, threads: usize) -> Result<Performed, Error> {
    let batches = work.operations.len().div_ceil(BATCH);
    let queue = Queue::default();
    let threads = threads.clamp(1, THREADS_LIMIT).min(batches.max(1));
    std::thread::scope(|scope| {
        for _ in 1..threads {
            let started = std::thread::Builder::new().spawn_scoped(scope, || queue.run(work));
            // What can not be started is not needed.
            if started.is_err() {
                break;
            }
        }
        queue.run(work);
    });
    let outcome = queue.outcome.into_inner();
    let Outcome { done, failed } = outcome.unwrap_or_else(PoisonError::into_inner);
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(done),
    }
}

/// Hands out operations, and collects what came of them.
#[derive(Default)]
struct Queue {
    next: AtomicUsize,
    is_over: AtomicBool,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    done: Performed,
    /// The first in the order of operations that failed.
    failed: Option<(usize, Error)>,
}

impl Queue {
    fn run(&self, work: &Work<'_>) {
        let mut writing = Writing {
            work,
            parents: Parents::new(work.into),
            room: Vec::new(),
            done: Performed::default(),
        };
        let mut failed = None;
        while failed.is_none() && !self.is_over.load(Ordering::Relaxed) {
            let start = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(rest) = work.operations.get(start..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            for (number, operation) in (start..).zip(rest.iter().take(BATCH)) {
                if let Err(error) = writing.one(operation) {
                    failed = Some((number, error));
                    self.is_over.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        let done = writing.done;
        outcome.done.made = outcome.done.made.saturating_add(done.made);
        outcome.done.bytes = outcome.done.bytes.saturating_add(done.bytes);
        outcome.done.skipped.add(done.skipped);
        if let Some((number, error)) = failed {
            let is_first = |(first, _): &(usize, Error)| number < *first;
            if outcome.failed.as_ref().is_none_or(is_first) {
                outcome.failed = Some((number, error));
            }
        }
    }
}

/// Is what one thread has.
struct Writing<'a> {
    work: &'a Work<'a>,
    parents: Parents<'a>,
    room: Vec<u8>,
    done: Performed,
}

impl Writing<'_> {
    fn one(&mut self, operation: &Operation) -> Result<(), Error> {
        let (path, metadata, inode) = match operation {
            Operation::File {
                path,
                metadata,
                size,
                offset,
            } => {
                let mode = created(metadata);
                let handle = self.make(path, |place| file(place, mode))?;
                self.copy(path, &handle, (*offset, *size))?;
                self.done.bytes = self.done.bytes.saturating_add(*size);
                (path, metadata, Inode::open(handle))
            }
            Operation::Symlink {
                path,
                metadata,
                target,
            } => {
                let target = OsStr::from_bytes(target);
                let inode = self.make(path, |place| {
                    rustix::fs::symlinkat(target, place.parent, place.name)?;
                    Inode::find(place)
                })?;
                (path, metadata, Ok(inode))
            }
            Operation::Fifo { path, metadata } => {
                let inode = self.make(path, |place| node(place, FileType::Fifo, 0))?;
                (path, metadata, Ok(inode))
            }
            Operation::Device {
                path,
                metadata,
                kind,
                major,
                minor,
            } => return self.device(path, metadata, (*kind, *major, *minor)),
            _ => return Ok(()),
        };
        let inode = inode.map_err(|errno| self.work.into.failed("look at", path, errno))?;
        self.give(path, metadata, (inode, BTreeMap::new()))
    }

    /// Makes something in the place of what is there.
    fn make<T>(
        &mut self,
        path: &EntryPath,
        make: impl Fn(Place<'_>) -> Result<T, Errno>,
    ) -> Result<T, Error> {
        let place = self.parents.place(path)?;
        let made = place.make(|parent, name| make(Place { parent, name }));
        made.map_err(|errno| self.work.into.failed("make", path, errno))
    }

    fn device(
        &mut self,
        path: &EntryPath,
        metadata: &Metadata,
        (kind, major, minor): (DeviceKind, u32, u32),
    ) -> Result<(), Error> {
        let (letter, of) = match kind {
            DeviceKind::Character => ('c', FileType::CharacterDevice),
            DeviceKind::Block => ('b', FileType::BlockDevice),
        };
        if self.work.rights.devices == Given::Recorded {
            let handle = self.make(path, |place| file(place, PRIVATE))?;
            let inode = Inode::open(handle)
                .map_err(|errno| self.work.into.failed("look at", path, errno))?;
            let value = format!("{letter} {major}:{minor}").into_bytes();
            let marks = BTreeMap::from([(RECORDED_NODE, Some(value))]);
            return self.give(path, metadata, (inode, marks));
        }
        if major > MAJOR_LIMIT || minor > MINOR_LIMIT {
            let message = format!("no kernel has the device {major}:{minor} of `{path}`");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let number = rustix::fs::makedev(major, minor);
        let inode = self.make(path, |place| node(place, of, number))?;
        self.give(path, metadata, (inode, BTreeMap::new()))
    }

    fn give(
        &mut self,
        path: &EntryPath,
        metadata: &Metadata,
        (mut inode, marks): (Inode, BTreeMap<&'static str, Option<Vec<u8>>>),
    ) -> Result<(), Error> {
        let wanted = Wanted {
            metadata,
            rights: self.work.rights,
            marks,
        };
        let given = inode.give(&wanted, State::Made);
        let skipped =
            given.map_err(|failure| self.work.into.failed(&failure.what, path, failure.errno))?;
        self.done.skipped.add(skipped);
        self.done.made = self.done.made.saturating_add(1);
        Ok(())
    }

    /// Copies a part of the layer.
    fn copy(&mut self, path: &EntryPath, out: &OwnedFd, part: (u64, u64)) -> Result<(), Error> {
        match content::copy(self.work.content, out, part, &mut self.room) {
            Ok(()) => Ok(()),
            Err(Failed::Write(errno)) => Err(self.work.into.failed("write", path, errno)),
            Err(Failed::Read(errno)) => Err(Error::io(
                format!("can not read the content of `{path}` from its layer"),
                errno,
            )),
            Err(Failed::Ends) => {
                let message = format!("the layer ends before the content of `{path}` does");
                Err(Error::new(ErrorKind::Changed, message))
            }
        }
    }
}

/// The largest numbers of devices that the kernel has (12 and 20 bits).
const MAJOR_LIMIT: u32 = 0xfff;
const MINOR_LIMIT: u32 = 0xf_ffff;

/// Gives the permissions that a file is made with: those that it gets in the
/// end, mostly, so that they need not be set.
fn created(metadata: &Metadata) -> Mode {
    Mode::from_raw_mode(u32::from(metadata.mode) & 0o777) | PRIVATE
}

fn file(place: Place<'_>, mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(place.parent, place.name, flags, mode)
}

fn node(place: Place<'_>, kind: FileType, number: u64) -> Result<Inode, Errno> {
    rustix::fs::mknodat(place.parent, place.name, kind, PRIVATE, number)?;
    Inode::find(place)
}
