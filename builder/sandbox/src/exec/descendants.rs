//! What a command leaves running where it has no namespace of processes: all
//! of it becomes the keeper's, which is told to take in orphans, and is killed.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::error::{Error, ErrorKind};

/// Makes this process the one that orphans of its descendants belong to.
pub(super) fn adopt() -> Result<(), Error> {
    if !Path::new("/proc/self/stat").exists() {
        let context = "what a command leaves running can not be found without `/proc`";
        return Err(Error::new(ErrorKind::Unsupported, context));
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|source| Error::system("cannot take in what a command leaves running", source))
}

/// Kills everything below this process, and waits until it is dead.
pub(super) fn end_all() {
    // Mostly there is nothing, and nothing to look for.
    while !matches!(
        rustix::process::wait(WaitOptions::NOHANG),
        Err(Errno::CHILD)
    ) {
        let mut stopped = BTreeSet::new();
        // Whoever is stopped starts nobody, so that this ends.
        loop {
            let found = own();
            let new: Vec<_> = found.difference(&stopped).copied().collect();
            if new.is_empty() {
                break;
            }
            for pid in new {
                signal(pid, Signal::STOP);
                stopped.insert(pid);
            }
        }
        for pid in stopped {
            signal(pid, Signal::KILL);
        }
        let _ = rustix::process::wait(WaitOptions::empty());
    }
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Lists everything below this process.
fn own() -> BTreeSet<i32> {
    let mut parents = Vec::new();
    for entry in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(text) = fs_err::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        parents.extend(parent(&text).map(|parent| (pid, parent)));
    }
    let this = rustix::process::getpid().as_raw_pid();
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        let below = |&&(_, parent): &&(i32, i32)| parent == this || found.contains(&parent);
        let more: Vec<_> = parents.iter().filter(below).map(|&(pid, _)| pid).collect();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// Reads the parent out of `stat` of proc(5). It is the second word behind the
/// name, which can have anything in it, and ends with the last parenthesis.
fn parent(stat: &str) -> Option<i32> {
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    let parent = words.next()?.parse().ok()?;
    // A process that has ended runs nothing any more, and waits for its parent;
    // but the others of its threads may run on without the first one.
    let threads: u64 = words.nth(THREADS)?.parse().ok()?;
    (threads > 1 || (state != "Z" && state != "X")).then_some(parent)
}

/// How many words are between the parent and the number of threads.
const THREADS: usize = 15;
