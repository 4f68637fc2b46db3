//! The last process before the command: it gives up what the command may not
//! have, in the one order that works, and becomes it.

use std::ffi::CString;
use std::io::ErrorKind as Io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Gid, Signal, Uid};
use rustix::thread::CapabilitySet;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::wire::{Job, Report, encode};
use crate::exec::{Kept, Network, Step, capability, descriptors, filter, limit, scope};
use crate::record::{self, Faked, Subject};
use crate::tier::Ids;

/// How the process ends that could not become its command.
pub(super) const NOT_STARTED: i32 = 127;

/// The mask of new files' modes.
const UMASK: u32 = 0o022;

/// The last signal there is.
const LAST_SIGNAL: i32 = 64;

/// Is what the command reads and writes.
pub(super) struct Streams {
    pub(super) input: OwnedFd,
    pub(super) output: OwnedFd,
    pub(super) errors: OwnedFd,
}

/// Becomes the command of a step. Where it returns, that did not work.
pub(super) fn become_it(
    job: &Job,
    streams: Streams,
    confined: bool,
    reports: &mut Channel,
) -> Error {
    match prepare(job, streams, confined, reports) {
        Ok(()) => execute(&job.step),
        Err(error) => error,
    }
}

fn prepare(
    job: &Job,
    streams: Streams,
    confined: bool,
    reports: &mut Channel,
) -> Result<(), Error> {
    let step = &job.step;
    let failed = |source| Error::system("cannot prepare a command", source);
    rustix::process::setsid().map_err(failed)?;
    connect(streams).map_err(failed)?;
    forget_signals();
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    limit::set_resources(&step.limits)?;
    join_keyring();
    rustix::process::chdir(Path::new(std::ffi::OsStr::from_bytes(&step.directory))).map_err(
        |source| {
            let path = String::from_utf8_lossy(&step.directory).into_owned();
            let error = Error::system(format!("cannot start in the directory `{path}`"), source);
            error.of_kind(ErrorKind::Command)
        },
    )?;
    let mut kept = match step.kept {
        Kept::Default => capability::DEFAULT,
        Kept::All => CapabilitySet::all(),
    };
    if !confined {
        // With it, what was the root before is two calls away.
        kept.remove(CapabilitySet::SYS_CHROOT);
    }
    if step.kept == Kept::Default && step.network == Network::Host {
        scope::keep_sockets_apart()?;
    }
    record(job, reports)?;
    filter::install(job)?;
    if step.kept == Kept::Default {
        capability::bound(kept)?;
    }
    if matches!(job.tier.ids, Ids::One) {
        // The calls for that are answered, and not done. The program that is
        // executed has what the bound leaves.
        return Ok(());
    }
    become_user(step)?;
    if step.kept == Kept::Default {
        capability::give_up(kept)?;
    }
    // A change of users takes that back. In namespaces it goes without saying.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)
}

/// Has owners and devices recorded where there is one user alone, and devices
/// in any other user namespace.
fn record(job: &Job, reports: &mut Channel) -> Result<(), Error> {
    let faked = match job.tier.ids {
        Ids::Real => return Ok(()),
        Ids::One => record::install(Subject::Everything).or_else(|_| record::install_plain())?,
        // Without it the kernel refuses devices, which the command sees.
        Ids::Mapped { .. } => record::install(Subject::Devices).unwrap_or(Faked::Forgotten),
    };
    match faked {
        Faked::Recorded(listener) => reports.send(&encode(&Report::Recorded)?, &[listener.as_fd()]),
        Faked::Forgotten => Ok(()),
    }
}

/// Puts the streams in their places, and lets everything else go when the
/// command starts.
fn connect(streams: Streams) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(&streams.input)?;
    rustix::stdio::dup2_stdout(&streams.output)?;
    rustix::stdio::dup2_stderr(&streams.errors)?;
    drop(streams);
    descriptors::close_on_exec()
}

/// Makes every signal do what it does for a new program.
fn forget_signals() {
    // The kernel's structure: the default handler is zero, and so is all else.
    let default = [0_u64; 4];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: the structure is as large as the kernel reads, no code is
        // named, and nothing is asked back. The call is made without the C
        // library, which keeps two signals to itself. It fails for those that
        // nobody can handle.
        let _ = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
    // SAFETY: an empty set is made before it is used, and lives until the call
    // returns.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Leaves the keyring of whoever builds. A kernel without keys has none to
/// leave, and where a filter refuses the call the command has that filter too.
fn join_keyring() {
    /// As in keyctl(2).
    const JOIN_SESSION_KEYRING: i64 = 1;
    // SAFETY: no name is given, so that there is no memory to read.
    let _ = unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            JOIN_SESSION_KEYRING,
            std::ptr::null::<libc::c_char>(),
        )
    };
}

fn become_user(step: &Step) -> Result<(), Error> {
    let failed = |source| {
        let context = format!("cannot become user {}:{}", step.user, step.group);
        Error::system(context, source)
    };
    let groups: Vec<Gid> = step.groups.iter().copied().map(Gid::from_raw).collect();
    let group = Gid::from_raw(step.group);
    let user = Uid::from_raw(step.user);
    rustix::thread::set_thread_groups(&groups).map_err(failed)?;
    rustix::thread::set_thread_res_gid(group, group, group).map_err(failed)?;
    rustix::thread::set_thread_res_uid(user, user, user).map_err(failed)
}

/// Executes the program of a step, found as a shell does.
fn execute(step: &Step) -> Error {
    let Some(name) = step.arguments.first() else {
        return Error::new(ErrorKind::Command, "there is no command");
    };
    let shown = String::from_utf8_lossy(name).into_owned();
    let arguments: Option<Vec<CString>> = strings(step.arguments.iter().cloned());
    let environment = step.environment.iter().map(|(name, value)| {
        let mut variable = name.clone();
        variable.push(b'=');
        variable.extend_from_slice(value);
        variable
    });
    let (Some(arguments), Some(environment)) = (arguments, strings(environment)) else {
        let context = format!("cannot start `{shown}`: an argument or a variable has a NUL");
        return Error::new(ErrorKind::Command, context);
    };
    let mut refused = None;
    for path in candidates(step, name) {
        let Ok(path) = CString::new(path.into_os_string().into_encoded_bytes()) else {
            continue;
        };
        let source = replace(&path, &arguments, &environment);
        match source.kind() {
            Io::NotFound | Io::NotADirectory => {}
            // It is the answer, unless there is a better one further on.
            Io::PermissionDenied => refused = Some(source),
            _ => return unusable(&shown, &source),
        }
    }
    match refused {
        Some(source) => unusable(&shown, &source),
        None => missing(step, name, &shown),
    }
}

fn strings(all: impl Iterator<Item = Vec<u8>>) -> Option<Vec<CString>> {
    all.map(|one| CString::new(one).ok()).collect()
}

/// Where a program may be: at its path, or in the directories of `PATH`.
fn candidates(step: &Step, name: &[u8]) -> Vec<PathBuf> {
    let own = Path::new(std::ffi::OsStr::from_bytes(name));
    if name.contains(&b'/') {
        return vec![own.to_path_buf()];
    }
    let path = step.environment.get(b"PATH".as_slice());
    let directories = path
        .into_iter()
        .flat_map(|path| path.split(|&byte| byte == b':'));
    directories
        .filter(|_| !name.is_empty())
        .map(|directory| match directory {
            // As in exec(3): nothing is where the command starts.
            b"" => Path::new(".").join(own),
            _ => Path::new(std::ffi::OsStr::from_bytes(directory)).join(own),
        })
        .collect()
}

fn missing(step: &Step, name: &[u8], shown: &str) -> Error {
    let there = candidates(step, name).iter().any(|path| path.is_file());
    let message = match (there, name.contains(&b'/')) {
        // The file is there; what it is started with is not.
        (true, _) => format!("`{shown}`: its interpreter or loader is not there (exit code 127)"),
        (false, true) => format!("`{shown}`: no such file or directory (exit code 127)"),
        (false, false) => format!("`{shown}`: command not found (exit code 127)"),
    };
    Error::new(ErrorKind::Command, message)
}

fn unusable(shown: &str, source: &std::io::Error) -> Error {
    let why = match source.raw_os_error() {
        Some(libc::ENOEXEC) => "not a program of this machine".to_owned(),
        Some(libc::EACCES) => "permission denied".to_owned(),
        _ => source.to_string(),
    };
    Error::new(
        ErrorKind::Command,
        format!("`{shown}`: {why} (exit code 126)"),
    )
}

/// Calls execve(2), which returns only when it fails.
fn replace(path: &CString, arguments: &[CString], environment: &[CString]) -> std::io::Error {
    let pointers = |all: &[CString]| {
        let own = all.iter().map(|one| one.as_ptr());
        own.chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: all strings end with NUL, both arrays with a null pointer, and
    // everything lives until the call returns.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    std::io::Error::last_os_error()
}
