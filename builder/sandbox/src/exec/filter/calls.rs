//! The system calls that commands can make, by what they are about.
//!
//! Not among them, because they reach beyond the command: mounts, namespaces,
//! keys, modules, the clock, swap, tracing of the whole system, other
//! processes' memory policy, io_uring. clone(2), personality(2) and socket(2)
//! depend on their arguments: see [`super`].

/// Calls, each with its name as the C library has it and its number.
pub(super) type Group = &'static [(&'static str, i64)];

macro_rules! calls {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Files: names.
const FILES_NAMES: Group = calls! {
    SYS_chdir, SYS_fchdir, SYS_getcwd, SYS_faccessat, SYS_faccessat2, SYS_mkdirat, SYS_mknodat,
    SYS_symlinkat, SYS_linkat, SYS_unlinkat, SYS_renameat2, SYS_readlinkat, SYS_openat, SYS_openat2,
    SYS_newfstatat, SYS_statx, SYS_fstat, SYS_statfs, SYS_fstatfs, SYS_name_to_handle_at
};

/// Files: owners, modes, times, attributes.
const FILES_OWNERS_MODES_TIMES_ATTRIBUTES: Group = calls! {
    SYS_fchmod, SYS_fchmodat, SYS_fchown, SYS_fchownat, SYS_umask, SYS_utimensat, SYS_getxattr,
    SYS_lgetxattr, SYS_fgetxattr, SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_listxattr,
    SYS_llistxattr, SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr
};

/// Files: content.
const FILES_CONTENT: Group = calls! {
    SYS_close, SYS_close_range, SYS_read, SYS_readv, SYS_pread64, SYS_preadv, SYS_preadv2,
    SYS_write, SYS_writev, SYS_pwrite64, SYS_pwritev, SYS_pwritev2, SYS_lseek, SYS_truncate,
    SYS_ftruncate, SYS_fallocate, SYS_fadvise64, SYS_readahead, SYS_copy_file_range, SYS_sendfile,
    SYS_splice, SYS_tee, SYS_sync, SYS_syncfs, SYS_fsync, SYS_fdatasync, SYS_flock, SYS_fcntl,
    SYS_ioctl, SYS_dup, SYS_dup3, SYS_getdents64, SYS_pipe2
};

/// Waiting for files.
const WAITING_FOR_FILES: Group = calls! {
    SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_ppoll, SYS_pselect6,
    SYS_eventfd2, SYS_signalfd4, SYS_inotify_init1, SYS_inotify_add_watch, SYS_inotify_rm_watch,
    SYS_fanotify_mark, SYS_io_setup, SYS_io_submit, SYS_io_getevents, SYS_io_cancel, SYS_io_destroy
};

/// Memory.
const MEMORY: Group = calls! {
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_mincore, SYS_msync,
    SYS_mlock, SYS_mlock2, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_remap_file_pages,
    SYS_membarrier, SYS_memfd_create, SYS_memfd_secret, SYS_pkey_alloc, SYS_pkey_free,
    SYS_pkey_mprotect
};

/// Processes.
const PROCESSES: Group = calls! {
    SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_kill, SYS_tkill,
    SYS_tgkill, SYS_getpid, SYS_getppid, SYS_gettid, SYS_getpgid, SYS_setpgid, SYS_getsid,
    SYS_setsid, SYS_set_tid_address, SYS_set_robust_list, SYS_get_robust_list, SYS_rseq, SYS_prctl,
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_mrelease, SYS_pidfd_open,
    SYS_pidfd_send_signal, SYS_restart_syscall, SYS_seccomp, SYS_landlock_create_ruleset,
    SYS_landlock_add_rule, SYS_landlock_restrict_self, SYS_chroot
};

/// Users and privileges.
const USERS_AND_PRIVILEGES: Group = calls! {
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_getgroups,
    SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid,
    SYS_setfsgid, SYS_setgroups, SYS_capget, SYS_capset
};

/// Signals.
const SIGNALS: Group = calls! {
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigpending, SYS_rt_sigsuspend, SYS_rt_sigtimedwait,
    SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigreturn, SYS_sigaltstack
};

/// Threads and their order.
const THREADS_AND_THEIR_ORDER: Group = calls! {
    SYS_futex, SYS_futex_waitv, SYS_sched_yield, SYS_sched_getaffinity, SYS_sched_setaffinity,
    SYS_sched_getattr, SYS_sched_setattr, SYS_sched_getparam, SYS_sched_setparam,
    SYS_sched_getscheduler, SYS_sched_setscheduler, SYS_sched_get_priority_max,
    SYS_sched_get_priority_min, SYS_sched_rr_get_interval, SYS_getpriority, SYS_setpriority,
    SYS_ioprio_get, SYS_ioprio_set, SYS_getcpu
};

/// Time.
const TIME: Group = calls! {
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_clock_adjtime, SYS_adjtimex,
    SYS_nanosleep, SYS_gettimeofday, SYS_getitimer, SYS_setitimer, SYS_times, SYS_timer_create,
    SYS_timer_delete, SYS_timer_gettime, SYS_timer_settime, SYS_timer_getoverrun,
    SYS_timerfd_create, SYS_timerfd_gettime, SYS_timerfd_settime
};

/// Sockets, but for their making.
const SOCKETS: Group = calls! {
    SYS_socketpair, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_getsockname,
    SYS_getpeername, SYS_getsockopt, SYS_setsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg,
    SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_shutdown
};

/// Messages and shared memory.
const MESSAGES_AND_SHARED_MEMORY: Group = calls! {
    SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_timedreceive, SYS_mq_notify,
    SYS_mq_getsetattr, SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_semget, SYS_semop,
    SYS_semtimedop, SYS_semctl, SYS_shmget, SYS_shmat, SYS_shmdt, SYS_shmctl
};

/// The machine.
const THE_MACHINE: Group = calls! {
    SYS_uname, SYS_sysinfo, SYS_getrandom, SYS_getrusage, SYS_prlimit64
};

/// Older names of what is everywhere.
#[cfg(target_arch = "x86_64")]
const OLDER_NAMES_OF_WHAT_IS_EVERYWHERE: Group = calls! {
    SYS_open, SYS_creat, SYS_access, SYS_stat, SYS_lstat, SYS_mkdir, SYS_rmdir, SYS_mknod, SYS_link,
    SYS_unlink, SYS_symlink, SYS_readlink, SYS_rename, SYS_renameat, SYS_chmod, SYS_chown,
    SYS_lchown, SYS_utime, SYS_utimes, SYS_futimesat, SYS_getdents, SYS_dup2, SYS_pipe, SYS_poll,
    SYS_select, SYS_epoll_create, SYS_epoll_wait, SYS_epoll_ctl_old, SYS_epoll_wait_old,
    SYS_eventfd, SYS_signalfd, SYS_inotify_init, SYS_fork, SYS_vfork, SYS_getpgrp, SYS_getrlimit,
    SYS_setrlimit, SYS_alarm, SYS_pause, SYS_time, SYS_sync_file_range
};

/// Segments.
#[cfg(target_arch = "x86_64")]
const SEGMENTS: Group = calls! {
    SYS_arch_prctl, SYS_modify_ldt, SYS_get_thread_area, SYS_set_thread_area
};

/// Newer ones, whose numbers are the same everywhere.
const NEWER: Group = &[
    ("SYS_cachestat", 451),
    ("SYS_fchmodat2", 452),
    ("SYS_map_shadow_stack", 453),
    ("SYS_futex_wake", 454),
    ("SYS_futex_wait", 455),
    ("SYS_futex_requeue", 456),
];

#[cfg(target_arch = "aarch64")]
/// Older names.
const OLDER_NAMES: Group = &[
    ("SYS_renameat", 38),
    ("SYS_sync_file_range", 84),
    ("SYS_getrlimit", 163),
    ("SYS_setrlimit", 164),
];

/// Those that every kind of processor has.
pub(super) const EVERYWHERE: &[Group] = &[
    FILES_NAMES,
    FILES_OWNERS_MODES_TIMES_ATTRIBUTES,
    FILES_CONTENT,
    WAITING_FOR_FILES,
    MEMORY,
    PROCESSES,
    USERS_AND_PRIVILEGES,
    SIGNALS,
    THREADS_AND_THEIR_ORDER,
    TIME,
    SOCKETS,
    MESSAGES_AND_SHARED_MEMORY,
    THE_MACHINE,
    NEWER,
];

/// Those of this kind of processor alone.
#[cfg(target_arch = "x86_64")]
pub(super) const OF_THIS_MACHINE: &[Group] = &[OLDER_NAMES_OF_WHAT_IS_EVERYWHERE, SEGMENTS];
#[cfg(target_arch = "aarch64")]
pub(super) const OF_THIS_MACHINE: &[Group] = &[OLDER_NAMES];
