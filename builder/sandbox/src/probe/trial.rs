//! What a worker tries in its tier. Whatever changes the process is tried in
//! a child of it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};
use rustix::process::{Gid, Uid, chdir, chroot, pivot_root};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::probe::check::{Check, denied};
use crate::probe::forked::forked;
use crate::probe::overlay::try_overlay;
use crate::probe::{Facts, Finding, Given};
use crate::tier::{Ids, Isolation, Tier, TierName};

mod filter;
mod group;

/// Is what a worker that tries a tier answers.
pub(crate) type Tried = Result<(Vec<Finding>, Facts), Error>;

/// Tries a tier in the directory that the first message names, and answers.
pub(crate) fn serve(mut channel: Channel, tier: Tier) -> Result<(), Error> {
    let Some((directory, _)) = channel.receive()? else {
        return Ok(());
    };
    let directory = Path::new(OsStr::from_bytes(&directory));
    let tried: Tried = Place::make(directory, tier.name()).map(|place| {
        let mut trial = Trial {
            tier: tier.name(),
            findings: Vec::new(),
        };
        let facts = trial.run(&tier, place.path());
        (trial.findings, facts)
    });
    let bytes = postcard::to_allocvec(&tried)
        .map_err(|source| Error::new(ErrorKind::Broken, source.to_string()))?;
    channel.send(&bytes, &[])
}

/// Is a directory for the trials of one tier. Dropped, it is removed.
#[derive(Debug)]
struct Place(PathBuf);

impl Place {
    fn make(directory: &Path, tier: TierName) -> Result<Self, Error> {
        // Nothing is left behind where there has been no build yet.
        let mut above = directory.ancestors();
        let existing = above.find(|path| path.is_dir()).unwrap_or(directory);
        let path = existing.join(format!("wharf-probe-{}-{tier}", std::process::id()));
        let place = Self(path);
        for name in ["", "root", "kernel"] {
            let path = place.path().join(name);
            fs_err::create_dir_all(&path)
                .map_err(|source| Error::system(format!("making `{}`", path.display()), source))?;
        }
        Ok(place)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// Collects what was tried.
struct Trial {
    tier: TierName,
    findings: Vec<Finding>,
}

impl Trial {
    fn run(&mut self, tier: &Tier, place: &Path) -> Facts {
        if tier.ids != Ids::One && !self.note(Check::Owners, || own(place)) {
            // Then the tier is of no use, whatever else works.
            return Facts {
                overlay: Err(Error::new(ErrorKind::Unsupported, "it was not tried")),
                proc: Given::Absent,
                sys: Given::Absent,
            };
        }
        let facts = match tier.isolation {
            Isolation::Namespaces => self.run_namespaces(place),
            Isolation::Chroot => Facts {
                overlay: Err(without_mounts()),
                proc: Given::Absent,
                sys: Given::Absent,
            },
        };
        self.note(Check::Chroot, || forked(|| chroot(place.join("root"))));
        if tier.ids == Ids::Real {
            self.note(Check::Devices, || make_device(place));
        }
        self.note(Check::Filter, || forked(filter::install));
        self.note(Check::Notify, || forked(filter::supervise));
        self.note(Check::ProcessLimit, group::limit);
        facts
    }

    fn run_namespaces(&mut self, place: &Path) -> Facts {
        let overlay = try_overlay(place);
        self.findings.push(Finding {
            tier: self.tier,
            check: Check::Overlay,
            refusal: overlay.clone().err(),
        });
        let target = place.join("kernel");
        let proc = self.proc(&target);
        let sys = self.sys(&target);
        self.note(Check::PivotRoot, || pivot(&place.join("root")));
        self.namespaces();
        Facts { overlay, proc, sys }
    }

    /// Tries the namespaces that a command has, together, since one child is
    /// quicker than four, and apart where that fails.
    fn namespaces(&mut self) {
        let flags = [
            (Check::ProcessNamespace, UnshareFlags::NEWPID),
            (Check::NetworkNamespace, UnshareFlags::NEWNET),
            (Check::HostnameNamespace, UnshareFlags::NEWUTS),
            (Check::MessageNamespace, UnshareFlags::NEWIPC),
        ];
        let all = flags.iter().map(|(_, flag)| *flag).collect();
        let together = forked(|| unshare(all)).is_ok();
        for (check, flag) in flags {
            self.note(check, || match together {
                true => Ok(()),
                false => forked(|| unshare(flag)),
            });
        }
    }

    /// Tries to mount `/proc`, or else the one there is.
    fn proc(&mut self, target: &Path) -> Given {
        let fresh = self.note(Check::Proc, || {
            mount_in_child(UnshareFlags::NEWPID, "proc", target)
        });
        given(fresh, Path::new("/proc"), target)
    }

    /// Tries to mount `/sys`, or else the one there is. It belongs to the
    /// network, which is that of the machine for most commands.
    fn sys(&mut self, target: &Path) -> Given {
        let none = UnshareFlags::empty();
        let fresh = mount_in_child(none, "sysfs", target).is_ok();
        self.note(Check::Sys, || match fresh {
            true => Ok(()),
            false => mount_in_child(UnshareFlags::NEWNET, "sysfs", target),
        });
        given(fresh, Path::new("/sys"), target)
    }

    fn note(&mut self, check: Check, work: impl FnOnce() -> Result<(), Errno>) -> bool {
        let refusal = work().map_err(|source| denied(check, check.as_str(), source));
        let works = refusal.is_ok();
        self.findings.push(Finding {
            tier: self.tier,
            check,
            refusal: refusal.err(),
        });
        works
    }
}

/// Says what there is of a file system where there may be no fresh one.
fn given(fresh: bool, path: &Path, target: &Path) -> Given {
    let bound = || {
        forked(|| {
            unshare(UnshareFlags::NEWNS)?;
            mount_bind_recursive(path, target)
        })
    };
    match fresh {
        true => Given::Fresh,
        false if bound().is_ok() => Given::Bound,
        false => Given::Absent,
    }
}

fn without_mounts() -> Error {
    let context = "nothing can be mounted, so files are copied";
    Error::new(ErrorKind::Unsupported, context)
}

/// Gives a file to another user and group.
fn own(place: &Path) -> Result<(), Errno> {
    const OTHER: u32 = 1;
    let path = place.join("owned");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))?;
    let (user, group) = (Uid::from_raw(OTHER), Gid::from_raw(OTHER));
    rustix::fs::fchown(&file, Some(user), Some(group))?;
    let found = rustix::fs::fstat(&file)?;
    match (found.st_uid, found.st_gid) {
        (OTHER, OTHER) => Ok(()),
        // A file system where everything is somebody's.
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Makes `/dev/null` elsewhere, and opens it.
fn make_device(place: &Path) -> Result<(), Errno> {
    let path = place.join("null");
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, &path, FileType::CharacterDevice, mode, makedev(1, 3))?;
    rustix::fs::open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    Ok(())
}

/// Mounts a file system in a mount namespace, and where it belongs to another
/// one, as the first process of that.
fn mount_in_child(more: UnshareFlags, kind: &str, target: &Path) -> Result<(), Errno> {
    forked(|| {
        unshare(UnshareFlags::NEWNS | more)?;
        forked(|| {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(kind, target, kind, flags, None)
        })
    })
}

/// Makes a directory the root, and what was the root nothing.
fn pivot(root: &Path) -> Result<(), Errno> {
    forked(|| {
        unshare(UnshareFlags::NEWNS)?;
        mount_bind(root, root)?;
        chdir(root)?;
        pivot_root(".", ".")
    })
}

fn unshare(flags: UnshareFlags) -> Result<(), Errno> {
    // SAFETY: the flags are namespaces alone, never the table of descriptors.
    unsafe { unshare_unsafe(flags) }
}
