//! The runs.

use std::time::Instant;

use stateright::{Checker, Model};

use super::process::Task;
use super::system::{Mutation, System};

fn check(name: &str, system: &System) -> Option<String> {
    let began = Instant::now();
    let checker = system.clone().checker().threads(2).spawn_bfs().join();
    eprintln!(
        "{name}: {} unique states, {} steps, depth {}, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    for property in ["whole", "clean"] {
        if property == "clean" && !system.checks_rest {
            continue;
        }
        if let Some(path) = checker.discovery(property) {
            let last = *path.last_state();
            let told = system.tell(path.into_vec());
            return Some(format!(
                "{property} is broken:\n{told}\nleft: {}\nrest: {}",
                super::world::spell(last.keys),
                super::world::spell(system.rest(&last))
            ));
        }
    }
    assert!(checker.discovery("acknowledges").is_some(), "{name}: nothing is ever acknowledged");
    None
}

const PUSH: Task = Task::Push { to: 0 };
const PUT: Task = Task::Put { to: 0, manifest: 1 };
const PUT2: Task = Task::Put { to: 0, manifest: 2 };
const ONCE: Task = Task::Collect { rounds: 1 };
const TWICE: Task = Task::Collect { rounds: 2 };
const DELETE: Task = Task::DeleteManifest { of: 0, manifest: 1 };

fn passes(name: &str, system: System) {
    if let Some(trace) = check(name, &system) {
        panic!("{name}: {trace}");
    }
}

fn all() -> Vec<(&'static str, Vec<Vec<Task>>)> {
    vec![
        ("push, put; collect", vec![vec![PUSH, PUT], vec![ONCE]]),
        ("push, put; collect twice", vec![vec![PUSH, PUT], vec![TWICE]]),
        ("push, put; two collectors", vec![vec![PUSH, PUT], vec![ONCE], vec![ONCE]]),
        ("push, put; delete; collect", vec![vec![PUSH, PUT], vec![DELETE], vec![ONCE]]),
        ("push, put; put; collect", vec![vec![PUSH, PUT], vec![PUT], vec![ONCE]]),
        ("push, put; put other; collect", vec![vec![PUSH, PUT], vec![PUT2], vec![ONCE]]),
        ("push, put; mount, put; collect", vec![
            vec![PUSH, PUT],
            vec![Task::Mount { from: 0, to: 1 }, Task::Put { to: 1, manifest: 2 }],
            vec![ONCE],
        ]),
        ("push, put; put, delete; collect", vec![vec![PUSH, PUT], vec![PUT, DELETE], vec![ONCE]]),
    ]
}

#[test]
fn drafted() {
    for (name, jobs) in all() {
        let mut system = System::of(jobs);
        system.restates = false;
        system.affirms_references = false;
        if let Some(trace) = check(name, &system) {
            eprintln!("{trace}");
            break;
        }
    }
}

#[test]
fn repaired() {
    for (name, jobs) in all() {
        passes(name, System::of(jobs));
    }
}

#[test]
fn clean() {
    for (name, jobs) in all() {
        let mut system = System::of(jobs);
        system.checks_rest = true;
        system.trusts_ages = true;
        system.crashes = 1;
        passes(name, system);
    }
}

#[test]
fn mutations() {
    for mutation in [
        Mutation::NoSecondLook,
        Mutation::LookFirst,
        Mutation::RemoveBlindly,
        Mutation::CommitBlindly,
        Mutation::UnseenIsFine,
        Mutation::EndEarly,
        Mutation::MountBlindly,
    ] {
        let mut found = false;
        for (name, jobs) in all() {
            let mut system = System::of(jobs);
            system.mutation = Some(mutation);
            if let Some(trace) = check(name, &system) {
                eprintln!("{mutation:?} found: {}", trace.lines().count());
                found = true;
                break;
            }
        }
        if !found {
            eprintln!("{mutation:?} NOT FOUND");
        }
    }
}
