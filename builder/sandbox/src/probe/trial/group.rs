//! Whether processes can be counted in a control group of their own.

use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;

/// Makes a control group below that of this process, and removes it.
pub(crate) fn limit() -> Result<(), Errno> {
    let Ok(groups) = fs_err::read_to_string("/proc/self/cgroup") else {
        return Err(Errno::NOENT);
    };
    let mut last = Errno::NOENT;
    for above in groups.lines().filter_map(directory) {
        let path = above.join(format!("wharf-probe-{}", std::process::id()));
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
            Ok(()) => {
                let counts = path.join("pids.max").exists();
                let removed = rustix::fs::rmdir(&path);
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
