//! One Dockerfile in every tier: the same digests, and commands that can not tell whether
//! the steps before them ran or were taken from the cache.

use std::fmt::Write as _;
use std::time::Instant;

use crate::build::base;
use crate::cage::Cage;
use crate::cases::Cases;
use crate::docker::Daemon;
use crate::fixtures;
use crate::run::places::{self, Place};
use crate::run::recipe::{GREETING, Recipe};
use crate::tool::Tool;
use spec_tests::skip;

const NEEDS: &[&str] = &[
    "dockerd",
    "docker",
    "runc",
    "busybox",
    "mmdebstrap",
    "umoci",
    "cc",
    "gzip",
    "python3",
    "dpkg-deb",
    "setpriv",
    "newuidmap",
];

/// Places where the recipe is not made, since it takes long and each is much like another
/// one; what commands see is compared in them too.
const AGAIN: &[&str] = &[
    "root, one number",
    "user with a range, one number",
    "container, root, volume",
    "container, unconfined root, volume",
];

/// What one place made of the recipe.
struct Row {
    name: &'static str,
    tier: &'static str,
    work: String,
    last: String,
    seconds: f64,
}

#[test]
fn twelve_commands_make_the_same() {
    if let Err(reason) = fixtures::prepare_workshop() {
        skip(&reason);
        return;
    }
    let test = "run::tiers::twelve_commands_make_the_same";
    Cage::run(test, NEEDS, twelve);
}

#[test]
fn a_command_sees_the_same_cached_or_not() {
    let test = "run::tiers::a_command_sees_the_same_cached_or_not";
    Cage::run(test, NEEDS, seen);
}

fn twelve(cage: &Cage, cases: &mut Cases) {
    let daemon = Daemon::start(cage);
    let recipe = Recipe::make(cage);
    let mut all = places::of_machine(cage);
    all.extend(places::of_containers(cage, &daemon));
    all.retain(|place| !AGAIN.contains(&place.name));
    let (runs, refuses): (Vec<_>, Vec<_>) = all.into_iter().partition(Place::runs);
    let mut rows: Vec<Row> = Vec::new();
    for pair in runs.chunks(2) {
        // Two at a time, as most machines have two processors.
        let made: Vec<_> = std::thread::scope(|scope| {
            let started = pair.iter().map(|place| {
                let recipe = &recipe;
                scope.spawn(move || cook(place, recipe))
            });
            let started: Vec<_> = started.collect();
            started.into_iter().map(|one| one.join()).collect()
        });
        for (place, made) in pair.iter().zip(made) {
            cases.run(place.name, || {
                let row = made.expect("it builds all of it");
                if let Some(first) = rows.first() {
                    assert_eq!(row.work, first.work, "{} and {}", row.name, first.name);
                    assert_eq!(row.last, first.last, "{} and {}", row.name, first.name);
                }
                rows.push(row);
            });
        }
    }
    println!("{}", table(&rows));
    cases.run("the program from scratch runs", || {
        greets(cage, &daemon, &recipe)
    });
    for place in &refuses {
        cases.run(place.name, || refused(cage, place, &recipe));
    }
}

fn cook(place: &Place, recipe: &Recipe) -> Row {
    let (file, context) = (recipe.file.display(), recipe.context.display());
    let start = Instant::now();
    let tier = place.wharf("doctor").line;
    println!("{}: {tier}", place.name);
    let work = place.builds(&format!("--target work --file {file} {context}"));
    let last = place.builds(&format!("--file {file} {context}"));
    Row {
        name: place.name,
        tier: place.tier,
        work,
        last,
        seconds: start.elapsed().as_secs_f64(),
    }
}

fn greets(cage: &Cage, daemon: &Daemon, recipe: &Recipe) {
    let archive = cage.path("twelve.tar");
    let (file, context) = (recipe.file.display(), recipe.context.display());
    let place = &places::of_machine(cage)[0];
    let output = format!("--output type=docker,dest={}", archive.display());
    place.builds(&format!(
        "--tag localhost/twelve:1 {output} --file {file} {context}"
    ));
    let load = format!("load --input {}", archive.display());
    daemon.docker.run(&load);
    let said = daemon
        .docker
        .run("run --rm --network none localhost/twelve:1");
    assert_eq!(said.line(), GREETING);
}

fn table(rows: &[Row]) -> String {
    let mut text =
        "| where | tier | twelve commands | from scratch | s |\n|---|---|---|---|---:|\n"
            .to_owned();
    for row in rows {
        let [work, last] = [&row.work, &row.last].map(|digest| digest.get(7..19).unwrap_or(digest));
        let (name, tier, seconds) = (row.name, row.tier, row.seconds);
        let _ = writeln!(
            text,
            "| {name} | {tier} | `{work}` | `{last}` | {seconds:.1} |"
        );
    }
    text
}

/// Where nothing may be run the error says which option helps, and all else is built.
fn refused(cage: &Cage, place: &Place, recipe: &Recipe) {
    let (file, context) = (recipe.file.display(), recipe.context.display());
    let said = place.refuses(&format!("--file {file} {context}"));
    assert!(said.contains("RUN"), "{said}");
    assert!(said.contains("--security-opt seccomp=unconfined"), "{said}");
    let doctor = place.wharf("doctor");
    let all = format!("{}{}", doctor.line, doctor.said);
    assert!(all.contains("--security-opt seccomp=unconfined"), "{all}");
    let plain = cage.path("shared/plain.Dockerfile");
    let text = "FROM scratch\nCOPY --chown=7:8 . /all\nWORKDIR /made\nENV A=b\n";
    fs_err::write(&plain, text).expect("a writable directory");
    let line = format!("--file {} {context}", plain.display());
    let root = places::of_machine(cage);
    assert_eq!(place.builds(&line), root[0].builds(&line));
}

/// Makes and changes entries of every kind, in two steps, then looks at all there is. What
/// the last command is told by `ROUND` is in none of its files. How many names a file has is
/// asked of those alone whose names are all of one layer: an overlay counts what is below, as
/// the reference of sandboxes says.
const SEEN: &str = r#"FROM BASE
RUN mkdir -p /x/d/e && cd /x && echo f > f && ln f g && ln f d/h && ln -s f l && mkfifo p && \
    chown 5:6 f && chown -h 7:8 l && chmod 4751 f && mkdir -m 1777 t && echo o > d/old && \
    touch -d @1000000000 d/old && touch -d @1100000000 d && rm -r /srv/deep/a && \
    chmod 2750 /srv/set && mv /srv/nested /srv/moved && echo more >> /srv/file
COPY dir /x/copied
RUN cd /x && rm g d/h && echo again > d/h && mkdir /srv/deep/a && echo new > /srv/deep/a/new && \
    rm -r t && ln -s d t && chown -R app:staff d && rm /usr/hard/second && \
    ln f third && touch /srv/real/kept.txt && odd user.word 776f7264 f && \
    odd security.capability 0100000200200000000000000000000000000000 d/old
WORKDIR /x/made/by/workdir
ARG ROUND
RUN : $ROUND; cd / && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc \
    \) -prune -o -type d -exec stat -c '%n %F %a %u %g %Y' {} + > /dev/shm/seen && \
    find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc -o -path ./tmp \) \
    -prune -o ! -type d -exec stat -c '%n %F %a %u %g %Y %s' {} + >> /dev/shm/seen && \
    find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./etc -o -path ./tmp \) \
    -prune -o -type l -exec readlink {} \; >> /dev/shm/seen && \
    stat -c '%n %h' /x/f /x/third /x/d/h /x/d/old /srv/file >> /dev/shm/seen && \
    ls -i /x/f /x/d/h /usr/hard/* /x/third /x/copied/one | awk '{ if (!($1 in n)) n[$1] = ++c; print $2, n[$1] }' \
    >> /dev/shm/seen && cat /srv/file /x/d/h /srv/deep/a/new >> /dev/shm/seen && \
    sort /dev/shm/seen > /seen
"#;

fn seen(cage: &Cage, cases: &mut Cases) {
    let daemon = Daemon::start(cage);
    let tar = base::equipped(cage);
    let base = base::layout(cage, "shared/equipped", &tar);
    let file = cage.path("shared/seen.Dockerfile");
    fs_err::write(&file, SEEN.replace("BASE", &base)).expect("a writable directory");
    let context = cage.make("shared/context");
    crate::build::shelves::fill(&context);
    Tool::from_line("chmod -R a+rX").run(&context.display().to_string());
    let line = format!("--file {} {}", file.display(), context.display());
    let mut all = places::of_machine(cage);
    all.extend(places::of_containers(cage, &daemon));
    let mut first: Option<String> = None;
    for place in all.iter().filter(|place| place.runs()) {
        cases.run(place.name, || {
            let cold = look(
                cage,
                place,
                &format!("--no-cache --build-arg ROUND=1 {line}"),
            );
            assert!(cold.lines().count() > 100, "{cold}");
            // The steps before are the ones that just ran.
            let warm = look(cage, place, &format!("--build-arg ROUND=2 {line}"));
            same(place.name, "its own first run", &warm, &cold);
            // All there is of them are their layers.
            let pruned = place.wharf("prune");
            assert!(pruned.output.status.success(), "{}", pruned.said);
            println!("{}{}", pruned.line, pruned.said);
            let unpacked = look(cage, place, &format!("--build-arg ROUND=3 {line}"));
            same(
                place.name,
                "its own first run, from layers",
                &unpacked,
                &cold,
            );
            match &first {
                Some(first) => same(place.name, "root", &cold, first),
                None => first = Some(cold),
            }
        });
    }
}

/// Builds it, and returns what the last command saw.
fn look(cage: &Cage, place: &Place, line: &str) -> String {
    let layout = cage.path("shared/seen-layout");
    let root = cage.path("seen-root");
    for left in [&layout, &root, &cage.path("seen-unpacked")] {
        let _ = fs_err::remove_dir_all(left);
    }
    // By a place for everybody to write to, since the places are different users.
    Tool::from_line("mkdir -m 1777").run(&layout.display().to_string());
    let archive = layout.join("seen.tar");
    place.builds(&format!(
        "--tag localhost/seen:1 --output type=oci,dest={} {line}",
        archive.display()
    ));
    let unpacked = cage.make("seen-unpacked").display().to_string();
    Tool::from_line("tar -xf").run(&format!("{} -C {unpacked}", archive.display()));
    Tool::from_line("umoci raw unpack").run(&format!("--image {unpacked}:1 {}", root.display()));
    let text = fs_err::read_to_string(root.join("seen")).expect("the command wrote it");
    for path in [root, layout, unpacked.into()] {
        fs_err::remove_dir_all(path).expect("made above");
    }
    text
}

/// Compares what two saw, and names the lines that are not in both.
fn same(place: &str, other: &str, ours: &str, theirs: &str) {
    let only = |one: &str, two: &str| -> Vec<String> {
        let has = |line: &&str| two.lines().any(|other| other == *line);
        one.lines()
            .filter(|line| !has(line))
            .map(str::to_owned)
            .collect()
    };
    let (here, there) = (only(ours, theirs), only(theirs, ours));
    assert!(
        ours == theirs,
        "{place} sees {here:#?}\nand {other} {there:#?}"
    );
}
