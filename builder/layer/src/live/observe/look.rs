//! Says what one thing is, with what was recorded of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use oci::Digest;
use rustix::fs::{AtFlags, FileType, OFlags, Stat};

use crate::directory::{Directory, Found};
use crate::entry::{DeviceKind, Metadata};
use crate::error::{Error, ErrorKind};
use crate::live::observe::attributes::{self, Attributes, CAPABILITY, is_kept};
use crate::live::observe::content::{self, Job};
use crate::live::observe::walk::Visit;
use crate::live::observe::{Observation, Seen, SeenKind};
use crate::live::owners::{self, Owners};
use crate::live::{Form, Given, LINK_OWNERS, Marks, RECORDED_NODE, RECORDED_OWNER, Rights};
use crate::path::EntryPath;
use crate::time::Time;

/// Looks at things, and keeps what it saw.
#[derive(Debug)]
pub(super) struct Looker<'a> {
    directory: &'a Directory,
    form: Form,
    rights: Rights,
    observation: Observation,
    /// The files that are to be digested, each inode once.
    files: BTreeMap<(u64, u64), Job>,
    /// The owners of links, pipes and sockets in the directory that was asked of
    /// last.
    links: (EntryPath, Owners),
}

impl<'a> Looker<'a> {
    pub(super) fn new(directory: &'a Directory, (form, rights): (Form, Rights)) -> Self {
        Self {
            directory,
            form,
            rights,
            observation: Observation::default(),
            files: BTreeMap::new(),
            // No link is the root, so that this is nothing's directory.
            links: (EntryPath::root().child(b"\0"), BTreeMap::new()),
        }
    }

    /// Takes down that something is gone.
    pub(super) fn gone(&mut self, path: EntryPath) {
        self.observation.gone.push(path);
    }

    /// Takes down what something is.
    pub(super) fn look(&mut self, visit: &Visit) -> Result<(), Error> {
        let attributes = attributes::read(self.directory, visit)?;
        if self.is_whiteout(visit, &attributes) {
            self.gone(visit.path.clone());
            return Ok(());
        }
        self.check_marks(&visit.path, &attributes)?;
        let kind = self.kind(visit, &attributes)?;
        let metadata = self.metadata(visit, &attributes)?;
        let stat = &visit.stat;
        let inode = (stat.st_dev, stat.st_ino);
        if matches!(kind, SeenKind::File { size: 1.., .. }) {
            let now = if visit.unlocked {
                &self.stat(visit)?
            } else {
                stat
            };
            let found = Found::of(now);
            let path = visit.path.clone();
            self.files.entry(inode).or_insert(Job { path, found });
        }
        self.observation.seen.push(Seen {
            path: visit.path.clone(),
            kind,
            metadata,
            inode,
        });
        Ok(())
    }

    /// Reads the files, and gives what was seen.
    pub(super) fn finish(mut self) -> Result<Observation, Error> {
        let jobs: Vec<Job> = self.files.into_values().collect();
        let digests = content::digest(self.directory, &jobs)?;
        for seen in &mut self.observation.seen {
            if let SeenKind::File { digest, .. } = &mut seen.kind
                && let Some(found) = digests.get(&seen.inode)
            {
                *digest = *found;
            }
        }
        self.observation
            .seen
            .sort_by(|one, other| one.path.cmp(&other.path));
        Ok(self.observation)
    }

    fn is_whiteout(&self, visit: &Visit, attributes: &Attributes) -> bool {
        let Some(marks) = self.marks() else {
            return false;
        };
        match visit.kind() {
            FileType::CharacterDevice => visit.stat.st_rdev == 0,
            FileType::RegularFile => attributes.contains_key(marks.name("whiteout").as_slice()),
            _ => false,
        }
    }

    /// Checks that the kernel did nothing that is not asked of it.
    fn check_marks(&self, path: &EntryPath, attributes: &Attributes) -> Result<(), Error> {
        let Some(marks) = self.marks() else {
            return Ok(());
        };
        for mark in ["redirect", "metacopy"] {
            if attributes.contains_key(marks.name(mark).as_slice()) {
                let message =
                    format!("`{path}` has a mark of overlayfs (`{mark}`) that is unknown");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        Ok(())
    }

    fn marks(&self) -> Option<Marks> {
        match self.form {
            Form::Plain => None,
            Form::Overlay { marks } => Some(marks),
        }
    }

    fn kind(&self, visit: &Visit, attributes: &Attributes) -> Result<SeenKind, Error> {
        let stat = &visit.stat;
        Ok(match visit.kind() {
            FileType::Directory => SeenKind::Directory {
                opaque: self.marks().is_some_and(|marks| {
                    // Others than `y` say something else of it.
                    let value = attributes.get(marks.name("opaque").as_slice());
                    value.is_some_and(|value| **value == *b"y")
                }),
            },
            FileType::RegularFile => {
                if self.rights.devices == Given::Recorded
                    && let Some(record) = attributes.get(RECORDED_NODE.as_bytes())
                {
                    return node(record).ok_or_else(|| unreadable(RECORDED_NODE, &visit.path));
                }
                SeenKind::File {
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    // Of an empty one; the others are read later.
                    digest: Digest::sha256(b""),
                }
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&*visit.parent, visit.name(), Vec::new())
                    .map_err(|errno| self.failed("read the link", &visit.path, errno))?;
                SeenKind::Symlink {
                    target: target.into_bytes().into(),
                }
            }
            FileType::Fifo => SeenKind::Fifo,
            FileType::Socket => SeenKind::Socket,
            FileType::CharacterDevice => device(DeviceKind::Character, stat),
            FileType::BlockDevice => device(DeviceKind::Block, stat),
            FileType::Unknown => {
                let message = format!("`{}` is nothing that a layer has", visit.path);
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        })
    }

    fn metadata(&mut self, visit: &Visit, attributes: &Attributes) -> Result<Metadata, Error> {
        let stat = &visit.stat;
        let (uid, gid) = match self.rights.owners {
            Given::Really => (stat.st_uid, stat.st_gid),
            Given::Recorded => self.recorded_owner(visit, attributes)?,
        };
        let xattrs = attributes.iter().filter(|(name, _)| is_kept(name));
        let xattrs = xattrs.map(|(name, value)| {
            let value = match &**name {
                CAPABILITY => attributes::capability(value),
                _ => value.clone(),
            };
            (name.clone(), value)
        });
        Ok(Metadata {
            mode: (stat.st_mode & 0o7777) as u16,
            uid,
            gid,
            mtime: mtime(stat),
            xattrs: xattrs.collect(),
        })
    }

    fn recorded_owner(
        &mut self,
        visit: &Visit,
        attributes: &Attributes,
    ) -> Result<(u32, u32), Error> {
        if matches!(visit.kind(), FileType::Directory | FileType::RegularFile) {
            let Some(record) = attributes.get(RECORDED_OWNER.as_bytes()) else {
                return Ok((0, 0));
            };
            return owners::pair(record).ok_or_else(|| unreadable(RECORDED_OWNER, &visit.path));
        }
        let parent = visit.path.parent().unwrap_or_default();
        if self.links.0 != parent {
            let visit = self.again(&parent)?;
            let attributes = attributes::read(self.directory, &visit)?;
            let owners = match attributes.get(LINK_OWNERS.as_bytes()) {
                Some(record) => {
                    owners::read(record).ok_or_else(|| unreadable(LINK_OWNERS, &parent))?
                }
                None => Owners::new(),
            };
            self.links = (parent, owners);
        }
        let name = visit.path.name().unwrap_or_default();
        Ok(owners::owner_of(&self.links.1, name))
    }

    /// Looks at something outside of a walk.
    pub(super) fn again(&self, path: &EntryPath) -> Result<Visit, Error> {
        let parent = path.parent().unwrap_or_default();
        let handle: OwnedFd = self
            .directory
            .step(&parent, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|errno| self.failed("look at", path, errno))?;
        let name = OsStr::from_bytes(path.name().unwrap_or(b"."));
        let stat = rustix::fs::statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failed("look at", path, errno))?;
        Ok(Visit {
            path: path.clone(),
            parent: Rc::new(handle),
            stat,
            unlocked: false,
        })
    }

    fn stat(&self, visit: &Visit) -> Result<Stat, Error> {
        rustix::fs::statat(&*visit.parent, visit.name(), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| self.failed("look at", &visit.path, errno))
    }

    fn failed(&self, what: &str, path: &EntryPath, errno: rustix::io::Errno) -> Error {
        self.directory.failed(what, path, errno)
    }
}

impl Marks {
    /// The name of an attribute of overlayfs.
    fn name(self, mark: &str) -> Vec<u8> {
        let class = match self {
            Self::Trusted => "trusted",
            Self::User => "user",
        };
        format!("{class}.overlay.{mark}").into_bytes()
    }
}

fn device(kind: DeviceKind, stat: &Stat) -> SeenKind {
    SeenKind::Device {
        kind,
        major: rustix::fs::major(stat.st_rdev),
        minor: rustix::fs::minor(stat.st_rdev),
    }
}

#[allow(
    clippy::useless_conversion,
    clippy::unnecessary_cast,
    reason = "the numbers of the kernel have other types on other processors"
)]
fn mtime(stat: &Stat) -> Time {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let seconds = stat.st_mtime as i64;
    Time::new(seconds, nanoseconds).unwrap_or(Time::from_seconds(seconds))
}

/// Reads `c MAJOR:MINOR` or `b MAJOR:MINOR`.
fn node(record: &[u8]) -> Option<SeenKind> {
    let (kind, numbers) = std::str::from_utf8(record).ok()?.split_once(' ')?;
    let kind = match kind {
        "c" => DeviceKind::Character,
        "b" => DeviceKind::Block,
        _ => return None,
    };
    let (major, minor) = owners::pair(numbers.as_bytes())?;
    Some(SeenKind::Device { kind, major, minor })
}

fn unreadable(name: &str, path: &EntryPath) -> Error {
    let message = format!("the attribute `{name}` of `{path}` is not as it is written");
    Error::new(ErrorKind::Invalid, message)
}
