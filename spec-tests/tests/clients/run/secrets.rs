//! Secrets: given to commands in every way there is, and then looked for in all that is
//! kept and all that is said.

use std::io::Read as _;
use std::path::Path;

use crate::build::{base, shelves};
use crate::cage::Cage;
use crate::cases::Cases;
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
    "zstd",
    "setpriv",
    "newuidmap",
];

/// The values; none is like anything else that is in an image.
const OF_FILE: &str = "zq7-file-XKDMW-hidden";
const OF_VARIABLE: &str = "zq7-variable-PVNRT-hidden";
const OF_AGENT: &str = "zq7-agent-HJLBC-hidden";

/// How all of them begin.
const BEGINNING: &[u8] = b"zq7-";

/// What they are in other spellings, which commands may print as well.
const SPELLINGS: &[&str] = &["zq7-file-XKDMW", "zq7-variable-PVNRT", "zq7-agent-HJLBC"];

/// Uses each, prints each, and keeps how long each is.
const LINES: &str = r#"
RUN --mount=type=secret,id=file wc -c < /run/secrets/file > /1; cat /run/secrets/file; \
    cat /run/secrets/file >&2; stat -c '%a %u' /run/secrets/file >> /1
RUN --mount=type=secret,id=variable,env=WORD echo -n "$WORD" | wc -c > /2; echo "$WORD"; env
RUN --mount=type=secret,id=file,target=/root/deep/in/place,mode=0444 cat /root/deep/in/place > /dev/null
RUN test ! -e /run/secrets/file && test ! -e /root/deep/in/place && test -z "$WORD"
"#;

/// Where file systems can not be mounted, variables are all there is.
const BY_VARIABLE: &str = r#"
RUN --mount=type=secret,id=variable,env=WORD echo -n "$WORD" | wc -c > /2; echo "$WORD"; env
RUN --mount=type=secret,id=file,env=ANOTHER echo "$ANOTHER"
RUN test -z "$WORD$ANOTHER"
"#;

/// Fails with each on its last line.
const FAILING: &str = r#"
RUN --mount=type=secret,id=variable,env=WORD --mount=type=secret,id=file,env=ANOTHER \
    echo "$WORD $ANOTHER" >&2; exit 3
"#;

#[test]
fn nothing_keeps_secrets() {
    let test = "run::secrets::nothing_keeps_secrets";
    Cage::run(test, NEEDS, |cage, cases| {
        let daemon = Daemon::start(cage);
        let base = base::layout(cage, "shared/equipped", &base::equipped(cage));
        let context = cage.make("shared/context");
        shelves::fill(&context);
        Tool::from_line("chmod -R a+rX").run(&context.display().to_string());
        let secret = cage.path("shared/secret");
        fs_err::write(&secret, OF_FILE).expect("a writable directory");
        Tool::from_line("chmod 0444").run(&secret.display().to_string());
        let mut all = places::of_machine(cage);
        all.extend(places::of_containers(cage, &daemon));
        for place in all.iter().filter(|place| place.runs()) {
            cases.run(place.name, || kept(cage, place, &base));
        }
        cases.run("an agent", || agent(cage, &all[0], &base));
        cases.run("a secret is no part of the key", || {
            key(cage, &all[0], &base)
        });
        everywhere(cage, cases);
        cases.run("one that a command writes down is found", || {
            let lines = "RUN --mount=type=secret,id=file,env=WORD echo $WORD > /leaked\n";
            let place = all[0].with_variable("SECRET_WORD", OF_VARIABLE);
            place.builds(&line(cage, &base, lines));
            let look = std::panic::AssertUnwindSafe(|| walk(&cage.path("homes")));
            let found = std::panic::catch_unwind(look).is_err();
            assert!(found, "this test finds nothing");
        });
    });
}

/// Writes a Dockerfile, and returns the end of a command line that builds it.
fn line(cage: &Cage, base: &str, lines: &str) -> String {
    let file = cage.path("shared/secret.Dockerfile");
    fs_err::write(&file, format!("FROM {base}\n{lines}")).expect("a writable directory");
    let secret = cage.path("shared/secret").display().to_string();
    format!(
        "--secret id=file,src={secret} --secret id=variable,env=SECRET_WORD --file {} {}",
        file.display(),
        cage.path("shared/context").display()
    )
}

fn kept(cage: &Cage, place: &Place, base: &str) {
    let place = place.with_variable("SECRET_WORD", OF_VARIABLE);
    let mut lines = LINES;
    let came = place.wharf(&format!(
        "build {} {}",
        place.flags,
        line(cage, base, LINES)
    ));
    silent("what it said", came.said.as_bytes());
    if !came.output.status.success() {
        // A file needs memory that only this command sees.
        assert_eq!(place.tier, "chroot", "{}", came.said);
        assert!(
            came.said.contains("env"),
            "no other way is named: {}",
            came.said
        );
        lines = BY_VARIABLE;
    }
    let archive = cage.path("shared/out/secret.tar");
    let parent = archive.parent().expect("it has one");
    fs_err::create_dir_all(parent).expect("a writable directory");
    Tool::from_line("chmod 0777").run(&parent.display().to_string());
    let came = place.says(&format!(
        "--output type=oci,dest={} {}",
        archive.display(),
        line(cage, base, lines)
    ));
    silent("what it said", came.said.as_bytes());
    let said = place.refuses(&line(cage, base, FAILING));
    silent("what it said when it failed", said.as_bytes());
    for command in ["history", "df", "doctor"] {
        let came = place.wharf(command);
        silent(command, came.said.as_bytes());
        silent(command, came.line.as_bytes());
    }
    walk(parent);
    fs_err::remove_dir_all(parent).expect("made above");
}

/// Forwards an agent: commands reach it, and its path is no path of the machine.
fn agent(cage: &Cage, place: &Place, base: &str) {
    let socket = cage.path(&format!("shared/{OF_AGENT}.socket"));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a writable directory");
    let lines = "RUN --mount=type=ssh odd connect $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK && \
                 ls -l $SSH_AUTH_SOCK && env && cat /proc/self/mountinfo | grep -c agent; true\n\
                 RUN --mount=type=ssh odd connect $SSH_AUTH_SOCK\n\
                 RUN test -z \"$SSH_AUTH_SOCK\"\n";
    let place = place.with_variable("SECRET_WORD", OF_VARIABLE);
    let came = place.says(&format!(
        "--ssh default={} {}",
        socket.display(),
        line(cage, base, lines)
    ));
    let said = came.said.replace("mountinfo", "");
    println!("{said}");
    silent("what it said", said.as_bytes());
    fs_err::remove_file(&socket).expect("made above");
}

/// Another value makes no other image, and runs nothing again.
fn key(cage: &Cage, place: &Place, base: &str) {
    let lines =
        "RUN --mount=type=secret,id=variable,env=WORD test -n \"$WORD\" && date +%N > /now\n";
    let line = line(cage, base, lines);
    let first = place
        .with_variable("SECRET_WORD", OF_VARIABLE)
        .builds(&line);
    let other = place.with_variable("SECRET_WORD", "another").builds(&line);
    assert_eq!(first, other);
}

/// Looks into all that this test keeps: libraries, volumes, what containers wrote, and
/// directories for what is temporary.
fn everywhere(cage: &Cage, cases: &mut Cases) {
    cases.run("everything that is kept", || {
        for name in ["homes", "volumes", "tmp", "home"] {
            let path = cage.path(name);
            if path.is_dir() {
                walk(&path);
            }
        }
        let layers = fs_err::read_dir(cage.path("docker-data/overlay2"));
        for layer in layers.into_iter().flatten().flatten() {
            walk(&layer.path().join("diff/tmp"));
        }
    });
}

fn walk(directory: &Path) {
    let Ok(entries) = fs_err::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(metadata) = fs_err::symlink_metadata(&path) else {
            continue;
        };
        silent("a name", path.as_os_str().as_encoded_bytes());
        if metadata.is_dir() {
            walk(&path);
        } else if metadata.is_file()
            && let Ok(bytes) = fs_err::read(&path)
        {
            let name = path.display().to_string();
            silent(&name, &bytes);
            silent(&name, &plain(&path, &bytes));
        }
    }
}

/// Returns the content of what is compressed.
fn plain(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut decoder = flate2::read::MultiGzDecoder::new(bytes);
        let _ = decoder.read_to_end(&mut plain);
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let said = Tool::from_line("zstd -d -q -c").run(&path.display().to_string());
        plain = said.bytes;
    }
    plain
}

/// Looks for every secret. All begin with the same letters, which are rare.
fn silent(what: &str, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == BEGINNING[0]) {
        rest = &rest[at..];
        let end = rest.len().min(200);
        if rest.starts_with(BEGINNING) {
            let around = String::from_utf8_lossy(&rest[..end]);
            let is_one = SPELLINGS.iter().any(|one| around.starts_with(one));
            assert!(!is_one, "{what} has {around}");
        }
        rest = &rest[1..];
    }
}
