//! The tiers of user namespaces, in a worker, and the ends of those above a
//! command.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use sandbox::{
    Channel, Ended, Error, ErrorKind, IdRange, Ids, Isolation, Launch, Mount, MountKind, Step,
    Tier, Worker,
};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, ROOT, go, go_in_worker, missing, missing_namespaces, pipe, runs};

pub(crate) const TESTS: &[Test] = &[
    ("tiers::root", root),
    ("tiers::mapped", mapped),
    ("tiers::one", one),
    ("tiers::one_without_attributes", one_without_attributes),
    ("tiers::one_unprivileged", one_unprivileged),
    ("tiers::worker_killed", worker_killed),
    ("tiers::keeper_killed", keeper_killed),
];

macro_rules! need {
    () => {
        if let Some(why) = missing() {
            return why;
        }
    };
}

macro_rules! need_namespaces {
    () => {
        if let Some(why) = missing_namespaces() {
            return why;
        }
    };
}

/// The first number outside of a range that nobody else has.
const OUTSIDE: u32 = 1_879_048_192;

/// What commands have of capabilities by default.
const DEFAULT: u64 = 0xa804_25fb;

/// A user with no privileges.
const NOBODY: u32 = 54_321;

fn launch() -> Launch {
    Launch {
        program: "/proc/self/exe".into(),
    }
}

fn worker(ids: Ids) -> Worker {
    started(ids).unwrap()
}

fn started(ids: Ids) -> Result<Worker, Error> {
    let tier = Tier {
        ids,
        isolation: Isolation::Namespaces,
    };
    Worker::start(&launch(), &tier)
}

/// Tries what is the same in all of them.
fn same(bench: &Bench, channel: &mut Channel, most: u64) {
    let kept = format!("{:016x}", DEFAULT & most);
    let mut step = bench.step(
        "id -u; id -g; umask; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp:)' \
         /proc/self/status; ls /sys/class/net | grep -v lo; ls /dev | tr '\\n' ' '; echo x > /dev/null; \
         head -c 4 /dev/zero | wc -c; cat /proc/kcore | wc -c; ls /sys/firmware | wc -l; \
         echo $$; cat /run/secret; stat -c '%a %u %g' /run/secret; echo x > /proc/sys/kernel/core_pattern \
         || echo refused; mount -t tmpfs x /tmp || echo refused; touch /made; ls -n /made | cut -c1-10; \
         test -w /dev/ptmx && echo terminals",
    );
    fs_err::create_dir_all(bench.root.join("run")).unwrap();
    own(bench);
    step.mounts = mounts();
    let shown = go_in_worker(channel, &step, &["hidden\n"]).ok();
    assert_eq!(
        shown,
        format!(
            "0\n0\n0022\nCapEff:\t{kept}\nCapBnd:\t{kept}\n\
         NoNewPrivs:\t0\nSeccomp:\t2\nfd full mqueue null ptmx pts random shm stderr stdin \
         stdout tty urandom zero 4\n0\n0\n2\nhidden\n400 0 0\nrefused\nrefused\n-rw-r--r--\n\
         terminals\n"
        )
    );
    let mut step = bench.step("setsid sleep 98765437 & exit 5");
    assert_eq!(go_in_worker(channel, &step, &[]).ended, Ok(Ended::Code(5)));
    assert!(!runs("98765437"));
    step = bench.command(&["nothing"]);
    go_in_worker(channel, &step, &[]).refused(ErrorKind::Command);
    step = bench.step("sleep 60");
    step.limits.milliseconds = Some(100);
    assert_eq!(go_in_worker(channel, &step, &[]).ended, Ok(Ended::TimedOut));
    limited(bench, channel);
}

fn limited(bench: &Bench, channel: &mut Channel) {
    let mut step = bench.step("n=0; while [ $n -lt 90 ]; do sleep 20 & n=$((n+1)); done");
    step.limits.processes = Some(20);
    step.limits.milliseconds = Some(20_000);
    let gave = go_in_worker(channel, &step, &[]);
    match gave.ended {
        Ok(ended) => assert!(
            gave.errors.contains("can't fork"),
            "{ended:?} {}",
            gave.errors
        ),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Denied, "{error}"),
    }
}

fn mounts() -> Vec<Mount> {
    let run = MountKind::Tmpfs {
        size: None,
        mode: 0o755,
    };
    let secret = MountKind::Secret {
        descriptor: 0,
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    [("/run", run), ("/run/secret", secret)]
        .map(|(target, kind)| Mount {
            target: target.as_bytes().to_vec(),
            kind,
        })
        .into()
}

/// What [`DEVICES`] leaves: what it is, its mode and its owner.
const LEFT: [&str; 6] = [
    "disk b 8:1 600 5:6",
    "mine c 1:7 640 9:9",
    "null c 1:3 666 0:0",
    "open directory 777 0:0",
    "set directory 2755 0:7",
    "zero c 1:5 640 0:7",
];

/// Makes devices, in all ways.
const DEVICES: &str = "umask 027; mkdir /work/nodes; cd /work/nodes; chmod 755 .; mknod null c 1 3; \
    mknod -m 600 disk b 8 1; chmod 666 null; chown 5:6 disk; mkdir set open; chgrp 7 set; \
    chmod 2755 set; chmod 777 open; mknod set/zero c 1 5; mv set/zero .; \
    mknod mine c 1 7; chown 9:9 mine; mknod gone c 1 9; rm gone; \
    mknod null c 1 3 && echo twice; mknod none/null c 1 3 && echo nowhere; \
    test -e null || echo none";

/// Checks that devices are there or recorded, and that nobody else makes them.
/// `first` is the number that root of the tier is outside, where owners are not
/// recorded.
fn devices(bench: &Bench, channel: &mut Channel, first: Option<u32>) {
    assert_eq!(go_in_worker(channel, &bench.step(DEVICES), &[]).ok(), "");
    let nodes = bench.root.join("work/nodes");
    let mut left: Vec<String> = fs_err::read_dir(&nodes)
        .unwrap()
        .map(|entry| left(&entry.unwrap().path(), first))
        .collect();
    left.sort();
    assert_eq!(left, LEFT);
    let mut step = bench.step("mknod /work/nodes/open/x c 1 3");
    (step.user, step.group) = (33, 33);
    let gave = go_in_worker(channel, &step, &[]);
    assert_eq!(gave.ended, Ok(Ended::Code(1)));
    assert!(gave.errors.contains("not permitted"), "{}", gave.errors);
    assert!(!nodes.join("open/x").exists());
}

/// Says what something is, in words.
fn left(path: &Path, first: Option<u32>) -> String {
    use std::os::unix::fs::MetadataExt;
    let attribute = |name: &str| {
        let mut value = [0; 64];
        let length = rustix::fs::lgetxattr(path, name, &mut value).ok()?;
        Some(String::from_utf8(value[..length].to_vec()).unwrap())
    };
    let found = path.symlink_metadata().unwrap();
    let device = || {
        let device = found.rdev();
        format!(
            "{}:{}",
            rustix::fs::major(device),
            rustix::fs::minor(device)
        )
    };
    let what = match rustix::fs::FileType::from_raw_mode(found.mode()) {
        rustix::fs::FileType::Directory => "directory".to_owned(),
        rustix::fs::FileType::CharacterDevice => format!("c {}", device()),
        rustix::fs::FileType::BlockDevice => format!("b {}", device()),
        _ => attribute("user.wharf.node").unwrap(),
    };
    let owner = match first {
        Some(first) => format!("{}:{}", found.uid() - first, found.gid() - first),
        None => attribute("user.wharf.owner").unwrap_or_else(|| "0:0".to_owned()),
    };
    let name = path.file_name().unwrap().to_str().unwrap();
    format!("{name} {what} {:o} {owner}", found.mode() & 0o7777)
}

/// Gives a mapped user all of a root.
fn own(bench: &Bench) {
    let owner = std::os::unix::fs::MetadataExt::uid(&fs_err::metadata(&bench.root).unwrap());
    give(bench.directory.path(), owner);
}

fn give(path: &Path, owner: u32) {
    std::os::unix::fs::lchown(path, Some(owner), Some(owner)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        for entry in fs_err::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), owner);
        }
    }
}

fn root() -> Outcome {
    need_namespaces!();
    // A container may have less than all.
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let most = status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:\t"));
    let most = u64::from_str_radix(most.unwrap(), 16).unwrap();
    let bench = Bench::new();
    let mut worker = worker(Ids::Real);
    same(&bench, worker.channel(), most);
    devices(&bench, worker.channel(), Some(0));
    Outcome::Done
}

fn mapped() -> Outcome {
    need!();
    let bench = Bench::new();
    give(bench.directory.path(), OUTSIDE);
    let range = || {
        vec![IdRange {
            inside: 0,
            outside: OUTSIDE,
            count: 65_536,
        }]
    };
    let tried = started(Ids::Mapped {
        users: range(),
        groups: range(),
    });
    let mut worker = match tried {
        Err(error) if error.kind() == ErrorKind::Denied => {
            return Outcome::Skipped(error.to_string());
        }
        tried => tried.unwrap(),
    };
    same(&bench, worker.channel(), u64::MAX);
    devices(&bench, worker.channel(), Some(OUTSIDE));
    // Whoever has capabilities in a namespace of its own alone has none here.
    let mut step = bench.step(
        "unshare -U -r sh -c 'grep CapEff /proc/self/status; mknod /work/nodes/open/x c 1 3'",
    );
    (step.user, step.group, step.kept) = (33, 33, sandbox::Kept::All);
    let gave = go_in_worker(worker.channel(), &step, &[]);
    assert_eq!(gave.ended, Ok(Ended::Code(1)));
    assert!(gave.output.ends_with("ffffffff\n"), "{}", gave.output);
    assert!(!bench.root.join("work/nodes/open/x").exists());
    let mut step = bench.step("id -u; id -G; touch /work/mine; chown 5:6 /work/mine 2>&1 | wc -l");
    (step.user, step.group, step.groups) = (0, 1, vec![1, 7]);
    assert_eq!(
        go_in_worker(worker.channel(), &step, &[]).ok(),
        "0\n1 7\n0\n"
    );
    let made = fs_err::metadata(bench.root.join("work/mine")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), OUTSIDE + 5);
    Outcome::Done
}

/// Tries one user alone, whoever it is.
fn alone() -> Outcome {
    let bench = Bench::new();
    let mut worker = match started(Ids::One) {
        Err(error) if error.kind() == ErrorKind::Denied => {
            return Outcome::Skipped(error.to_string());
        }
        tried => tried.unwrap(),
    };
    same(&bench, worker.channel(), u64::MAX);
    devices(&bench, worker.channel(), None);
    // What no layer has may lose its owner.
    let lost = bench.step("chown 5:6 /dev/stdout; mkdir /dev/shm/d; chown 5 /dev/shm/d");
    go_in_worker(worker.channel(), &lost, &[]).ok();
    let mut step = bench.step(
        "id -u; id -g; touch /work/mine; chown 5:6 /work/mine; stat -c '%u %g' /work/mine; \
         mknod /work/device c 1 3; stat -c '%F %t:%T' /work/device; su -s /bin/sh nobody -c 'id -u'",
    );
    fs_err::write(
        bench.root.join("etc/passwd"),
        "nobody:x:65534:65534::/:/bin/sh\n",
    )
    .unwrap();
    assert_eq!(
        go_in_worker(worker.channel(), &step, &[]).ok(),
        "0\n0\n5 6\ncharacter special file 1:3\n65534\n"
    );
    step = bench.step("id -u; id -g; id -G");
    (step.user, step.group, step.groups) = (33, 34, vec![34, 35]);
    let shown = go_in_worker(worker.channel(), &step, &[]).ok();
    assert_eq!(shown, "33\n34\n34 35\n");
    Outcome::Done
}

fn one() -> Outcome {
    need!();
    alone()
}

/// A command whose owners are lost did not go well.
fn one_without_attributes() -> Outcome {
    need!();
    let directory = tempfile::TempDir::new().unwrap();
    let Some(bench) = Bench::without_attributes(directory.path()) else {
        return Outcome::Skipped("nothing can be mounted".to_owned());
    };
    let gave = started(Ids::One).map(|mut worker| {
        let mut go = |script: &str| go_in_worker(worker.channel(), &bench.step(script), &[]);
        (
            go("touch /work/f; chown 0:0 /work/f"),
            go("chown 5:6 /work/f; stat -c '%u %g' /work/f"),
            go("chown 5:6 /work/f; exit 3"),
        )
    });
    drop(bench);
    rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    let (kept, lost, failed) = match gave {
        Err(error) if error.kind() == ErrorKind::Denied => {
            return Outcome::Skipped(error.to_string());
        }
        gave => gave.unwrap(),
    };
    kept.ok();
    assert_eq!(lost.output, "5 6\n");
    let error = lost.refused(ErrorKind::Unsupported);
    assert!(error.hint().is_some_and(|hint| hint.contains("attributes")));
    assert_eq!(failed.ended, Ok(Ended::Code(3)));
    Outcome::Done
}

fn one_unprivileged() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        return alone();
    }
    need!();
    // A copy, because the build directory may be hidden from others.
    let directory = tempfile::TempDir::new().unwrap();
    let program = directory.path().join("tests");
    fs_err::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(directory.path(), mode).unwrap();
    std::os::unix::fs::chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let done = Command::new(&program)
        .args(["--exact", "tiers::one_unprivileged"])
        .env("TMPDIR", directory.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .unwrap();
    assert!(done.success());
    Outcome::Done
}

/// Waits until something is so.
#[track_caller]
fn until(mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(20));
        std::thread::yield_now();
    }
}

fn long(bench: &Bench, word: &str) -> Step {
    bench.step(&format!(
        "setsid sleep {word} & echo > /work/now; sleep {word}"
    ))
}

fn worker_killed() -> Outcome {
    need_namespaces!();
    let bench = Bench::new();
    let mut worker = worker(Ids::Real);
    let step = postcard::to_allocvec(&long(&bench, "98765438")).unwrap();
    let (_stop, writer) = pipe();
    let streams = [&writer, &writer, &_stop].map(std::os::fd::AsFd::as_fd);
    worker.channel().send(&step, &streams).unwrap();
    until(|| bench.root.join("work/now").exists());
    until(|| runs("98765438"));
    drop(worker);
    until(|| !runs("98765438"));
    Outcome::Done
}

fn keeper_killed() -> Outcome {
    need_namespaces!();
    let bench = Bench::new();
    let step = long(&bench, "98765439");
    let now = bench.root.join("work/now");
    let thread = std::thread::spawn(move || go(&ROOT, &step, &[]));
    until(|| now.exists());
    let keepers: Vec<i32> = fs_err::read_dir("/proc/self/task")
        .unwrap()
        .flatten()
        .flat_map(|task| {
            let children = fs_err::read_to_string(task.path().join("children")).unwrap();
            let numbers = children.split_whitespace().map(|one| one.parse().unwrap());
            numbers.collect::<Vec<i32>>()
        })
        // In a container, others may be this process' children too.
        .filter(|pid| {
            let line = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.starts_with(b"wharf\0__worker\0step\0")
        })
        .collect();
    assert_eq!(keepers.len(), 1);
    let keeper = Pid::from_raw(keepers[0]).unwrap();
    rustix::process::kill_process(keeper, Signal::KILL).unwrap();
    thread.join().unwrap().refused(ErrorKind::Broken);
    until(|| !runs("98765439"));
    Outcome::Done
}
