//! How much a command may take.

mod group;

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::exec::Limits;
use crate::exec::inside::last;
use group::Group;

/// The kernel's number of the limit of a user's processes.
const PROCESSES: u32 = 6;

/// How many threads of this program a user's limit has to leave room for,
/// beside those of the worker: keeper, init, and what answers for them.
const OWN_THREADS: u64 = 8;

const HINT: &str = "let this program make control groups: run it as root with the control groups \
    writable, or by `systemd-run --user --scope --property=Delegate=yes`; or limit the whole \
    container: docker and podman: `--pids-limit`, Kubernetes: `podPidsLimit` of the kubelet";

/// Is a bound on how many processes a command has at a time.
pub(super) enum ProcessLimit {
    /// There is none.
    None,
    /// It is that of a control group.
    Group(Group),
    /// It is that of the user.
    User(u64),
}

impl ProcessLimit {
    /// Prepares it in the keeper.
    pub(super) fn new(limits: &Limits) -> Result<Self, Error> {
        let Some(processes) = limits.processes else {
            return Ok(Self::None);
        };
        // The init is one more.
        if let Some(group) = Group::new(processes.saturating_add(1)) {
            return Ok(Self::Group(group));
        }
        if user_is_limited() {
            let others = threads_of_worker().saturating_add(OWN_THREADS);
            return Ok(Self::User(processes.saturating_add(others)));
        }
        let context = "the number of processes can not be limited here";
        Err(Error::new(ErrorKind::Denied, context).with_hint(HINT))
    }

    /// Puts the calling process under it, with all that it starts.
    pub(super) fn enter(&self) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Group(group) => group.enter(),
            Self::User(most) => set_resource(PROCESSES, (*most, *most)),
        }
    }
}

/// Says whether the kernel limits the processes of this user: it never does
/// for the root of the machine.
fn user_is_limited() -> bool {
    let map = fs_err::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut words = map.split_whitespace();
    let (inside, outside) = (words.next(), words.next());
    inside == Some("0") && outside.is_some_and(|outside| outside != "0")
}

/// Counts the threads of the worker, which count for the same user.
fn threads_of_worker() -> u64 {
    let worker = rustix::process::getppid().map_or(0, rustix::process::Pid::as_raw_pid);
    let tasks = Path::new("/proc").join(worker.to_string()).join("task");
    let count = fs_err::read_dir(tasks).map_or(0, Iterator::count);
    u64::try_from(count).unwrap_or(0)
}

/// The names of resource limits, by the kernel's numbers.
pub(crate) const RESOURCES: [&str; 16] = [
    "CPU",
    "FSIZE",
    "DATA",
    "STACK",
    "CORE",
    "RSS",
    "NPROC",
    "NOFILE",
    "MEMLOCK",
    "AS",
    "LOCKS",
    "SIGPENDING",
    "MSGQUEUE",
    "NICE",
    "RTPRIO",
    "RTTIME",
];

/// Sets the resource limits of the calling process.
pub(super) fn set_resources(limits: &Limits) -> Result<(), Error> {
    let mut all = limits.resources.iter();
    all.try_for_each(|(&resource, &values)| set_resource(resource, values))
}

fn set_resource(resource: u32, (soft, hard): (u64, u64)) -> Result<(), Error> {
    let wanted = libc::rlimit64 {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the structure lives until the call returns, and nothing is asked
    // back.
    let done = unsafe {
        libc::syscall(
            libc::SYS_prlimit64,
            0_i64,
            u64::from(resource),
            &raw const wanted,
            std::ptr::null_mut::<libc::rlimit64>(),
        )
    };
    match done {
        0 => Ok(()),
        _ => {
            let name = usize::try_from(resource).ok();
            let name = name.and_then(|number| RESOURCES.get(number));
            let name = name.map_or_else(|| resource.to_string(), |name| name.to_lowercase());
            let context = format!("cannot set the limit `{name}` to {soft}:{hard}");
            Err(Error::system(context, last())
                .with_hint("without more rights, no limit can be above the one of whoever builds: see `ulimit -Ha`"))
        }
    }
}
