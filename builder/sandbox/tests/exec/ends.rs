//! How commands end, and that nothing is left of them.

use std::time::{Duration, Instant};

use sandbox::{Ended, ErrorKind};

use crate::Outcome;
use crate::Test;
use crate::bench::{Bench, ROOT, go, go_until, missing_namespaces, pipe, runs};

pub(crate) const TESTS: &[Test] = &[
    ("ends::codes", codes),
    ("ends::missing_program", missing_program),
    ("ends::left_behind", left_behind),
    ("ends::stopped", stopped),
    ("ends::timed_out", timed_out),
    ("ends::processes", processes),
    ("ends::resources", resources),
];

macro_rules! need {
    () => {
        if let Some(why) = missing_namespaces() {
            return why;
        }
    };
}

fn codes() -> Outcome {
    need!();
    let bench = Bench::new();
    assert_eq!(bench.sh("exit 0").ended, Ok(Ended::Code(0)));
    assert_eq!(bench.sh("exit 7").ended, Ok(Ended::Code(7)));
    assert_eq!(bench.sh("exit 127").ended, Ok(Ended::Code(127)));
    assert_eq!(bench.sh("kill -15 $$").ended, Ok(Ended::Signal(15)));
    assert_eq!(bench.sh("kill -9 $$").ended, Ok(Ended::Signal(9)));
    let gave = bench.sh("echo out; echo err >&2; false");
    assert_eq!(
        (gave.output.as_str(), gave.errors.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(gave.ended, Ok(Ended::Code(1)));
    Outcome::Done
}

fn missing_program() -> Outcome {
    need!();
    let bench = Bench::new();
    let refused = |arguments: &[&str]| {
        go(&ROOT, &bench.command(arguments), &[])
            .refused(ErrorKind::Command)
            .to_string()
    };
    assert_eq!(
        refused(&["nothing"]),
        "`nothing`: command not found (exit code 127)"
    );
    assert_eq!(
        refused(&["/bin/nothing"]),
        "`/bin/nothing`: no such file or directory (exit code 127)"
    );
    fs_err::write(bench.root.join("bin/plain"), "x").unwrap();
    assert_eq!(
        refused(&["plain"]),
        "`plain`: permission denied (exit code 126)"
    );
    fs_err::write(bench.root.join("bin/lost"), "#!/bin/nothing\n").unwrap();
    fs_err::write(bench.root.join("bin/odd"), "\u{1}odd").unwrap();
    for name in ["lost", "odd"] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(bench.root.join("bin").join(name), mode).unwrap();
    }
    assert_eq!(
        refused(&["lost"]),
        "`lost`: its interpreter or loader is not there (exit code 127)"
    );
    assert_eq!(
        refused(&["odd"]),
        "`odd`: not a program of this machine (exit code 126)"
    );
    Outcome::Done
}

fn left_behind() -> Outcome {
    need!();
    let bench = Bench::new();
    // Their streams are those of the command: the output would never end.
    let gave = bench.sh("setsid sleep 98765431 & nohup sh -c 'sleep 98765431; true' & exit 3");
    assert_eq!(gave.ended, Ok(Ended::Code(3)));
    assert!(!runs("98765431"));
    Outcome::Done
}

fn stopped() -> Outcome {
    need!();
    let bench = Bench::new();
    let (stop, handle) = pipe();
    let mut step = bench.step("setsid sleep 98765432 & echo runs > /work/now; sleep 98765432");
    step.limits.milliseconds = Some(60_000);
    let now = bench.root.join("work/now");
    let waiter = std::thread::spawn(move || {
        while !now.exists() {
            std::thread::yield_now();
        }
        drop(handle);
    });
    let started = Instant::now();
    assert_eq!(go_until(&ROOT, &step, &[], stop).ended, Ok(Ended::Stopped));
    assert!(started.elapsed() < Duration::from_secs(20));
    waiter.join().unwrap();
    assert!(!runs("98765432"));
    Outcome::Done
}

fn timed_out() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step("trap '' TERM INT; setsid sleep 98765433 & sleep 98765433");
    step.limits.milliseconds = Some(300);
    let started = Instant::now();
    assert_eq!(go(&ROOT, &step, &[]).ended, Ok(Ended::TimedOut));
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert!(!runs("98765433"));
    Outcome::Done
}

fn processes() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step(
        "n=0; while [ $n -lt 40 ]; do sleep 98765434 & n=$((n+1)); done; ps | grep -c 9876543[4]",
    );
    step.limits.processes = Some(20);
    let gave = go(&ROOT, &step, &[]);
    if let Err(error) = &gave.ended {
        assert_eq!(error.kind(), ErrorKind::Denied);
        return Outcome::Skipped(error.to_string());
    }
    assert!(gave.errors.contains("can't fork"), "{}", gave.errors);
    // A bomb goes off within its limit.
    let mut step = bench.step("b() { b | b & }; b; sleep 1");
    step.limits.processes = Some(50);
    step.limits.milliseconds = Some(5_000);
    let ended = go(&ROOT, &step, &[]).ended;
    assert!(ended.is_ok(), "{ended:?}");
    Outcome::Done
}

fn resources() -> Outcome {
    need!();
    let bench = Bench::new();
    let mut step = bench.step("ulimit -S -n; ulimit -H -n");
    // The kernel's number of descriptors.
    step.limits.resources.insert(7, (100, 200));
    assert_eq!(go(&ROOT, &step, &[]).ok(), "100\n200\n");
    Outcome::Done
}
