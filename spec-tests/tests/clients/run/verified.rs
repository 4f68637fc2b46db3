//! `wharf build --verify`: what differs between two builds is named.

use crate::build::base;
use crate::cage::Cage;
use crate::run::places;

const NEEDS: &[&str] = &["busybox", "mmdebstrap", "cc", "gzip", "setpriv"];

/// How it ends then, as `docs/reference/exit-codes.md` has it.
const DIFFERS: i32 = 9;

/// Each is a command, and the file that it makes otherwise each time; none where it is the
/// same. The quotes keep its name out of the line. `CHANCE` is a number of nine digits.
const COMMANDS: &[(&str, &str)] = &[
    (
        "echo x > /same; mkdir -p /d/e; chown 5:6 /d; touch /tmp/f; ln /same /d/link",
        "",
    ),
    ("head -c 16 /dev/urandom > /srv/ran\"\"dom", "/srv/random"),
    (
        "mkdir -p /var/log/own; echo CHANCE > /var/log/own/when\"\".log",
        "/var/log/own/when.log",
    ),
    ("mkdir -p /\"\"x; touch /\"\"x/CHANCE", "/x/"),
    ("ln -s CHANCE /srv/li\"\"nk", "/srv/link"),
    ("echo y > /ow\"\"ned; chown CHANCE /own\"\"ed", "/owned"),
];

/// Is what `CHANCE` stands for.
const CHANCE: &str = "1$(od -An -N4 -tu4 /dev/urandom | tr -d ' ' | tail -c 9)";

#[test]
fn what_differs_is_named() {
    let test = "run::verified::what_differs_is_named";
    Cage::run(test, NEEDS, |cage, cases| {
        let base = base::layout(cage, "shared/equipped", &base::equipped(cage));
        for (number, (command, path)) in COMMANDS.iter().enumerate() {
            cases.run(command, || verify(cage, &base, number, command, path));
        }
    });
}

fn verify(cage: &Cage, base: &str, number: usize, command: &str, path: &str) {
    let place = &places::of_machine(cage)[0];
    let file = cage.path("shared/verified.Dockerfile");
    let command = command.replace("CHANCE", CHANCE);
    // The name of what is the same stands in no line.
    let text = format!("FROM {base}\nRUN echo {number} > /be\"\"fore\nRUN {command}\nENV A=b\n");
    fs_err::write(&file, text).expect("a writable directory");
    let context = cage.make("shared/nothing");
    let line = format!("--verify --file {} {}", file.display(), context.display());
    let came = place.wharf(&format!("build {line}"));
    let said = format!("{}\n{}", came.line, came.said);
    println!("{said}");
    let code = came.output.status.code();
    if path.is_empty() {
        assert_eq!(code, Some(0), "{said}");
        return;
    }
    assert_eq!(code, Some(DIFFERS));
    assert!(said.contains(path), "`{path}` is not named");
    assert!(said.contains("Dockerfile:3"), "the step is not named");
    assert!(!said.contains("/before"), "what is the same is named");
}
