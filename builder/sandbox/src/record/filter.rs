//! The program that the kernel runs before each system call of a command, to
//! find those that are answered here. It looks at numbers alone: paths are
//! memory, which it can not read.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::error::{Error, ErrorKind};

/// The architecture whose numbers [`libc`] has (linux/audit.h).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

/// Marks the numbers of x32: the architecture is that of x86_64, the layouts
/// are others.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// The last number of a call that was looked at, on every architecture
/// (`futex_requeue`). Later ones change attributes too (`setxattrat`).
const LAST_KNOWN: u32 = 456;

/// Where the fields are in what the program sees (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// The flags with which a file is made: it has a name, or none. The second is
/// half of `O_TMPFILE`; the other half is `O_DIRECTORY`.
pub(super) const MAKING: u32 = (libc::O_CREAT | UNNAMED).cast_unsigned();
pub(super) const UNNAMED: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;

/// Is the answer of kernels that do not have a call (`ENOSYS`).
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned();

/// How many comparisons a jump can pass over: it has 8 bits.
const JUMP_LIMIT: usize = 200;

/// Says what becomes of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Whoever listens answers.
    Listener,
    /// Whoever listens answers those that make devices; the others are done.
    Devices,
    /// The ones that change something are answered with success, without being
    /// done; the others are done.
    Success,
}

/// The calls that change owners, devices or numbers: they can be answered with
/// success by nobody.
const CHANGING: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
];

/// The calls that make nodes, and which of their arguments has the mode.
const NODES: &[(libc::c_long, u32)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
    (libc::SYS_mknodat, 2),
];

/// The calls that are answered, or looked at, besides.
const WATCHED: &[libc::c_long] = &[
    // What a command sees.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    // Who it is.
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    // What it makes: new files are those of whoever makes them, or of the
    // group of their directory.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    libc::SYS_openat2,
    libc::SYS_mkdirat,
    libc::SYS_symlinkat,
    libc::SYS_mknodat,
    // Names of symbolic links, whose records are with the directory.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    // The records themselves.
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    // Whose children inherit what.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit_group,
    // Who has another root than the others.
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_move_mount,
];

/// The calls that are answered when they make a file, and which of their
/// arguments has the flags.
const OPENING: &[(libc::c_long, u32)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
    (libc::SYS_openat, 2),
];

/// Gives this process the filter for good, and whoever listens to it, where
/// somebody does. There must be no other thread.
///
/// # Errors
///
/// Fails with [`ErrorKind::Denied`] where the kernel does not allow it.
pub(super) fn install(answer: Answer) -> Result<Option<OwnedFd>, Error> {
    let mut program = program(answer);
    let length = u16::try_from(program.len())
        .map_err(|_cause| Error::new(ErrorKind::Unsupported, "the filter is too long"))?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_mut_ptr(),
    };
    let listening = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let attempts: &[libc::c_ulong] = match answer {
        // So that a signal does not end a call that is half answered; older
        // kernels do not know it.
        Answer::Listener | Answer::Devices => &[
            listening | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
            listening,
        ],
        Answer::Success => &[0],
    };
    let mut refusal = std::io::Error::from_raw_os_error(libc::EINVAL);
    for flags in attempts {
        // SAFETY: the program lives until the call is over, and its length is
        // that of the vector it points to.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                *flags,
                &raw const program,
            )
        };
        match i32::try_from(result) {
            Ok(_) if answer == Answer::Success && result == 0 => return Ok(None),
            // SAFETY: the kernel gave the descriptor to this call; nobody else
            // has it.
            Ok(number) if number >= 0 => return Ok(Some(unsafe { OwnedFd::from_raw_fd(number) })),
            _ => refusal = std::io::Error::last_os_error(),
        }
        if refusal.raw_os_error() != Some(libc::EINVAL) {
            break;
        }
    }
    let code = Error::system("the filter of system calls is refused", refusal);
    Err(code.with_hint("a security profile that allows seccomp(2)"))
}

/// Makes the program.
///
/// Other architectures of the same machine (32 bits) pass: their commands run,
/// and what they can not do fails as it does without a filter. x32 is answered
/// with ENOSYS, as by kernels that do not have it. So are, where owners are
/// recorded, calls that came later than this program.
fn program(answer: Answer) -> Vec<libc::sock_filter> {
    let asked = match answer {
        Answer::Listener | Answer::Devices => libc::SECCOMP_RET_USER_NOTIF,
        Answer::Success => libc::SECCOMP_RET_ERRNO,
    };
    let mut program = vec![
        load(ARCHITECTURE_AT),
        // Its own architecture goes on behind the next instruction.
        equal(ARCHITECTURE, 1, 0),
        give(libc::SECCOMP_RET_ALLOW),
        load(NUMBER_AT),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([jump(libc::BPF_JGE, X32, 0, 1), give(NO_SUCH_CALL)]);
    match answer {
        Answer::Listener => {
            program.extend([jump(libc::BPF_JGT, LAST_KNOWN, 0, 1), give(NO_SUCH_CALL)]);
            for calls in [CHANGING, WATCHED] {
                extend_with_calls(&mut program, calls, asked);
            }
            program.extend([
                equal(number(libc::SYS_prctl), 0, 4),
                load(ARGUMENTS_AT),
                equal(libc::PR_SET_KEEPCAPS.cast_unsigned(), 0, 1),
                give(asked),
                give(libc::SECCOMP_RET_ALLOW),
            ]);
            for (call, argument) in OPENING {
                program.extend([
                    equal(number(*call), 0, 4),
                    load(ARGUMENTS_AT + 8 * argument),
                    jump(libc::BPF_JSET, MAKING, 0, 1),
                    give(asked),
                    give(libc::SECCOMP_RET_ALLOW),
                ]);
            }
        }
        Answer::Success | Answer::Devices => {
            if answer == Answer::Success {
                extend_with_calls(&mut program, CHANGING, asked);
            }
            for (call, argument) in NODES {
                program.extend([
                    equal(number(*call), 0, 6),
                    load(ARGUMENTS_AT + 8 * argument),
                    statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, libc::S_IFMT),
                    equal(libc::S_IFCHR, 1, 0),
                    equal(libc::S_IFBLK, 0, 1),
                    give(asked),
                    give(libc::SECCOMP_RET_ALLOW),
                ]);
            }
        }
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    program
}

/// Adds comparisons with each of some calls, and the answer behind them.
fn extend_with_calls(program: &mut Vec<libc::sock_filter>, calls: &[libc::c_long], answer: u32) {
    for calls in calls.chunks(JUMP_LIMIT) {
        let mut left = u8::try_from(calls.len()).unwrap_or(u8::MAX);
        for call in calls {
            left = left.saturating_sub(1);
            // The last one that differs jumps over the answer.
            let otherwise = u8::from(left == 0);
            program.push(equal(number(*call), left, otherwise));
        }
        program.push(give(answer));
    }
}

/// Gives the number of a call as the program sees it.
fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn load(offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn give(answer: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, answer)
}

fn equal(value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    jump(libc::BPF_JEQ, value, then, otherwise)
}

fn jump(kind: u32, value: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        jt: then,
        jf: otherwise,
        ..statement(libc::BPF_JMP | kind | libc::BPF_K, value)
    }
}

fn statement(code: u32, value: u32) -> libc::sock_filter {
    libc::sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf: 0,
        k: value,
    }
}
