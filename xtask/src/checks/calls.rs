//! Calls that only some files may make: tasks, the clock, the environment, disks.
//!
//! clippy's list of banned calls sees through imports but can be silenced where
//! a call stands; this check cannot, and it knows the files that may.

use crate::finding::{Finding, Rule};
use crate::source::Source;

/// Paths as they are written in code, and where they may stand.
struct Banned {
    words: &'static [&'static str],
    allowed: Allowed,
    reason: &'static str,
}

/// The code that may make a call. A prefix is the start of a path.
enum Allowed {
    /// Only files under these prefixes, and code beside the house.
    OnlyIn(&'static [&'static str]),
    /// Every file but those under these prefixes.
    NotIn(&'static [&'static str]),
}

/// Code that is no part of the program: it may do as a person would.
const BESIDE_THE_HOUSE: &[&str] = &["bench/", "spec-tests/", "xtask/"];

/// Where tasks are started, each by the owner of a `JoinSet`.
const TASKS: &[&str] = &[
    "builder/src/solve.rs",
    // The public conformance suite, whose races need tasks.
    "crates/blob/src/testing.rs",
    "registry/src/jobs.rs",
    "registry/src/serve.rs",
];

/// Where work that blocks is handed to its own threads.
const BLOCKING: &[&str] = &[
    "builder/src/blocking.rs",
    "builder/src/solve.rs",
    "crates/blob/src/",
    "crates/image/src/blocking.rs",
    "registry/src/auth.rs",
    "registry/src/auth/",
    "registry/src/jobs.rs",
    "registry/src/serve.rs",
];

const BANNED: &[Banned] = &[
    Banned {
        words: &[
            "tokio::spawn",
            "task::spawn",
            "spawn_local",
            "JoinSet",
            "TaskTracker",
        ],
        allowed: Allowed::OnlyIn(TASKS),
        reason: "tasks are owned, and their owners are few",
    },
    Banned {
        words: &["spawn_blocking", "block_in_place"],
        allowed: Allowed::OnlyIn(BLOCKING),
        reason: "work that blocks is handed over in few places",
    },
    Banned {
        words: &[
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "env::set_var",
            "env::remove_var",
            "env::current_dir",
        ],
        allowed: Allowed::OnlyIn(&["cli/"]),
        reason: "only `cli` reads the environment",
    },
    Banned {
        words: &[
            "SystemTime::now",
            "Utc::now",
            "Local::now",
            "Timestamp::now",
            "Zoned::now",
        ],
        allowed: Allowed::OnlyIn(&["cli/"]),
        reason: "the clock is made in `cli` and passed down",
    },
    Banned {
        words: &["std::fs", "tokio::fs", "fs_err"],
        allowed: Allowed::NotIn(&["builder/dockerfile/", "crates/client/", "crates/oci/"]),
        reason: "this crate touches no disk",
    },
    Banned {
        words: &[
            "tokio::net",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "UnixStream",
        ],
        allowed: Allowed::NotIn(&[
            "builder/dockerfile/",
            "builder/layer/",
            "crates/blob/",
            "crates/oci/",
            "registry/store/",
        ]),
        reason: "this crate touches no network",
    },
    Banned {
        words: &["unsafe"],
        allowed: Allowed::OnlyIn(&["builder/sandbox/"]),
        reason: "`sandbox` is the only crate with `unsafe`",
    },
];

/// Finds calls where they may not be made. Tests may make them all but `unsafe`,
/// which the lints of the workspace forbid them.
pub(crate) fn check(sources: &[Source<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for banned in BANNED.iter().filter(|banned| !banned.allows(source.path)) {
            for words in banned.words {
                findings.extend(source.mentions(words).into_iter().map(|line| {
                    let message = format!("`{words}`: {}", banned.reason);
                    Finding::at(Rule::Call, source.path, line, message)
                }));
            }
        }
    }
    findings
}

impl Banned {
    fn allows(&self, path: &str) -> bool {
        let under = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        match self.allowed {
            Allowed::OnlyIn(prefixes) => under(prefixes) || under(BESIDE_THE_HOUSE),
            Allowed::NotIn(prefixes) => !under(prefixes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::file;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = file(path, text);
        let findings = check(&[Source::scan(&file).expect("rust")]);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn calls_in_the_wrong_file_are_found_with_their_line() {
        for (path, call) in [
            ("registry/src/api/blobs.rs", "tokio::spawn"),
            ("registry/src/app.rs", "JoinSet"),
            ("registry/store/src/tags.rs", "spawn_blocking"),
            ("crates/image/src/copy.rs", "env::var"),
            ("registry/src/auth.rs", "SystemTime::now"),
            ("crates/client/src/pull.rs", "fs_err"),
            ("crates/oci/src/name.rs", "std::fs"),
            ("registry/store/src/tags.rs", "TcpStream"),
        ] {
            let lines = found(path, &format!("//! Doc.\nlet x = {call};\n"));
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            assert!(
                lines[0].starts_with(&format!("{path}:2: `{call}`")),
                "{}",
                lines[0]
            );
        }
    }

    #[test]
    fn unsafe_is_found_even_where_lints_are_silenced() {
        assert_eq!(found("crates/blob/src/local.rs", "unsafe { f() }").len(), 1);
        assert!(found("crates/blob/src/local.rs", "#![forbid(unsafe_code)]").is_empty());
        assert!(found("builder/sandbox/src/enter.rs", "unsafe { f() }").is_empty());
    }

    #[test]
    fn calls_in_the_right_file_are_fine() {
        for (path, call) in [
            ("registry/src/serve.rs", "JoinSet::new()"),
            ("registry/src/jobs.rs", "tokio::spawn(x)"),
            (
                "registry/src/auth/htpasswd.rs",
                "tokio::task::spawn_blocking(x)",
            ),
            ("crates/blob/src/local.rs", "spawn_blocking(x)"),
            ("cli/src/environment.rs", "std::env::var(x)"),
            ("cli/src/clock.rs", "SystemTime::now()"),
            ("spec-tests/src/program.rs", "std::env::var(x)"),
            ("xtask/src/main.rs", "SystemTime::now()"),
            ("crates/image/src/layout.rs", "fs_err::read(x)"),
            ("crates/oci/src/name.rs", "std::net::IpAddr::from_str(x)"),
        ] {
            assert!(found(path, &format!("{call};\n")).is_empty(), "{path}");
        }
    }

    #[test]
    fn tests_and_words_may_mention_them() {
        let text = "/// Unlike tokio::spawn, this waits.\nf(\"env::var\");\n";
        assert!(found("registry/src/app.rs", text).is_empty());
        assert!(found("registry/src/app/tests.rs", "tokio::spawn(x);").is_empty());
        let inline = "fn f() {}\n#[cfg(test)]\nmod tests {\n tokio::spawn(x);\n}\n";
        assert!(found("registry/src/app.rs", inline).is_empty());
    }
}
