//! `RUN` in `wharf build`, and what is about it: `doctor`, `df` and `prune`.
//! What runs commands skips where this machine allows none, or has no static
//! busybox to be their base.

use serde_json::Value;

use crate::harness::{Ended, Home, text};

/// A program that needs nothing but itself, and is all of a base.
const BUSYBOX: &str = "/bin/busybox";

/// Makes a home with a context whose base has a shell; none where commands
/// can not be run.
pub(crate) fn furnished(commands: &str) -> Option<Home> {
    let home = Home::new();
    let works = home.wharf(&["doctor", "-q"]).code == Some(0);
    let program = fs_err::read(BUSYBOX).unwrap_or_default();
    if !works || !is_static(&program) {
        skip("commands can not be run here, or there is no static busybox");
        return None;
    }
    home.write(
        "c/Dockerfile",
        &format!("FROM scratch\nCOPY sh /bin/\n{commands}"),
    );
    fs_err::copy(BUSYBOX, home.path("c/sh")).expect("copied");
    Some(home)
}

/// Says whether a program needs no other to start it: whether its headers name
/// no interpreter (ELF-64, `PT_INTERP`).
fn is_static(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, length: usize| {
        let bytes = program.get(at..at + length)?;
        let number = bytes.iter().rev();
        Some(number.fold(0_usize, |number, byte| number << 8 | usize::from(*byte)))
    };
    let kinds = || {
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count)
            .map(|at| number(start + at * size, 4))
            .collect::<Option<Vec<_>>>()
    };
    program.starts_with(b"\x7fELF")
        && kinds().is_some_and(|kinds| !kinds.contains(&(INTERPRETER as usize)))
}

/// Says that a test skips, where it may.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "whoever runs the tests says so, and is told"
)]
fn skip(reason: &str) {
    let may_skip = std::env::var_os("WHARF_MUST_NOT_SKIP").is_none_or(|set| set != *"1");
    assert!(
        may_skip,
        "skipped, though WHARF_MUST_NOT_SKIP is set: {reason}"
    );
    eprintln!("skipped: {reason}");
}

fn build(home: &Home, flags: &[&str]) -> Ended {
    home.wharf(&[&["build"], flags, &["c"]].concat())
}

#[test]
fn what_commands_say_stands_between_the_steps() {
    let Some(home) =
        furnished("RUN echo 'error: x'; printf '\\033[31mred\\033[0m\\n'; echo y > /y\n")
    else {
        return;
    };
    let built = build(&home, &[]);
    let digest = built.ok().to_owned();
    let talk = built.talk();
    assert!(talk.contains("\n      sandbox `"), "{talk}");
    assert!(
        talk.contains("\n#3 | error: x\n#3 | red\n#3 packed layer "),
        "{talk}"
    );
    // Nothing is run again, and nothing is said in its place.
    let again = build(&home, &[]);
    assert_eq!(again.ok(), digest);
    assert!(!again.stderr.contains("sandbox `"), "{}", again.stderr);
    assert!(!again.stderr.contains("| red"), "{}", again.stderr);
    let quiet = build(&home, &["-q", "--no-cache"]);
    assert_eq!((quiet.ok(), quiet.stderr.as_str()), (digest.as_str(), ""));
}

#[test]
fn a_command_that_fails_is_told_with_its_last_words() {
    let Some(home) = furnished("RUN echo 'hint: no'; exit 3\n") else {
        return;
    };
    assert_eq!(
        build(&home, &["-q"]).failed(7),
        "\
error: the command failed with code 3
 --> Dockerfile:3:1
  |
3 | RUN echo 'hint: no'; exit 3
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
caused by: its last words were:
      | hint: no
"
    );
}

#[test]
fn a_command_has_as_much_time_as_it_gets() {
    let Some(home) = furnished("RUN while :; do :; done\n") else {
        return;
    };
    let built = build(&home, &["-q", "--run-timeout", "300ms"]);
    let said = built.failed(7);
    assert!(
        said.starts_with("error: the command took longer than 300ms, and was killed"),
        "{said}"
    );
}

#[test]
fn a_secret_is_for_the_command_alone() {
    let run = "RUN --mount=type=secret,id=token,env=TOKEN,required echo \"it is $TOKEN\"; [ ${#TOKEN} = 11 ] && echo y > /y\n";
    let Some(home) = furnished(run) else {
        return;
    };
    home.write("token", "s3cret-word");
    let built = build(&home, &["--secret", "id=token,src=token", "-o", "out"]);
    built.ok();
    assert!(
        built.stderr.contains("#3 | it is ***\n"),
        "{}",
        built.stderr
    );
    assert!(!built.stderr.contains("s3cret-word"), "{}", built.stderr);
    assert_eq!(fs_err::read(home.path("out/y")).expect("made"), b"y\n");
    let lacking = build(&home, &["-q", "--no-cache"]);
    let said = lacking.stderr;
    assert!(
        said.starts_with("error: there is no secret `token`\n"),
        "{said}"
    );
    assert!(said.contains("hint: give it with `--secret "), "{said}");
}

#[test]
fn what_is_given_for_commands_has_to_be_there() {
    let home = Home::new();
    home.write("c/Dockerfile", "FROM scratch\n");
    home.write("key", "not a key");
    for (flags, code, expected) in [
        (
            ["--secret", "id=token,src=no/file"],
            3,
            "error: can not take the secret `token`\ncaused by: there is no file `no/file`\n",
        ),
        (
            ["--secret", "id=token,env=NO_SUCH"],
            3,
            "error: can not take the secret `token`\ncaused by: the environment has no variable `NO_SUCH`\n",
        ),
        (
            ["--ssh", "default"],
            3,
            "error: there is no SSH agent: `SSH_AUTH_SOCK` is not set\n",
        ),
        (
            ["--ssh", "default=key"],
            2,
            "error: `key` is not the socket of an SSH agent\nhint: keys are never read: ",
        ),
        (
            ["--oci-runtime", "no-such-runtime"],
            3,
            "error: there is no program `no-such-runtime` in `PATH`\n",
        ),
    ] {
        let built = build(&home, &flags);
        let said = built.failed(code);
        assert!(said.starts_with(expected), "{flags:?}: {said}");
    }
    for flags in [
        ["--network", "bridge"],
        ["--sandbox", "best"],
        ["--allow", "all"],
        ["--ulimit", "nofile"],
        ["--pids-limit", "0"],
        ["--run-timeout", "5"],
        ["--add-host", "db"],
    ] {
        build(&home, &flags).failed(2);
    }
}

#[test]
fn without_a_sandbox_nothing_is_run() {
    let Some(mut home) = furnished("RUN :\n") else {
        return;
    };
    let flag = build(&home, &["-q", "--sandbox", "none"]);
    let said = flag.failed(8).to_owned();
    assert!(said.contains("3 | RUN :"), "{said}");
    home.set("WHARF_SANDBOX", "none");
    assert_eq!(build(&home, &["-q"]).failed(8), said);
    // The flag counts before the environment.
    build(&home, &["-q", "--sandbox", "auto"]).ok();
    home.write("c/Dockerfile", "FROM scratch\nCOPY sh /bin/\n");
    build(&home, &["-q"]).ok();
}

#[test]
fn a_second_build_shows_what_is_not_the_same() {
    let Some(home) = furnished("RUN echo same > /same\n") else {
        return;
    };
    let same = build(&home, &["--verify"]);
    same.ok();
    let said = "\nbuilt twice, and to the same: 2 steps compared\n";
    assert!(same.stderr.contains(said), "{}", same.stderr);

    let random = "RUN read u < /proc/sys/kernel/random/uuid; echo $u > /id; echo same > /same\n";
    home.write(
        "c/Dockerfile",
        &format!("FROM scratch\nCOPY sh /bin/\n{random}"),
    );
    let output = "type=tar,dest=out.tar";
    let different = build(&home, &["-q", "-t", "x:1", "--verify", "-o", output]);
    let said = different.failed(9);
    assert!(said.contains(" --> Dockerfile:3:1\n"), "{said}");
    assert!(
        said.contains("\n      /id: other content of the same size\nerror: a second build came to something else in 1 of 2 steps\nhint: "),
        "{said}"
    );
    assert!(!home.path("out.tar").exists());
    assert!(home.wharf(&["list"]).ok().contains("/x:1 "));
}

#[test]
fn what_is_not_the_same_leaves_no_cache() {
    let run = |command: &str| {
        format!("FROM scratch\nCOPY sh /bin/\nRUN --mount=type=cache,target=/k {command}\n")
    };
    let Some(home) = furnished("") else {
        return;
    };
    let random = "echo kept > /k/a; read u < /proc/sys/kernel/random/uuid; echo $u > /id";
    home.write("c/Dockerfile", &run(random));
    let flags = [
        "--verify",
        "--cache-to=type=local,dest=steps,mode=max",
        "--cache-mount-to=type=local,dest=mounts",
    ];
    let different = build(&home, &flags);
    let said = different.failed(9);
    assert!(
        said.contains("neither pushed nor written elsewhere\n"),
        "{said}"
    );
    assert!(!said.contains("cache `steps"), "{said}");
    assert!(!home.path("steps").exists());
    assert!(!home.path("mounts").exists());

    home.write("c/Dockerfile", &run("echo kept > /k/a; echo same > /id"));
    let same = build(&home, &flags);
    same.ok();
    let (compared, written) = same
        .stderr
        .split_once("\nbuilt twice, and to the same: 2 steps compared\n")
        .expect("compared");
    assert!(!compared.contains("cache `steps"), "{compared}");
    assert!(
        written.starts_with("cache `steps:latest`: 2 steps, ")
            && written.contains("\ncache mount `/k` of linux/"),
        "{written}"
    );
    assert!(home.path("steps/index.json").exists());
    assert!(home.path("mounts/index.json").exists());
}

#[test]
fn what_builds_keep_is_counted_and_taken_away() {
    let cache = "RUN --mount=type=cache,target=/c echo 12345 > /c/x; echo y > /y\n";
    let Some(home) = furnished(cache) else {
        return;
    };
    let used = || -> Value {
        let told = home.wharf(&["df", "--json"]);
        serde_json::from_str(told.ok()).expect("JSON")
    };
    let numbers = |used: &Value| {
        let number = |what: &str| used[what]["count"].as_u64().expect("a number");
        (number("layers"), number("caches"))
    };
    assert_eq!(numbers(&used()), (0, 0));
    let nothing = home.wharf(&["prune"]);
    assert_eq!(
        (nothing.ok(), nothing.stderr.as_str()),
        ("", "nothing to take away\n")
    );

    build(&home, &["-q"]).ok();
    let full = used();
    assert_eq!(numbers(&full), (2, 1));
    assert_eq!(
        full["directory"],
        text(&home.path(".local/share/wharf/run"))
    );
    assert_eq!(full["layers"]["inUse"], 0);
    let program = fs_err::metadata(BUSYBOX).expect("there").len();
    assert!(full["layers"]["bytes"].as_u64() > Some(program), "{full}");
    assert!(full["caches"]["bytes"].as_u64() >= Some(6), "{full}");

    let pruned = home.wharf(&["prune"]);
    assert_eq!(pruned.ok(), "");
    assert!(
        pruned.stderr.starts_with("took away 2 layers: "),
        "{}",
        pruned.stderr
    );
    assert_eq!(numbers(&used()), (0, 1));
    let pruned = home.wharf(&["prune", "--all", "--json"]);
    let pruned: Value = serde_json::from_str(pruned.ok()).expect("JSON");
    assert_eq!(
        (&pruned["layers"], &pruned["caches"]),
        (&0.into(), &1.into())
    );
    assert_eq!(numbers(&used()), (0, 0));
    // It can all be made again.
    build(&home, &["-q", "--no-cache"]).ok();
    assert_eq!(numbers(&used()), (2, 1));
}

#[test]
fn the_doctor_says_the_same_in_every_form() {
    let home = Home::new();
    let quiet = home.wharf(&["doctor", "-q"]);
    let json = home.wharf(&["doctor", "--json"]);
    let people = home.wharf(&["doctor"]);
    assert_eq!((quiet.code, people.code), (json.code, json.code));
    assert!(matches!(quiet.code, Some(0 | 8)), "{}", quiet.stderr);
    let told: Value = serde_json::from_slice(&json.bytes).expect("JSON");
    let used = told["sandbox"].as_str().unwrap_or("none");
    assert_eq!(quiet.bytes, format!("{used}\n").into_bytes());
    let people = String::from_utf8(people.bytes).expect("text");
    let expected = match used {
        "none" => "`RUN` does not work: ".to_owned(),
        used => format!("`RUN` uses `{used}` (tier {}), ", told["tier"]),
    };
    assert!(people.contains(&expected), "{people}");
    let names: Vec<&str> = told["sandboxes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["root", "mapped", "one", "chroot"]);
    // Nothing is left where nothing was built.
    assert!(!home.path(".local").exists());
}

#[test]
fn the_doctor_knows_the_configuration() {
    let mut home = Home::new();
    home.set("WHARF_SANDBOX", "none");
    let told = home.wharf(&["doctor"]);
    assert_eq!(told.code, Some(8));
    let said = String::from_utf8(told.bytes).expect("text");
    assert!(
        said.contains("`RUN` does not work: the sandbox `none` runs nothing"),
        "{said}"
    );
    let one = home.wharf(&["doctor", "--sandbox", "chroot", "--json"]);
    let one: Value = serde_json::from_slice(&one.bytes).expect("JSON");
    assert_eq!(one["sandboxes"][0]["name"], "chroot");
    assert_eq!(one["sandboxes"][1], Value::Null);
}
