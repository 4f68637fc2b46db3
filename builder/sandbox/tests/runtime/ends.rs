//! How commands of a runtime end, and that nothing is left of them.

use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use sandbox::{Ended, ErrorKind, Ids, Isolation, Stdio, Tier, TierName, run_with};

use crate::Test;
use crate::scene::{Scene, pipe, runs};

pub(crate) const TESTS: &[Test] = &[
    ("codes", codes),
    ("missing_program", missing_program),
    ("no_runtime", no_runtime),
    ("left_behind", left_behind),
    ("stopped", stopped),
    ("timed_out", timed_out),
    ("worker_killed", worker_killed),
    ("processes", processes),
];

/// How long anything may take here.
const LONG: Duration = Duration::from_secs(20);

fn codes(mut scene: Scene) {
    assert_eq!(scene.sh("exit 0").ended, Ok(Ended::Code(0)));
    assert_eq!(scene.sh("exit 7").ended, Ok(Ended::Code(7)));
    assert_eq!(scene.sh("exit 127").ended, Ok(Ended::Code(127)));
    // The first process of a namespace gets none of its own signals.
    assert_eq!(
        scene.sh("sh -c 'kill -9 $$'; exit $?").ended,
        Ok(Ended::Code(137))
    );
    let gave = scene.sh("echo out; echo err >&2; false");
    assert_eq!(
        (gave.output.as_str(), gave.errors.as_str()),
        ("out\n", "err\n")
    );
    assert_eq!(gave.ended, Ok(Ended::Code(1)));
}

fn missing_program(mut scene: Scene) {
    for (arguments, code) in [
        (&["nothing"][..], 127),
        (&["/bin/nothing"], 127),
        (&["/etc"], 126),
    ] {
        let step = scene.command(arguments);
        let error = scene.go(&step, &[]).refused(ErrorKind::Command);
        let expected = format!("(exit code {code})");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

fn no_runtime(mut scene: Scene) {
    for program in ["/bin/true", "/bin/false", "/bin/nothing"] {
        scene.runtime = program.into();
        let error = scene.sh("true").refused(ErrorKind::System);
        assert!(error.to_string().contains(program), "{error}");
    }
}

fn left_behind(mut scene: Scene) {
    let word = format!("9871{}", scene.worker.id());
    let gave = scene.sh(&format!("setsid sleep {word} & sleep {word} & exit 5"));
    assert_eq!(gave.ended, Ok(Ended::Code(5)));
    assert!(!runs(&word));
    assert_eq!(fs_err::read_dir(scene.scratch()).unwrap().count(), 0);
}

/// Waits until something is so.
#[track_caller]
fn soon(is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG);
        thread::sleep(Duration::from_millis(5));
    }
}

fn stopped(mut scene: Scene) {
    let word = format!("9872{}", scene.worker.id());
    let (stop, end) = pipe();
    let step = scene.script(&format!("trap '' TERM; setsid sleep {word} & sleep {word}"));
    let (asked, scratch) = (word.clone(), scene.scratch());
    let watch = thread::spawn(move || {
        soon(|| runs(&asked));
        // Bundle and state are in memory that nobody else sees.
        assert_eq!(fs_err::read_dir(scratch).unwrap().count(), 0);
        drop(end);
    });
    assert_eq!(scene.go_until(&step, &[], stop).ended, Ok(Ended::Stopped));
    assert!(!runs(&word));
    watch.join().unwrap();
    assert_eq!(groups(&scene), Vec::<String>::new());
}

fn timed_out(mut scene: Scene) {
    let word = format!("9873{}", scene.worker.id());
    let mut step = scene.script(&format!("setsid sleep {word} & sleep {word}"));
    step.limits.milliseconds = Some(700);
    assert_eq!(scene.go(&step, &[]).ended, Ok(Ended::TimedOut));
    assert!(!runs(&word));
}

fn worker_killed(mut scene: Scene) {
    let word = format!("9874{}", scene.worker.id());
    let step = scene.script(&format!("setsid sleep {word} & sleep {word}"));
    let killer = scene.worker.killer();
    let asked = word.clone();
    let watch = thread::spawn(move || {
        soon(|| runs(&asked));
        killer.kill();
    });
    scene.go(&step, &[]).refused(ErrorKind::Broken);
    watch.join().unwrap();
    soon(|| !runs(&word));
    soon(|| groups(&scene).is_empty());
}

fn processes(mut scene: Scene) {
    let mut step = scene.script("n=0; while [ $n -lt 90 ]; do sleep 20 & n=$((n+1)); done");
    step.limits.processes = Some(20);
    let gave = scene.go(&step, &[]);
    match scene.tier {
        TierName::Root => assert!(gave.errors.contains("can't fork"), "{gave:?}"),
        _ => {
            let error = gave.refused(ErrorKind::Unsupported);
            assert!(error.hint().is_some(), "{error}");
        }
    }
}

/// Lists the control groups that the steps of a worker have left.
fn groups(scene: &Scene) -> Vec<String> {
    let own = format!("wharf-{}-", scene.worker.id());
    let mut all = vec![Path::new("/sys/fs/cgroup").to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = all.pop() {
        let entries = fs_err::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&own) {
                found.push(name);
            }
            all.push(entry.path());
        }
    }
    found
}

/// Tiers that no runtime can do are refused, whatever the runtime.
pub(crate) fn other_tiers() {
    let null = || File::options().write(true).open("/dev/null").unwrap();
    for (ids, isolation) in [
        (Ids::One, Isolation::Namespaces),
        (Ids::Real, Isolation::Chroot),
    ] {
        let tier = Tier { ids, isolation };
        let stdio = Stdio {
            output: null().into(),
            errors: null().into(),
            descriptors: Vec::new(),
            stop: pipe().0,
        };
        let step = crate::scene::step(Path::new("/nothing"), &["true"]);
        let error = run_with(Path::new("/bin/nothing"), &tier, &step, stdio).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.hint().is_some());
    }
}
