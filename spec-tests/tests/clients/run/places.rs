//! Where wharf runs: as root, as users with and without numbers of their own, and in
//! containers with more and less than docker gives by default.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::cage::Cage;
use crate::docker::Daemon;
use crate::tool::{self, Tool};
use crate::{fixtures, site};

/// Longest that one command may take, in seconds.
const TIME_LIMIT: &str = "300";

/// The user who has a range of further numbers, and the one who has none.
const MAPPED: (u32, &str) = (4001, "mapped");
const ALONE: (u32, &str) = (4002, "alone");

/// The image that containers are of.
const IMAGE: &str = "place:local";

/// One place.
pub(crate) struct Place {
    /// What it is, as one reads it in a table.
    pub(crate) name: &'static str,
    /// The tier that wharf takes there.
    pub(crate) tier: &'static str,
    /// Flags that every build gets there.
    pub(crate) flags: &'static str,
    /// What stands before the program's name.
    before: Vec<String>,
    /// Where its library is.
    home: String,
}

/// What one command came to.
pub(crate) struct Came {
    pub(crate) output: Output,
    /// What it wrote on standard output, without the end of its line.
    pub(crate) line: String,
    /// What it wrote on standard error.
    pub(crate) said: String,
}

impl Place {
    /// Runs wharf there to its end; the words are split at blanks.
    pub(crate) fn wharf(&self, line: &str) -> Came {
        let output = self.command(line).output();
        Came::of(output.expect("`timeout` was found before"))
    }

    /// Returns the command, which has a time limit.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", TIME_LIMIT]);
        command.args(&self.before).args(line.split_whitespace());
        command.stdin(Stdio::null());
        command
    }

    /// Builds, and returns the digest.
    ///
    /// # Panics
    /// Panics with all that it said when it fails.
    pub(crate) fn builds(&self, line: &str) -> String {
        self.says(line).line
    }

    /// Builds, and returns all that it said.
    ///
    /// # Panics
    /// As [`Self::builds`].
    pub(crate) fn says(&self, line: &str) -> Came {
        let came = self.wharf(&format!("build {} {line}", self.flags));
        let (name, said) = (self.name, &came.said);
        assert!(
            came.output.status.success(),
            "{name}: `build {line}`:\n{said}"
        );
        came
    }

    /// Builds what must be refused, and returns what it said.
    ///
    /// # Panics
    /// Panics when it succeeds, panics or is killed.
    pub(crate) fn refuses(&self, line: &str) -> String {
        let came = self.wharf(&format!("build {} {line}", self.flags));
        let (name, said) = (self.name, &came.said);
        let code = came.output.status.code();
        assert!(
            code.is_some_and(|code| (1..100).contains(&code)) && said.contains("error"),
            "{name}: `build {line}` ended with {code:?}:\n{said}"
        );
        came.said
    }

    /// Returns the same place with a variable in wharf's environment.
    pub(crate) fn with_variable(&self, name: &str, value: &str) -> Self {
        let mut before = self.before.clone();
        // In front of the program, of which `env` is a step to.
        let program = before.pop().expect("it ends with the program");
        before.extend(["env".to_owned(), format!("{name}={value}"), program]);
        Self {
            before,
            home: self.home.clone(),
            ..*self
        }
    }

    /// Says whether commands can run there.
    pub(crate) fn runs(&self) -> bool {
        self.tier != "none"
    }

    /// Returns the path of its library, as it is called there.
    pub(crate) fn home(&self) -> &str {
        &self.home
    }
}

impl Came {
    fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            line: text(&output.stdout).trim().to_owned(),
            said: text(&output.stderr),
            output,
        }
    }
}

/// Makes the places on this machine.
pub(crate) fn of_machine(cage: &Cage) -> Vec<Place> {
    share(cage);
    let place = |name: &'static str, tier: &'static str, flags: &'static str, user: u32| {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let home = cage.make(&format!("homes/{word}"));
        let mut before = Vec::new();
        if user != 0 {
            let line = format!("chown {user}:{user}");
            Tool::from_line(&line).run(&home.display().to_string());
            let line = format!("setpriv --clear-groups --reuid={user} --regid={user}");
            before.extend(line.split(' ').map(str::to_owned));
        }
        let home = home.display().to_string();
        let path = tool::variable("PATH").unwrap_or_default();
        let path = path.to_string_lossy();
        before.extend(["env".to_owned(), "-i".to_owned(), format!("PATH={path}")]);
        before.push(format!("HOME={home}"));
        before.push(format!("WHARF_HOME={home}/library"));
        before.push(program(cage));
        Place {
            name,
            tier,
            flags,
            before,
            home: format!("{home}/library"),
        }
    };
    vec![
        place("root", "root", "", 0),
        place("root, one number", "one", "--sandbox=one", 0),
        place("root, chroot", "chroot", "--sandbox=chroot", 0),
        place("user with a range", "mapped", "", MAPPED.0),
        place(
            "user with a range, one number",
            "one",
            "--sandbox=one",
            MAPPED.0,
        ),
        place("user alone", "one", "", ALONE.0),
    ]
}

/// Makes the places in containers; each is one container that stays.
pub(crate) fn of_containers(cage: &Cage, daemon: &Daemon) -> Vec<Place> {
    share(cage);
    daemon
        .docker
        .run(&format!("import {} {IMAGE}", fixtures::debian().display()));
    let shared = cage.path("shared").display().to_string();
    let place =
        |name: &'static str, tier: &'static str, user: &str, options: &str, volume: bool| {
            let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
            let kept = cage.make(&format!("volumes/{word}")).display().to_string();
            if user != "0:0" {
                Tool::from_line(&format!("chown {user}")).run(&kept);
            }
            let volume = if volume {
                format!("--volume {kept}:/library")
            } else {
                String::new()
            };
            daemon.docker.run(&format!(
                "run --detach --name {word} --network none --user {user} {options} {volume} \
             --volume {shared}:{shared} {IMAGE} /bin/sleep 100000"
            ));
            let home = if volume.is_empty() {
                "/tmp/library"
            } else {
                "/library"
            };
            let before = daemon.docker.line(&format!(
                "exec --env HOME=/tmp --env WHARF_HOME={home} {word} {}",
                program(cage)
            ));
            Place {
                name,
                tier,
                flags: "",
                before,
                home: home.to_owned(),
            }
        };
    let open = "--security-opt seccomp=unconfined";
    vec![
        place("container, root", "chroot", "0:0", "", false),
        place("container, root, volume", "chroot", "0:0", "", true),
        place("container, user", "none", "1000:1000", "", false),
        place("container, unconfined root", "mapped", "0:0", open, false),
        place(
            "container, unconfined root, volume",
            "mapped",
            "0:0",
            open,
            true,
        ),
        place("container, unconfined user", "one", "1000:1000", open, true),
    ]
}

/// Opens what every place reads: the program, and the directory of bases and contexts.
fn share(cage: &Cage) {
    let program = cage.path("shared/wharf");
    cage.make("shared");
    if !program.exists() {
        fs_err::copy(site::program(), &program).expect("a writable directory");
        for path in [&cage.path(""), &cage.path("shared")] {
            Tool::from_line("chmod 0755").run(&path.display().to_string());
        }
        name_users(cage);
    }
}

fn program(cage: &Cage) -> String {
    cage.path("shared/wharf").display().to_string()
}

/// Makes the users, in files that lie over those of the machine, where only this test
/// sees them.
fn name_users(cage: &Cage) {
    let mut lines = [String::new(), String::new()];
    for (number, name) in [MAPPED, ALONE] {
        lines[0].push_str(&format!("{name}:x:{number}:{number}::/:/bin/sh\n"));
        lines[1].push_str(&format!("{name}:x:{number}:\n"));
    }
    let [users, groups] = lines;
    let range = format!("{}:300000:65536\n", MAPPED.1);
    let files = [
        ("passwd", users),
        ("group", groups),
        ("subuid", range.clone()),
        ("subgid", range),
    ];
    for (name, lines) in files {
        let target = Path::new("/etc").join(name);
        if !target.exists() {
            continue;
        }
        let ranges = name.starts_with("sub");
        let text = fs_err::read_to_string(&target).unwrap_or_default();
        let text = if ranges { String::new() } else { text };
        let copy = cage.path(&format!("over-{name}"));
        fs_err::write(&copy, text + &lines).expect("a writable directory");
        let (copy, target) = (copy.display(), target.display());
        Tool::from_line("mount --bind").run(&format!("{copy} {target}"));
    }
}
