//! Real commands by the OCI runtimes of this machine, in a root made of
//! busybox, in the tiers that they can do. It has its own `main`, because the
//! tests start this program again as worker and keeper.
//!
//! `--runtime=PATH` tries that one in the place of those that are installed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can not be set up has failed, as one of `#[test]` has"
)]

#[path = "runtime/ends.rs"]
mod ends;
#[path = "runtime/scene.rs"]
mod scene;
#[path = "runtime/view.rs"]
mod view;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use sandbox::{Launch, Probe, Tier, TierName};

use crate::scene::Scene;

const BUSYBOX: &str = "/bin/busybox";

/// What is looked for, and where.
const RUNTIMES: [&str; 3] = ["runc", "crun", "youki"];
const PLACES: [&str; 5] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/bin",
];

/// Is a test: a name, and what it does.
pub(crate) type Test = (&'static str, fn(Scene));

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(code) = sandbox::dispatch(&arguments, scene::serve) {
        return code;
    }
    let (named, rest): (Vec<_>, Vec<_>) = arguments
        .into_iter()
        .map(|argument| argument.to_string_lossy().into_owned())
        .partition(|argument| argument.starts_with("--runtime="));
    let named = named.iter().filter_map(|word| word.split_once('='));
    let mut runtimes: Vec<_> = named.map(|(_, path)| PathBuf::from(path)).collect();
    if runtimes.is_empty() {
        runtimes = RUNTIMES.into_iter().filter_map(find).collect();
    }
    let tests = tests(&runtimes);
    libtest_mimic::run(&Arguments::from_iter(rest), tests).exit_code()
}

fn find(name: &str) -> Option<PathBuf> {
    let mut paths = PLACES.iter().map(|place| Path::new(place).join(name));
    paths.find(|path| path.exists())
}

fn launch() -> Launch {
    Launch {
        program: "/proc/self/exe".into(),
    }
}

/// Lists every test for every runtime in every tier. What is missing is one
/// that is ignored and says why.
fn tests(runtimes: &[PathBuf]) -> Vec<Trial> {
    let skipped = |why: &str| vec![Trial::test(why, || Ok(())).with_ignored_flag(true)];
    if !Path::new(BUSYBOX).exists() {
        return skipped("skipped: no busybox");
    }
    if runtimes.is_empty() {
        return skipped("skipped: no OCI runtime");
    }
    let place = tempfile::tempdir().unwrap();
    let probe = Probe::run(&launch(), place.path());
    let can = |tier: &&Tier| matches!(tier.name(), TierName::Root | TierName::Mapped);
    let tiers: Vec<&Tier> = probe.tiers.iter().filter(can).collect();
    if tiers.is_empty() {
        return skipped("skipped: no sandbox that runtimes can do");
    }
    let mut trials = vec![Trial::test("other_tiers", || {
        ends::other_tiers();
        Ok(())
    })];
    for runtime in runtimes {
        let name = runtime.file_name().unwrap_or_default().to_string_lossy();
        for tier in &tiers {
            for (test, run) in [view::TESTS, ends::TESTS].concat() {
                let (runtime, tier) = (runtime.clone(), (*tier).clone());
                let name = format!("{name}::{}::{test}", tier.name());
                trials.push(Trial::test(name, move || {
                    run(Scene::new(&runtime, &tier));
                    Ok(())
                }));
            }
        }
    }
    trials
}
