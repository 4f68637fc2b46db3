//! The runs: who does what at the same time, and what the checker must say.
//!
//! `WHARF_MODEL=full` runs the large ones, too; they take minutes.

use std::time::Instant;

use stateright::{Checker, Model};

use super::process::Task;
use super::system::{Mutation, System};
use super::world::spell;

/// Threads of one check.
const THREADS: usize = 2;

const PUSH: Task = Task::Push { to: 0 };
const MOUNT: Task = Task::Mount { from: 0, to: 1 };
const PUT: Task = Task::Put { to: 0, manifest: 1 };
const PUT_OTHER: Task = Task::Put { to: 0, manifest: 2 };
const PUT_MOUNTED: Task = Task::Put { to: 1, manifest: 2 };
const PUT_SAME: Task = Task::Put { to: 1, manifest: 1 };
const DELETE: Task = Task::DeleteManifest { of: 0, manifest: 1 };
const DELETE_BLOB: Task = Task::DeleteBlob { of: 0 };
const COLLECT: Task = Task::Collect { rounds: 1 };
const COLLECT_TWICE: Task = Task::Collect { rounds: 2 };

/// Who does what. The first so many have ended before the others begin.
struct Scene(&'static str, usize, &'static [&'static [Task]]);

/// Small enough for every build.
const SMALL: [Scene; 9] = [
    Scene("push, put; collect", 0, &[&[PUSH, PUT], &[COLLECT]]),
    Scene(
        "push, put; collect twice",
        0,
        &[&[PUSH, PUT], &[COLLECT_TWICE]],
    ),
    Scene(
        "(push) put; two collectors",
        1,
        &[&[PUSH], &[PUT], &[COLLECT], &[COLLECT]],
    ),
    Scene(
        "(push) put; put the same; collect",
        1,
        &[&[PUSH], &[PUT], &[PUT], &[COLLECT]],
    ),
    Scene(
        "(push) put; put another; collect",
        1,
        &[&[PUSH], &[PUT], &[PUT_OTHER], &[COLLECT]],
    ),
    Scene(
        "(push) mount, put; collect twice",
        1,
        &[&[PUSH], &[MOUNT, PUT_MOUNTED], &[COLLECT_TWICE]],
    ),
    Scene(
        "(push, put) delete; put again; collect",
        1,
        &[&[PUSH, PUT], &[DELETE], &[PUT], &[COLLECT]],
    ),
    Scene(
        "(push, put) delete; mount, put; collect",
        1,
        &[&[PUSH, PUT], &[DELETE], &[MOUNT, PUT_SAME], &[COLLECT]],
    ),
    Scene(
        "(push) delete blob; push, put; collect",
        1,
        &[&[PUSH], &[DELETE_BLOB], &[PUSH, PUT], &[COLLECT]],
    ),
];

/// For those who have the time.
const LARGE: [Scene; 6] = [
    Scene(
        "push, put; put; collect",
        0,
        &[&[PUSH, PUT], &[PUT], &[COLLECT]],
    ),
    Scene(
        "push, put; two collectors",
        0,
        &[&[PUSH, PUT], &[COLLECT], &[COLLECT]],
    ),
    Scene(
        "push, put; put; collect twice",
        0,
        &[&[PUSH, PUT], &[PUT], &[COLLECT_TWICE]],
    ),
    Scene(
        "push, put; mount, put; collect",
        0,
        &[&[PUSH, PUT], &[MOUNT, PUT_MOUNTED], &[COLLECT]],
    ),
    Scene(
        "push, put; put, delete; collect",
        0,
        &[&[PUSH, PUT], &[PUT, DELETE], &[COLLECT]],
    ),
    Scene(
        "(push) mount, put; two collectors",
        1,
        &[&[PUSH], &[MOUNT, PUT_MOUNTED], &[COLLECT], &[COLLECT]],
    ),
];

impl Scene {
    fn system(&self) -> System {
        let jobs = self.2.iter().map(|tasks| tasks.to_vec()).collect();
        System {
            before: self.1,
            ..System::of(jobs)
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is asked for more by its environment"
)]
fn wants_all() -> bool {
    std::env::var("WHARF_MODEL").is_ok_and(|wanted| wanted == "full")
}

/// The scenes that take no second each, or all that are small.
fn some_scenes() -> impl Iterator<Item = &'static Scene> {
    SMALL.iter().take(if wants_all() { SMALL.len() } else { 2 })
}

fn scenes() -> impl Iterator<Item = &'static Scene> {
    let large = if wants_all() { &LARGE[..] } else { &[] };
    SMALL.iter().chain(large)
}

/// Visits every state that can be reached, and tells the shortest run that
/// breaks a promise.
#[expect(
    clippy::print_stderr,
    reason = "the numbers are what one wants to see of a check"
)]
fn check(name: &str, system: &System) -> Option<String> {
    let began = Instant::now();
    let checker = system.clone().checker().threads(THREADS).spawn_bfs().join();
    eprintln!(
        "{name}: {} unique states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    for property in ["whole", "unblocked", "clean"] {
        let checked = match property {
            "clean" => system.checks_rest,
            "unblocked" => system.checks_progress,
            _ => true,
        };
        if !checked {
            continue;
        }
        let Some(path) = checker.discovery(property) else {
            continue;
        };
        let last = *path.last_state();
        let run = system.tell(path.into_vec());
        let left = spell(last.keys);
        let rest = spell(system.rest(&last));
        return Some(format!(
            "not {property}:\n{run}\nleft: {left}\nrest: {rest}"
        ));
    }
    assert!(
        checker.discovery("acknowledges").is_some(),
        "{name}: nothing is ever acknowledged"
    );
    None
}

fn passes(name: &str, system: &System) {
    if let Some(run) = check(name, system) {
        panic!("{name}: {run}");
    }
}

/// Takes a step out of the protocol and expects that something is lost.
fn fails(mutation: Mutation, scene: &str) {
    let mut all = SMALL.iter().chain(&LARGE);
    let scene = all.find(|Scene(name, ..)| *name == scene).expect("a scene");
    let system = System {
        mutation: Some(mutation),
        ..scene.system()
    };
    let run = check(&format!("{mutation:?}"), &system);
    let run = run.unwrap_or_else(|| panic!("nothing is lost by {mutation:?}"));
    assert!(run.starts_with("not whole"), "{run}");
}

#[test]
fn nothing_acknowledged_is_lost() {
    for scene in scenes() {
        passes(scene.0, &scene.system());
    }
}

#[test]
fn links_may_be_renewed() {
    for scene in some_scenes() {
        let system = System {
            renews: true,
            ..scene.system()
        };
        passes(scene.0, &system);
    }
}

#[test]
fn what_is_side_by_side_may_be_in_any_order() {
    for scene in some_scenes() {
        let system = System {
            any_order: true,
            ..scene.system()
        };
        passes(scene.0, &system);
    }
}

#[test]
fn order_may_be_reversed() {
    for scene in some_scenes() {
        let system = System {
            descending: true,
            ..scene.system()
        };
        passes(scene.0, &system);
    }
}

#[test]
fn nobody_waits_for_the_dead() {
    for scene in some_scenes() {
        let system = System {
            checks_progress: true,
            ..scene.system()
        };
        passes(scene.0, &system);
    }
}

/// Whoever crashes leaves what the next collection finds, if what is due is
/// not looked at before its time.
#[test]
fn nothing_is_left_over() {
    for scene in scenes() {
        let system = System {
            checks_rest: true,
            trusts_ages: true,
            crashes: 2,
            ..scene.system()
        };
        passes(scene.0, &system);
    }
}

#[test]
fn the_second_look_at_the_round_is_needed() {
    fails(Mutation::NoSecondLook, "push, put; collect");
}

#[test]
fn digests_are_told_before_the_look() {
    fails(Mutation::LookFirst, "push, put; collect");
}

#[test]
fn removals_ask_for_the_version() {
    fails(Mutation::RemoveBlindly, "push, put; put; collect");
}

#[test]
fn plans_are_committed_by_compare_and_swap() {
    fails(Mutation::CommitBlindly, "push, put; collect");
}

#[test]
fn rounds_that_were_missed_count() {
    fails(Mutation::UnseenIsFine, "push, put; collect");
}

#[test]
fn rounds_end_after_their_removals() {
    fails(Mutation::EndEarly, "push, put; collect");
}

#[test]
fn mounts_look_for_the_bytes() {
    fails(Mutation::MountBlindly, "(push) mount, put; collect twice");
}

#[test]
fn maybes_are_stated_again() {
    fails(Mutation::NoRestating, "push, put; put; collect");
}
