//! Who each thread of a command is. The kernel does not say when threads
//! begin: one that was not seen before is who its parent is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::identity::Identity;
use super::target::Target;

/// After how many threads those that ended are looked for.
const SWEEP: usize = 1024;

/// How many parents are asked.
const DEPTH_LIMIT: usize = 128;

/// The longest list of children that is read, in bytes.
const CHILDREN_LIMIT: usize = 1 << 20;

/// Knows who the threads are.
#[derive(Debug)]
pub(super) struct Family {
    /// Who the first is, and everybody who became nobody else.
    first: Arc<Identity>,
    /// Whether anybody became somebody else.
    changed: bool,
    known: BTreeMap<u32, Member>,
    /// How many there were after the last sweep.
    kept: usize,
}

#[derive(Debug, Clone)]
struct Member {
    identity: Arc<Identity>,
    /// Who it is when its program is that file: device and number.
    becoming: Option<(u64, u64, Arc<Identity>)>,
}

impl Family {
    /// Begins with one.
    pub(super) fn new(first: Identity) -> Self {
        Self {
            first: Arc::new(first),
            changed: false,
            known: BTreeMap::new(),
            kept: 0,
        }
    }

    /// Says who a thread is.
    pub(super) fn identity(&mut self, target: Target<'_>) -> Arc<Identity> {
        if !self.changed {
            return Arc::clone(&self.first);
        }
        if let Some(member) = self.known.get_mut(&target.thread) {
            if let Some((device, number, identity)) = member.becoming.take()
                && target.program() == Some((device, number))
            {
                member.identity = identity;
            }
            return Arc::clone(&member.identity);
        }
        let identity = self.inherited(target);
        self.keep(target, Arc::clone(&identity));
        identity
    }

    /// Makes somebody else of a thread.
    pub(super) fn change(&mut self, target: Target<'_>, identity: Identity) {
        if *self.identity(target) == identity {
            return;
        }
        // Those that began before are who it was.
        self.settle_children(target);
        self.changed = true;
        self.keep(target, Arc::new(identity));
    }

    /// Notes who a thread is once its program is a file.
    pub(super) fn expect(&mut self, target: Target<'_>, program: (u64, u64), identity: Identity) {
        let before = self.identity(target);
        if *before == identity {
            return;
        }
        self.settle_children(target);
        self.changed = true;
        let becoming = Some((program.0, program.1, Arc::new(identity)));
        let identity = before;
        self.known
            .insert(target.thread, Member { identity, becoming });
    }

    /// Notes that a process ends: its children will have another parent.
    pub(super) fn end(&mut self, target: Target<'_>) {
        if !self.changed {
            return;
        }
        if *self.identity(target) != *self.first {
            self.settle_children(target);
        }
        self.known.remove(&target.thread);
    }

    /// Finds out who a thread is by its parents.
    fn inherited(&self, target: Target<'_>) -> Arc<Identity> {
        let mut thread = target.thread;
        for _ in 0..DEPTH_LIMIT {
            let asked = Target { thread, ..target };
            let Ok(state) = asked.state(&["Tgid", "PPid"]) else {
                break;
            };
            let &[process, parent] = state.as_slice() else {
                break;
            };
            // Threads have who their process is as parent.
            thread = if process == thread { parent } else { process };
            if let Some(member) = self.known.get(&thread) {
                return Arc::clone(&member.identity);
            }
            if thread <= 1 {
                break;
            }
        }
        Arc::clone(&self.first)
    }

    /// Keeps for the children of a thread, which were not seen yet, who they
    /// are now.
    fn settle_children(&mut self, target: Target<'_>) {
        let identity = self.identity(target);
        for child in target.children() {
            let child = Target {
                thread: child,
                ..target
            };
            if !self.known.contains_key(&child.thread) {
                self.keep(child, Arc::clone(&identity));
            }
        }
    }

    fn keep(&mut self, target: Target<'_>, identity: Arc<Identity>) {
        if self.known.len() >= self.kept.saturating_add(SWEEP) {
            self.known.retain(|thread, _| {
                let asked = Target {
                    thread: *thread,
                    ..target
                };
                asked.lives()
            });
            self.kept = self.known.len();
        }
        let becoming = None;
        self.known
            .insert(target.thread, Member { identity, becoming });
    }
}

impl Target<'_> {
    /// Says which file its program is.
    fn program(&self) -> Option<(u64, u64)> {
        let path = format!("{}/exe", self.thread);
        let status = rustix::fs::statat(self.proc, path, rustix::fs::AtFlags::empty()).ok()?;
        Some((status.st_dev, status.st_ino))
    }

    /// Lists the processes that it began, where the kernel tells.
    fn children(&self) -> Vec<u32> {
        let path = format!("{0}/task/{0}/children", self.thread);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(self.proc, path, flags, Mode::empty()) else {
            return Vec::new();
        };
        let mut text = Vec::new();
        let mut chunk = [0_u8; 4096];
        while let Ok(length) = rustix::io::read(&file, &mut chunk)
            && length > 0
            && text.len() < CHILDREN_LIMIT
        {
            text.extend(chunk.iter().take(length));
        }
        let text = String::from_utf8_lossy(&text);
        text.split_ascii_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect()
    }

    fn lives(&self) -> bool {
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::statat(self.proc, self.thread.to_string(), flags).is_ok()
    }
}
