//! Which system calls a command can make: those of [`calls`], which is what
//! container engines allow a command without further privileges. The others
//! fail as if the machine forbade them, and those that this program does not
//! know as if the machine did not have them, so that programs do without.
//!
//! Programs for another kind of processor, 32-bit ones too, are killed by the
//! filter: their calls have other numbers.

mod calls;

use std::collections::BTreeMap;

use rustix::thread::CapabilitySet;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};

use crate::error::{Error, ErrorKind};
use crate::exec::wire::Job;
use crate::exec::{Kept, Network, capability, inside};
use crate::tier::Isolation;

/// Rules by the number of the call. No rule is all of it.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The kind of processor, as filters see it.
#[cfg(target_arch = "x86_64")]
const MACHINE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const MACHINE: u32 = 0xc000_00b7;

/// The last call that has been considered (futex_requeue).
const LAST_KNOWN: u32 = 456;

/// The flags of clone(2) that make namespaces.
pub(crate) const NAMESPACES: u64 = 0x7e02_0000;

/// What personality(2) may be set to: as usual, as an older Linux or with
/// fewer surprises, both, or to be asked for.
pub(crate) const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The one kind of socket that a container has no business with: those to the
/// host of a virtual machine.
pub(crate) const HOST_SOCKETS: u64 = 40;

/// As in linux/seccomp.h.
const SET_MODE_FILTER: libc::c_ulong = 1;
const ALLOW_SPECULATION: libc::c_ulong = 4;

/// Where a filter finds the number of the call, and the kind of processor.
const NUMBER_OFFSET: u32 = 0;
const MACHINE_OFFSET: u32 = 4;

/// Installs the filters of a step in this process.
pub(super) fn install(job: &Job) -> Result<(), Error> {
    let privileged = capability::has(CapabilitySet::SYS_ADMIN);
    let offline = job.tier.isolation == Isolation::Chroot && job.step.network == Network::None;
    if offline && !privileged {
        // Programs with more rights than who starts them do not get them: no
        // filter can be without that here.
        rustix::thread::set_no_new_privs(true)
            .map_err(|source| Error::system("cannot keep a command from its network", source))?;
    }
    if offline {
        load(&without_network()?)?;
    }
    // Where it would take `sudo` away, the filter that this process has from
    // its own container has to do.
    if job.step.kept == Kept::Default && (privileged || offline) {
        load(&usual()?)?;
    }
    Ok(())
}

/// Makes the filter that commands have.
fn usual() -> Result<BpfProgram, Error> {
    let mut rules: Rules = calls().map(|(_, number)| (number, Vec::new())).collect();
    rules.insert(
        libc::SYS_clone,
        vec![rule(
            0,
            SeccompCmpArgLen::Qword,
            SeccompCmpOp::MaskedEq(NAMESPACES),
            0,
        )?],
    );
    let personalities: Result<Vec<_>, Error> = PERSONALITIES
        .into_iter()
        .map(|one| rule(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, one))
        .collect();
    rules.insert(libc::SYS_personality, personalities?);
    rules.insert(
        libc::SYS_socket,
        vec![rule(
            0,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Ne,
            HOST_SOCKETS,
        )?],
    );
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    // Programs fall back to clone(2), whose flags a filter can see.
    let absent = u32::try_from(libc::SYS_clone3).ok();
    compile(rules, refused, SeccompAction::Allow, (LAST_KNOWN, absent))
}

/// Gives the calls that are allowed whatever their arguments.
pub(crate) fn calls() -> impl Iterator<Item = (&'static str, i64)> {
    let groups = calls::EVERYWHERE.iter().chain(calls::OF_THIS_MACHINE);
    groups.flat_map(|group| group.iter().copied())
}

/// Makes the filter of a command that reaches nothing but itself.
fn without_network() -> Result<BpfProgram, Error> {
    let local = u64::from(libc::AF_UNIX.unsigned_abs());
    let elsewhere = rule(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, local)?;
    let rules = Rules::from([
        (libc::SYS_socket, vec![elsewhere]),
        // It opens sockets without calling for them.
        (libc::SYS_io_uring_setup, Vec::new()),
        (libc::SYS_io_uring_enter, Vec::new()),
        (libc::SYS_io_uring_register, Vec::new()),
    ]);
    let refused = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    // Numbers from there on are those of another way to call (x32).
    compile(rules, SeccompAction::Allow, refused, (0x3fff_ffff, None))
}

fn rule(
    argument: u8,
    length: SeccompCmpArgLen,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, Error> {
    SeccompCondition::new(argument, length, comparison, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(|source| broken(&source))
}

/// Makes a program. Calls above a number, and one more, are ones that the
/// machine does not have.
fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
    (last, absent): (u32, Option<u32>),
) -> Result<BpfProgram, Error> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|source| broken(&source))?;
    let filter =
        SeccompFilter::new(rules, otherwise, matched, machine).map_err(|source| broken(&source))?;
    let program = BpfProgram::try_from(filter).map_err(|source| broken(&source))?;
    let mut all = absences(last, absent);
    all.extend(program);
    Ok(all)
}

/// Makes the start of a program, which lets all calls through but those that
/// the machine does not have.
fn absences(last: u32, absent: Option<u32>) -> BpfProgram {
    let load = |offset| instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, (0, 0), offset);
    let jump = |kind, to, value| instruction(libc::BPF_JMP | kind | libc::BPF_K, to, value);
    let answer = u32::from(SeccompAction::Errno(libc::ENOSYS.unsigned_abs()));
    vec![
        load(MACHINE_OFFSET),
        // What follows looks at the kind of processor again, and kills.
        jump(libc::BPF_JEQ, (0, 5), MACHINE),
        load(NUMBER_OFFSET),
        jump(libc::BPF_JGT, (2, 0), last),
        jump(libc::BPF_JEQ, (1, 0), absent.unwrap_or(u32::MAX)),
        jump(libc::BPF_JA, (0, 0), 1),
        instruction(libc::BPF_RET | libc::BPF_K, (0, 0), answer),
    ]
}

fn instruction(code: u32, (jt, jf): (u8, u8), k: u32) -> sock_filter {
    sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    }
}

fn load(program: &BpfProgram) -> Result<(), Error> {
    /// As in linux/filter.h.
    #[repr(C)]
    struct Program {
        length: u16,
        first: *const sock_filter,
    }
    let wanted = Program {
        length: u16::try_from(program.len()).map_err(|source| broken(&source))?,
        first: program.as_ptr(),
    };
    // SAFETY: the structure, and the program that it names by its true length,
    // live until the call returns.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            SET_MODE_FILTER,
            ALLOW_SPECULATION,
            &raw const wanted,
        )
    };
    match done {
        0 => Ok(()),
        _ => Err(Error::system(
            "cannot install the filter of system calls",
            inside::last(),
        )),
    }
}

fn broken(source: &dyn std::fmt::Display) -> Error {
    let context = format!("cannot make the filter of system calls: {source}");
    Error::new(ErrorKind::Unsupported, context)
}
