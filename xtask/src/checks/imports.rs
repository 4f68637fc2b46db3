//! External crates that belong to some of ours, or are forbidden to them, and
//! the lints that every crate takes from the workspace.
//!
//! Bans that hold for the whole tree of dependencies are in `deny.toml`.

use crate::finding::{Finding, Rule};
use crate::repository::{Package, Purpose, TextFile};

/// External crates that only some of ours may import, for whatever purpose.
struct Owned {
    names: &'static [&'static str],
    by: &'static [&'static str],
    reason: &'static str,
}

/// External crates that one of ours may not import, for whatever purpose.
struct Forbidden {
    to: &'static str,
    names: &'static [&'static str],
    reason: &'static str,
}

const OWNED: &[Owned] = &[
    Owned {
        names: &["oci-spec"],
        by: &["oci"],
        reason: "the rest of the house speaks our own nouns",
    },
    Owned {
        names: &["axum", "axum-server"],
        by: &["registry"],
        reason: "routes live in one house",
    },
    Owned {
        names: &["clap", "anyhow"],
        by: &["wharf"],
        reason: "arguments and untyped errors belong to the program's edge",
    },
    Owned {
        names: &["object_store"],
        by: &["blob"],
        reason: "stores are reached through `Backend`",
    },
    Owned {
        names: &["indicatif", "console", "rpassword"],
        by: &["wharf"],
        reason: "libraries do not talk to the terminal",
    },
    Owned {
        names: &["tracing-subscriber"],
        // `registry` looks in its tests at what it would have traced.
        by: &["wharf", "registry"],
        reason: "libraries do not talk to the terminal",
    },
    Owned {
        names: &["reqwest"],
        // `builder/src/fetch.rs` is the one place for URLs that are no registry's;
        // `blob` sends a bucket the requests that `object_store` can only sign.
        by: &["client", "builder", "blob", "spec-tests", "bench"],
        reason: "the network is reached through `client`",
    },
    Owned {
        names: &["hyper", "hyper-util"],
        // `client` asks which proxy is between, and serves connections in its
        // tests alone: a registry that lies. `wharf` asks docker over its socket,
        // which no client of networks does.
        by: &["registry", "client", "wharf", "spec-tests", "bench"],
        reason: "connections are served in one house",
    },
];

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        to: "oci",
        names: &[
            "async-trait",
            "chrono",
            "fs-err",
            "futures-util",
            "http",
            "jiff",
            "rustix",
            "tokio",
            "tokio-util",
            "tracing",
            "uuid",
        ],
        reason: "it is pure: no IO, no async, no clock",
    },
    Forbidden {
        to: "dockerfile",
        names: &[
            "async-trait",
            "fs-err",
            "futures-util",
            "jiff",
            "rustix",
            "tokio",
        ],
        reason: "it is pure: no IO, no async, no clock",
    },
    Forbidden {
        to: "layer",
        names: &["async-trait", "futures-util", "jiff", "tokio", "tokio-util"],
        reason: "it is deterministic and synchronous",
    },
    Forbidden {
        to: "sandbox",
        names: &["async-trait", "futures-util", "tokio", "tokio-util"],
        reason: "it runs before there is a second thread",
    },
    Forbidden {
        to: "blob",
        names: &["http", "http-body-util", "tower", "url"],
        reason: "it knows digests and keys only, no HTTP",
    },
    Forbidden {
        to: "store",
        names: &["http", "http-body-util", "tower", "url"],
        reason: "it speaks the registry's language, no HTTP",
    },
    Forbidden {
        to: "client",
        names: &["fs-err", "rustix"],
        reason: "it touches the network and no disk",
    },
];

/// What the tests of a crate may import, though its code may not.
const TESTS_ONLY: &[(&str, &str)] = &[
    // Its corpus is a folder of files.
    ("dockerfile", "fs-err"),
];

/// Finds external crates in the wrong hands.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let crate_name = package.name.as_str();
        let mut add = |dependency: &str, reason: &str| {
            let message = format!("`{crate_name}` may not import `{dependency}`: {reason}");
            findings.push(Finding::whole(Rule::Import, crate_name, message));
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            for owned in OWNED {
                if owned.names.contains(&name) && !owned.by.contains(&crate_name) {
                    add(name, owned.reason);
                }
            }
            let of_tests = dependency.kind == Purpose::Tests;
            if of_tests && TESTS_ONLY.contains(&(crate_name, name)) {
                continue;
            }
            for forbidden in FORBIDDEN {
                if forbidden.to == crate_name && forbidden.names.contains(&name) {
                    add(name, forbidden.reason);
                }
            }
        }
    }
    findings
}

/// Finds crates that do not take the lints of the workspace.
pub(crate) fn check_lints(files: &[TextFile]) -> Vec<Finding> {
    let manifests = files
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        // No members: one needs a nightly compiler, the other second versions of much.
        .filter(|file| !["fuzz/Cargo.toml", "spec-tests/s3/Cargo.toml"].contains(&&*file.path));
    manifests
        .filter(|file| !takes_lints(&file.text))
        .map(|file| {
            let message = "`[lints] workspace = true` is missing".to_owned();
            Finding::whole(Rule::Lints, &file.path, message)
        })
        .collect()
}

fn takes_lints(manifest: &str) -> bool {
    manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .any(|line| line == "workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::{file, package};

    #[test]
    fn crates_in_the_right_hands_are_fine() {
        let packages = [
            package(
                "oci",
                &[("oci-spec", Purpose::Code), ("sha2", Purpose::Code)],
            ),
            package(
                "registry",
                &[("axum", Purpose::Code), ("tokio", Purpose::Code)],
            ),
            package(
                "wharf",
                &[("clap", Purpose::Code), ("anyhow", Purpose::Code)],
            ),
        ];
        assert_eq!(check(&packages), []);
    }

    #[test]
    fn crates_in_the_wrong_hands_are_found() {
        for (name, dependency) in [
            ("store", "axum"),
            ("blob", "oci-spec"),
            ("image", "anyhow"),
            ("registry", "clap"),
            ("store", "object_store"),
            ("oci", "tokio"),
            ("registry", "reqwest"),
            ("store", "http"),
            ("registry", "indicatif"),
        ] {
            for purpose in [Purpose::Code, Purpose::Tests] {
                let found = check(&[package(name, &[(dependency, purpose)])]);
                assert_eq!(found.len(), 1, "{name} -> {dependency}");
                assert!(found[0].message.contains(&format!("`{dependency}`")));
            }
        }
    }

    #[test]
    fn lints_must_come_from_the_workspace() {
        let with = "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n\n[dependencies]\n";
        let without = "[package]\n\n[lints]\n\n[dependencies]\nworkspace = true\n";
        let files = [
            file("a/Cargo.toml", with),
            file("b/Cargo.toml", without),
            file("Cargo.toml", "[workspace]\n"),
        ];
        let found = check_lints(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "b/Cargo.toml");
    }
}
