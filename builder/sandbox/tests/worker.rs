//! Workers in every tier that this machine allows. The program starts itself
//! again, so that it has a main function of its own.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that can not run says so, and the probe by hand is for reading"
)]

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use sandbox::{
    Channel, Error, ErrorKind, Ids, Isolation, Launch, Probe, Tier, TierName, Worker, dispatch,
};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = dispatch(&arguments, |channel, tier| serve(channel, &tier)) {
        return code;
    }
    // By hand: `probe DIRECTORY` prints what is found.
    let word = |at: usize| arguments.get(at).and_then(|word| word.to_str());
    match (word(1), word(2)) {
        (Some("probe"), directory) => return print_probe(Path::new(directory.unwrap_or("/tmp"))),
        (Some("__parent"), Some(tier)) => return be_parent(tier),
        _ => {}
    }
    let tests = vec![
        Trial::test("a_worker_answers_in_every_tier", every_tier),
        Trial::test("a_worker_is_apart_from_who_started_it", apart),
        Trial::test("a_worker_ends_with_its_parent", ends_with_parent),
        Trial::test("a_worker_that_is_dropped_is_dead", dropped),
        Trial::test("a_worker_that_is_killed_closes_its_channel", killed),
        Trial::test("a_worker_that_fails_is_no_clean_end", fails),
        Trial::test("a_worker_that_can_not_start_says_why", not_started),
        Trial::test("a_worker_by_hand_is_refused", by_hand),
        Trial::test("a_thread_that_ends_leaves_its_worker", thread_ends),
        Trial::test("the_probe_is_quick_and_leaves_nothing", quick),
        Trial::test("the_probe_finds_what_works", finds),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

/// Answers one word each.
fn serve(mut channel: Channel, tier: &Tier) -> Result<(), Error> {
    while let Some((message, descriptors)) = channel.receive()? {
        let answer = match message.as_slice() {
            b"tier" => tier.name().to_string(),
            b"facts" => facts(),
            b"files" => files(),
            b"own" => own(),
            b"mounts" => mounts(),
            b"fail" => return Err(Error::new(ErrorKind::Broken, "as it was told")),
            b"hang" => loop {
                std::thread::park();
            },
            b"descriptor" => {
                let kept: Vec<_> = descriptors.iter().map(|one| one.as_fd()).collect();
                channel.send(b"descriptor", &kept)?;
                continue;
            }
            _ => "what?".to_owned(),
        };
        channel.send(answer.as_bytes(), &[])?;
    }
    Ok(())
}

/// Everything about the process that its start decides, a line each.
fn facts() -> String {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| {
        let found = status.lines().find(|line| line.starts_with(name));
        found
            .unwrap_or_default()
            .replace('\t', " ")
            .trim()
            .to_owned()
    };
    let names = ["Uid:", "Gid:", "Groups:", "Umask:", "CapEff:", "Threads:"];
    let mut lines: Vec<String> = names.map(line).into();
    let id = std::process::id();
    let session = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let session = session.rsplit(") ").next().unwrap_or_default();
    let fields: Vec<&str> = session.split(' ').collect();
    lines.push(format!(
        "Leads: {}",
        fields.get(3) == Some(&id.to_string().as_str())
    ));
    let variables = fs_err::read("/proc/self/environ").unwrap();
    lines.push(format!("Variables: {}", variables.len()));
    lines.join("\n")
}

/// What is open, but for the listing itself.
fn files() -> String {
    let entries = fs_err::read_dir("/proc/self/fd").unwrap();
    let mut lines: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let target = fs_err::read_link(entry.path()).ok()?;
            let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
            let info = fs_err::read_to_string(info).ok()?;
            let flags = info.lines().find(|line| line.starts_with("flags:"))?;
            let flags = u32::from_str_radix(flags.split_whitespace().nth(1)?, 8).ok()?;
            let kept = if flags & 0o2_000_000 == 0 {
                "kept"
            } else {
                "closed"
            };
            Some(format!(
                "{} {kept} {}",
                entry.file_name().display(),
                target.display()
            ))
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

fn own() -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    fs_err::write(&path, "").unwrap();
    match std::os::unix::fs::chown(&path, Some(33), Some(34)) {
        Ok(()) => {
            let found = fs_err::metadata(&path).unwrap();
            format!("{}:{}", found.uid(), found.gid())
        }
        Err(source) => source.kind().to_string(),
    }
}

/// Mounts something, and says whether it is there.
fn mounts() -> String {
    let directory = tempfile::tempdir().unwrap();
    let flags = rustix::mount::MountFlags::empty();
    let mounted = rustix::mount::mount("tmpfs", directory.path(), "tmpfs", flags, None);
    let table = fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    let there = table.contains(directory.path().to_str().unwrap());
    if mounted.is_ok() {
        rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::DETACH).unwrap();
    }
    format!("{} {there}", mounted.is_ok())
}

fn launch() -> Launch {
    Launch {
        program: "/proc/self/exe".into(),
    }
}

fn probe() -> &'static Probe {
    static PROBE: OnceLock<Probe> = OnceLock::new();
    PROBE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        Probe::run(&launch(), directory.path())
    })
}

fn ask(worker: &mut Worker, question: &str) -> String {
    worker.channel().send(question.as_bytes(), &[]).unwrap();
    let (answer, _) = worker.channel().receive().unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

fn print_probe(directory: &Path) -> ExitCode {
    let start = std::time::Instant::now();
    let probe = Probe::run(&launch(), directory);
    let took = start.elapsed();
    let start = std::time::Instant::now();
    let first = Probe::first(&launch(), directory, &TierName::ALL);
    println!(
        "first: {} tiers in {} us",
        first.tiers.len(),
        start.elapsed().as_micros()
    );
    for finding in &probe.findings {
        match &finding.refusal {
            None => println!("{} {}: yes", finding.tier, finding.check),
            Some(error) => {
                let hint = error.hint().unwrap_or("-");
                println!("{} {}: {error} (hint: {hint})", finding.tier, finding.check);
            }
        }
    }
    for (name, facts) in &probe.facts {
        let overlay = match &facts.overlay {
            Ok(marks) => format!("{marks:?}"),
            Err(error) => error.to_string(),
        };
        println!(
            "= {name}: overlay {overlay}, proc {:?}, sys {:?}",
            facts.proc, facts.sys
        );
    }
    for name in [
        TierName::Root,
        TierName::Mapped,
        TierName::One,
        TierName::Chroot,
    ] {
        if let Err(error) = probe.tier(name) {
            println!("- {name}: {error}");
        }
    }
    match probe.best() {
        Ok(tier) => println!("best: {} {:?}", tier.name(), tier.ids),
        Err(error) => println!("best: {error}\n  hint: {}", error.hint().unwrap_or("-")),
    }
    println!(
        "took {} ms, json {}",
        took.as_millis(),
        serde_json::to_string(&probe).unwrap().len()
    );
    for tier in &probe.tiers {
        let start = std::time::Instant::now();
        match Worker::start(&launch(), tier) {
            Ok(mut worker) => {
                let own = ask(&mut worker, "own");
                let took = start.elapsed().as_micros();
                println!("worker {}: own {own}, {took} us", tier.name());
            }
            Err(error) => println!("worker {}: {error}", tier.name()),
        }
    }
    ExitCode::SUCCESS
}

fn every_tier() -> Result<(), Failed> {
    if probe().tiers.is_empty() {
        eprintln!("skipped: no tier works here");
    }
    for tier in &probe().tiers {
        let name = tier.name();
        let mut worker = Worker::start(&launch(), tier)?;
        assert_eq!(ask(&mut worker, "tier"), name.to_string());
        let facts = ask(&mut worker, "facts");
        let has = |line: &str| assert!(facts.lines().any(|one| one == line), "{name} {facts}");
        has("Uid: 0 0 0 0");
        has("Gid: 0 0 0 0");
        has("Umask: 0022");
        has("Threads: 1");
        has("Leads: true");
        has("Variables: 0");
        if matches!(tier.ids, Ids::Mapped { .. }) {
            has("Groups:");
        }
        let owner = ask(&mut worker, "own");
        match tier.ids {
            Ids::One => assert_ne!(owner, "33:34", "{name}"),
            Ids::Real | Ids::Mapped { .. } => assert_eq!(owner, "33:34", "{name}"),
        }
        if tier.isolation == Isolation::Namespaces {
            assert_eq!(ask(&mut worker, "mounts"), "true true", "{name}");
        }
        // It can start itself again.
        let file = tempfile::tempfile()?;
        worker.channel().send(b"descriptor", &[file.as_fd()])?;
        let (_, descriptors) = worker.channel().receive()?.ok_or("ended")?;
        assert_eq!(descriptors.len(), 1);
        worker.finish()?;
    }
    Ok(())
}

fn apart() -> Result<(), Failed> {
    // Something that this program has open by accident, and passes on.
    let kept = fs_err::File::open("/proc/self/status")?;
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty())?;
    let Some(tier) = probe().tiers.first() else {
        eprintln!("skipped: no tier works here");
        return Ok(());
    };
    let mut worker = Worker::start(&launch(), tier)?;
    let files = ask(&mut worker, "files");
    let lines: Vec<&str> = files.lines().collect();
    assert!(lines.contains(&"0 kept /dev/null"), "{files}");
    assert!(lines.contains(&"1 kept /dev/null"), "{files}");
    let kept = lines.iter().filter(|line| line.contains(" kept "));
    // The third is the error output.
    assert_eq!(kept.count(), 3, "{files}");
    assert!(files.contains("/status"), "it was not passed on: {files}");
    worker.finish()?;
    Ok(())
}

/// Whether a process is there, and no zombie.
fn lives(id: u32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

/// Waits until a process has ended, which nobody tells.
fn ends(id: u32) -> bool {
    let start = std::time::Instant::now();
    while lives(id) {
        if start.elapsed().as_secs() > 10 {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn ends_with_parent() -> Result<(), Failed> {
    for tier in &probe().tiers {
        // A parent that only starts a worker, tells its number and hangs.
        let name = tier.name().to_string();
        let json = serde_json::to_string(tier)?;
        let mut parent = Command::new("/proc/self/exe")
            .args(["__parent", &json])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let output = parent.stdout.take().ok_or("no output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        let worker: u32 = line.trim().parse()?;
        assert!(lives(worker), "{name}");
        parent.kill()?;
        parent.wait()?;
        assert!(ends(worker), "{name}: the worker outlives its parent");
    }
    Ok(())
}

/// Starts a worker, tells its number and waits to be killed.
fn be_parent(tier: &str) -> ExitCode {
    let tier: Tier = serde_json::from_str(tier).unwrap();
    let mut worker = Worker::start(&launch(), &tier).unwrap();
    worker.channel().send(b"hang", &[]).unwrap();
    println!("{}", worker.id());
    loop {
        std::thread::park();
    }
}

fn dropped() -> Result<(), Failed> {
    for tier in &probe().tiers {
        let mut worker = Worker::start(&launch(), tier)?;
        let id = worker.id();
        worker.channel().send(b"hang", &[])?;
        drop(worker);
        assert!(
            !Path::new(&format!("/proc/{id}")).exists(),
            "{}",
            tier.name()
        );
    }
    Ok(())
}

fn killed() -> Result<(), Failed> {
    for tier in &probe().tiers {
        let mut worker = Worker::start(&launch(), tier)?;
        worker.channel().send(b"hang", &[])?;
        let killer = worker.killer();
        let thread = std::thread::spawn(move || killer.kill());
        assert!(worker.channel().receive()?.is_none());
        thread.join().unwrap();
        let error = worker.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken);
        assert!(error.to_string().contains("signal"), "{error}");
    }
    Ok(())
}

fn fails() -> Result<(), Failed> {
    for tier in &probe().tiers {
        let mut worker = Worker::start(&launch(), tier)?;
        worker.channel().send(b"fail", &[])?;
        assert!(worker.channel().receive()?.is_none());
        let error = worker.finish().unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
    }
    Ok(())
}

fn not_started() -> Result<(), Failed> {
    let missing = Launch {
        program: "/not/there".into(),
    };
    let chroot = Tier {
        ids: Ids::Real,
        isolation: Isolation::Chroot,
    };
    let error = Worker::start(&missing, &chroot).unwrap_err();
    assert_eq!(error.code(), Some(2), "{error}");
    assert!(error.to_string().contains("/not/there"), "{error}");
    // A program that is no worker.
    let other = Launch {
        program: "/bin/true".into(),
    };
    let error = Worker::start(&other, &chroot).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Broken, "{error}");
    // Numbers that nobody may have.
    let range = sandbox::IdRange {
        inside: 5,
        outside: 4_000_000_000,
        count: 1,
    };
    let tier = Tier {
        ids: Ids::Mapped {
            users: vec![range, range],
            groups: vec![range],
        },
        isolation: Isolation::Namespaces,
    };
    let error = Worker::start(&launch(), &tier).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Denied | ErrorKind::Unsupported),
        "{error}"
    );
    Ok(())
}

fn by_hand() -> Result<(), Failed> {
    for words in [
        &["__worker", "serve"][..],
        &["__worker", "probe"],
        &["__worker"],
        &["__worker", "x"],
    ] {
        let output = Command::new("/proc/self/exe")
            .args(words)
            .stdin(Stdio::null())
            .output()?;
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let text = String::from_utf8(output.stderr)?;
        assert!(text.starts_with("error: `__worker` is"), "{text}");
    }
    Ok(())
}

/// The kernel's signal for the death of a parent is that of its thread.
fn thread_ends() -> Result<(), Failed> {
    for tier in &probe().tiers {
        let tier = tier.clone();
        let name = tier.name().to_string();
        let started = std::thread::spawn(move || Worker::start(&launch(), &tier));
        let mut worker = started.join().unwrap()?;
        for _ in 0..100 {
            assert_eq!(ask(&mut worker, "tier"), name);
        }
        worker.finish()?;
    }
    Ok(())
}

fn quick() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let below = directory.path().join("not/there/yet");
    let start = std::time::Instant::now();
    let probe = Probe::run(&launch(), &below);
    let took = start.elapsed();
    eprintln!(
        "{} findings in {} ms",
        probe.findings.len(),
        took.as_millis()
    );
    assert_eq!(fs_err::read_dir(directory.path())?.count(), 0);
    assert_eq!(probe.facts.len(), probe.tiers.len());
    assert_eq!(probe.tiers.len() + probe.refusals.len(), 4);
    Ok(())
}

fn finds() -> Result<(), Failed> {
    let probe = probe();
    let directory = tempfile::tempdir()?;
    let first = Probe::first(&launch(), directory.path(), &TierName::ALL);
    assert_eq!(first.tiers.first(), probe.tiers.first());
    assert!(first.tiers.len() <= 1);
    let names: Vec<TierName> = probe.tiers.iter().map(Tier::name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(names, sorted);
    match names.first() {
        Some(best) => assert_eq!(probe.best()?.name(), *best),
        None => {
            let error = probe.best().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Denied);
            assert!(error.hint().is_some(), "{error}");
        }
    }
    for name in TierName::ALL {
        assert_eq!(probe.tier(name).is_ok(), names.contains(&name), "{name}");
    }
    assert_eq!(
        probe.tier(TierName::None).unwrap_err().kind(),
        ErrorKind::Denied
    );
    Ok(())
}
