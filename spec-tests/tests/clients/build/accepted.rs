//! Images of `wharf build` in the hands of the programs that people have: each takes
//! them from a file or from a registry, sees the digest that wharf printed, and runs
//! what is in them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::build::{Build, base};
use crate::cage::Cage;
use crate::cases::Cases;
use crate::ctr::Containerd;
use crate::docker::{Daemon, field};
use crate::podman::{self, Podman};
use crate::site::{Guard, Site};
use crate::tool::Tool;
use spec_tests::{digest, media};

/// What is built; `BASE` is what `FROM` names.
const DOCKERFILE: &str = "FROM BASE
WORKDIR /srv/shop
COPY --chown=1000:50 greeting ./
COPY run.sh /bin/
ENV WORD=asked
USER 1000:50
VOLUME /data
ENTRYPOINT [\"/bin/run.sh\"]
CMD [\"by default\"]
";

/// A program that needs its directory, its variables and its arguments.
const PROGRAM: &str = "#!/bin/sh\necho \"shop: $(cat greeting), as $WORD, $1\"\n";

/// What it prints, to the letter, and what it prints with an argument.
const LINE: &str = "shop: made by wharf, as asked, by default";
const OTHER_LINE: &str = "shop: made by wharf, as asked, otherwise";

/// Docker's type of a manifest.
const SCHEMA_2: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[test]
fn umoci_unpacks_and_skopeo_copies() {
    let needs = &["umoci", "skopeo", "busybox", "mmdebstrap"];
    let test = "build::accepted::umoci_unpacks_and_skopeo_copies";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        for shop in Shop::all(cage, &site) {
            let name = shop.name;
            if shop.format == "oci" {
                cases.run(&format!("{name}: umoci unpack"), || unpacked(cage, &shop));
            }
            cases.run(&format!("{name}: skopeo inspect"), || {
                inspected(&shop, &site);
            });
            cases.run(&format!("{name}: skopeo copy"), || {
                copied(cage, &shop, &site);
            });
        }
    });
}

#[test]
fn docker_loads_pulls_and_runs() {
    let needs = &["dockerd", "docker", "runc", "busybox", "mmdebstrap"];
    let test = "build::accepted::docker_loads_pulls_and_runs";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let daemon = Daemon::start(cage);
        for shop in Shop::all(cage, &site) {
            let name = shop.name;
            cases.run(&format!("{name}: docker load"), || {
                loaded(&daemon, &shop, &site);
            });
            cases.run(&format!("{name}: docker pull"), || pulled(&daemon, &shop));
        }
    });
}

#[test]
fn podman_pulls_and_runs() {
    let needs = &["podman", "conmon", "runc", "busybox", "mmdebstrap"];
    let test = "build::accepted::podman_pulls_and_runs";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let podman = Podman::new(cage);
        for shop in Shop::all(cage, &site) {
            let name = shop.name;
            cases.run(&format!("{name}: podman pull"), || {
                pulled_by_podman(&podman, &shop, &site);
            });
            if shop.is_small() {
                cases.run(&format!("{name}: podman load"), || {
                    loaded_by_podman(&podman, &shop, &site);
                });
            }
        }
    });
}

#[test]
fn containerd_imports_pulls_and_runs() {
    let needs = &["containerd", "ctr", "runc", "busybox", "mmdebstrap"];
    let test = "build::accepted::containerd_imports_pulls_and_runs";
    Cage::run(test, needs, |cage, cases| {
        let site = Site::start(cage, Guard::Open);
        let containerd = Containerd::start(cage);
        for shop in Shop::all(cage, &site) {
            let name = shop.name;
            if shop.is_small() {
                cases.run(&format!("{name}: ctr images import"), || {
                    imported(&containerd.ctr, &shop);
                });
            }
            cases.run(&format!("{name}: ctr images pull"), || {
                pulled_by_containerd(&containerd.ctr, &shop);
            });
        }
    });
}

#[test]
fn a_base_that_was_never_downloaded_is_pushed() {
    let needs = &["skopeo", "umoci", "busybox"];
    let test = "build::accepted::a_base_that_was_never_downloaded_is_pushed";
    Cage::run(test, needs, absent_base);
}

fn unpacked(cage: &Cage, shop: &Shop) {
    let bundle = cage.path(&format!("bundle-{}", shop.word()));
    Tool::from_line("umoci unpack").run(&format!(
        "--image {} {}",
        shop.layout_name,
        bundle.display()
    ));
    let root = bundle.join("rootfs");
    let text = |name: &str| fs_err::read_to_string(root.join(name)).expect("it was copied");
    assert_eq!(text("srv/shop/greeting"), "made by wharf\n");
    assert_eq!(text("bin/run.sh"), PROGRAM);
    let said = Tool::from_line("stat --format %a:%u:%g").run(&format!(
        "{} {}",
        root.join("srv/shop/greeting").display(),
        root.join("bin/run.sh").display(),
    ));
    assert_eq!(said.line(), "644:1000:50\n755:0:0");
    let text = fs_err::read(bundle.join("config.json")).expect("umoci writes it");
    let config: Value = serde_json::from_slice(&text).expect("JSON");
    let process = &config["process"];
    assert_eq!(process["cwd"], "/srv/shop");
    assert_eq!(process["user"]["uid"], 1000);
    assert_eq!(process["user"]["gid"], 50);
    assert_eq!(process["args"][0], "/bin/run.sh");
    assert_eq!(process["args"][1], "by default");
}

fn inspected(shop: &Shop, site: &Site) {
    let flags = site.flags("");
    let skopeo = Tool::from_line("skopeo inspect");
    let said = skopeo.run(&format!("{flags} docker://{}", shop.image));
    let said: Value = serde_json::from_slice(&said.bytes).expect("JSON");
    assert_eq!(said["Digest"], shop.digest.as_str());
    for place in shop.layouts() {
        let raw = skopeo.run(&format!("--raw {place}"));
        assert_eq!(digest(&raw.bytes), shop.digest, "{place}");
    }
    let raw = skopeo.run(&format!("--config --raw {}", shop.docker_archive()));
    assert_eq!(digest(&raw.bytes), shop.config(site));
}

/// Reading all of it, skopeo compares every blob with its digest, and the layers with
/// the config's diff IDs where it unpacks them.
fn copied(cage: &Cage, shop: &Shop, site: &Site) {
    let skopeo = Tool::from_line("skopeo copy");
    let from_registry = format!("{} docker://{}", site.flags("src-"), shop.image);
    let layouts = shop.layouts();
    let places = [&from_registry].into_iter().chain(layouts);
    for (number, place) in places.enumerate() {
        let back = cage.path(&format!("back-{}-{number}", shop.word()));
        skopeo.run(&format!("{place} dir:{}", back.display()));
        let manifest = fs_err::read(back.join("manifest.json")).expect("skopeo writes it");
        assert_eq!(digest(&manifest), shop.digest, "{place}");
    }
    let back = cage.path(&format!("back-{}-docker", shop.word()));
    skopeo.run(&format!(
        "{} oci:{}:1",
        shop.docker_archive(),
        back.display()
    ));
}

fn loaded(daemon: &Daemon, shop: &Shop, site: &Site) {
    let docker = &daemon.docker;
    let said = docker.run(&format!("load --input {}", shop.docker)).line();
    assert_eq!(said, format!("Loaded image: {}", shop.image));
    assert_eq!(daemon.id(&shop.image), shop.config(site));
    prints_its_lines(docker, "run --rm --network none", &shop.image);
    docker.run(&format!("rmi {}", shop.image));
}

fn pulled(daemon: &Daemon, shop: &Shop) {
    let docker = &daemon.docker;
    let said = docker.run(&format!("pull {}", shop.image)).text;
    assert_eq!(field(&said, "Digest: "), shop.digest, "{said}");
    prints_its_lines(docker, "run --rm --network none", &shop.image);
    let (repository, _) = shop.image.rsplit_once(':').expect("it has a tag");
    let image = format!("{repository}@{}", shop.digest);
    docker.run(&format!("pull {image}"));
    // The name by digest goes with the last name by tag.
    docker.run(&format!("rmi {}", shop.image));
}

fn pulled_by_podman(podman: &Podman, shop: &Shop, site: &Site) {
    let id = podman.pull(site, &shop.image);
    assert_eq!(format!("sha256:{id}"), shop.config(site));
    let line = format!("image inspect --format {{{{.Digest}}}} {}", shop.image);
    assert_eq!(podman.other.run(&line).line(), shop.digest);
    let run = format!("run {}", podman::RUN);
    prints_its_lines(&podman.other, &run, &shop.image);
    podman.other.run(&format!("rmi {}", shop.image));
}

fn loaded_by_podman(podman: &Podman, shop: &Shop, site: &Site) {
    for file in [shop.docker.as_str(), shop.oci_archive()] {
        let said = podman.other.run(&format!("load --quiet --input {file}"));
        let said = said.line();
        let (_, name) = said.rsplit_once(' ').expect("words and a name");
        let line = format!("image inspect --format {{{{.Id}}}} {name}");
        let id = podman.other.run(&line).line();
        assert_eq!(format!("sha256:{id}"), shop.config(site));
        let run = format!("run {}", podman::RUN);
        prints_its_lines(&podman.other, &run, name);
        podman.other.run(&format!("rmi {name}"));
    }
}

fn imported(ctr: &Tool, shop: &Shop) {
    let base = "example.org/imported";
    let file = shop.oci_archive();
    ctr.run(&format!(
        "images import --snapshotter native --base-name {base} {file}"
    ));
    runs_in_containerd(ctr, shop);
}

fn pulled_by_containerd(ctr: &Tool, shop: &Shop) {
    let image = &shop.image;
    ctr.run(&format!(
        "images pull --plain-http --snapshotter native {image}"
    ));
    runs_in_containerd(ctr, shop);
}

/// Runs the only image that containerd has, and removes it.
fn runs_in_containerd(ctr: &Tool, shop: &Shop) {
    let name = ctr.run("images ls --quiet").line();
    let listed = ctr.run(&format!("images ls name=={name}")).text;
    assert!(listed.contains(&shop.digest), "{listed}");
    let line = "run --rm --snapshotter native --runc-binary runc";
    let said = ctr.run(&format!("{line} {name} {}", shop.word()));
    assert_eq!(said.line(), LINE);
    ctr.run(&format!("images rm --sync {name}"));
}

fn prints_its_lines(tool: &Tool, run: &str, image: &str) {
    assert_eq!(tool.run(&format!("{run} {image}")).line(), LINE);
    let said = tool.run(&format!("{run} {image} otherwise"));
    assert_eq!(said.line(), OTHER_LINE);
}

/// Builds on a base in a registry, and pushes to the same registry and to another
/// one; the layer of the base is never kept on this machine.
fn absent_base(cage: &Cage, cases: &mut Cases) {
    let from = base::busybox(cage).replace("oci-layout://", "oci:");
    let (near, far) = (
        Site::start(cage, Guard::Open),
        Site::start(cage, Guard::Tls),
    );
    let (flags, named) = (near.flags("dest-"), near.image("bases/busybox:1"));
    Tool::from_line("skopeo copy").run(&format!("{flags} {from} docker://{named}"));
    let served = near.served("bases/busybox", "1");
    let layer = layers(&served.bytes).remove(0);
    let manifest: Value = serde_json::from_slice(&served.bytes).expect("JSON");
    let size = manifest["layers"][0]["size"].as_u64().expect("a length");
    let recipes = [
        (
            "config only",
            "FROM BASE\nENV A=b\nCMD [\"/bin/echo\", \"x\"]\n",
        ),
        ("a file", DOCKERFILE),
    ];
    let sites = [("the same registry", &near), ("another registry", &far)];
    for (number, (what, recipe)) in recipes.iter().enumerate() {
        for (whereto, site) in sites {
            for at_once in [true, false] {
                let how = if at_once { "build --push" } else { "push" };
                let pushing = Pushing {
                    cage,
                    site,
                    recipe: &recipe.replace("BASE", &named),
                    name: format!("absent/{number}-{at_once}"),
                    layer: &layer,
                    size,
                };
                cases.run(&format!("{what}, to {whereto} by {how}"), || {
                    pushing.run(at_once);
                });
            }
        }
    }
}

/// One push of an image whose base has one layer that is elsewhere.
struct Pushing<'a> {
    cage: &'a Cage,
    site: &'a Site,
    recipe: &'a str,
    name: String,
    /// The digest of the layer, and its length in bytes.
    layer: &'a str,
    size: u64,
}

impl Pushing<'_> {
    fn run(&self, at_once: bool) {
        let host = self.site.host().replace(['.', ':'], "-");
        let place = format!("{host}/{}", self.name);
        let (home, image) = (
            self.cage.make(&format!("homes/{place}")),
            self.site.image(&format!("{}:1", self.name)),
        );
        let context = context(self.cage, &format!("contexts/{place}"), self.recipe);
        let build = Build::of(&context, &home).with(&format!("--tag {image}"));
        let digest = if at_once {
            build.with("--push").run().0
        } else {
            let (digest, _) = build.run();
            let program = crate::site::program().display().to_string();
            let wharf = Tool::from_line(&program).with("WHARF_HOME", home.as_os_str());
            wharf.run(&format!("push {image}"));
            digest
        };
        let served = self.site.served(&self.name, "1");
        assert_eq!(served.digest, digest);
        assert_eq!(layers(&served.bytes)[0], self.layer);
        let kept = home.join("blobs").join(self.layer.replace(':', "/"));
        assert!(!kept.exists(), "the layer was kept");
        assert!(
            size(&home) < self.size,
            "the layer was kept under another name"
        );
        self.is_whole(&place, &image);
    }

    /// Fetches all of it and unpacks it.
    fn is_whole(&self, place: &str, image: &str) {
        let layout = self.cage.make(&format!("layouts/{place}"));
        let bundle = self.cage.make(&format!("bundles/{place}")).join("bundle");
        let flags = self.site.flags("src-");
        Tool::from_line("skopeo copy").run(&format!(
            "{flags} docker://{image} oci:{}:1",
            layout.display()
        ));
        Tool::from_line("umoci unpack").run(&format!(
            "--image {}:1 {}",
            layout.display(),
            bundle.display()
        ));
        assert!(bundle.join("rootfs/bin/busybox").is_file());
    }
}

/// Returns the digests of a manifest's layers.
fn layers(manifest: &[u8]) -> Vec<String> {
    let manifest: Value = serde_json::from_slice(manifest).expect("JSON");
    let layers = manifest["layers"].as_array().expect("an image").iter();
    layers
        .map(|layer| layer["digest"].as_str().expect("a digest").to_owned())
        .collect()
}

/// Returns how many bytes are in the files below a directory.
fn size(directory: &Path) -> u64 {
    let entries = fs_err::read_dir(directory).expect("a readable directory");
    let sizes = entries.flatten().map(|entry| {
        let metadata = entry.metadata().expect("it was listed");
        if metadata.is_dir() {
            size(&entry.path())
        } else {
            metadata.len()
        }
    });
    sizes.sum()
}

/// Makes the files that are copied, and the Dockerfile beside them.
fn context(cage: &Cage, name: &str, dockerfile: &str) -> PathBuf {
    let context = cage.make(name);
    for (name, content) in [
        ("greeting", "made by wharf\n"),
        ("run.sh", PROGRAM),
        ("Dockerfile", dockerfile),
    ] {
        fs_err::write(context.join(name), content).expect("a writable directory");
    }
    Tool::from_line("chmod 0755").run(&context.join("run.sh").display().to_string());
    context
}

/// One image: in a registry, as a layout, and as an archive of either kind.
struct Shop {
    name: &'static str,
    /// Whose types it is in: `oci` or `docker`.
    format: &'static str,
    /// Its name, by which the registry has it.
    image: String,
    /// What wharf printed.
    digest: String,
    /// What umoci calls the layout.
    layout_name: String,
    /// What skopeo calls the layout, and the archive of a layout.
    layout: String,
    archive: String,
    /// The path of docker's archive.
    docker: String,
}

impl Shop {
    /// Builds and pushes an image on each base, and one in docker's types.
    fn all(cage: &Cage, site: &Site) -> Vec<Self> {
        let (busybox, debian) = (base::busybox(cage), base::debian(cage));
        vec![
            Self::build(cage, site, "busybox", (&busybox, "oci")),
            Self::build(cage, site, "debian", (&debian, "oci")),
            Self::build(cage, site, "docker's types", (&busybox, "docker")),
        ]
    }

    fn build(
        cage: &Cage,
        site: &Site,
        name: &'static str,
        (from, format): (&str, &'static str),
    ) -> Self {
        let word = name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        let at = |suffix: &str| cage.path(&format!("shop-{word}{suffix}"));
        let at = |suffix: &str| at(suffix).display().to_string();
        let (layout, archive, docker) = (at(""), at(".oci.tar"), at(".docker.tar"));
        let image = site.image(&format!("shop/{word}:1"));
        let text = DOCKERFILE.replace("BASE", from);
        let context = context(cage, &format!("shop-context-{word}"), &text);
        let home = cage.make("shop-home");
        let (digest, _) = Build::of(&context, &home)
            .with(&format!("--format {format} --tag {image} --push"))
            .with(&format!("--output type=oci,dest={layout}"))
            .with(&format!("--output type=oci,dest={archive}"))
            .with(&format!("--output type=docker,dest={docker}"))
            .run();
        let served = site.served(&format!("shop/{word}"), "1");
        assert_eq!(served.digest, digest, "`--push` pushed something else");
        let wanted = if format == "oci" {
            media::MANIFEST
        } else {
            SCHEMA_2
        };
        assert_eq!(served.media_type, wanted);
        Self {
            name,
            format,
            image,
            digest,
            layout_name: format!("{layout}:1"),
            layout: format!("oci:{layout}:1"),
            archive: format!("oci-archive:{archive}:1"),
            docker,
        }
    }

    /// Says whether it is small enough to be unpacked more than once.
    fn is_small(&self) -> bool {
        self.name != "debian"
    }

    /// Returns what skopeo calls the layout and its archive. It finds no image of
    /// docker's types in them, as the specification of layouts has it.
    fn layouts(&self) -> Vec<&String> {
        if self.format == "oci" {
            vec![&self.layout, &self.archive]
        } else {
            Vec::new()
        }
    }

    /// Returns the name as one word.
    fn word(&self) -> String {
        let letter = |letter: char| !letter.is_ascii_alphanumeric();
        self.name.replace(letter, "-")
    }

    /// Returns the digest of the config, which docker and podman call the image's ID.
    fn config(&self, site: &Site) -> String {
        let served = site.served(&format!("shop/{}", self.word()), "1");
        let manifest: Value = serde_json::from_slice(&served.bytes).expect("JSON");
        manifest["config"]["digest"]
            .as_str()
            .expect("an image")
            .to_owned()
    }

    /// Returns what skopeo calls docker's archive.
    fn docker_archive(&self) -> String {
        format!("docker-archive:{}", self.docker)
    }

    /// Returns the path of the archive of a layout.
    fn oci_archive(&self) -> &str {
        let words = self.archive.trim_start_matches("oci-archive:");
        words.trim_end_matches(":1")
    }
}
