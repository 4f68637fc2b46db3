//! The files that fingerprints are kept in: one for each context, in a
//! directory of its own in the store of builds. Nothing of it is believed that
//! somebody else could have written, and nothing depends on its being there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use oci::Digest;
use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, Stat};

use crate::context::fingerprints::RECORDS_LIMIT;
use crate::context::fingerprints::record::{self, Record};
use crate::snapshot;

/// The directory of the store.
const DIRECTORY: &str = "fingerprints";
/// How many contexts are remembered.
const FILES_LIMIT: usize = 64;
/// How many bytes the files of all contexts may have.
const BYTES_LIMIT: u64 = 256 * 1024 * 1024;
/// How a file begins that is being written.
const FRESH: &str = ".fresh-";
/// How much older than another one such a file is, in seconds, that nobody
/// writes any more.
const ABANDONED: i64 = 3600;
/// What others than the owner must not be allowed to do: write.
const OTHERS_WRITE: u32 = 0o022;
/// The digits of a file's name.
const DIGITS: usize = 32;

/// Is the place of one context.
#[derive(Debug)]
pub(super) struct Room {
    store: PathBuf,
    name: String,
}

/// Gives the time that the kernel gives a file now, in seconds since 1970.
pub(super) fn now() -> Option<i64> {
    let file = rustix::fs::memfd_create("wharf-moment", MemfdFlags::CLOEXEC).ok()?;
    rustix::fs::fstat(&file).ok().map(|stat| stat.st_ctime)
}

/// Takes away all that is remembered, and gives the bytes that it had. It
/// blocks.
pub(crate) fn remove_all(store: &Path) -> u64 {
    let directory = store.join(DIRECTORY);
    let files = listed(&directory);
    let mut bytes = 0;
    for file in files {
        if fs_err::remove_file(&file.path).is_ok() {
            bytes += file.size;
        }
    }
    bytes
}

impl Room {
    /// Names the place of a context, by where its directory is.
    pub(super) fn of(context: &Path, store: &Path) -> Self {
        let context = fs_err::canonicalize(context).unwrap_or_else(|_| context.to_owned());
        let mut name = Digest::sha256(context.as_os_str().as_bytes()).hex();
        name.truncate(DIGITS);
        Self {
            store: store.to_owned(),
            name,
        }
    }

    /// Reads what is there; nothing where that is damaged or can not be
    /// believed.
    pub(super) fn read(&self) -> Vec<Record> {
        self.bytes()
            .and_then(|bytes| record::decode(&bytes))
            .unwrap_or_default()
    }

    fn bytes(&self) -> Option<Vec<u8>> {
        let directory = self.directory()?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&directory, &*self.name, flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let limit = record::length(RECORDS_LIMIT);
        let size = usize::try_from(stat.st_size).ok()?;
        if !is_file || !is_ours(&stat) || size > limit {
            return None;
        }
        let mut bytes = Vec::with_capacity(size);
        let read = File::from(file).take(limit as u64).read_to_end(&mut bytes);
        read.is_ok().then_some(bytes)
    }

    /// Opens the directory, if nobody else may write into it.
    fn directory(&self) -> Option<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let store = rustix::fs::open(&self.store, flags, Mode::empty()).ok()?;
        let flags = flags | OFlags::NOFOLLOW;
        let directory = rustix::fs::openat(&store, DIRECTORY, flags, Mode::empty()).ok()?;
        for handle in [&store, &directory] {
            let stat = rustix::fs::fstat(handle).ok()?;
            is_ours(&stat).then_some(())?;
        }
        Some(directory)
    }

    /// Has these be what is there, as far as that can be done: at once, so
    /// that nobody reads half of it.
    pub(super) fn write(&self, records: &[Record]) {
        let path = self.store.join(DIRECTORY);
        if snapshot::make(&path).is_err() || self.directory().is_none() {
            return;
        }
        // Of mode 0600.
        let fresh = tempfile::Builder::new().prefix(FRESH).tempfile_in(&path);
        let Ok(mut fresh) = fresh else { return };
        // Not synced: what a machine forgets when it stops does not match its
        // checksum.
        if fresh.write_all(&record::encode(records)).is_ok() {
            // One that can not be put there goes away by itself.
            let _ = fresh.persist(path.join(&self.name));
        }
        self.tidy(&path);
    }

    /// Takes away what was not written for longest where there is too much,
    /// and what was left half written.
    fn tidy(&self, directory: &Path) {
        let mut files = listed(directory);
        files.sort_by_key(|file| std::cmp::Reverse(file.written));
        let newest = files.first().map_or(0, |file| file.written);
        let (mut count, mut bytes) = (0, 0_u64);
        for file in files {
            let is_own = file.path.file_name() == Some(OsStr::new(&self.name));
            let name = file.path.file_name().unwrap_or_default().as_bytes();
            if name.starts_with(FRESH.as_bytes()) {
                if file.written < newest.saturating_sub(ABANDONED) {
                    let _ = fs_err::remove_file(&file.path);
                }
                continue;
            }
            count += 1;
            bytes = bytes.saturating_add(file.size);
            if !is_own && (count > FILES_LIMIT || bytes > BYTES_LIMIT) {
                let _ = fs_err::remove_file(&file.path);
            }
        }
    }
}

/// Is a file that is there.
struct Listed {
    path: PathBuf,
    size: u64,
    /// When it was written, in seconds since 1970.
    written: i64,
}

fn listed(directory: &Path) -> Vec<Listed> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs_err::read_dir(directory) else {
        return Vec::new();
    };
    let listed = entries.flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Listed {
            path: entry.path(),
            size: metadata.len(),
            written: metadata.mtime(),
        })
    });
    listed.collect()
}

fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & OTHERS_WRITE == 0
}
