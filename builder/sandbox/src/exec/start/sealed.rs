//! This program as a copy that nobody can change.
//!
//! What becomes a command was this program until then, and a command may name
//! `/proc/self/exe` as its program, its interpreter or its loader: root of a
//! command must not find the machine's file there, whose mode and owner it could
//! change (as in CVE-2019-5736).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{MemfdFlags, Mode, SealFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};

/// The seal of the executable bits (`F_SEAL_EXEC`).
const EXECUTABLE: SealFlags = SealFlags::from_bits_retain(0x20);
/// How many bytes of the program are copied at a time.
const PIECE: usize = 1024 * 1024;
/// This program, wherever it is.
const SELF: &str = "/proc/self/exe";

/// Gives a path of the copy for children of this process. It is made once, and
/// stays for as long as this process does.
pub(super) fn program() -> Result<PathBuf, Error> {
    static COPY: OnceLock<Result<OwnedFd, Error>> = OnceLock::new();
    if !Path::new(SELF).exists() {
        return named();
    }
    match COPY.get_or_init(copy) {
        Ok(copy) => Ok(PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()))),
        Err(error) => Err(error.clone()),
    }
}

/// Finds this program by its name, where there is no `/proc`: then no command
/// has one either.
fn named() -> Result<PathBuf, Error> {
    match std::env::args_os().next() {
        Some(name) => Ok(PathBuf::from(name)),
        None => Err(Error::new(
            ErrorKind::Broken,
            "this program does not know its own name",
        )),
    }
}

fn copy() -> Result<OwnedFd, Error> {
    let failed = |source: std::io::Error| Error::system("cannot copy this program", source);
    let mut program = fs_err::File::open(SELF).map_err(failed)?;
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Kernels before 6.3 have no such flag, and allow it anyway.
    let memory = match rustix::fs::memfd_create("wharf", flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("wharf", flags),
        made => made,
    };
    let mut memory = File::from(memory.map_err(|errno| failed(errno.into()))?);
    // In large pieces: of the time that it takes, most would be calls.
    let mut piece = vec![0; PIECE];
    loop {
        let size = program.read(&mut piece).map_err(failed)?;
        match piece.get(..size) {
            Some(piece) if !piece.is_empty() => memory.write_all(piece).map_err(failed)?,
            _ => break,
        }
    }
    let mode = Mode::RUSR | Mode::XUSR | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
    rustix::fs::fchmod(&memory, mode).map_err(|errno| failed(errno.into()))?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    // Who may execute it stays so too, for the next command; kernels before 6.3
    // have no such seal.
    let sealed = match rustix::fs::fcntl_add_seals(&memory, seals | EXECUTABLE) {
        Err(Errno::INVAL) => rustix::fs::fcntl_add_seals(&memory, seals),
        sealed => sealed,
    };
    sealed.map_err(|errno| failed(errno.into()))?;
    Ok(memory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_the_program_and_stays_it() {
        let path = program().expect("it can be copied");
        assert_eq!(path, program().expect("it is there"), "one copy is enough");
        let (mut copy, mut own) = (Vec::new(), Vec::new());
        let read = |path: &Path, into: &mut Vec<u8>| {
            let mut file = fs_err::File::open(path).expect("it can be read");
            file.read_to_end(into).expect("it can be read");
        };
        read(&path, &mut copy);
        read(Path::new(SELF), &mut own);
        assert!(copy == own, "all of it is there");
        let opened = File::options().write(true).open(&path);
        let written = opened.and_then(|mut file| file.write_all(b"x"));
        assert!(written.is_err(), "nobody writes to it");
    }
}
