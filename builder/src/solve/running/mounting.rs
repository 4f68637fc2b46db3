//! Makes what a command has mounted: files of its own, caches, and memory.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use layer::{EntryPath, Form, Metadata, Operation, Time, Tree};
use sandbox::{Isolation, Mount, MountKind};

use crate::error::{Error, ErrorKind};
use crate::snapshot::{Cache, Prepared, Snapshots};
use crate::solve::running::bind::{self, Packed};
use crate::solve::running::job::Job;
use crate::step::run::command::{SCRIPT_MODE, SCRIPTS};
use crate::step::run::mounts::{Access, PlannedKind, PlannedMount, Stub};

/// Makes the mounts of one command. Everything here blocks.
pub(super) struct Mounting<'a> {
    job: &'a Job,
    snapshots: &'a Snapshots,
    prepared: &'a Prepared,
    /// What is mounted, in its order.
    pub(super) mounts: Vec<Mount>,
    /// What comes along: the streams, and then what mounts name by number.
    pub(super) descriptors: Vec<OwnedFd>,
    streams: usize,
    /// Where the files of a mount are, by its place in the plan.
    sources: Vec<Option<PathBuf>>,
    /// By their ids; held for as long as this is.
    caches: BTreeMap<&'a str, Cache>,
    /// Where caches are put that can be in one place alone, by their ids.
    moved: BTreeMap<&'a str, &'a EntryPath>,
}

/// The permissions of a directory in memory, as `/tmp` has them.
const TMPFS_MODE: u32 = 0o1777;
/// The permissions of a new cache that asks for none that can be had.
const CACHE_MODE: u16 = 0o755;

impl<'a> Mounting<'a> {
    /// Starts with the streams of a command, and the caches that it has.
    pub(super) fn new(
        job: &'a Job,
        (snapshots, prepared): (&'a Snapshots, &'a Prepared),
        streams: [OwnedFd; 3],
        caches: BTreeMap<&'a str, Cache>,
    ) -> Self {
        Self {
            job,
            snapshots,
            prepared,
            mounts: Vec::new(),
            streams: streams.len(),
            descriptors: streams.into(),
            sources: Vec::new(),
            caches,
            moved: BTreeMap::new(),
        }
    }

    fn mount(&mut self, target: &EntryPath, kind: MountKind) {
        let target = [b"/", target.as_bytes()].concat();
        self.mounts.push(Mount { target, kind });
    }

    /// Makes the files that every command sees in the place of the image's.
    pub(super) fn standing(&mut self) -> Result<(), Error> {
        for (number, (target, text)) in self.job.files.iter().enumerate() {
            let source = self.own_file(&format!("e{number}"), text)?;
            let kind = MountKind::Bind {
                source,
                read_only: false,
            };
            self.mount(target, kind);
        }
        Ok(())
    }

    /// Makes what the instruction asks for.
    pub(super) fn asked(&mut self) -> Result<(), Error> {
        for (number, mount) in self.job.mounts.iter().enumerate() {
            let source = self.source(mount)?;
            if let Stub::Inside { mount: outer, path } = &mount.stub
                && let Some(Some(outer)) = self.sources.get(*outer)
            {
                let room = self.snapshots.room();
                room.handle().stub(outer, path, mount.shape)?;
            }
            self.sources.push(source.clone());
            let source = source.map(|source| self.once(mount, source)).transpose()?;
            if let Some(kind) = self.kind(number, &mount.kind, source)? {
                self.mount(&mount.target, kind);
            }
        }
        Ok(())
    }

    /// Says how something is mounted; `None` where it was not given, and need
    /// not be.
    fn kind(
        &mut self,
        number: usize,
        kind: &PlannedKind,
        source: Option<PathBuf>,
    ) -> Result<Option<MountKind>, Error> {
        Ok(Some(match kind {
            PlannedKind::Bind { read_only, .. } | PlannedKind::Cache { read_only, .. } => {
                let Some(source) = source else {
                    return Ok(None);
                };
                MountKind::Bind {
                    source,
                    read_only: *read_only,
                }
            }
            // Empty, and to stay so.
            PlannedKind::Tmpfs {
                read_only: true, ..
            } => {
                let source = self.prepared.own().join(format!("t{number}"));
                fs_err::create_dir(&source).map_err(stored)?;
                MountKind::Bind {
                    source,
                    read_only: true,
                }
            }
            PlannedKind::Tmpfs { size, .. } => MountKind::Tmpfs {
                size: *size,
                mode: TMPFS_MODE,
            },
            PlannedKind::Secret { id, access, .. } => {
                let Some(secret) = self.job.secrets.get(id) else {
                    return Ok(None);
                };
                self.in_memory(secret, access)?
            }
            PlannedKind::Ssh { id, access, .. } => {
                let Some(source) = self.job.agents.get(id) else {
                    return Ok(None);
                };
                MountKind::Agent {
                    source: source.clone(),
                    mode: access.mode,
                    uid: access.uid,
                    gid: access.gid,
                }
            }
        }))
    }

    /// Makes the scripts that are started.
    pub(super) fn scripts(&mut self) -> Result<(), Error> {
        for (number, script) in self.job.command.scripts.iter().enumerate() {
            let source = self.own_file(&format!("s{number}"), script.content.as_bytes())?;
            let mode = rustix::fs::Mode::from_raw_mode(SCRIPT_MODE);
            rustix::fs::chmod(&source, mode).map_err(|errno| stored(errno.into()))?;
            self.mounts.push(Mount {
                target: format!("{SCRIPTS}/{}", script.name).into_bytes(),
                kind: MountKind::Bind {
                    source,
                    read_only: true,
                },
            });
        }
        Ok(())
    }

    /// Writes a file for this command alone.
    fn own_file(&self, name: &str, content: &[u8]) -> Result<PathBuf, Error> {
        let path = self.prepared.own().join(name);
        fs_err::write(&path, content).map_err(stored)?;
        self.timed(&path)?;
        Ok(path)
    }

    /// Sees to it that whoever looks at a file sees no time of this machine.
    fn timed(&self, path: &Path) -> Result<(), Error> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, path, &self.job.time, flags)
            .map_err(|errno| stored(errno.into()))
    }

    /// Has a file in memory come along.
    fn in_memory(&mut self, bytes: &[u8], access: &Access) -> Result<MountKind, Error> {
        self.descriptors.push(memory(bytes)?);
        Ok(MountKind::Secret {
            descriptor: self.descriptors.len() - self.streams - 1,
            mode: access.mode,
            uid: access.uid,
            gid: access.gid,
        })
    }

    /// Makes what a mount mounts, where that is files.
    fn source(&mut self, mount: &PlannedMount) -> Result<Option<PathBuf>, Error> {
        let packed = self.job.packed.get(&mount.number);
        match &mount.kind {
            PlannedKind::Bind { .. } => {
                let Some(packed) = packed else {
                    return Ok(None);
                };
                let directory = self.prepared.own().join(format!("b{}", mount.number));
                self.unpack(&directory, packed).map(Some)
            }
            PlannedKind::Cache { id, access, .. } => {
                let Some(cache) = self.caches.get(id.as_str()) else {
                    return Ok(None);
                };
                let files = Some(cache.files.clone());
                // At another place it was made ready already.
                if self.sources.contains(&files) {
                    return Ok(files);
                }
                if !cache.files.exists() {
                    self.fill(cache, access, packed)?;
                }
                // Files of the build have one time. What is kept from before must
                // not seem to be made of them: `make` and others go by times.
                let seconds = self.job.time.last_modification.tv_sec;
                let before = Time::from_seconds(seconds.saturating_sub(1));
                let room = self.snapshots.room();
                room.handle().age(&cache.files, before)?;
                Ok(files)
            }
            _ => Ok(None),
        }
    }

    /// Gives what is put in the place of a mount. Where caches are moved there,
    /// one that the command has elsewhere already is a link to that place.
    fn once(&mut self, mount: &'a PlannedMount, source: PathBuf) -> Result<PathBuf, Error> {
        let PlannedKind::Cache { id, read_only, .. } = &mount.kind else {
            return Ok(source);
        };
        if self.snapshots.tier().isolation != Isolation::Chroot {
            return Ok(source);
        }
        let Some(first) = self.moved.get(id.as_str()) else {
            // Of what can not be written there is a copy.
            if !read_only {
                self.moved.insert(id, &mount.target);
            }
            return Ok(source);
        };
        let target = [b"/", first.as_bytes()].concat();
        let link = self.prepared.own().join(format!("l{}", mount.number));
        rustix::fs::symlink(target.as_slice(), &link).map_err(|errno| stored(errno.into()))?;
        self.timed(&link)?;
        Ok(link)
    }

    /// Makes a cache that nobody has used.
    fn fill(&self, cache: &Cache, access: &Access, packed: Option<&Packed>) -> Result<(), Error> {
        let room = self.snapshots.room();
        if let Some(packed) = packed {
            let made = self.unpack(&cache.directory.join("new"), packed)?;
            return room.handle().rename(&made, &cache.files);
        }
        let operation = Operation::Directory {
            path: EntryPath::root().child(cache.name()),
            metadata: Metadata {
                mode: u16::try_from(access.mode & 0o7777).unwrap_or(CACHE_MODE),
                uid: access.uid,
                gid: access.gid,
                ..Metadata::default()
            },
            links: BTreeMap::new(),
        };
        let (nothing, how) = (memory(b"")?, (Form::Plain, self.snapshots.how().1));
        let made = room
            .handle()
            .perform(&cache.directory, vec![operation], nothing.as_fd(), how);
        made.map(drop)
    }

    /// Unpacks what a mount brings, and gives where it is.
    fn unpack(&self, directory: &Path, packed: &Packed) -> Result<PathBuf, Error> {
        let operations = layer::operations(&Tree::new(), &packed.index)
            .map_err(|error| Error::layer("the files of a mount do not fit".to_owned(), error))?;
        let (room, how) = (self.snapshots.room(), (Form::Plain, self.snapshots.how().1));
        room.handle().make(directory)?;
        room.handle()
            .perform(directory, operations, packed.file.as_fd(), how)?;
        Ok(directory.join(bind::NAME))
    }
}

fn stored(error: std::io::Error) -> Error {
    Error::caused(ErrorKind::Storage, "can not write for a command", error)
}

/// Holds bytes in memory, for another process to read.
fn memory(bytes: &[u8]) -> Result<OwnedFd, Error> {
    let failed = |error| Error::caused(ErrorKind::Sandbox, "can not hold a file in memory", error);
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let memory = rustix::fs::memfd_create("wharf", flags);
    let mut file = std::fs::File::from(memory.map_err(|errno| failed(errno.into()))?);
    file.write_all(bytes).map_err(failed)?;
    std::io::Seek::rewind(&mut file).map_err(failed)?;
    Ok(file.into())
}
