//! The first process of the namespace of a runtime: it makes the bundle, starts
//! the runtime, and watches what may end it. When it ends, the kernel kills
//! everything in there.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as Stream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use rustix::thread::UnshareFlags;

use crate::channel::Channel;
use crate::error::{Error, ErrorKind};
use crate::exec::{Ended, Handed, Job, MountKind, Step, encode, leave, make_devices, relay_to};
use crate::probe::{Check, denied};
use crate::runtime::{bundle, said};
use crate::tier::Ids;

/// How long a runtime has to take a container away before the kernel does.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where runtimes find the programs that they start themselves.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the runtime keeps what it knows of containers, in the bundle.
const STATE: &str = "state";

const NO_RUNTIME: &str = "is it an OCI runtime, as runc, crun and youki?";

/// Does all of it, says how it ended, and never returns.
pub(super) fn main(
    job: &Job,
    (program, id): (&Path, &str),
    handed: Handed,
    (control, mut reports): (BorrowedFd<'_>, Channel),
) -> ! {
    let ended = live(job, (program, id), handed, control);
    if let Ok(message) = encode(&ended) {
        // A keeper that does not listen is dead, and so is then this process.
        let _ = reports.send(&message, &[]);
    }
    leave(0)
}

fn live(
    job: &Job,
    (program, id): (&Path, &str),
    handed: Handed,
    control: BorrowedFd<'_>,
) -> Result<Ended, Error> {
    let started = Instant::now();
    let limit = job.step.limits.milliseconds.map(Duration::from_millis);
    let deadline = limit.and_then(|limit| started.checked_add(limit));
    let failed = |source| Error::system("cannot prepare the OCI runtime", source);
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    separate(&job.step.scratch)?;
    let runtime = Runtime::new(job, program, id);
    devices(&runtime.scratch.join(bundle::ROOM))?;
    let agents = files(&job.step, &handed.descriptors)?;
    let config = bundle::config(job)?;
    put(&runtime.scratch.join(bundle::CONFIG), &config)?;
    for (listener, agent) in agents {
        relay_to(listener, agent)?;
    }
    let Handed {
        output,
        errors,
        stop,
        ..
    } = handed;
    let mut child = runtime.start(output, errors)?;
    match until_end(&child, &[stop.as_fd(), control], deadline)? {
        None => runtime.ended(&mut child),
        Some(ended) => {
            runtime.delete(&child);
            Ok(ended)
        }
    }
}

/// Leaves the worker's mounts, for `/proc` of this namespace, and memory over
/// the scratch directory. Messages are those of the command: its `/dev` has
/// their file system.
fn separate(scratch: &Path) -> Result<(), Error> {
    // SAFETY: descriptors shared among threads, which is what is dangerous, are
    // not unshared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWIPC) }.map_err(
        |source| {
            let context = "cannot make the namespaces of mounts and messages";
            denied(Check::MountNamespace, context, source)
        },
    )?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|source| Error::system("cannot keep mounts apart", source))?;
    let harmless = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("proc", "/proc", "proc", harmless | MountFlags::NOEXEC, c"").map_err(
        |source| {
            let error = Error::system("cannot mount `/proc` for the OCI runtime", source);
            error.with_kind(ErrorKind::Denied).with_hint(
                "leave `--oci-runtime` out: wharf does with the `/proc` of this container",
            )
        },
    )?;
    // Such that is never swapped, where the kernel has it.
    rustix::mount::mount("tmpfs", scratch, "tmpfs", harmless, c"mode=700,noswap")
        .or_else(|_| rustix::mount::mount("tmpfs", scratch, "tmpfs", harmless, c"mode=700"))
        .map_err(|source| Error::system("cannot make a place for the bundle", source))?;
    // Names of sockets have to be short: they are made from here.
    rustix::process::chdir(scratch)
        .map_err(|source| Error::system("cannot go to the bundle", source))
}

/// Makes `/dev` below a directory, as the own sandbox does.
fn devices(room: &Path) -> Result<(), Error> {
    let failed = |source| Error::system("cannot make a place for devices", source);
    fs_err::create_dir_all(room.join("dev")).map_err(failed)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let room =
        rustix::fs::open(room, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    // Modes are given as they are to be.
    let before = rustix::process::umask(Mode::empty());
    let made = make_devices(&room);
    rustix::process::umask(before);
    made
}

/// Makes the files, directories and sockets that mounts bring, and gives the sockets with
/// the agents that they are of.
fn files(step: &Step, descriptors: &[OwnedFd]) -> Result<Vec<(OwnedFd, PathBuf)>, Error> {
    let mut agents = Vec::new();
    for (number, mount) in step.mounts.iter().enumerate() {
        let name = bundle::file(number);
        let failed = |source: std::io::Error| {
            let path = String::from_utf8_lossy(&mount.target).into_owned();
            Error::system(format!("cannot make what is mounted at `{path}`"), source)
        };
        match &mount.kind {
            MountKind::Bind { .. } => {}
            MountKind::Tmpfs { size, mode } => {
                fs_err::create_dir(&name).map_err(failed)?;
                memory(&name, *size, *mode).map_err(|errno| failed(errno.into()))?;
            }
            MountKind::Secret {
                descriptor,
                mode,
                uid,
                gid,
            } => {
                let content = descriptors.get(*descriptor).ok_or_else(|| {
                    Error::new(ErrorKind::Broken, "a secret came without its content")
                })?;
                fill(content, &name).map_err(failed)?;
                own(&name, (*uid, *gid), *mode).map_err(|errno| failed(errno.into()))?;
            }
            MountKind::Agent {
                source,
                mode,
                uid,
                gid,
            } => {
                let listener = UnixListener::bind(&name).map_err(failed)?;
                own(&name, (*uid, *gid), *mode).map_err(|errno| failed(errno.into()))?;
                agents.push((listener.into(), source.clone()));
            }
        }
    }
    Ok(agents)
}

/// Mounts memory. Runtimes that do it themselves give it the mode of what it is
/// mounted onto.
fn memory(directory: &str, size: Option<u64>, mode: u32) -> Result<(), Errno> {
    let mut options = format!("mode={:o}", mode & 0o7777);
    if let Some(size) = size {
        options.push_str(&format!(",size={size}"));
    }
    let options = CString::new(options).map_err(|_nul| Errno::INVAL)?;
    let harmless = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("tmpfs", directory, "tmpfs", harmless, options.as_c_str())
}

/// Copies all of a descriptor, wherever others have read up to, into a file.
fn fill(content: &OwnedFd, name: &str) -> std::io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(name, flags, Mode::RUSR)?);
    let mut content = File::from(content.try_clone()?);
    // A pipe has no start to go back to.
    let _ = std::io::Seek::rewind(&mut content);
    std::io::copy(&mut content, &mut file).map(|_| ())
}

fn own(name: &str, (uid, gid): (u32, u32), mode: u32) -> Result<(), Errno> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    match rustix::fs::chownat(CWD, name, Some(user), Some(group), AtFlags::empty()) {
        // An owner that is nobody here is root.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(source) => return Err(source),
    }
    rustix::fs::chmod(name, Mode::from_raw_mode(mode & 0o7777))
}

fn put(path: &Path, text: &str) -> Result<(), Error> {
    fs_err::write(path, text).map_err(|source| Error::system("cannot write the bundle", source))
}

/// Is a runtime, with what it is always told.
struct Runtime<'job> {
    program: &'job Path,
    arguments: Vec<PathBuf>,
    scratch: &'job Path,
    id: String,
    /// What the command reads from: nothing.
    input: PathBuf,
}

impl<'job> Runtime<'job> {
    fn new(job: &'job Job, program: &'job Path, id: &str) -> Self {
        let scratch = job.step.scratch.as_path();
        let mut arguments: Vec<PathBuf> = [
            "--root".into(),
            scratch.join(STATE),
            "--log".into(),
            scratch.join(said::LOG),
            "--log-format".into(),
            "json".into(),
        ]
        .into();
        let name = program.file_name().unwrap_or_default();
        if matches!(job.tier.ids, Ids::Mapped { .. }) && name.to_string_lossy().starts_with("runc")
        {
            // Control groups are not to be had, and it may go without.
            arguments.extend(["--rootless".into(), "true".into()]);
        }
        Self {
            program,
            arguments,
            scratch,
            id: id.to_owned(),
            input: match job.tier.ids {
                // Its mode may be changed through a descriptor of it.
                Ids::Real => scratch.join(bundle::ROOM).join("dev/null"),
                // Runtimes give it to the user of the command, which nobody
                // here may do, and the kernel has to say so, not the mount.
                Ids::Mapped { .. } | Ids::One => PathBuf::from("/dev/null"),
            },
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env_clear()
            .env("PATH", PATH)
            .current_dir("/")
            .args(&self.arguments)
            .stdin(Stream::null());
        command
    }

    fn start(&self, output: OwnedFd, errors: OwnedFd) -> Result<Child, Error> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let input = rustix::fs::open(&self.input, flags, Mode::empty()).map_err(|source| {
            let shown = self.input.display();
            Error::system(format!("cannot open `{shown}`"), source)
        })?;
        let mut command = self.command();
        command
            .args(["run", "--bundle"])
            .args([self.scratch, Path::new(&self.id)])
            .stdin(input)
            .stdout(output)
            .stderr(errors);
        command.spawn().map_err(|source| {
            let shown = self.program.display();
            Error::system(format!("cannot start the OCI runtime `{shown}`"), source)
        })
    }

    /// Says how the command ended, or why there was none.
    fn ended(&self, child: &mut Child) -> Result<Ended, Error> {
        let status = child
            .wait()
            .map_err(|source| Error::system("cannot wait for the OCI runtime", source))?;
        let Some(code) = status.code() else {
            let context = format!("the OCI runtime was killed: {status}");
            return Err(Error::new(ErrorKind::System, context));
        };
        if let Some(error) = said::error(self.scratch).filter(|_| code != 0) {
            return Err(error);
        }
        if !self.scratch.join(STATE).exists() {
            let shown = self.program.display();
            let context = format!("`{shown}` made no container, and ended with code {code}");
            return Err(Error::new(ErrorKind::System, context).with_hint(NO_RUNTIME));
        }
        Ok(Ended::Code(code))
    }

    /// Has the container killed and its control groups taken away. What it does
    /// not kill, the kernel does.
    fn delete(&self, run: &Child) {
        self.tell(&["kill", &self.id, "KILL"]);
        // Mostly that one clears up.
        let _ = until_end(run, &[], Instant::now().checked_add(PATIENCE));
        self.tell(&["delete", "--force", &self.id]);
    }

    fn tell(&self, words: &[&str]) {
        let mut command = self.command();
        command
            .args(words)
            .stdout(Stream::null())
            .stderr(Stream::null());
        let Ok(mut child) = command.spawn() else {
            return;
        };
        let deadline = Instant::now().checked_add(PATIENCE);
        match until_end(&child, &[], deadline) {
            Ok(None) => drop(child.wait()),
            _ => drop(child.kill()),
        }
    }
}

/// Waits until a process has ended, for which it gives nothing, or has to.
fn until_end(
    child: &Child,
    stops: &[BorrowedFd<'_>],
    deadline: Option<Instant>,
) -> Result<Option<Ended>, Error> {
    let failed = |source| Error::system("cannot wait for the OCI runtime", source);
    let process = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty());
    let process = process.map_err(failed)?;
    loop {
        let mut watched = vec![PollFd::new(&process, PollFlags::IN)];
        watched.extend(stops.iter().map(|stop| PollFd::new(stop, PollFlags::IN)));
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut watched, timeout.as_ref()) {
            Ok(0) => return Ok(Some(Ended::TimedOut)),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(source) => return Err(failed(source)),
        }
        let mut happened = watched.iter().map(|one| !one.revents().is_empty());
        if happened.next() == Some(true) {
            return Ok(None);
        }
        if happened.any(|stopped| stopped) {
            return Ok(Some(Ended::Stopped));
        }
    }
}
