//! The programs that build what wharf builds: docker with its BuildKit, and buildah.

use std::path::Path;

use serde_json::{Value, json};

use crate::build::listing::{self, Listing};
use crate::cage::Cage;
use crate::docker::Daemon;
use crate::tool::Tool;

/// A program that builds images of Dockerfiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Docker,
    Buildah,
}

impl Peer {
    /// Returns the word that stands in names of files.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildah => "buildah",
        }
    }
}

/// What a program is asked to build.
pub(crate) struct Order<'a> {
    /// The name of the image.
    pub(crate) image: &'a str,
    /// The Dockerfile.
    pub(crate) file: &'a str,
    /// Further flags.
    pub(crate) flags: &'a str,
    pub(crate) context: &'a Path,
    /// Where times are listed as well.
    pub(crate) timed: &'a str,
}

/// What one program made.
pub(crate) struct Made {
    /// Its files, with every layer put onto those before it by one program.
    pub(crate) files: Listing,
    /// The same files, as docker has them in a container; docker unpacks each layer by
    /// itself. Empty for buildah, and where nobody looks.
    pub(crate) contained: Listing,
    /// What docker calls the config, and the author.
    pub(crate) config: Value,
}

/// Both of them, with stores of their own.
pub(crate) struct Peers<'a> {
    cage: &'a Cage,
    pub(crate) daemon: Daemon,
    buildah: Tool,
    /// Whether it is also looked into containers of docker's, which takes as long as all
    /// the rest.
    pub(crate) looks_inside: bool,
}

impl<'a> Peers<'a> {
    /// Starts what has to be started.
    pub(crate) fn start(cage: &'a Cage) -> Self {
        let at = |name: &str| cage.path(name).display().to_string();
        let buildah = Tool::from_line(&format!(
            "buildah --root {} --runroot {} --storage-driver {}",
            at("buildah"),
            at("buildah-run"),
            crate::docker::storage_driver(cage).trim_end_matches('2'),
        ));
        Self {
            cage,
            daemon: Daemon::start(cage),
            buildah,
            looks_inside: true,
        }
    }

    /// Gives both an image.
    pub(crate) fn load(&self, archive: &str) {
        self.daemon.docker.run(&format!("load --input {archive}"));
        self.buildah
            .run(&format!("pull --quiet docker-archive:{archive}"));
    }

    /// Has one build an image.
    ///
    /// # Errors
    /// Returns what the program said when it refused.
    pub(crate) fn build(&self, peer: Peer, order: &Order<'_>) -> Result<(), String> {
        let Order {
            image, file, flags, ..
        } = order;
        let context = order.context.display();
        let rest = format!("--tag {image} --file {file} {flags} {context}");
        match peer {
            Peer::Docker => self
                .daemon
                .docker
                .clone()
                .with("DOCKER_BUILDKIT", "1")
                .tried(&format!("build --network none {rest}")),
            // Its own format has no place for health checks, shells and triggers.
            Peer::Buildah => self.buildah.tried(&format!(
                "build --format docker --isolation chroot --layers=false --pull-never {rest}"
            )),
        }
    }

    /// Writes an image as an archive of docker's.
    pub(crate) fn save(&self, peer: Peer, image: &str, archive: &str) {
        match peer {
            Peer::Docker => {
                let docker = &self.daemon.docker;
                docker.run(&format!("save --output {archive} {image}"));
            }
            Peer::Buildah => {
                let target = format!("docker-archive:{archive}:{image}");
                self.buildah.run(&format!("push --quiet {image} {target}"));
            }
        }
    }

    /// Looks at what one built, and has it forget that.
    pub(crate) fn made(&self, peer: Peer, order: &Order<'_>) -> Made {
        let Order { image, timed, .. } = order;
        let layout = self.cage.path(&format!("{}-layout", peer.word()));
        let layout = layout.display().to_string();
        let (config, contained) = match peer {
            Peer::Docker => {
                let archive = self.cage.path("docker-saved.tar").display().to_string();
                self.save(peer, image, &archive);
                Tool::from_line("skopeo copy").run(&format!(
                    "docker-archive:{archive} oci:{layout}:1 --dest-compress=false"
                ));
                fs_err::remove_file(archive).expect("written above");
                (
                    self.inspected(image),
                    self.contained("docker", image, timed),
                )
            }
            Peer::Buildah => {
                self.buildah.run(&format!(
                    "push --quiet --disable-compression {image} oci:{layout}:1"
                ));
                let config = self.inspected_by_buildah(image);
                self.buildah.run(&format!("rmi {image}"));
                (config, Listing::new())
            }
        };
        Made {
            files: self.unpacked(&layout, timed),
            contained,
            config,
        }
    }

    /// Unpacks a layout, lists what is in it, and removes both.
    pub(crate) fn unpacked(&self, layout: &str, timed: &str) -> Listing {
        let root = Path::new(layout).with_extension("root");
        Tool::from_line("umoci raw unpack").run(&format!("--image {layout}:1 {}", root.display()));
        let files = listing::list(&root, timed);
        for directory in [root.as_path(), Path::new(layout)] {
            fs_err::remove_dir_all(directory).expect("made above");
        }
        files
    }

    /// Lists what docker has of an image in a container, which is never started, and
    /// removes both.
    pub(crate) fn contained(&self, by: &str, image: &str, timed: &str) -> Listing {
        let docker = &self.daemon.docker;
        if !self.looks_inside {
            docker.run(&format!("rmi {image}"));
            return Listing::new();
        }
        let (root, tar) = (
            self.cage.make(&format!("{by}-contained")),
            self.cage.path(&format!("{by}-contained.tar")),
        );
        let id = docker.run(&format!("create --network none {image} /never"));
        let id = id.line();
        docker.run(&format!("export --output {} {id}", tar.display()));
        docker.run(&format!("rm --volumes {id}"));
        docker.run(&format!("rmi {image}"));
        Tool::from_line("tar --numeric-owner --same-owner --xattrs --xattrs-include=* -x -p")
            .run(&format!("-C {} -f {}", root.display(), tar.display()));
        let files = listing::list(&root, timed);
        fs_err::remove_dir_all(root).expect("made above");
        fs_err::remove_file(tar).expect("made above");
        files
    }

    fn inspected(&self, image: &str) -> Value {
        let said = self.daemon.docker.run(&format!("image inspect {image}"));
        let inspected: Value = serde_json::from_slice(&said.bytes).expect("JSON");
        let mut config = inspected[0]["Config"].clone();
        config["author"] = inspected[0]["Author"].clone();
        config
    }

    fn inspected_by_buildah(&self, image: &str) -> Value {
        let line = format!("inspect --type image --format {{{{.Config}}}} {image}");
        let said = self.buildah.run(&line);
        let whole: Value = serde_json::from_slice(&said.bytes).expect("JSON");
        let mut config = whole["config"].clone();
        config["author"] = whole["author"].clone();
        config
    }
}

/// Parts of a config that all programs write.
const PARTS: &[&str] = &[
    "author",
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// Lists the parts that differ; a part that is absent and an empty one are the same.
pub(crate) fn config_differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let part = |config: &Value, name: &str| {
        let mut value = config[name].clone();
        // buildah signs what it builds; this version has no flag against that.
        if let Some(labels) = value.as_object_mut() {
            labels.remove("io.buildah.version");
        }
        let is_empty = [json!(null), json!(""), json!([]), json!({})].contains(&value);
        if is_empty { json!(null) } else { value }
    };
    let differs = |name: &&&str| part(ours, name) != part(theirs, name);
    let line = |name: &&str| {
        let (mine, other) = (part(ours, name), part(theirs, name));
        format!("{name}: wharf has {mine}, the other has {other}")
    };
    PARTS.iter().filter(differs).map(line).collect()
}
