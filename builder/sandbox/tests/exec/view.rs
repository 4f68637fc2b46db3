//! What a command sees of itself and of the machine.

use std::os::linux::fs::MetadataExt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::thread;

use rustix::fs::{FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{CapabilitySet, UnshareFlags, remove_capability_from_bounding_set};
use sandbox::{Ended, ErrorKind, Kept, Network, Tier};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, CHROOT, ROOT, go, missing_chroot, missing_namespaces};
use crate::programs;

pub(crate) const TESTS: &[Test] = &[
    ("view::ids", ids),
    ("view::environment", environment),
    ("view::privileges", privileges),
    ("view::kept_all", kept_all),
    ("view::masked", masked),
    ("view::devices", devices),
    ("view::filter", filter),
    ("view::network_none", network_none),
    ("view::devices_made", devices_made),
    ("view::devices_kept", devices_kept),
    ("view::system", system),
    ("view::nameless_sockets", nameless_sockets),
    ("view::descriptors", descriptors),
    ("view::signals", signals),
];

macro_rules! need {
    () => {
        if let Some(why) = missing_namespaces() {
            return why;
        }
    };
}

fn ids() -> Outcome {
    need!();
    let bench = Bench::new();
    assert_eq!(
        bench.sh("id -u; id -g; hostname; umask; pwd").ok(),
        "0\n0\nbuildhost\n0022\n/\n"
    );
    let mut step = bench.step("id -u; id -g; id -G; pwd; grep CapEff /proc/self/status");
    (step.user, step.group, step.groups) = (1000, 1001, vec![1001, 5]);
    step.directory = b"/work".to_vec();
    let shown = go(&ROOT, &step, &[]).ok();
    assert_eq!(
        shown,
        "1000\n1001\n1001 5\n/work\nCapEff:\t0000000000000000\n"
    );
    step.directory = b"/nowhere".to_vec();
    let error = go(&ROOT, &step, &[]).refused(ErrorKind::Command);
    assert!(error.to_string().contains("`/nowhere`"), "{error}");
    Outcome::Done
}

fn environment() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.command(&["env"]);
    step.environment.insert(b"A".to_vec(), b"1 2\n3".to_vec());
    assert_eq!(go(&ROOT, &step, &[]).ok(), "A=1 2\n3\nPATH=/usr/bin:/bin\n");
    Outcome::Done
}

fn privileges() -> Outcome {
    need!();
    let bench = Bench::new();
    let status = bench
        .sh("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
        .ok();
    assert_eq!(
        status,
        "CapInh:\t0000000000000000\n\
         CapPrm:\t00000000a80425fb\n\
         CapEff:\t00000000a80425fb\n\
         CapBnd:\t00000000a80425fb\n\
         CapAmb:\t0000000000000000\n\
         NoNewPrivs:\t0\n\
         Seccomp:\t2\n"
    );
    // The init can not be looked into.
    let tried = bench.sh(
        "cat /proc/1/environ; for one in /proc/1/fd/*; do readlink $one; done; ls /proc/1/root/",
    );
    assert!(tried.output.is_empty(), "{}", tried.output);
    Outcome::Done
}

fn kept_all() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step("grep -E '^Seccomp:' /proc/self/status; mount -t tmpfs x /tmp");
    step.kept = Kept::All;
    assert_eq!(go(&ROOT, &step, &[]).ok(), "Seccomp:\t0\n");
    Outcome::Done
}

fn masked() -> Outcome {
    need!();
    let bench = Bench::new();
    let shown = bench
        .sh("cat /proc/kcore /proc/keys /proc/timer_list | wc -c; \
             touch /proc/sysrq-trigger /proc/sys/kernel/domainname /sys/x 2>&1 | wc -l; \
             echo 1 > /proc/sys/vm/swappiness || echo refused; \
             ls /sys/firmware | wc -l; ls / | tr '\\n' ' '; \
             ps | grep -c -v COMMAND; cat /proc/sys/kernel/domainname")
        .ok();
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.first(), Some(&"0"), "{shown}");
    assert!(lines.contains(&"refused"), "{shown}");
    assert!(
        shown.contains("bin dev etc proc root srv sys tmp work"),
        "{shown}"
    );
    let mounts = bench.sh("cut -d' ' -f2,3,4 /proc/mounts").ok();
    assert!(
        mounts.contains("/proc proc rw,nosuid,nodev,noexec"),
        "{mounts}"
    );
    assert!(
        mounts.contains("/sys sysfs ro,nosuid,nodev,noexec"),
        "{mounts}"
    );
    assert!(mounts.contains("/proc/sys proc ro,"), "{mounts}");
    assert!(!mounts.contains("/work/"), "{mounts}");
    assert!(!mounts.contains("scratch"), "{mounts}");
    Outcome::Done
}

fn devices() -> Outcome {
    need!();
    let bench = Bench::new();
    let shown = bench
        .sh("ls /dev | tr '\\n' ' '; echo; echo gone > /dev/null; head -c 3 /dev/zero | wc -c; \
             head -c 5 /dev/urandom | wc -c; stat -c '%a %t:%T' /dev/null /dev/tty; \
             stat -c %a /dev/shm; readlink /dev/fd; readlink /dev/stdin; echo through > /dev/stdout; \
             test -c /dev/ptmx && echo terminals; echo full > /dev/full || echo is full")
        .ok();
    assert_eq!(
        shown,
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero \n\
         3\n5\n666 1:3\n666 5:0\n1777\n/proc/self/fd\n/proc/self/fd/0\nthrough\nterminals\nis full\n"
    );
    assert!(
        fs_err::read_dir(bench.root.join("dev"))
            .unwrap()
            .next()
            .is_none()
    );
    Outcome::Done
}

fn devices_made() -> Outcome {
    need!();
    let bench = Bench::new();
    // They can be put into an image. To open them would be to open disks.
    let gave = bench.sh(
        "for where in /tmp/x /dev/x /dev/shm/x; do mknod $where c 1 5 && head -c 1 $where; done; \
         stat -c '%F %t:%T' /tmp/x; rm -f /dev/null; echo x > /dev/null && echo stays",
    );
    assert_eq!(
        gave.output, "character special file 1:5\nstays\n",
        "{}",
        gave.errors
    );
    assert_eq!(
        gave.errors.matches("Permission denied").count(),
        3,
        "{}",
        gave.errors
    );
    Outcome::Done
}

/// Does something where mounts are of this test alone.
#[expect(
    unsafe_code,
    reason = "a test that changes devices must not reach those of the machine"
)]
fn among_own_mounts(tried: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let inside = move || {
            // SAFETY: descriptors, which is what is dangerous, are not unshared.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
            let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", flags).unwrap();
            tried();
        };
        let done = scope.spawn(inside).join();
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Runs a script that changes devices, in a machine that has others than this
/// one, and in which root has some capabilities alone. It gives the output.
/// The devices have to be as they were.
fn change_devices(tier: &Tier, script: &str, kept: CapabilitySet) -> String {
    let all = ["null", "zero", "full", "random", "urandom", "tty"];
    let numbers = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)];
    let state = || {
        all.map(|name| {
            // Of no other thread, whose mounts are others.
            let found = rustix::fs::stat(format!("/dev/{name}")).unwrap();
            let owner = (found.st_uid, found.st_gid);
            (name, found.st_mode, owner, found.st_mtime, found.st_nlink)
        })
    };
    let bench = Bench::new();
    let mut shown = String::new();
    among_own_mounts(|| {
        mount("none", "/dev", "tmpfs", MountFlags::empty(), None).unwrap();
        let device = FileType::CharacterDevice;
        for (name, (major, minor)) in all.into_iter().zip(numbers) {
            let path = format!("/dev/{name}");
            let mode = Mode::from_raw_mode(0o666);
            mknodat(rustix::fs::CWD, &path, device, mode, makedev(major, minor)).unwrap();
            rustix::fs::chmod(&path, mode).unwrap();
        }
        for one in CapabilitySet::all().difference(kept).iter() {
            remove_capability_from_bounding_set(one).unwrap();
        }
        let before = state();
        let mut step = bench.step(script);
        step.network = Network::Host;
        let gave = go(tier, &step, &[]);
        assert_eq!(state(), before, "{gave:?}");
        shown = gave.ok();
    });
    shown
}

const CHANGES: &str = "for one in /proc/self/fd/0 /proc/keys /proc/timer_list /dev/full /dev/tty \
    /dev/random /dev/null; do chmod 0 $one; chown 5:6 $one; touch -d 2001-01-01 $one; done \
    2>/tmp/errors; echo x > /dev/null && head -c 2 /dev/zero | wc -c; stat -c %a /dev/full; \
    cat /proc/keys | wc -c; cat | wc -c; grep -c Read-only /tmp/errors";

fn devices_kept() -> Outcome {
    need!();
    let node = Path::new("/dev/full").metadata().unwrap().st_mode();
    let all = CapabilitySet::all();
    // Those in the place of what is hidden can not be changed, the others can:
    // they are the command's.
    assert_eq!(change_devices(&ROOT, CHANGES, all), "2\n0\n0\n0\n6\n");
    // Where none can be made, they are those of the machine.
    let kept = all.difference(CapabilitySet::MKNOD);
    assert_eq!(change_devices(&ROOT, CHANGES, kept), "2\n666\n0\n0\n21\n");
    if missing_chroot().is_none() {
        let script = "chmod 0 /proc/self/fd/0 /dev/*; chown 5:6 /dev/full; touch /dev/zero; true";
        assert_eq!(change_devices(&CHROOT, script, all), "");
    }
    assert_eq!(Path::new("/dev/full").metadata().unwrap().st_mode(), node);
    Outcome::Done
}

fn system() -> Outcome {
    need!();
    let kernel = "/sys/kernel";
    let bench = Bench::new();
    let mut step =
        bench.step("test -e /sys/kernel/wharf-test || echo hidden; ls -d /sys/kernel/mm");
    step.network = Network::Host;
    among_own_mounts(|| {
        mount("none", kernel, "tmpfs", MountFlags::empty(), None).unwrap();
        fs_err::write("/sys/kernel/wharf-test", "").unwrap();
        assert_eq!(go(&ROOT, &step, &[]).ok(), "hidden\n/sys/kernel/mm\n");
    });
    let groups = Path::new("/sys/fs/cgroup").read_dir();
    if groups.is_ok_and(|mut groups| groups.next().is_some()) {
        step = bench.step("ls -A /sys/fs/cgroup | head -n 1 | wc -l; touch /sys/fs/cgroup/x 2>&1");
        step.network = Network::Host;
        let gave = go(&ROOT, &step, &[]);
        assert!(gave.output.starts_with("1\n"), "{}", gave.output);
        assert!(gave.output.contains("Read-only"), "{}", gave.output);
    }
    Outcome::Done
}

fn nameless_sockets() -> Outcome {
    need!();
    let (bench, name) = (Bench::new(), format!("wharf-test-{}", std::process::id()));
    if !Path::new("/usr/bin/perl").exists() {
        return Outcome::Skipped("no `/usr/bin/perl`".to_owned());
    }
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let script = "use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); print connect($s, \
        pack_sockaddr_un(\"\\0$ARGV[0]\")) ? 'reached' : $!+0";
    let mut step = programs::step(&bench, &["perl", "-e", script, &name]);
    assert_eq!(go(&ROOT, &step, &[]).ok(), "111");
    step.network = Network::Host;
    let shown = go(&ROOT, &step, &[]).ok();
    if shown == "reached" {
        return Outcome::Skipped("the kernel is older than Linux 6.12".to_owned());
    }
    assert_eq!(shown, "1");
    Outcome::Done
}

fn filter() -> Outcome {
    need!();
    let bench = Bench::new();
    let shown = bench.sh(
        "mount -t tmpfs x /tmp; unshare -n true; mknod /tmp/device c 1 3 && echo device; \
         umount /proc; true",
    );
    assert_eq!(shown.output, "device\n", "{}", shown.errors);
    let count = shown.errors.matches("Operation not permitted").count()
        + shown.errors.matches("permission denied").count();
    assert_eq!(count, 3, "{}", shown.errors);
    Outcome::Done
}

fn network_none() -> Outcome {
    need!();
    let bench = Bench::new();
    let shown = bench
        .sh(
            "ls /sys/class/net; cut -d: -f1 /proc/net/dev | grep -v '|' | tr -d ' '; \
             cat /sys/class/net/lo/flags",
        )
        .ok();
    assert_eq!(shown, "lo\nlo\n0x9\n");
    let mut step = bench.step("readlink /proc/self/ns/net");
    step.network = Network::Host;
    let host = fs_err::read_link("/proc/self/ns/net").unwrap();
    let shown = go(&ROOT, &step, &[]).ok();
    assert_eq!(shown.trim_end(), host.to_string_lossy());
    Outcome::Done
}

fn descriptors() -> Outcome {
    need!();
    let bench = Bench::new();
    // The fourth is that of the directory that is listed.
    assert_eq!(bench.sh("ls /proc/self/fd; cat").ok(), "0\n1\n2\n3\n");
    Outcome::Done
}

fn signals() -> Outcome {
    need!();
    let bench = Bench::new();
    let step = bench.command(&["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]);
    let shown = go(&ROOT, &step, &[]).ok();
    let zero = "0000000000000000";
    assert_eq!(
        shown,
        format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\nSigCgt:\t{zero}\n")
    );
    // Whoever writes to nobody is ended by it.
    let gave = bench.sh("sh -c 'yes; echo $? >&2' | head -n 1 > /dev/null");
    assert_eq!(gave.ended, Ok(Ended::Code(0)));
    Outcome::Done
}
