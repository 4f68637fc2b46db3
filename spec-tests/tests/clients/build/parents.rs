//! The directories around what a step copies, in containers of real programs: docker
//! and podman unpack each layer by itself and put one over the other, so that a layer
//! without the directories of its entries would take owners and permissions from them.

use std::path::PathBuf;

use crate::build::{Build, base};
use crate::cage::Cage;
use crate::cases::Cases;
use crate::ctr::Containerd;
use crate::docker::{Daemon, field};
use crate::fixtures;
use crate::podman::{self, Podman};
use crate::site::{Guard, Site};
use crate::tool::Tool;

/// An image, and the directories in it.
struct Recipe {
    name: &'static str,
    /// The Dockerfile; `BASE` is what `FROM` names.
    lines: &'static str,
    /// How a shell in the image asks for a file's metadata.
    stat: &'static str,
    /// Directories, and the permissions, owner and group that each has to have.
    directories: &'static [(&'static str, &'static str)],
}

/// On busybox, by names; every directory is in more layers than the one that made it,
/// and the last one never belongs to the owner of what it is in.
const SMALL: Recipe = Recipe {
    name: "busybox",
    lines: "FROM BASE
COPY x /tmp/z/x
COPY probe.sh /bin/
USER app
WORKDIR /own/inner
COPY --chown=app x /own/y
COPY --chown=app dir /srv/data
COPY --chown=0 x /srv/data/sub/f
COPY --chown=0 x /srv/private/deep/f
COPY x /srv/set/f
COPY x /srv/nested/y/f
COPY x /var/lib/empty/f
CMD [\"/bin/probe.sh\"]
",
    stat: "/bin/busybox stat",
    directories: &[
        ("/tmp", "1777:0:0"),
        ("/tmp/z", "755:0:0"),
        ("/own", "755:1000:1001"),
        ("/own/inner", "755:1000:1001"),
        ("/srv", "755:0:0"),
        ("/srv/data", "755:1000:1001"),
        ("/srv/data/sub", "755:1000:1001"),
        ("/srv/private", "700:1000:1000"),
        ("/srv/private/deep", "755:0:0"),
        ("/srv/set", "2775:0:0"),
        ("/srv/nested", "755:1000:1000"),
        ("/srv/nested/y", "711:0:0"),
        ("/var/lib/empty", "555:0:0"),
    ],
};

/// On Debian, by numbers that nobody has there.
const DEBIAN: Recipe = Recipe {
    name: "debian",
    lines: "FROM BASE
COPY x /tmp/z/x
COPY x /var/tmp/x
COPY x /var/mail/x
COPY x /var/local/x
COPY x /root
COPY probe.sh /bin/
USER 1000:50
WORKDIR /own
COPY --chown=1000:50 x y
COPY --chown=1000:50 dir /srv/data
COPY --chown=0 x /srv/data/sub/f
CMD [\"/bin/probe.sh\"]
",
    stat: "stat",
    directories: &[
        ("/tmp", "1777:0:0"),
        ("/tmp/z", "755:0:0"),
        ("/var/tmp", "1777:0:0"),
        ("/var/mail", "2775:0:8"),
        ("/var/local", "2775:0:50"),
        ("/root", "700:0:0"),
        ("/own", "755:1000:50"),
        ("/srv/data", "755:1000:50"),
        ("/srv/data/sub", "755:1000:50"),
    ],
};

#[test]
fn umoci_finds_them() {
    let needs = &["umoci", "busybox", "mmdebstrap"];
    let test = "build::parents::umoci_finds_them";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        for image in Image::all(cage, &site) {
            cases.run(&format!("{}: umoci unpack", image.name()), || {
                unpacked(cage, &image);
            });
        }
    });
}

#[test]
fn docker_runs_in_them() {
    let needs = &["dockerd", "docker", "runc", "busybox", "mmdebstrap"];
    let test = "build::parents::docker_runs_in_them";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let daemon = Daemon::start(cage);
        let driver = daemon.docker.run("info --format {{.Driver}}").line();
        for image in Image::all(cage, &site) {
            let name = format!("{}, {driver}", image.name());
            cases.run(&format!("{name}: docker load"), || loaded(&daemon, &image));
            cases.run(&format!("{name}: docker pull"), || pulled(&daemon, &image));
        }
    });
}

#[test]
fn podman_runs_in_them() {
    let needs = &["podman", "conmon", "runc", "busybox", "mmdebstrap"];
    let test = "build::parents::podman_runs_in_them";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let podman = Podman::new(cage);
        let images = Image::all(cage, &site);
        with_one_driver(&podman, &site, ("vfs", ""), (&images, cases));
        // Of a flag that is given twice, the second one counts.
        let at = |name: &str| cage.path(name).display().to_string();
        let overlay = format!(
            "--root {} --runroot {} --storage-driver overlay",
            at("podman-overlay"),
            at("podman-overlay-run")
        );
        if podman.other.succeeds(&format!("{overlay} info")) {
            let line = format!("{overlay} info --format {{{{.Store.GraphDriverName}}}}");
            assert_eq!(podman.other.run(&line).line(), "overlay");
            with_one_driver(&podman, &site, ("overlay", &overlay), (&images, cases));
        } else {
            println!("podman can not lay directories over others here");
        }
    });
}

#[test]
fn containerd_runs_in_them() {
    let needs = &["containerd", "ctr", "runc", "busybox", "mmdebstrap"];
    let test = "build::parents::containerd_runs_in_them";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let containerd = Containerd::start(cage);
        let plugins = containerd.ctr.run("plugins ls").text;
        let works = |name: &str| {
            let mut lines = plugins.lines();
            lines.any(|line| line.contains(&format!(" {name} ")) && line.trim().ends_with("ok"))
        };
        for image in Image::all(cage, &site) {
            for snapshotter in ["native", "overlayfs"] {
                // Copying all of Debian for each layer takes long.
                if !works(snapshotter) || (snapshotter == "native" && !image.is_small()) {
                    println!("{snapshotter} is left out");
                    continue;
                }
                let name = format!("{}, {snapshotter}", image.name());
                cases.run(&format!("{name}: ctr images import"), || {
                    imported(&containerd.ctr, &image, snapshotter);
                });
                cases.run(&format!("{name}: ctr images pull"), || {
                    pulled_by_containerd(&containerd.ctr, &image, snapshotter);
                });
            }
        }
    });
}

fn with_one_driver(
    podman: &Podman,
    site: &Site,
    (driver, flags): (&str, &str),
    (images, cases): (&[Image], &mut Cases),
) {
    for image in images {
        // It copies all of a base for each layer.
        if driver == "vfs" && !image.is_small() {
            continue;
        }
        let name = format!("{}, {driver}", image.name());
        let run = |line: &str| podman.other.run(&format!("{flags} {line}")).line();
        for (kind, file) in [("docker's", &image.docker), ("a layout's", &image.archive)] {
            cases.run(&format!("{name}: podman load of {kind} archive"), || {
                let said = run(&format!("load --quiet --input {file}"));
                let (_, id) = said.rsplit_once(' ').expect("words and a name");
                image.holds(&run(&format!("run {} {id}", podman::RUN)));
                run(&format!("rmi {id}"));
            });
        }
        cases.run(&format!("{name}: podman pull"), || {
            let id = run(&format!("pull --quiet {} {}", site.flags(""), image.image));
            image.holds(&run(&format!("run {} {id}", podman::RUN)));
            run(&format!("rmi {id}"));
        });
    }
}

fn unpacked(cage: &Cage, image: &Image) {
    let bundle = cage.path(&format!("bundle-{}", image.name()));
    let line = format!("--image {}:1 {}", image.layout, bundle.display());
    Tool::from_line("umoci unpack").run(&line);
    let root = bundle.join("rootfs").display().to_string();
    let places = image.recipe.directories.iter();
    let places = places.map(|(path, _)| format!("{root}{path}"));
    let places = places.collect::<Vec<String>>().join(" ");
    let said = Tool::from_line("stat --format %n:%a:%u:%g").run(&places);
    image.holds(&said.line().replace(&root, ""));
}

fn loaded(daemon: &Daemon, image: &Image) {
    let docker = &daemon.docker;
    docker.run(&format!("load --input {}", image.docker));
    runs_in_docker(docker, image);
}

fn pulled(daemon: &Daemon, image: &Image) {
    let docker = &daemon.docker;
    let said = docker.run(&format!("pull {}", image.image)).text;
    assert_eq!(field(&said, "Digest: "), image.digest, "{said}");
    runs_in_docker(docker, image);
}

fn runs_in_docker(docker: &Tool, image: &Image) {
    let said = docker.run(&format!("run --rm --network none {}", image.image));
    image.holds(&said.line());
    docker.run(&format!("rmi {}", image.image));
}

fn imported(ctr: &Tool, image: &Image, snapshotter: &str) {
    ctr.run(&format!(
        "images import --snapshotter {snapshotter} --base-name example.org/imported {}",
        image.archive
    ));
    runs_in_containerd(ctr, image, snapshotter);
}

fn pulled_by_containerd(ctr: &Tool, image: &Image, snapshotter: &str) {
    ctr.run(&format!(
        "images pull --plain-http --snapshotter {snapshotter} {}",
        image.image
    ));
    runs_in_containerd(ctr, image, snapshotter);
}

/// Runs the only image that containerd has, and removes it.
fn runs_in_containerd(ctr: &Tool, image: &Image, snapshotter: &str) {
    let name = ctr.run("images ls --quiet").line();
    let line = format!("run --rm --snapshotter {snapshotter} --runc-binary runc");
    let said = ctr.run(&format!("{line} {name} {}-{snapshotter}", image.name()));
    image.holds(&said.line());
    ctr.run(&format!("images rm --sync {name}"));
}

/// An image that was built: in a registry, as a layout, and as an archive of either kind.
struct Image {
    recipe: Recipe,
    /// Its name, by which the registry has it.
    image: String,
    /// What wharf printed.
    digest: String,
    layout: String,
    archive: String,
    docker: String,
}

impl Image {
    /// Builds and pushes both.
    fn all(cage: &Cage, site: &Site) -> [Self; 2] {
        let small = base::furnished(cage);
        [(SMALL, small), (DEBIAN, fixtures::debian())]
            .map(|(recipe, tar)| Self::build(cage, site, recipe, tar))
    }

    fn build(cage: &Cage, site: &Site, recipe: Recipe, tar: PathBuf) -> Self {
        let name = recipe.name;
        let from = base::layout(cage, &format!("{name}-base"), &tar);
        let at = |suffix: &str| {
            let path = cage.path(&format!("parents-{name}{suffix}"));
            path.display().to_string()
        };
        let (layout, archive, docker) = (at(""), at(".oci.tar"), at(".docker.tar"));
        let image = site.image(&format!("parents/{name}:1"));
        let context = cage.make(&format!("parents-context-{name}"));
        let files = [
            ("Dockerfile", recipe.lines.replace("BASE", &from)),
            ("probe.sh", recipe.probe()),
            ("x", "x\n".to_owned()),
            ("dir/one", "one\n".to_owned()),
            ("dir/sub/two", "two\n".to_owned()),
        ];
        for (name, content) in files {
            let path = context.join(name);
            let parent = path.parent().expect("it is in the context");
            fs_err::create_dir_all(parent).expect("a writable directory");
            fs_err::write(path, content).expect("a writable directory");
        }
        let probe = context.join("probe.sh").display().to_string();
        Tool::from_line("chmod 0755").run(&probe);
        let (digest, _) = Build::of(&context, &cage.make("parents-home"))
            .with(&format!("--tag {image} --push"))
            .with(&format!("--output type=oci,dest={layout}"))
            .with(&format!("--output type=oci,dest={archive}"))
            .with(&format!("--output type=docker,dest={docker}"))
            .run();
        Self {
            recipe,
            image,
            digest,
            layout,
            archive,
            docker,
        }
    }

    fn name(&self) -> &'static str {
        self.recipe.name
    }

    /// Says whether it is small enough to be copied for each layer.
    fn is_small(&self) -> bool {
        self.name() != DEBIAN.name
    }

    /// Compares what `stat` printed with what is wanted.
    fn holds(&self, said: &str) {
        let directories = self.recipe.directories.iter();
        let wanted = directories.map(|(path, what)| format!("{path}:{what}"));
        let wanted: Vec<String> = wanted.collect();
        let found: Vec<&str> = said.lines().collect();
        assert_eq!(found, wanted);
    }
}

impl Recipe {
    /// Writes the program that the image runs: it looks at every directory, and then
    /// writes as the image's user where this user may.
    fn probe(&self) -> String {
        let places: Vec<&str> = self.directories.iter().map(|(path, _)| *path).collect();
        format!(
            "#!/bin/sh\nset -e\n{} -c %n:%a:%u:%g {}\necho a > /tmp/foo\n\
             echo b > /own/file\necho c > /srv/data/sub/file\n",
            self.stat,
            places.join(" ")
        )
    }
}
