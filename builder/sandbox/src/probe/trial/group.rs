//! Whether processes can be counted in a control group of their own.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Makes a control group below that of this process, and removes it.
pub(crate) fn limit() -> Result<(), Errno> {
    let error = |source: std::io::Error| Errno::from_io_error(&source).unwrap_or(Errno::IO);
    let groups = fs_err::read_to_string("/proc/self/cgroup").map_err(error)?;
    let mut last = Errno::NOENT;
    for above in groups.lines().filter_map(directory) {
        let path = above.join(format!("wharf-probe-{}", std::process::id()));
        match fs_err::create_dir(&path).map_err(error) {
            Ok(()) => {
                let counts = path.join("pids.max").exists();
                let removed = fs_err::remove_dir(&path).map_err(error);
                if counts {
                    return removed;
                }
                last = Errno::OPNOTSUPP;
            }
            Err(source) => last = source,
        }
    }
    Err(last)
}

/// Gives the directory of a line of `/proc/self/cgroup`, if it may count
/// processes.
fn directory(line: &str) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let controllers = fields.next()?;
    let path = fields.next()?.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    match controllers {
        "" => Some(root.join(path)),
        list if list.split(',').any(|name| name == "pids") => Some(root.join("pids").join(path)),
        _ => None,
    }
}
