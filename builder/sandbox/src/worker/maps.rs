//! The numbers of a user namespace, written from outside of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind};
use crate::probe::{Check, HOW_TO_INSTALL, denied, hint};
use crate::tier::{IdRange, Ids};

/// Where programs are looked for, whatever `PATH` says.
const DIRECTORIES: [&str; 7] = [
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/run/wrappers/bin",
];

/// Gives the numbers of a tier to the user namespace of a process: directly
/// where this process may, else by `newuidmap` and `newgidmap`.
pub(crate) fn write(process: u32, ids: &Ids) -> Result<(), Error> {
    let Ids::Mapped { users, groups } = ids else {
        let context = "the worker asks for numbers that its tier does not have";
        return Err(Error::new(ErrorKind::Broken, context));
    };
    match write_directly(process, users, groups) {
        Ok(()) => Ok(()),
        Err(direct) => {
            let by_program = map_by("newuidmap", process, users)
                .and_then(|()| map_by("newgidmap", process, groups));
            // The programs do for root what it may do by itself.
            by_program.map_err(|error| if is_root_here() { direct } else { error })
        }
    }
}

/// Finds a program by its name.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let mut paths = DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(name));
    paths.find(|path| path.is_file())
}

fn write_directly(process: u32, users: &[IdRange], groups: &[IdRange]) -> Result<(), Error> {
    let write = |file: &str, ranges: &[IdRange]| {
        let path = format!("/proc/{process}/{file}");
        let lines: String = ranges
            .iter()
            .map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count))
            .collect();
        write_file(&path, &lines)
            .map_err(|source| denied(Check::DirectRange, format!("writing `{path}`"), source))
    };
    write("uid_map", users)?;
    write("gid_map", groups)
}

/// Writes a file of `/proc`, where a text has to come in one call.
pub(crate) fn write_file(path: &str, text: &str) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    match rustix::io::write(&file, text.as_bytes())? {
        written if written == text.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

fn map_by(name: &str, process: u32, ranges: &[IdRange]) -> Result<(), Error> {
    let program = find(name).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("there is no `{name}`"))
            .with_hint(HOW_TO_INSTALL)
    })?;
    let numbers = ranges
        .iter()
        .flat_map(|range| [range.inside, range.outside, range.count])
        .map(|number| number.to_string());
    let ended = Command::new(&program)
        .arg(process.to_string())
        .args(numbers)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .map_err(|source| Error::system(format!("running `{}`", program.display()), source))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let context = format!(
        "`{name}` does not give the numbers: {}",
        said.trim().lines().next_back().unwrap_or("it says nothing")
    );
    Err(Error::new(ErrorKind::Denied, context)
        .with_hint(hint(Check::MapPrograms).unwrap_or_default()))
}

fn is_root_here() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says whether a program runs as root whoever starts it, or has file
/// capabilities that give as much.
pub(crate) fn is_privileged(program: &Path) -> bool {
    let by_mode = fs_err::metadata(program).is_ok_and(|metadata| {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        metadata.permissions().mode() & 0o4000 != 0 && metadata.uid() == 0
    });
    let mut value = [0; 64];
    let name = OsStr::new("security.capability");
    by_mode || rustix::fs::getxattr(program, name, &mut value).is_ok()
}
