//! The flags of `docker build` that there are not: what to do instead. The
//! guide has the same flags in a table.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::report::{hinted, usage};

/// What builds well without.
const NEEDLESS: &str = "leave it out: there is nothing that it would change";

/// What no image gets.
const ATTESTATIONS: &str = "leave it out: images are made without attestations";

/// How much commands take of the machine.
const SLICE: &str = "limit wharf itself, and commands with it: `systemd-run --scope -p CPUQuota=50% -p MemoryMax=2G wharf build ...`";

/// Where commands run.
const PROCESSORS: &str =
    "limit wharf itself, and commands with it: `taskset -c 0,1 wharf build ...`";

/// What commands see of the machine.
const FILES: &str = "`RUN --mount=type=bind,from=NAME` with `--build-context NAME=DIR` gives a directory to commands, and `RUN --mount=type=cache` keeps one";

/// What keeps commands apart.
const APART: &str = "`--sandbox` chooses what keeps commands apart from this machine; `wharf doctor` tells what there is";

/// The flags, with what helps.
const FLAGS: [(&str, &str); 34] = [
    ("--attest", ATTESTATIONS),
    ("--builder", NEEDLESS),
    ("--cgroup-parent", SLICE),
    ("--compress", NEEDLESS),
    ("--cpu-count", SLICE),
    ("--cpu-percent", SLICE),
    ("--cpu-period", SLICE),
    ("--cpu-quota", SLICE),
    ("--cpu-rt-period", SLICE),
    ("--cpu-rt-runtime", SLICE),
    ("--cpu-shares", SLICE),
    ("-c", SLICE),
    ("--cpuset-cpus", PROCESSORS),
    ("--cpuset-mems", PROCESSORS),
    (
        "--device",
        "commands get no devices of this machine: do what needs one outside, and `COPY` what comes of it",
    ),
    ("--disable-content-trust", NEEDLESS),
    ("--force-rm", NEEDLESS),
    ("--isolation", APART),
    ("--memory", SLICE),
    ("-m", SLICE),
    ("--memory-swap", SLICE),
    ("--no-cache-filter", "`--no-cache` builds all stages anew"),
    ("--policy", "it is not there yet"),
    ("--provenance", ATTESTATIONS),
    (
        "--pull",
        "`wharf pull NAME` fetches what a base is now; a base that was not pulled is looked up by every build",
    ),
    ("--rm", NEEDLESS),
    ("--sbom", ATTESTATIONS),
    (
        "--security-opt",
        "`--allow security.insecure` lets a `RUN --security=insecure` have all rights that the builder has",
    ),
    (
        "--shm-size",
        "`RUN --mount=type=tmpfs,target=/dev/shm,size=1g` says it for a command",
    ),
    (
        "--squash",
        "a last stage of `FROM scratch` and `COPY --from=STAGE / /` has one layer",
    ),
    ("--stream", NEEDLESS),
    ("--userns", APART),
    ("--volume", FILES),
    ("-v", FILES),
];

/// Explains a flag that docker has, where that is what is wrong.
pub(crate) fn explain(error: &clap::Error) -> Option<anyhow::Error> {
    if error.kind() != ErrorKind::UnknownArgument || !is_of_build(error) {
        return None;
    }
    let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let (flag, hint) = FLAGS.into_iter().find(|(flag, _)| flag == given)?;
    let message = format!("`{flag}` of `docker build` is not supported");
    Some(hinted(usage(message), hint))
}

/// Says whether it was `build` that was typed wrongly, which only the usage
/// tells.
fn is_of_build(error: &clap::Error) -> bool {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains("wharf build "),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    fn explained(line: &[&str]) -> Option<String> {
        let words = ["wharf"].iter().chain(line);
        let error = Arguments::try_parse_from(words).expect_err("a mistake");
        Some(explain(&error)?.root_cause().to_string())
    }

    #[test]
    fn flags_of_docker_are_explained() {
        for (flag, _) in FLAGS {
            let expected = format!("`{flag}` of `docker build` is not supported");
            for line in [
                vec!["build", flag, "."],
                vec!["-q", "build", ".", flag, "x"],
            ] {
                assert_eq!(explained(&line).as_ref(), Some(&expected), "{line:?}");
            }
            let with_value = format!("{flag}=x");
            assert_eq!(explained(&["build", &with_value, "."]), Some(expected));
        }
    }

    #[test]
    fn other_mistakes_are_not() {
        for line in [
            vec!["build", "--lode", "."],
            vec!["build", ".", "--format", "x"],
            vec!["copy", "--pull", "a", "b"],
            vec!["--pull", "build", "."],
        ] {
            assert_eq!(explained(&line), None, "{line:?}");
        }
    }

    #[test]
    fn the_guide_names_each_of_them() {
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/build.md");
        let guide = fs_err::read_to_string(guide).expect("there");
        for (flag, _) in FLAGS {
            let named = format!("`{flag}`");
            assert!(guide.contains(&named), "{flag}");
        }
    }
}
