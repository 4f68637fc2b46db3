//! What `docker build` makes of a Dockerfile, and what `wharf build` makes of it:
//! every entry of the file system and every part of the config.
//!
//! Both results are unpacked by the same program from an OCI layout, so that none of
//! what docker puts into a container (`/dev`, `/etc/hosts` and the like) is in either.
//! That program puts each layer onto those before it. Docker unpacks each by itself, so
//! that both are also taken from containers of docker's, out of what it built and what
//! it loaded.

use std::path::Path;

use serde_json::{Value, json};

use crate::build::comparisons::{Base, COMPARISONS, Comparison, REFUSED, Refuses};
use crate::build::listing::{self, Listing};
use crate::build::{Build, base, shelves};
use crate::cage::Cage;
use crate::cases::Cases;
use crate::docker::Daemon;
use crate::site;
use crate::tool::Tool;

/// Parts of a config that both programs write.
const PARTS: &[&str] = &[
    "User",
    "WorkingDir",
    "Env",
    "Cmd",
    "Entrypoint",
    "Volumes",
    "ExposedPorts",
    "Labels",
    "StopSignal",
    "Shell",
    "OnBuild",
];

/// How many entries a result has at least, so that two empty ones are not equal.
const LEAST_ENTRIES: usize = 10;

#[test]
fn every_file_is_what_docker_makes() {
    let needs = &[
        "dockerd",
        "docker",
        "runc",
        "busybox",
        "mmdebstrap",
        "skopeo",
        "umoci",
    ];
    let test = "build::compared::every_file_is_what_docker_makes";
    Cage::run(test, needs, |cage, cases| {
        let both = Both::start(cage);
        for (number, comparison) in COMPARISONS.iter().enumerate() {
            cases.run(comparison.name, || both.compare(number, comparison));
        }
        for (number, (lines, refuses)) in REFUSED.iter().enumerate() {
            cases.run(&format!("refused: {lines:?}"), || {
                both.refuse(number, lines, *refuses)
            });
        }
        reasons_are_written(cases);
    });
}

fn reasons_are_written(cases: &mut Cases) {
    cases.run("fifty cases, and a reason for every difference", || {
        assert!(COMPARISONS.len() >= 50, "{}", COMPARISONS.len());
        let differences = COMPARISONS.iter().flat_map(|row| row.differences);
        for (path, reason) in differences {
            println!("| `{path}` | {reason} |");
            assert!(!reason.is_empty());
        }
        for (lines, refuses) in REFUSED {
            println!("| {lines:?} | {refuses:?} |");
        }
    });
}

/// Both programs, and the same bases for each.
struct Both<'a> {
    cage: &'a Cage,
    daemon: Daemon,
    /// What `FROM` calls the bases for wharf.
    small: String,
    debian: String,
}

/// What one program made.
struct Made {
    files: Listing,
    /// The same files, as docker has them in a container.
    contained: Listing,
    config: Value,
}

impl<'a> Both<'a> {
    fn start(cage: &'a Cage) -> Self {
        let daemon = Daemon::start(cage);
        let tar = base::furnished(cage);
        let small = base::layout(cage, "small-base", &tar);
        let debian = base::debian(cage);
        for (layout, name) in [(&small, "small"), (&debian, "debian")] {
            let layout = layout.replace("oci-layout://", "oci:");
            let archive = cage.path(&format!("{name}-base.tar")).display().to_string();
            Tool::from_line("skopeo copy").run(&format!(
                "{layout} docker-archive:{archive}:localhost/{name}:1"
            ));
            daemon.docker.run(&format!("load --input {archive}"));
        }
        Self {
            cage,
            daemon,
            small,
            debian,
        }
    }

    fn compare(&self, number: usize, comparison: &Comparison) {
        let context = self.cage.make(&format!("context-{number}"));
        shelves::fill(&context);
        if !comparison.ignored.is_empty() {
            fs_err::write(context.join(".dockerignore"), comparison.ignored)
                .expect("a writable directory");
        }
        let (theirs, ours) = std::thread::scope(|scope| {
            let theirs = scope.spawn(|| self.by_docker(number, comparison, &context));
            let ours = self.by_wharf(number, comparison, &context);
            (theirs.join().expect("docker builds it"), ours)
        });
        let config = config_differences(&ours.config, &theirs.config);
        for (ours, theirs) in [
            (&ours.files, &theirs.files),
            (&ours.contained, &theirs.contained),
        ] {
            assert!(ours.len() >= LEAST_ENTRIES, "{ours:?}");
            let mut differences = listing::differences(ours, theirs);
            differences.extend(config.clone());
            comparison.explains(&differences);
        }
    }

    fn by_docker(&self, number: usize, comparison: &Comparison, context: &Path) -> Made {
        let name = match comparison.base {
            Base::Small => "localhost/small:1",
            Base::Debian => "localhost/debian:1",
        };
        let file = self.dockerfile(&format!("docker-{number}"), comparison, name);
        let docker = self.daemon.docker.clone().with("DOCKER_BUILDKIT", "1");
        let image = format!("case:{number}");
        docker.run(&format!(
            "build --network none --tag {image} --file {file} {}",
            context.display()
        ));
        let said = docker.run(&format!("image inspect {image}"));
        let inspected: Value = serde_json::from_slice(&said.bytes).expect("JSON");
        let archive = self.cage.path("docker-saved.tar").display().to_string();
        docker.run(&format!("save --output {archive} {image}"));
        let layout = self.cage.path("docker-layout").display().to_string();
        Tool::from_line("skopeo copy").run(&format!("docker-archive:{archive} oci:{layout}:1"));
        let files = self.unpacked(&layout);
        let contained = self.contained("docker", &image);
        Made {
            files,
            contained,
            config: inspected[0]["Config"].clone(),
        }
    }

    fn by_wharf(&self, number: usize, comparison: &Comparison, context: &Path) -> Made {
        let name = match comparison.base {
            Base::Small => &self.small,
            Base::Debian => &self.debian,
        };
        let file = self.dockerfile(&format!("wharf-{number}"), comparison, name);
        let layout = self.cage.path("wharf-layout").display().to_string();
        let archive = self.cage.path("wharf-saved.tar").display().to_string();
        let image = format!("localhost/ours-{number}:1");
        let home = self.cage.make("wharf-home");
        Build::of(context, &home)
            .with(&format!("--preserve-modes --tag {image} --file {file}"))
            .with(&format!("--output type=oci,dest={layout}"))
            .with(&format!("--output type=docker,dest={archive}"))
            .run();
        let wharf = Tool::from_line(&site::program().display().to_string());
        let said = wharf.run(&format!("inspect --raw config oci:{layout}:1"));
        let config: Value = serde_json::from_slice(&said.bytes).expect("JSON");
        self.daemon.docker.run(&format!("load --input {archive}"));
        Made {
            files: self.unpacked(&layout),
            contained: self.contained("wharf", &image),
            config: config["config"].clone(),
        }
    }

    /// Has both build it and looks at who refuses.
    fn refuse(&self, number: usize, lines: &str, refuses: Refuses) {
        let context = self.cage.make(&format!("refused-{number}"));
        shelves::fill(&context);
        let file = |name: &str, base| {
            let path = self.cage.path(&format!("{name}-refused"));
            fs_err::write(&path, lines.replace("BASE", base)).expect("a writable directory");
            path.display().to_string()
        };
        let theirs = file("docker", "localhost/small:1");
        let docker = self.daemon.docker.clone().with("DOCKER_BUILDKIT", "1");
        let line = format!("build --network none --file {theirs} {}", context.display());
        let by_docker = !docker.succeeds(&line);
        let ours = file("wharf", &self.small);
        let home = self.cage.make("wharf-home");
        let build = Build::of(&context, &home);
        let output = build
            .with(&format!("--preserve-modes --file {ours}"))
            .output();
        let said = String::from_utf8_lossy(&output.stderr);
        println!("{said}");
        // 101 would be a panic, and 124 too long a time.
        let by_wharf = !output.status.success();
        assert!(!by_wharf || output.status.code() < Some(100), "{said}");
        assert!(!by_wharf || said.contains("error"), "{said}");
        let wanted = match refuses {
            Refuses::Both => (true, true),
            Refuses::Docker(_) => (true, false),
            Refuses::Wharf(_) => (false, true),
        };
        assert_eq!(
            (by_docker, by_wharf),
            wanted,
            "docker refuses, wharf refuses"
        );
    }

    /// Writes the Dockerfile outside the context, since `FROM` differs in it.
    fn dockerfile(&self, name: &str, comparison: &Comparison, base: &str) -> String {
        let file = self.cage.path(&format!("{name}.Dockerfile"));
        let text = comparison.lines.replace("BASE", base);
        fs_err::write(&file, text).expect("a writable directory");
        file.display().to_string()
    }

    /// Unpacks a layout, lists what is in it, and removes both.
    fn unpacked(&self, layout: &str) -> Listing {
        let root = Path::new(layout).with_extension("root");
        Tool::from_line("umoci raw unpack").run(&format!("--image {layout}:1 {}", root.display()));
        let files = listing::list(&root);
        for directory in [root.as_path(), Path::new(layout)] {
            fs_err::remove_dir_all(directory).expect("made above");
        }
        files
    }

    /// Lists what docker has of an image in a container, which is never started, and
    /// removes both.
    fn contained(&self, by: &str, image: &str) -> Listing {
        let docker = &self.daemon.docker;
        let (root, tar) = (
            self.cage.make(&format!("{by}-contained")),
            self.cage.path(&format!("{by}-contained.tar")),
        );
        let id = docker.run(&format!("create --network none {image} /never"));
        let id = id.line();
        docker.run(&format!("export --output {} {id}", tar.display()));
        docker.run(&format!("rm --volumes {id}"));
        docker.run(&format!("rmi {image}"));
        Tool::from_line("tar --numeric-owner --same-owner -x -p").run(&format!(
            "-C {} -f {}",
            root.display(),
            tar.display()
        ));
        let files = listing::list(&root);
        fs_err::remove_dir_all(root).expect("made above");
        fs_err::remove_file(tar).expect("made above");
        files
    }
}

/// Lists the parts that differ; a part that is absent and an empty one are the same.
fn config_differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let part = |config: &Value, name: &str| {
        let value = &config[name];
        let is_empty = [json!(null), json!(""), json!([]), json!({})].contains(value);
        if is_empty { json!(null) } else { value.clone() }
    };
    let mut lines = Vec::new();
    for name in PARTS {
        let (mine, other) = (part(ours, name), part(theirs, name));
        if mine != other {
            lines.push(format!("{name}: wharf has {mine}, docker has {other}"));
        }
    }
    lines
}
