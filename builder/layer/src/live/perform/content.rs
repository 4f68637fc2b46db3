//! Bytes from one file to another, by the kernel where it can.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

/// Says why bytes were not copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::live) enum Failed {
    /// They can not be read.
    Read(Errno),
    /// They can not be written.
    Write(Errno),
    /// There are not that many.
    Ends,
}

/// The room that bytes are copied through, in bytes.
const ROOM: usize = 256 * 1024;
/// Up to this size, in bytes, they go through that room: the kernel needs
/// longer to set its own way up.
const SMALL: u64 = 64 * 1024;
/// The most that the kernel is asked for at once, in bytes.
const PIECE: usize = 1 << 30;

/// Copies bytes from an offset of one file to where another one stands, through
/// a buffer that may be used again.
pub(in crate::live) fn copy(
    from: impl AsFd + Copy,
    out: &OwnedFd,
    (mut offset, mut left): (u64, u64),
    room: &mut Vec<u8>,
) -> Result<(), Failed> {
    while left > SMALL {
        let length = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        match rustix::fs::copy_file_range(from, Some(&mut offset), out, None, length) {
            Ok(copied) if copied > 0 => left = left.saturating_sub(copied as u64),
            Err(Errno::INTR) => {}
            Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => {
                return Err(Failed::Write(errno));
            }
            // The file systems can not do it among themselves, or there is
            // nothing, or it fails for a reason that is found out below.
            _ => break,
        }
    }
    room.resize(ROOM, 0);
    while left > 0 {
        let length = usize::try_from(left).map_or(ROOM, |left| left.min(ROOM));
        let part = room.get_mut(..length).unwrap_or_default();
        let read = match rustix::io::pread(from, &mut *part, offset) {
            Ok(0) => return Err(Failed::Ends),
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(Failed::Read(errno)),
        };
        let mut rest = part.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            match rustix::io::write(out, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Failed::Write(errno)),
            }
        }
        offset = offset.saturating_add(read as u64);
        left = left.saturating_sub(read as u64);
    }
    Ok(())
}
