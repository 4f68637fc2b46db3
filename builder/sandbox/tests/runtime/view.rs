//! What a command of a runtime sees.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use sandbox::{ErrorKind, Kept, Mount, MountKind, Network};

use crate::Test;
use crate::scene::Scene;

pub(crate) const TESTS: &[Test] = &[
    ("view", view),
    ("user", user),
    ("mounts", mounts),
    ("insecure", insecure),
    ("network", network),
    ("agent", agent),
    ("not_text", not_text),
];

fn mount(target: &str, kind: MountKind) -> Mount {
    Mount {
        target: target.as_bytes().to_vec(),
        kind,
    }
}

fn view(mut scene: Scene) {
    let gave = scene.sh(
        "hostname; id -u; id -g; umask; grep -E '^(CapEff|CapBnd|CapInh|NoNewPrivs|Seccomp:)' \
         /proc/self/status; ls /sys/class/net | grep -v lo; ls /dev | tr '\\n' ' '; echo; \
         echo x > /dev/null; head -c 4 /dev/zero | wc -c; cat /proc/kcore | wc -c; \
         ls /sys/firmware | wc -l; (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null || echo refused; \
         (echo x > /sys/kernel/uevent_helper) 2>/dev/null || echo refused; \
         mount -t tmpfs x /tmp 2>/dev/null || echo refused; touch /made; cat | wc -c; \
         test -w /dev/ptmx && echo terminals",
    );
    assert_eq!(
        gave.ok(),
        "buildhost\n0\n0\n0022\nCapInh:\t0000000000000000\nCapEff:\t00000000a80425fb\n\
         CapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\nfd full mqueue null ptmx pts \
         random shm stderr stdin stdout tty urandom zero \n4\n0\n0\nrefused\nrefused\nrefused\n0\n\
         terminals\n"
    );
    assert!(scene.root.join("made").exists());
    let left: Vec<_> = fs_err::read_dir(scene.root.join("dev")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn user(mut scene: Scene) {
    let mut step = scene
        .script("id -u; id -g; id -G; grep -E '^Cap(Eff|Bnd)' /proc/self/status; pwd; echo $OWN");
    (step.user, step.group, step.groups) = (1000, 1001, vec![7, 8]);
    step.directory = b"/work".to_vec();
    step.environment
        .insert(b"OWN".to_vec(), b"it's \"$x\"\nnext".to_vec());
    step.limits.resources.insert(7, (333, 444));
    step.arguments.push(b"unused".to_vec());
    let shown = scene.go(&step, &[]).ok();
    assert_eq!(
        shown,
        "1000\n1001\n1001 7 8\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\n/work\n\
         it's \"$x\" next\n"
    );
    step.arguments = ["/bin/sh", "-c", "ulimit -n; ulimit -H -n"]
        .map(|word| word.as_bytes().to_vec())
        .to_vec();
    assert_eq!(scene.go(&step, &[]).ok(), "333\n444\n");
}

fn mounts(mut scene: Scene) {
    let (kept, shown) = (scene.directory.path().join("kept"), scene.root.join("work"));
    fs_err::create_dir(&kept).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs_err::set_permissions(&kept, open).unwrap();
    let mut step = scene.script(
        "cat /run/deep/secret; stat -c '%a %u %g' /run/deep/secret; \
         (echo x > /run/deep/secret) 2>/dev/null || echo refused; echo y > /work/y; \
         (echo y > /tmp/y) 2>/dev/null || echo refused; ls /tmp; stat -c %a /run; \
         head -c 5000000 /dev/zero > /run/big 2>/dev/null; stat -c %s /run/big; cat /dev/script",
    );
    let bind = |read_only| MountKind::Bind {
        source: kept.clone(),
        read_only,
    };
    let run = MountKind::Tmpfs {
        size: Some(1 << 20),
        mode: 0o750,
    };
    let secret = |descriptor, mode| MountKind::Secret {
        descriptor,
        mode,
        uid: 0,
        gid: 5,
    };
    step.mounts = vec![
        mount("/work", bind(false)),
        mount("/tmp", bind(true)),
        mount("/run", run),
        mount("/run/deep/secret", secret(1, 0o440)),
        mount("/dev/script", secret(0, 0o555)),
    ];
    let gave = scene.go(&step, &["script\n", "hidden\n"]).ok();
    let expected = format!(
        "hidden\n440 0 5\nrefused\nrefused\ny\n750\n{}\nscript\n",
        1 << 20
    );
    assert_eq!(gave, expected);
    assert_eq!(fs_err::read_to_string(kept.join("y")).unwrap(), "y\n");
    assert_eq!(fs_err::read_dir(&shown).unwrap().count(), 0);
    assert_eq!(fs_err::read_dir(scene.scratch()).unwrap().count(), 0);
}

fn insecure(mut scene: Scene) {
    let mut step = scene.script(
        "grep -E '^Seccomp:' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; \
         grep -c 0000000000000000 /proc/self/status",
    );
    step.kept = Kept::All;
    let shown = scene.go(&step, &[]).ok();
    assert!(shown.starts_with("Seccomp:\t0\nmounted\n"), "{shown}");
}

fn network(mut scene: Scene) {
    let names = |text: &str| text.lines().filter(|name| *name != "lo").count();
    let here = fs_err::read_to_string("/proc/self/net/dev").unwrap();
    let mut step = scene.script("cat /proc/self/net/dev");
    assert_eq!(scene.go(&step, &[]).ok().lines().count(), 3);
    step.network = Network::Host;
    let shown = scene.go(&step, &[]).ok();
    assert_eq!(shown.lines().count(), here.lines().count());
    let mut step = scene.script(
        "ls /sys/class/net; (echo x > /sys/kernel/uevent_helper) 2>/dev/null || echo refused",
    );
    step.network = Network::Host;
    let shown = scene.go(&step, &[]).ok();
    assert!(shown.ends_with("refused\n"), "{shown}");
    assert_eq!(names(&shown), here.lines().count() - 2, "{shown}");
}

/// A client in the only program that every machine has for it.
const ASK: &str = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, \
    sockaddr_un($ARGV[0])) or die $!; syswrite S, qq(ask\\n); shutdown(S, 1); print <S>";

fn agent(mut scene: Scene) {
    if !Path::new("/usr/bin/perl").exists() {
        return;
    }
    let path = scene.directory.path().join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    // The keeper may be another user.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs_err::set_permissions(&path, open).unwrap();
    let served = thread::spawn(move || {
        for answer in ["one\n", "two\n"] {
            let (mut connection, _) = listener.accept().unwrap();
            let mut asked = String::new();
            connection.read_to_string(&mut asked).unwrap();
            assert_eq!(asked, "ask\n");
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    let mut step = scene.script(&format!(
        "stat -c '%F %a %u' /dev/agent; perl -e '{ASK}' /dev/agent; perl -e '{ASK}' /dev/agent"
    ));
    for name in ["usr", "lib", "lib64"] {
        let source = Path::new("/").join(name).canonicalize().unwrap();
        let kind = MountKind::Bind {
            source,
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
    let shown = scene.go(&step, &[]).ok();
    assert_eq!(shown, "socket 600 0\none\ntwo\n");
    served.join().unwrap();
}

fn not_text(mut scene: Scene) {
    let mut step = scene.script("true");
    step.environment
        .insert(b"SECRET".to_vec(), b"hidden\xff".to_vec());
    let error = scene.go(&step, &[]).refused(ErrorKind::Unsupported);
    assert!(!error.to_string().contains("hidden"), "{error}");
    assert!(error.hint().is_some());
}
