//! A control group (cgroups(7)) of one command, of either version, where this
//! program may make one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What the names of groups start with, before the number of the keeper.
const PREFIX: &str = "wharf-";

/// How often the kernel is asked to take a group away whose processes have
/// ended: it sometimes hears of that a little later.
const ATTEMPTS: u32 = 100;

/// Is a control group. Dropped, it is taken away.
pub(in crate::exec) struct Group {
    directory: PathBuf,
    processes: File,
}

impl Group {
    /// Makes one for so many processes, where that is possible.
    pub(super) fn new(most: u64) -> Option<Self> {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo").ok()?;
        let own = fs_err::read_to_string("/proc/self/cgroup").ok()?;
        let mut above = candidates(&mounts, &own).into_iter();
        above.find_map(|above| Self::below(&above, most).ok())
    }

    fn below(above: &Path, most: u64) -> std::io::Result<Self> {
        tidy(above);
        let directory = above.join(format!("{PREFIX}{}", std::process::id()));
        fs_err::create_dir(&directory)?;
        let made = Self::limit(above, &directory, most);
        match made {
            Ok(processes) => Ok(Self {
                directory,
                processes,
            }),
            Err(error) => {
                let _ = fs_err::remove_dir(&directory);
                Err(error)
            }
        }
    }

    fn limit(above: &Path, directory: &Path, most: u64) -> std::io::Result<File> {
        let limit = directory.join("pids.max");
        if !limit.exists() {
            put(&above.join("cgroup.subtree_control"), "+pids")?;
        }
        put(&limit, &most.to_string())?;
        open(&directory.join("cgroup.procs"))
    }

    /// Puts the calling process into it.
    pub(super) fn enter(&self) -> Result<(), Error> {
        (&self.processes)
            .write_all(b"0")
            .map_err(|source| Error::system("cannot enter a control group", source))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            match fs_err::remove_dir(&self.directory) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::yield_now();
                }
                _ => return,
            }
        }
    }
}

/// Takes away the groups of keepers that were killed before they could. One
/// with processes in it stays: the kernel sees to that.
fn tidy(above: &Path) {
    for entry in fs_err::read_dir(above).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let keeper = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some(keeper) = keeper.and_then(|keeper| keeper.parse::<u32>().ok()) else {
            continue;
        };
        let is_own = keeper == std::process::id();
        if is_own || !Path::new("/proc").join(keeper.to_string()).exists() {
            let _ = fs_err::remove_dir(entry.path());
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = fs_err::OpenOptions::new();
    options.write(true);
    fs_err::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_CLOEXEC);
    options.open(path).map(File::from)
}

fn put(path: &Path, text: &str) -> std::io::Result<()> {
    open(path)?.write_all(text.as_bytes())
}

/// Names the groups below which there may be one, from `mountinfo` and
/// `cgroup` of proc(5).
fn candidates(mounts: &str, own: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((front, back)) = line.split_once(" - ") else {
            continue;
        };
        let mut front = front.split(' ').skip(3);
        let (Some(root), Some(point)) = (front.next(), front.next()) else {
            continue;
        };
        let mut back = back.split(' ');
        let (kind, options) = (back.next(), back.nth(1).unwrap_or_default());
        let path = match kind {
            Some("cgroup") if options.split(',').any(|one| one == "pids") => own_path(own, "pids"),
            Some("cgroup2") => own_path(own, ""),
            _ => continue,
        };
        // Of the other group's files nothing is seen where that fails.
        let path = path.and_then(|path| Path::new(path).strip_prefix(root).ok());
        let here = Path::new(point).join(path.unwrap_or(Path::new("")));
        if kind == Some("cgroup2") && here != Path::new(point) {
            // Next to this process' own group, because a group with processes
            // in it can not always have others below.
            found.extend(here.parent().map(Path::to_path_buf));
        }
        found.push(here);
    }
    found
}

/// Finds the group that this process is in, by its controller.
fn own_path<'text>(own: &'text str, controller: &str) -> Option<&'text str> {
    own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|one| one == controller)
            .then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions() {
        let mounts = "24 1 0:22 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
            25 1 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
            26 1 0:24 /user.slice /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n";
        let own = "9:pids:/a/b\n8:cpu:/c\n0::/user.slice/me.scope\n";
        assert_eq!(
            candidates(mounts, own),
            [
                "/sys/fs/cgroup/pids/a/b",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/me.scope"
            ]
            .map(PathBuf::from)
        );
        assert!(candidates("not a mount\n1 - 2\n", "x").is_empty());
    }
}
