//! What a command sees of itself and of the machine.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;

use sandbox::{Ended, ErrorKind, Kept, Network};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, ROOT, go, missing_namespaces};
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
