//! The root of a command: its own mounts of `/proc`, `/sys` and `/dev`, those
//! of the step, and then nothing else.

mod devices;
mod kernel;
mod private;

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use crate::error::{Error, ErrorKind};
use crate::exec::inside::{attach, copy_path, create, failed, find, make_directory};
use crate::exec::restrict::{HARMLESS, attach_with};
use crate::exec::wire::Job;
use crate::exec::{Kept, Mount, MountKind};
use private::Private;

pub(crate) use devices::make as make_devices;
pub(super) use devices::{DEVICES, LINKS};
pub(crate) use kernel::{HIDDEN, READ_ONLY};
pub(super) use private::{fill, listen, own};

/// What has nothing to read.
const NO_INPUT: &str = "/dev/null";

/// Is what came of the mounts.
pub(super) struct Made {
    /// The sockets of agents, in the order of their mounts.
    pub(super) listeners: Vec<OwnedFd>,
    /// Whether what was the root before can be reached by no path at all.
    pub(super) pivoted: bool,
    /// What the command reads from: nothing, which is its own.
    pub(super) input: OwnedFd,
}

/// Opens what has nothing to read, below the root of this process. Where that
/// is the machine's, no command may have it: its mode could be changed.
pub(super) fn no_input() -> Result<OwnedFd, Error> {
    rustix::fs::open(NO_INPUT, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| Error::system(format!("cannot open `{NO_INPUT}`"), source))
}

/// Makes the root of a step in a mount namespace of its own, and enters it.
pub(super) fn make(job: &Job, descriptors: &[OwnedFd]) -> Result<Made, Error> {
    let step = &job.step;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|source| Error::system("cannot keep mounts apart", source))?;
    let root = mount_root(&step.root, step.kept)?;
    devices::make(&root)?;
    let input = devices::no_input(&root)?;
    kernel::proc(&root, step.kept)?;
    kernel::sys(&root, step.network, step.kept)?;
    let mut private = Private::new(&step.scratch);
    let mut listeners = Vec::new();
    for (number, mount) in step.mounts.iter().enumerate() {
        let name = number.to_string();
        let target = target(&root, &step.mounts, mount)?;
        match &mount.kind {
            MountKind::Bind { source, read_only } => {
                bind(source, *read_only, &mount.target, &target)?;
            }
            MountKind::Tmpfs { size, mode } => tmpfs(*size, *mode, &mount.target, &target)?,
            MountKind::Secret { descriptor, .. } => {
                let content = descriptors.get(*descriptor).ok_or_else(|| {
                    Error::new(ErrorKind::Broken, "a secret came without its content")
                })?;
                private.secret(&name, mount, content)?;
                private.show(&name, mount, &target)?;
            }
            MountKind::Agent { .. } => {
                listeners.push(private.agent(&name, mount)?);
                private.show(&name, mount, &target)?;
            }
        }
    }
    let pivoted = enter(&root)?;
    Ok(Made {
        listeners,
        pivoted,
        input,
    })
}

/// Makes a mount of the root directory, and opens that. Devices can be made
/// there, but not opened: on real root's machine that would be its disks.
fn mount_root(root: &Path, kept: Kept) -> Result<OwnedFd, Error> {
    let attributes = match bare(kept) {
        true => MountAttrFlags::empty(),
        false => MountAttrFlags::MOUNT_ATTR_NODEV,
    };
    let open = || {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(root, flags, Mode::empty())
    };
    let mounted = open().and_then(|target| attach_with(copy_path(root)?, target, attributes));
    // What is opened by now is what was mounted.
    mounted.and_then(|()| open()).map_err(|source| {
        Error::system(
            format!("cannot mount the root `{}`", root.display()),
            source,
        )
    })
}

/// Finds where a mount goes. Only below what this command alone has, it may
/// have to be made.
fn target(root: &OwnedFd, all: &[Mount], mount: &Mount) -> Result<OwnedFd, Error> {
    let path = &mount.target;
    match find(root, path) {
        Err(Errno::NOENT) if is_own(all, path) => {}
        found => return found.map_err(failed("cannot mount onto", path)),
    }
    let made = match kind_of(mount)? {
        Target::Directory => make_directory(root, path),
        Target::File => {
            let cut = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let (parent, name) = path.split_at(cut);
            let name = name.strip_prefix(b"/").unwrap_or(name);
            make_directory(root, parent)
                .and_then(|parent| make_file(&parent, name).map(|()| parent))
                .and_then(|parent| find(&parent, name))
        }
    };
    made.map_err(failed("cannot make", path))
}

/// Is what can be mounted onto.
enum Target {
    Directory,
    File,
}

fn kind_of(mount: &Mount) -> Result<Target, Error> {
    match &mount.kind {
        MountKind::Bind { source, .. } => {
            let context = || format!("cannot mount `{}`", source.display());
            let found =
                rustix::fs::lstat(source).map_err(|failure| Error::system(context(), failure))?;
            match rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir() {
                true => Ok(Target::Directory),
                false => Ok(Target::File),
            }
        }
        MountKind::Tmpfs { .. } => Ok(Target::Directory),
        MountKind::Secret { .. } | MountKind::Agent { .. } => Ok(Target::File),
    }
}

/// Makes an empty file, for something to be mounted onto it.
fn make_file(directory: impl AsFd, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::from_raw_mode(0o644)).map(drop)
}

/// Says whether a path is in a file system that was made for this command.
pub(super) fn is_own(all: &[Mount], path: &[u8]) -> bool {
    let below = |directory: &[u8]| {
        path.strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    below(b"/dev")
        || all
            .iter()
            .any(|mount| matches!(mount.kind, MountKind::Tmpfs { .. }) && below(&mount.target))
}

fn bind(source: &Path, read_only: bool, path: &[u8], target: &OwnedFd) -> Result<(), Error> {
    let mut attributes = HARMLESS;
    if read_only {
        attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    copy_path(source)
        .and_then(|tree| attach_with(tree, target, attributes))
        .map_err(failed("cannot mount onto", path))
}

fn tmpfs(size: Option<u64>, mode: u32, path: &[u8], target: &OwnedFd) -> Result<(), Error> {
    let mode = format!("{:o}", mode & 0o7777);
    let size = size.map(|size| size.to_string());
    let mut options = vec![("source", "tmpfs"), ("mode", mode.as_str())];
    options.extend(size.iter().map(|size| ("size", size.as_str())));
    make_tmpfs(&options, target).map_err(failed("cannot mount onto", path))
}

fn make_tmpfs(options: &[(&str, &str)], target: &OwnedFd) -> Result<(), Errno> {
    let tree = create("tmpfs", options, HARMLESS)?;
    attach(tree, target)
}

/// Makes a directory the root of this process, and says whether it is all
/// that is left.
fn enter(root: &OwnedFd) -> Result<bool, Error> {
    let failed = |source| Error::system("cannot change the root directory", source);
    rustix::process::fchdir(root).map_err(failed)?;
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => {
            // The old root lies on the new one; it is the one taken away.
            rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(failed)?;
            rustix::process::chdir("/").map_err(failed)?;
            return Ok(true);
        }
        // A system in its first memory file system, or a filter.
        Err(Errno::INVAL | Errno::PERM | Errno::NOSYS) => {}
        Err(source) => return Err(failed(source)),
    }
    // Where that is refused as well, the root is another by name alone.
    let _ = rustix::mount::mount_move(".", "/");
    rustix::process::chroot(".").map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)?;
    Ok(false)
}

/// Says whether everything is to be seen.
fn bare(kept: Kept) -> bool {
    matches!(kept, Kept::All)
}
