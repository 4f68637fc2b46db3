//! What a step mounts.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use sandbox::{ErrorKind, Mount, MountKind};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, ROOT, go, missing_namespaces};

pub(crate) const TESTS: &[Test] = &[
    ("mounts::binds", binds),
    ("mounts::links", links),
    ("mounts::tmpfs", tmpfs),
    ("mounts::secrets", secrets),
    ("mounts::agent", agent),
];

macro_rules! need {
    () => {
        if let Some(why) = missing_namespaces() {
            return why;
        }
    };
}

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount {
        target: target.as_bytes().to_vec(),
        kind,
    }
}

fn binds() -> Outcome {
    need!();
    let bench = Bench::new();
    let file = bench.file("given/file", "content\n");
    let directory = file.parent().unwrap().to_path_buf();
    fs_err::write(bench.root.join("etc/one"), "").unwrap();
    let bind = |source: &std::path::Path, read_only| MountKind::Bind {
        source: source.to_path_buf(),
        read_only,
    };
    let mut step = bench.step(
        "cat /etc/one /srv/file; echo more > /etc/one; echo more > /srv/new; ls /srv; \
         cut -d' ' -f2,4 /proc/mounts | grep -E 'srv|one|work' | cut -d, -f1-3",
    );
    step.mounts = vec![
        mount("/etc/one", bind(&file, true)),
        mount("/srv", bind(&directory, true)),
        mount("/work", bind(&directory, false)),
    ];
    let gave = go(&ROOT, &step, &[]);
    assert_eq!(
        gave.errors.matches("Read-only file system").count(),
        2,
        "{}",
        gave.errors
    );
    assert_eq!(
        gave.ok(),
        "content\ncontent\nfile\n\
         /etc/one ro,nosuid,nodev\n/srv ro,nosuid,nodev\n/work rw,nosuid,nodev\n"
    );
    step = bench.step("echo made > /work/made");
    step.mounts = vec![mount("/work", bind(&directory, false))];
    go(&ROOT, &step, &[]).ok();
    assert_eq!(
        fs_err::read_to_string(directory.join("made")).unwrap(),
        "made\n"
    );
    Outcome::Done
}

fn links() -> Outcome {
    need!();
    let bench = Bench::new();
    let file = bench.file("given/file", "content\n");
    let outside = bench.file("outside/file", "as it was\n");
    let directory = outside.parent().unwrap();
    std::os::unix::fs::symlink(directory, bench.root.join("way")).unwrap();
    let mut step = bench.step("true");
    for target in ["/way", "/way/file", "/../outside/file"] {
        let bind = MountKind::Bind {
            source: file.clone(),
            read_only: false,
        };
        step.mounts = vec![mount(target, bind)];
        go(&ROOT, &step, &[]).refused(ErrorKind::System);
    }
    Outcome::Done
}

fn tmpfs() -> Outcome {
    need!();
    let bench = Bench::new();
    let kind = |size, mode| MountKind::Tmpfs { size, mode };
    let mut step = bench.step(
        "stat -c %a /work /srv; dd if=/dev/zero of=/srv/big bs=1024 count=128 2>&1 | \
         grep -c 'No space'; echo x > /work/deep/er/x; ls -R /work/deep",
    );
    step.mounts = vec![
        mount("/work", kind(None, 0o1777)),
        mount("/srv", kind(Some(65_536), 0o700)),
        mount("/work/deep/er", kind(None, 0o755)),
    ];
    let shown = go(&ROOT, &step, &[]).ok();
    assert_eq!(
        shown,
        "1777\n700\n1\n/work/deep:\ner\n\n/work/deep/er:\nx\n"
    );
    assert!(
        fs_err::read_dir(bench.root.join("work"))
            .unwrap()
            .next()
            .is_none()
    );
    Outcome::Done
}

fn secrets() -> Outcome {
    need!();
    let bench = Bench::new();
    let kind = |descriptor, mode, uid, gid| MountKind::Secret {
        descriptor,
        mode,
        uid,
        gid,
    };
    let mut step = bench.step(
        "cat /run/secrets/one /run/secrets/two; stat -c '%a %u %g' /run/secrets/*; \
         echo y > /run/secrets/one || echo refused; rm /run/secrets/two || echo stays; \
         cut -d' ' -f2,3 /proc/mounts | grep secrets",
    );
    fs_err::create_dir_all(bench.root.join("run")).unwrap();
    step.mounts = vec![
        mount(
            "/run",
            MountKind::Tmpfs {
                size: None,
                mode: 0o755,
            },
        ),
        mount("/run/secrets/two", kind(1, 0o444, 5, 6)),
        mount("/run/secrets/one", kind(0, 0o400, 0, 0)),
    ];
    let shown = go(&ROOT, &step, &["first\n", "second\n"]).ok();
    assert_eq!(
        shown,
        "first\nsecond\n400 0 0\n444 5 6\nrefused\nstays\n\
         /run/secrets/two tmpfs\n/run/secrets/one tmpfs\n"
    );
    let left = fs_err::read_dir(&step.scratch).unwrap().count();
    assert_eq!(left, 0);
    Outcome::Done
}

/// Connects, asks, and shows the answer.
const ASK: &str = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; \
    print $s \"ask\\n\"; shutdown($s, 1); print while <$s>;";

fn agent() -> Outcome {
    need!();
    if !Path::new("/usr/bin/perl").exists() {
        return Outcome::Skipped("no `/usr/bin/perl`".to_owned());
    }
    let bench = Bench::new();
    let path = bench.directory.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    let served = thread::spawn(move || {
        for answer in ["one\n", "two\n"] {
            let (mut connection, _) = listener.accept().unwrap();
            let mut asked = String::new();
            connection.read_to_string(&mut asked).unwrap();
            assert_eq!(asked, "ask\n");
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut step = bench.step(&format!(
        "stat -c '%F %a %u' /dev/agent; perl -e '{ASK}' /dev/agent; perl -e '{ASK}' /dev/agent"
    ));
    for name in ["usr", "lib", "lib64"] {
        fs_err::create_dir(bench.root.join(name)).unwrap();
        let source = Path::new("/").join(name);
        let kind = MountKind::Bind {
            source: source.canonicalize().unwrap(),
            read_only: true,
        };
        step.mounts.push(mount(&format!("/{name}"), kind));
    }
    step.mounts.push(mount(
        "/dev/agent",
        MountKind::Agent {
            source: path,
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
    ));
    let shown = go(&ROOT, &step, &[]).ok();
    assert_eq!(shown, "socket 600 0\none\ntwo\n");
    served.join().unwrap();
    Outcome::Done
}
