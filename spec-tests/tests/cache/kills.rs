//! Builds that are killed at any moment: the next one comes to the right image, and to
//! the same bytes of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use spec_tests::digest;

use crate::change::{Call, Change};
use crate::scene::Scene;

/// How many homes see killed builds.
const ROUNDS: u32 = 14;

/// Builds that are killed in each of those, one after another.
const KILLS: u32 = 2;

/// Multiplied by a number and cut, it spreads over all fractions.
const GOLDEN: f64 = 0.618_033_988_749;

const DOCKERFILE: &str = r#"FROM base AS one
COPY d /d
RUN seq 1 20000 > /numbers && rm /d/b
RUN --mount=type=cache,target=/c echo kept >> /c/kept; seq 1 3000 | sha256sum > /sum
WORKDIR /w/deep
RUN mkdir x && cp -a /d x/d && sync

FROM base AS two
RUN seq 5 90000 > /other && chmod 600 /other
COPY --from=one /w /w
RUN mv /w/deep/x /x && seq 1 50 > /w/seq

FROM base
COPY --from=one /numbers /sum /
COPY --from=two /other /x /from-two/
COPY e /e
RUN cat /numbers /from-two/other | sha256sum > /end
"#;

const FILES: &[Change] = &[
    Change::Write("d/a", "a\n"),
    Change::Write("d/b", "b\n"),
    Change::Write("e/f/g", "g\n"),
];

/// What a build comes to: its digest, and that of the archive it wrote.
type Result = (String, String);

#[test]
fn a_killed_build_leaves_nothing_that_is_wrong() {
    let Some(scene) = Scene::set() else {
        return;
    };
    let mut call = call();
    for file in FILES {
        file.make(&scene.context(), &mut call);
    }
    let start = Instant::now();
    let wanted = archive(&scene, "reference", &call, "--no-cache");
    let span = start.elapsed();
    let mut killed = 0;
    for round in 0..ROUNDS {
        let home = format!("home-{round}");
        for kill in 0..KILLS {
            let part = f64::from(round * KILLS + kill + 1) * GOLDEN;
            let after = span.mul_f64(part.fract());
            killed += u32::from(cut(&scene, &home, &call, after));
        }
        let came = archive(&scene, &home, &call, "");
        assert_eq!(came, wanted, "round {round}");
        let again = archive(&scene, &home, &call, "");
        assert_eq!(again, wanted, "round {round}, from the cache");
        fs_err::remove_dir_all(scene.at(&home)).expect("a home can be removed");
    }
    eprintln!("{killed} builds killed within {span:?}");
    assert!(killed > ROUNDS / 2, "only {killed} builds were killed");
}

/// A home that has seen a whole build, and then killed ones of something new each time.
#[test]
fn a_killed_build_does_no_harm_to_what_was_there() {
    let Some(scene) = Scene::set() else {
        return;
    };
    let mut call = call();
    for file in FILES {
        file.make(&scene.context(), &mut call);
    }
    let start = Instant::now();
    let first = archive(&scene, "home", &call, "");
    let span = start.elapsed();
    for round in 0..ROUNDS {
        let mut other = call.clone();
        other.dockerfile = call
            .dockerfile
            .replace("seq 1 20000", &format!("seq 1 {}", 20001 + round));
        let part = (f64::from(round + 1) * GOLDEN).fract();
        cut(&scene, "home", &other, span.mul_f64(part));
        let came = archive(&scene, "home", &other, "");
        let wanted = archive(&scene, "reference", &other, "--no-cache");
        assert_eq!(came, wanted, "round {round}");
    }
    assert_eq!(archive(&scene, "home", &call, ""), first);
}

fn call() -> Call {
    Call {
        dockerfile: DOCKERFILE.to_owned(),
        flags: String::new(),
        base: "1".to_owned(),
        variables: Vec::new(),
        umask: "0022".to_owned(),
    }
}

/// Starts a build and kills it; says whether it was still there.
fn cut(scene: &Scene, home: &str, call: &Call, after: Duration) -> bool {
    let mut started = scene.start(home, call, "--output type=oci,dest=cut.tar");
    sleep(after);
    started.kill()
}

/// Builds into an archive, which has every byte of the image.
fn archive(scene: &Scene, home: &str, call: &Call, further: &str) -> Result {
    let output = format!("--output type=oci,dest={home}.tar {further}");
    let came = scene.build(home, call, &output);
    let bytes = fs_err::read(scene.at(&format!("{home}.tar"))).expect("it was written");
    (came.digest, digest(&bytes))
}
