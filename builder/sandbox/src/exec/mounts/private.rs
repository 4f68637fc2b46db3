//! Files in memory that only one command sees: its secrets, and the sockets of
//! agents. They lie in a file system of their own, mounted over the scratch
//! directory in the command's namespace alone, and are shown one by one.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::error::Error;
use crate::exec::inside::{attach, copy, create, failed};
use crate::exec::restrict::{HARMLESS, attach_with};
use crate::exec::{Mount, MountKind};

/// How many connections wait for an agent.
const BACKLOG: i32 = 64;

/// Is a file system of files for one command. It is made when there is one.
pub(super) struct Private {
    scratch: PathBuf,
    directory: Option<OwnedFd>,
}

impl Private {
    pub(super) fn new(scratch: &Path) -> Self {
        Self {
            scratch: scratch.to_path_buf(),
            directory: None,
        }
    }

    fn directory(&mut self) -> Result<&OwnedFd, Error> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => memory(&self.scratch)?,
        };
        Ok(self.directory.insert(directory))
    }

    /// Makes a file of a secret. Its content is read from the start, wherever
    /// others have read up to.
    pub(super) fn secret(
        &mut self,
        name: &str,
        mount: &Mount,
        content: &OwnedFd,
    ) -> Result<(), Error> {
        let failure = |source| failed("cannot write the secret for", &mount.target)(source);
        let directory = self.directory()?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, name, flags, Mode::RUSR).map_err(failure)?;
        fill(content, file).map_err(|source| {
            let path = String::from_utf8_lossy(&mount.target).into_owned();
            Error::system(format!("cannot write the secret for `{path}`"), source)
        })?;
        own(directory, name.as_bytes(), &mount.kind).map_err(failure)
    }

    /// Makes a socket that listens.
    pub(super) fn agent(&mut self, name: &str, mount: &Mount) -> Result<OwnedFd, Error> {
        let failure = |source| failed("cannot make the socket", &mount.target)(source);
        let directory = self.directory()?;
        // The process is the init's, and has nothing where it stands.
        rustix::process::fchdir(directory).map_err(failure)?;
        let socket = listen(Path::new(name)).map_err(failure)?;
        own(directory, name.as_bytes(), &mount.kind).map_err(failure)?;
        Ok(socket)
    }

    /// Mounts a file that was made onto something.
    pub(super) fn show(&self, name: &str, mount: &Mount, target: &OwnedFd) -> Result<(), Error> {
        let attributes =
            HARMLESS | MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let directory = self.directory.as_ref().ok_or(Errno::NOENT);
        directory
            .and_then(|directory| copy(directory, name.as_bytes()))
            .and_then(|tree| attach_with(tree, target, attributes))
            .map_err(failed("cannot mount onto", &mount.target))
    }
}

/// Mounts memory over a directory: such that is never swapped, where the
/// kernel has it.
fn memory(scratch: &Path) -> Result<OwnedFd, Error> {
    let options = [("source", "tmpfs"), ("mode", "700"), ("noswap", "")];
    let failure = |source| Error::system("cannot make a place for secrets", source);
    let target = rustix::fs::open(scratch, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(failure)?;
    let all = options.len();
    let tree = create("tmpfs", &options, HARMLESS).or_else(|_| {
        let without = options.get(..all.saturating_sub(1)).unwrap_or_default();
        create("tmpfs", without, HARMLESS)
    });
    let tree = tree.map_err(failure)?;
    attach(&tree, target).map_err(failure)?;
    Ok(tree)
}

/// Copies all of a descriptor into a file.
pub(in crate::exec) fn fill(content: &OwnedFd, file: OwnedFd) -> std::io::Result<()> {
    let mut content = File::from(content.try_clone()?);
    // A pipe has no start to go back to.
    let _ = std::io::Seek::rewind(&mut content);
    std::io::copy(&mut content, &mut File::from(file)).map(|_| ())
}

/// Binds a socket at a path, which may be short alone.
pub(in crate::exec) fn listen(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Gives a file the owner and mode of its mount.
pub(in crate::exec) fn own(
    directory: impl AsFd,
    name: &[u8],
    kind: &MountKind,
) -> Result<(), Errno> {
    let (MountKind::Secret { mode, uid, gid, .. } | MountKind::Agent { mode, uid, gid, .. }) = kind
    else {
        return Ok(());
    };
    let directory = directory.as_fd();
    // An owner that is nobody here is whoever builds, for all there are.
    match rustix::fs::chownat(
        directory,
        name,
        Some(Uid::from_raw(*uid)),
        Some(Gid::from_raw(*gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    ) {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(source) => return Err(source),
    }
    let mode = Mode::from_raw_mode(*mode & 0o7777);
    rustix::fs::chmodat(directory, name, mode, AtFlags::empty())
}
