//! What `docker build` and `buildah build` make of a Dockerfile, and what `wharf build`
//! makes of it: every entry of the file system and every part of the config.
//!
//! All results are unpacked by the same program from an OCI layout, so that none of
//! what docker puts into a container (`/dev`, `/etc/hosts` and the like) is in any.
//! That program puts each layer onto those before it. Docker unpacks each by itself, so
//! that its result and wharf's are also taken from containers of docker's.

use crate::build::comparisons::{
    ADDING, AROUND, Base, CONFIGURED, COPYING, Comparison, FETCHED, INHERITING, LEAVING, MOUNTING,
    PACKAGING, PLACING, REFUSED, RUN_REFUSED, Refusal, TABLES,
};
use crate::build::peers::{Order, Peer, config_differences};
use crate::build::scene::Scene;
use crate::build::{listing, reasons, written};
use crate::cage::Cage;
use crate::cases::Cases;

/// What every one of these tests needs.
const NEEDS: &[&str] = &[
    "dockerd",
    "docker",
    "buildah",
    "runc",
    "busybox",
    "skopeo",
    "umoci",
    "gzip",
    "bzip2",
    "xz",
    "zstd",
    "mmdebstrap",
];

/// How many entries a result has at least, so that two empty ones are not equal.
const LEAST_ENTRIES: usize = 10;

/// How many cases there are at least in which wharf, docker and buildah make the same;
/// the reference says so.
const LEAST_CASES: usize = 160;

#[test]
fn what_is_copied() {
    run("build::compared::what_is_copied", |cage, cases| {
        table(cage, cases, COPYING);
    });
}

#[test]
fn where_it_is_put() {
    run("build::compared::where_it_is_put", |cage, cases| {
        table(cage, cases, PLACING);
    });
}

#[test]
fn what_configs_say() {
    run("build::compared::what_configs_say", |cage, cases| {
        table(cage, cases, CONFIGURED);
    });
}

#[test]
fn what_is_unpacked() {
    run("build::compared::what_is_unpacked", |cage, cases| {
        table(cage, cases, ADDING);
    });
}

#[test]
fn what_is_fetched() {
    run("build::compared::what_is_fetched", |cage, cases| {
        table(cage, cases, FETCHED);
    });
}

#[test]
fn what_children_do() {
    run("build::compared::what_children_do", |cage, cases| {
        table(cage, cases, INHERITING);
    });
}

#[test]
fn what_commands_leave() {
    run("build::compared::what_commands_leave", |cage, cases| {
        table(cage, cases, LEAVING);
    });
}

#[test]
fn what_commands_see() {
    run("build::compared::what_commands_see", |cage, cases| {
        table(cage, cases, AROUND);
    });
}

#[test]
fn what_commands_are_lent() {
    run("build::compared::what_commands_are_lent", |cage, cases| {
        table(cage, cases, MOUNTING);
    });
}

#[test]
fn what_packages_leave() {
    run("build::compared::what_packages_leave", |cage, cases| {
        table(cage, cases, PACKAGING);
    });
}

#[test]
fn what_is_refused() {
    run("build::compared::what_is_refused", |cage, cases| {
        let scene = Scene::start(cage);
        refusals(&scene, cases, REFUSED, (0, "small"));
        scene.give("equipped", &scene.equipped());
        refusals(&scene, cases, RUN_REFUSED, (REFUSED.len(), "equipped"));
    });
}

/// Has all cases of a table built, whose first number is given with the base.
fn refusals(scene: &Scene<'_>, cases: &mut Cases, table: &[Refusal], (first, base): (usize, &str)) {
    for (number, refusal) in table.iter().enumerate() {
        cases.run(&format!("{:?}", refusal.lines), || {
            refuse(scene, first + number, refusal, base);
        });
    }
}

#[test]
fn every_difference_has_a_reason_in_the_reference() {
    let equal = TABLES.iter().flat_map(|table| table.iter());
    let equal = equal.filter(|case| case.peers.len() == 2 && case.differs.is_empty());
    let equal = equal.count();
    assert!(equal >= LEAST_CASES, "{equal}");
    let differs = TABLES.iter().flat_map(|table| table.iter());
    let differs = differs.flat_map(|case| case.differs.iter());
    let refusals = REFUSED
        .iter()
        .chain(RUN_REFUSED)
        .map(|refusal| refusal.reason);
    let named = differs.map(|differs| differs.reason);
    let named = named.chain(refusals).chain(written::reasons());
    reasons::are_written(named.filter(|reason| !reason.is_empty()));
}

fn run(test: &str, body: fn(&Cage, &mut Cases)) {
    Cage::run(test, NEEDS, body);
}

fn table(cage: &Cage, cases: &mut Cases, table: &[Comparison]) {
    let mut scene = Scene::start(cage);
    // How docker unpacks layers of commands is seen in what they leave.
    scene.peers.looks_inside = ![AROUND, MOUNTING, PACKAGING]
        .iter()
        .any(|one| one.as_ptr() == table.as_ptr());
    if table.iter().any(|case| case.base == Base::Debian) {
        scene.give("debian", &scene.debian());
    }
    if table.iter().any(|case| case.base == Base::Equipped) {
        scene.give("equipped", &scene.equipped());
    }
    for (number, comparison) in table.iter().enumerate() {
        cases.run(comparison.name, || compare(&scene, number, comparison));
    }
}

fn compare(scene: &Scene<'_>, number: usize, comparison: &Comparison) {
    let lines = [comparison.lines, comparison.base.lines()].concat();
    let context = scene.context(number, &lines);
    if !comparison.ignored.is_empty() {
        fs_err::write(context.join(".dockerignore"), comparison.ignored)
            .expect("a writable directory");
    }
    if let Base::Built(lines, by) = comparison.base {
        scene.bear(number, lines, by, &context);
    }
    let (theirs, ours) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let each = comparison.peers.iter();
            each.map(|peer| (*peer, scene.by_peer(*peer, number, comparison, &context)))
                .collect::<Vec<_>>()
        });
        let ours = scene.by_wharf(number, comparison, &context);
        (theirs.join().expect("peers build it"), ours)
    });
    assert!(!theirs.is_empty(), "a case has a peer");
    for (peer, theirs) in &theirs {
        let mut differences = listing::differences(&ours.files, &theirs.files);
        differences.extend(config_differences(&ours.config, &theirs.config));
        assert!(ours.files.len() >= LEAST_ENTRIES, "{:?}", ours.files);
        if *peer == Peer::Docker {
            differences.extend(listing::differences(&ours.contained, &theirs.contained));
        }
        comparison.explains(*peer, &differences);
    }
    fs_err::remove_dir_all(context).expect("made above");
}

/// Has all build it and looks at who refuses.
fn refuse(scene: &Scene<'_>, number: usize, refusal: &Refusal, base: &str) {
    let context = scene.context(number, refusal.lines);
    let image = format!("localhost/refused-{number}:1");
    let builds = |peer: Peer| {
        let order = Order {
            image: &image,
            file: &scene.dockerfile(peer.word(), refusal.lines, &format!("localhost/{base}:1")),
            flags: "",
            context: &context,
            timed: "",
        };
        let built = scene.peers.build(peer, &order);
        if let Err(said) = &built {
            println!("{peer:?}:\n{said}");
        }
        built.is_ok()
    };
    let (docker, buildah) = (builds(Peer::Docker), builds(Peer::Buildah));
    let output = scene.tried(refusal.lines, "--preserve-modes", base, &context);
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    let wharf = output.status.success();
    // 101 would be a panic, and 124 too long a time.
    assert!(wharf || output.status.code() < Some(100), "{said}");
    assert!(wharf || said.contains("error"), "{said}");
    let built_by = (wharf, docker, buildah);
    assert_eq!(
        built_by, refusal.built_by,
        "who builds it: wharf, docker, buildah"
    );
}
