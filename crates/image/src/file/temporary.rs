//! Files that have no name yet: written beside their place, synced, and
//! renamed into it when they are whole.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Is a file that is removed unless it is kept.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: fs_err::File,
    /// Absent once the file has no temporary name any more.
    path: Option<PathBuf>,
}

/// Makes the names of temporary files distinct within the process.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// How often another name is tried, where a process of the same number left
/// files.
const ATTEMPTS: usize = 10_000;

impl Temporary {
    /// Makes a file in a directory that is there.
    pub(crate) fn in_directory(directory: &Path) -> std::io::Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!(".wharf-{}-{number}", std::process::id()));
            let opened = fs_err::OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(&path);
            match opened {
                Ok(file) => {
                    return Ok(Self {
                        file,
                        path: Some(path),
                    });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| std::io::ErrorKind::AlreadyExists.into()))
    }

    /// Makes a file in the directory that will have it in the end.
    pub(crate) fn beside(target: &Path) -> std::io::Result<Self> {
        Self::in_directory(directory_of(target))
    }

    pub(crate) fn file(&mut self) -> &mut fs_err::File {
        &mut self.file
    }

    /// Gives the file its name, durably. What had the name before is gone.
    pub(crate) fn keep(mut self, target: &Path) -> std::io::Result<()> {
        self.file.sync_data()?;
        if let Some(path) = &self.path {
            fs_err::rename(path, target)?;
        }
        self.path = None;
        sync_directory(directory_of(target))
    }

    /// Takes the name away and leaves the file to whoever holds it.
    pub(crate) fn nameless(mut self) -> std::io::Result<fs_err::File> {
        if let Some(path) = self.path.take() {
            fs_err::remove_file(path)?;
        }
        let twin = self.file.file().try_clone()?;
        Ok(fs_err::File::from_parts(twin, self.file.path()))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nobody is left to tell; the name says what it was.
            let _ = fs_err::remove_file(path);
        }
    }
}

/// Gives the directory that names a path.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> std::io::Result<()> {
    fs_err::File::open(directory)?.sync_all()
}
