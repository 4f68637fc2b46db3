//! Commands that try to get out, to stay, or to take all there is.
//!
//! What a tier does not promise is not asked of it: one that is another root directory
//! and nothing else keeps no process apart.

use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::build::{base, shelves};
use crate::cage::Cage;
use crate::docker::Daemon;
use crate::run::places::{self, Place};
use crate::tool::Tool;

const NEEDS: &[&str] = &[
    "dockerd",
    "docker",
    "runc",
    "busybox",
    "mmdebstrap",
    "cc",
    "gzip",
    "setpriv",
    "newuidmap",
];

/// Longest that something may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Longest that a command may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What a file of the machine says that no build may read or change.
const CANARY: &str = "of the machine";

#[test]
fn nothing_gets_out() {
    let test = "run::escapes::nothing_gets_out";
    Cage::run(test, NEEDS, |cage, cases| {
        let daemon = Daemon::start(cage);
        let scene = Scene::make(cage);
        let mut all = places::of_machine(cage);
        all.extend(places::of_containers(cage, &daemon));
        for place in all.iter().filter(|place| place.runs()) {
            cases.run(&format!("{}: tricks", place.name), || tricks(&scene, place));
            // Slow, and the same in places that are alike.
            let alike = ["one number", "volume", "unconfined user"];
            if !alike.iter().any(|word| place.name.contains(word)) {
                cases.run(&format!("{}: links", place.name), || links(&scene, place));
            }
            cases.run(&format!("{}: left behind", place.name), || {
                left_behind(&scene, place);
            });
        }
    });
}

#[test]
fn nothing_takes_all() {
    let test = "run::escapes::nothing_takes_all";
    Cage::run(test, NEEDS, |cage, cases| {
        let scene = Scene::make(cage);
        for place in &places::of_machine(cage) {
            if place.tier != "chroot" {
                cases.run(&format!("{}: processes", place.name), || {
                    processes(&scene, place);
                });
            }
            cases.run(&format!("{}: time", place.name), || time(&scene, place));
            cases.run(&format!("{}: killed", place.name), || {
                ended(&scene, place, "KILL");
            });
            cases.run(&format!("{}: interrupted", place.name), || {
                ended(&scene, place, "INT");
            });
        }
        cases.run("a full disk", || full_disk(cage, &scene));
    });
}

/// A base, a context and what must stay as it is.
struct Scene<'a> {
    cage: &'a Cage,
    base: String,
    context: PathBuf,
    canary: PathBuf,
}

impl<'a> Scene<'a> {
    fn make(cage: &'a Cage) -> Self {
        let base = base::layout(cage, "shared/equipped", &base::equipped(cage));
        let context = cage.make("shared/context");
        shelves::fill(&context);
        Tool::from_line("chmod -R a+rX").run(&context.display().to_string());
        let canary = cage.make("shared/canary");
        for name in ["word", "a.txt"] {
            fs_err::write(canary.join(name), CANARY).expect("a writable directory");
        }
        // So that nothing but the sandbox keeps anybody from writing there.
        let line = format!("{0} {0}/word {0}/a.txt", canary.display());
        Tool::from_line("chmod a+rwX").run(&line);
        Self {
            cage,
            base,
            context,
            canary,
        }
    }

    /// Writes a Dockerfile, and returns the end of a command line that builds it.
    fn line(&self, name: &str, lines: &str) -> String {
        let file = self.cage.path(&format!("shared/{name}.Dockerfile"));
        let lines = lines.replace("CANARY", &self.canary.display().to_string());
        let text = format!("FROM {}\n{lines}", self.base);
        fs_err::write(&file, text).expect("a writable directory");
        format!("--file {} {}", file.display(), self.context.display())
    }

    /// Looks whether the machine's own files are as they were.
    fn is_whole(&self) {
        let mut names: Vec<_> = fs_err::read_dir(&self.canary)
            .expect("made above")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["a.txt", "word"], "the machine's own directory");
        for name in names {
            let text = fs_err::read_to_string(self.canary.join(name)).expect("made above");
            assert_eq!(text, CANARY);
        }
        let text = fs_err::read_to_string(self.context.join("a.txt")).expect("made above");
        assert_eq!(text, "a", "a file of the context");
    }
}

/// Each is a word, a line of shell that must fail, and whether a root directory alone may
/// let it pass.
const TRICKS: &[(&str, &str, bool)] = &[
    ("mount", "mount -t tmpfs none /srv", true),
    ("bind", "mount -o bind / /srv", true),
    ("remount", "mount -o remount,rw /sys", true),
    ("remount-proc", "mount -o remount,rw /proc/sys", true),
    ("umount", "umount /proc", true),
    ("proc", "mount -t proc none /srv/empty", true),
    ("mounts", "unshare -m true", true),
    ("users", "unshare -U true", true),
    ("hostname", "hostname other", true),
    (
        "kernel",
        "cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern",
        true,
    ),
    ("sysrq", "echo h > /proc/sysrq-trigger", true),
    (
        "kcore",
        "head -c 1 /proc/kcore > /got && test -s /got",
        true,
    ),
    (
        "sys",
        "touch /sys/kernel/uevent_helper && echo > /sys/kernel/uevent_helper",
        true,
    ),
    (
        "memory",
        "mknod /m c 1 1 && test $(head -c 1 /m | wc -c) = 1",
        true,
    ),
    (
        "messages",
        "mknod /k c 1 11 && test $(head -c 1 /k | wc -c) = 1",
        true,
    ),
    (
        "disk",
        "mknod /d b 7 0 && test $(head -c 1 /d | wc -c) = 1",
        true,
    ),
    ("root-of-1", "cat /proc/1/root/CANARY/word", true),
    ("directory-of-1", "cat /proc/1/cwd/CANARY/word", true),
    ("canary", "cat CANARY/word", false),
    ("dots", "cat /../../../../../../../../CANARY/word", false),
    ("chroot", "odd escape CANARY/word", true),
    ("init", "kill -9 1 && sleep 1 && ! kill -0 1", true),
    ("clock", "date -s 2001-01-01; test $(date +%Y) = 2001", true),
    ("module", "insmod /etc/motd", true),
    ("swap", "swapoff -a && test -s /proc/swaps && false", true),
];

fn tricks(scene: &Scene<'_>, place: &Place) {
    let mut lines = String::from("RUN ");
    let is_weak = place.tier == "chroot";
    let asked = TRICKS.iter().filter(|(_, _, weak)| !is_weak || !weak);
    for (name, trick, _) in asked {
        lines.push_str(&format!(
            "({trick}) > /dev/null 2>&1 && echo got-{name} >> /got-all; \\\n  "
        ));
    }
    lines.push_str("touch /got-all; sed s/got/has/ /got-all; test ! -s /got-all\n");
    let came = place.says(&scene.line("tricks", &lines));
    println!("{}", came.said);
    scene.is_whole();
}

/// Links that earlier steps left where wharf itself writes, mounts or looks later.
const LINKS: &[&str] = &[
    // COPY behind what a command made.
    "RUN ln -s CANARY /x && ln -s ../../../../../../../CANARY /y && ln -s /proc/1/root/CANARY /z\n\
     COPY a.txt /x/\nCOPY a.txt /y/word\nCOPY dir /z/dir\nWORKDIR /x/made\n",
    "RUN ln -s CANARY/word /x\nCOPY a.txt /x\nADD b.txt /x\n",
    "RUN mkdir /x && ln -s x /y && mv /x /z && ln -s CANARY /x\nCOPY dir /y\nRUN echo f > /y/f\n",
    "RUN ln /etc/motd /x\nCOPY a.txt /x\nRUN grep -q welcome /etc/motd\n",
    // What wharf mounts, and where.
    "RUN rm -r /dev && ln -s CANARY /dev\nRUN true\n",
    "RUN rm -r /sys && ln -s CANARY /sys\nRUN true\n",
    "RUN mv /etc /etc2 && ln -s CANARY /etc\nRUN true\n",
    "RUN rm -f /etc/resolv.conf /etc/hosts; ln -s CANARY/word /etc/resolv.conf; \
     ln -s CANARY/a.txt /etc/hosts; true\nRUN echo x >> /etc/hosts; true\nRUN true\n",
    "RUN ln -s CANARY /m\nRUN --mount=type=tmpfs,target=/m/t touch /m/t/f\n",
    "RUN ln -s CANARY /m\nRUN --mount=type=bind,source=dir,target=/m true\n",
    "RUN ln -s ../../../../../../CANARY /m\nRUN --mount=type=cache,target=/m/c touch /m/c/f\n",
    "RUN --mount=type=cache,id=trap,target=/srv/empty ln -s CANARY /srv/empty/l\n\
     RUN --mount=type=cache,id=trap,source=l,target=/srv/set touch /srv/set/f; true\n",
    "RUN --mount=type=bind,target=/srv/empty,rw echo changed > /srv/empty/a.txt\n",
    "RUN --mount=type=bind,source=link-to-a,target=/srv/file,rw echo changed > /srv/file\n",
    "RUN --mount=type=bind,source=dir/absolute,target=/srv/file cat /srv/file\n",
    "RUN mkdir -p /run/secrets && rm -r /run/secrets && ln -s CANARY /run/secrets\nRUN true\n",
    // A stage as a source.
    "RUN ln -s CANARY /c && ln -s /proc/1/root /r && ln -s ../../../../../.. /u\n\
     FROM scratch\nCOPY --from=0 /c/word /w\n",
    "RUN ln -s /proc/1/root /r\nFROM scratch\nCOPY --from=0 /rCANARY/word /w\n",
];

fn links(scene: &Scene<'_>, place: &Place) {
    for (number, lines) in LINKS.iter().enumerate() {
        let line = scene.line(&format!("links-{number}"), lines);
        let archive = scene.cage.path(&format!("shared/links/{number}.tar"));
        let parent = archive.parent().expect("it has one");
        fs_err::create_dir_all(parent).expect("a writable directory");
        Tool::from_line("chmod 0777").run(&parent.display().to_string());
        // Whether it builds or says why not is its own matter.
        let came = place.wharf(&format!(
            "build {} --output type=docker,dest={} --tag x:1 {line}",
            place.flags,
            archive.display()
        ));
        let code = came.output.status.code();
        assert!(
            code.is_some_and(|code| code < 100) && !came.said.contains("panicked"),
            "{code:?} {lines}:\n{}",
            came.said
        );
        scene.is_whole();
        if archive.exists() {
            let bytes = fs_err::read(&archive).expect("it was written");
            let has = |bytes: &[u8]| {
                let mut windows = bytes.windows(CANARY.len());
                windows.any(|window| window == CANARY.as_bytes())
            };
            assert!(
                !has(&bytes),
                "a file of the machine is in the image: {lines}"
            );
            fs_err::remove_file(archive).expect("it was written");
        }
    }
}

fn left_behind(scene: &Scene<'_>, place: &Place) {
    let before = mounts();
    let lines = "RUN (setsid sleep 4711 > /dev/null 2>&1 &); \
                 (sleep 4711 > /dev/null 2>&1 < /dev/null &); sh -c 'sleep 4711 & sleep 4711 &'; \
                 (trap '' TERM INT HUP; sleep 4711 &) ; echo done\n";
    let start = Instant::now();
    place.builds(&scene.line("behind", &format!("ARG T={:?}\n{lines}", Instant::now())));
    assert!(start.elapsed() < START_LIMIT, "it waited for them");
    gone("sleep\x004711", &before);
}

fn processes(scene: &Scene<'_>, place: &Place) {
    let before = mounts();
    // The shell ends when it can not fork.
    let lines = "RUN i=0; while [ $i -lt 400 ]; do sleep 4712 & i=$((i + 1)); done; echo all\n";
    let said = place.refuses(&format!("--pids-limit 100 {}", scene.line("bomb", lines)));
    assert!(said.contains("fork"), "{said}");
    gone("sleep\x004712", &before);
    let lines = "RUN i=0; while [ $i -lt 40 ]; do sleep 0.2 & i=$((i + 1)); done; wait\n";
    place.builds(&format!("--pids-limit 100 {}", scene.line("few", lines)));
}

fn time(scene: &Scene<'_>, place: &Place) {
    let before = mounts();
    let start = Instant::now();
    let lines = "RUN (trap '' TERM; sleep 4713 & sleep 4713)\n";
    let said = place.refuses(&format!("--run-timeout 2s {}", scene.line("slow", lines)));
    assert!(start.elapsed() < START_LIMIT, "it was not ended");
    assert!(said.contains("took longer"), "{said}");
    gone("sleep\x004713", &before);
}

/// Ends wharf in the middle of a command by a signal.
fn ended(scene: &Scene<'_>, place: &Place, signal: &str) {
    let _cleaner = Cleaner;
    let before = mounts();
    let line = scene.line("long", "RUN echo f > /f\nRUN (sleep 4714 &); sleep 4714\n");
    let mut command = place.command(&format!("build {} {line}", place.flags));
    let log = scene.cage.path("ended.log");
    let file = fs_err::File::create(&log).expect("a writable directory");
    let file = file.into_file();
    command
        .stdout(file.try_clone().expect("an open file"))
        .stderr(file);
    let mut child: Child = command.spawn().expect("`timeout` was found before");
    let start = Instant::now();
    while found("sleep\x004714").is_empty() {
        let over = child.try_wait().expect("our own child").is_some();
        let said = || fs_err::read_to_string(&log).unwrap_or_default();
        assert!(
            !over && start.elapsed() < START_LIMIT,
            "it did not run:\n{}",
            said()
        );
        sleep(Duration::from_millis(20));
    }
    let wharf = found("shared/wharf\0build");
    let wharf: Vec<_> = wharf
        .into_iter()
        .filter(|(_, line)| !line.contains("timeout"))
        .collect();
    let (number, _) = wharf.first().expect("it runs");
    Tool::from_line(&format!("kill -{signal}")).run(&number.to_string());
    let start = Instant::now();
    while child.try_wait().expect("our own child").is_none() {
        assert!(start.elapsed() < END_LIMIT, "it does not end of a signal");
        sleep(Duration::from_millis(20));
    }
    gone("sleep\x004714", &before);
    gone("shared/wharf\0", &before);
    // What was killed is in nobody's way.
    place.builds(&scene.line("after", "RUN echo f > /f\nRUN test -e /f\n"));
}

/// Ends what a failed case left, so that the next is not blamed for it.
struct Cleaner;

impl Drop for Cleaner {
    fn drop(&mut self) {
        for (number, _) in found("shared/wharf\0")
            .into_iter()
            .chain(found("sleep\x004714"))
        {
            Tool::from_line("kill -KILL").succeeds(&number.to_string());
        }
    }
}

/// Fills the disk on which the library is.
fn full_disk(cage: &Cage, scene: &Scene<'_>) {
    let place = &places::of_machine(cage)[0];
    let home = place.home();
    fs_err::create_dir_all(home).expect("a writable directory");
    Tool::from_line("mount -t tmpfs -o size=48m tmpfs").run(home);
    let before = mounts();
    place.builds(&scene.line("fits", "RUN echo f > /f\n"));
    let line = scene.line("full", "RUN dd if=/dev/zero of=/large bs=1M count=400\n");
    let said = place.refuses(&line);
    assert!(said.contains("No space left"), "{said}");
    place.builds(&scene.line("fits-again", "RUN echo g > /g\n"));
    gone("shared/wharf\0", &before);
    Tool::from_line("umount").run(home);
}

/// Waits until no process is there whose command line contains the words, and looks
/// whether every mount is gone.
fn gone(words: &str, before: &[String]) {
    let start = Instant::now();
    while !found(words).is_empty() {
        assert!(
            start.elapsed() < END_LIMIT,
            "left behind: {:?}",
            found(words)
        );
        sleep(Duration::from_millis(20));
    }
    let now = mounts();
    let new: Vec<_> = now.iter().filter(|mount| !before.contains(mount)).collect();
    assert!(new.is_empty(), "left behind: {new:?}");
}

/// Lists the processes whose command line contains the words; they are joined by NUL.
fn found(words: &str) -> Vec<(u32, String)> {
    let all = fs_err::read_dir("/proc")
        .expect("the cage has it")
        .flatten();
    let of = |entry: fs_err::DirEntry| {
        let number = entry.file_name().to_string_lossy().parse::<u32>().ok()?;
        let line = fs_err::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(words).then_some((number, line))
    };
    all.filter_map(of).collect()
}

/// Lists the mounts of this test.
fn mounts() -> Vec<String> {
    let text = fs_err::read_to_string("/proc/self/mountinfo").expect("the cage has it");
    let point = |line: &str| line.split(' ').nth(4).unwrap_or_default().to_owned();
    text.lines().map(point).collect()
}
