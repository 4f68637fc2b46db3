//! podman, which shares its registry code with buildah and skopeo, but pushes from
//! its own store and runs what it pulls.

use serde_json::Value;

use crate::cage::Cage;
use crate::cases::Cases;
use crate::fixtures;
use crate::layout::{Layout, architecture};
use crate::replicas;
use crate::site::{CALLER, Guard, Site};
use crate::tool::Tool;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const SCHEMA_2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[test]
fn pushes_pulls_and_runs() {
    let needs = &[
        "podman",
        "conmon",
        "runc",
        "busybox",
        "htpasswd",
        "mmdebstrap",
    ];
    Cage::run("podman::pushes_pulls_and_runs", needs, |cage, cases| {
        let podman = Podman::new(cage);
        podman.import(&fixtures::busybox(cage).display().to_string(), "busybox");
        podman.import(&fixtures::debian().display().to_string(), "debian");
        let layout = Layout::make(cage);
        let small = cage.path("small-riscv64.tar").display().to_string();
        podman.import(&small, "small");
        for guard in Guard::ALL {
            let site = Site::start(cage, guard);
            with_one_registry(&podman, &site, &layout, cases);
        }
        cases.run("three replicas: pushed to one, pulled from another", || {
            replicated(&podman);
        });
    });
}

fn with_one_registry(podman: &Podman, site: &Site, layout: &Layout, cases: &mut Cases) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    if site.guard.asks() {
        run("a stranger is refused", &|| stranger(podman, site));
    }
    if site.guard == Guard::TlsPassword {
        run("login is remembered", &|| login(podman, site));
    }
    run("busybox as OCI image comes back and runs", &|| {
        round_trip(podman, site, "busybox", "oci");
    });
    run("busybox as docker image comes back and runs", &|| {
        round_trip(podman, site, "busybox", "v2s2");
    });
    if site.guard.gets_debian() {
        run("debian comes back and runs", &|| {
            round_trip(podman, site, "debian", "oci");
        });
    }
    run("layers compressed by zstd", &|| zstd(podman, site));
    run("an index", &|| index(podman, site, layout, "oci"));
    run("a manifest list", &|| index(podman, site, layout, "v2s2"));
    run("search finds repositories and tags", &|| {
        search(podman, site)
    });
}

/// Pushes an image, forgets it, pulls it: one digest everywhere, and it runs.
fn round_trip(podman: &Podman, site: &Site, name: &str, format: &str) {
    let repository = format!("{format}/{name}");
    let image = site.image(&format!("{repository}:1"));
    let pushed = podman.push(
        site,
        &format!("--format {format} localhost/{name}:local"),
        &image,
    );
    let served = site.served(&repository, "1");
    assert_eq!(pushed, served.digest);
    assert_eq!(
        served.media_type,
        if format == "oci" { IMAGE } else { SCHEMA_2 }
    );

    let id = podman.pull(site, &image);
    let seen = podman
        .other
        .run(&format!("image inspect --format {{{{.Digest}}}} {image}"));
    assert_eq!(seen.line(), pushed);
    let manifest: Value = serde_json::from_slice(&served.bytes).expect("JSON");
    assert_eq!(manifest["config"]["digest"], format!("sha256:{id}"));
    let said = podman
        .other
        .run(&format!("run {RUN} {image} /bin/echo it runs"));
    assert_eq!(said.line(), "it runs");
    podman.other.run(&format!("rmi {image}"));
}

/// Pushes to one process and pulls from another, then both through the balancer.
fn replicated(podman: &Podman) {
    let registry = replicas::start();
    let file = &podman.digest_file;
    let any = format!("{}/group/busybox:2", registry.host());
    let pairs = [
        (
            replicas::image(&registry, 0, "group/busybox:1"),
            replicas::image(&registry, 1, "group/busybox:1"),
        ),
        (any.clone(), any),
    ];
    for (to, from) in pairs {
        podman.tool.run(&format!(
            "push --tls-verify=false --digestfile {file} localhost/busybox:local docker://{to}"
        ));
        let pushed = fs_err::read_to_string(file).expect("podman wrote it");
        podman
            .other
            .run(&format!("pull --quiet --tls-verify=false {from}"));
        let seen = podman
            .other
            .run(&format!("image inspect --format {{{{.Digest}}}} {from}"));
        assert_eq!(seen.line(), pushed);
        let said = podman
            .other
            .run(&format!("run {RUN} {from} /bin/echo it runs"));
        assert_eq!(said.line(), "it runs");
        podman.other.run(&format!("rmi {from}"));
    }
}

fn zstd(podman: &Podman, site: &Site) {
    let image = site.image("zstd/small:1");
    let options = "--format oci --compression-format zstd localhost/small:local";
    let pushed = podman.push(site, options, &image);
    let served = site.served("zstd/small", "1");
    assert_eq!(served.digest, pushed);
    assert!(String::from_utf8_lossy(&served.bytes).contains("tar+zstd"));
    podman.pull(site, &image);
    podman.other.run(&format!("rmi {image}"));
}

/// Makes an index of two images from a layout and pushes it with both of them.
fn index(podman: &Podman, site: &Site, layout: &Layout, format: &str) {
    let repository = format!("{format}/group/both");
    let image = site.image(&format!("{repository}:1"));
    let list = format!("localhost/list-{format}:{}", site.guard.is_tls());
    podman.tool.run(&format!("manifest create {list}"));
    for name in ["one", "other"] {
        podman
            .tool
            .run(&format!("manifest add {list} oci:{}:{name}", layout.path()));
    }
    let file = podman.digest_file.as_str();
    podman.tool.run(&format!(
        "manifest push --all --format {format} --digestfile {file} {} {list} docker://{image}",
        site.flags("")
    ));
    podman.tool.run(&format!("manifest rm {list}"));
    let served = site.served(&repository, "1");
    assert_eq!(
        served.media_type,
        if format == "oci" { INDEX } else { LIST }
    );
    assert_eq!(
        fs_err::read_to_string(file).expect("podman wrote it"),
        served.digest
    );
    let index: Value = serde_json::from_slice(&served.bytes).expect("JSON");
    let children = index["manifests"].as_array().expect("an index");
    assert_eq!(children.len(), 2);
    for child in children {
        site.served(&repository, child["digest"].as_str().expect("a digest"));
    }
    podman.pull(site, &image);
    let said = podman
        .other
        .run(&format!("run {RUN} {image} cat /architecture"));
    assert_eq!(said.line(), architecture());
    podman.other.run(&format!("rmi {image}"));
}

fn search(podman: &Podman, site: &Site) {
    let host = site.host();
    // It has no flags for certificates and credentials, and finds both where they are
    // kept for every program.
    let trust = site.trust("");
    let trust = if site.guard.is_tls() { "" } else { &trust };
    let tool = podman.logged_in(site);
    let said = tool.run(&format!("search {trust} {host}/oci")).text;
    assert!(said.contains("oci/busybox"), "{said}");
    let said = tool
        .run(&format!("search {trust} --list-tags {host}/oci/busybox"))
        .text;
    assert!(said.lines().any(|line| line.ends_with(" 1")), "{said}");
}

fn stranger(podman: &Podman, site: &Site) {
    let trust = site.trust("");
    let image = site.image("busybox:1");
    for creds in ["", "--creds=alice:wrong"] {
        let line = format!("push {trust} {creds} localhost/busybox:local docker://{image}");
        podman.tool.refused(&line);
    }
}

fn login(podman: &Podman, site: &Site) {
    let tool = podman.logged_in(site);
    let trust = site.trust("");
    let image = site.image("login/busybox:1");
    tool.run(&format!(
        "push {trust} localhost/busybox:local docker://{image}"
    ));
}

/// Options for running without a network, and with the limits of the machine instead
/// of higher ones, which not every root may set.
pub(crate) const RUN: &str = "--rm --network none --ulimit host";

/// podman with two stores of its own, so that what is pulled was not there before.
pub(crate) struct Podman {
    tool: Tool,
    pub(crate) other: Tool,
    digest_file: String,
}

impl Podman {
    pub(crate) fn new(cage: &Cage) -> Self {
        let at = |name: &str| cage.path(name).display().to_string();
        let logins = at("podman-auth.json");
        fs_err::write(&logins, "{}").expect("the test's directory is writable");
        let tool = |name: &str| {
            let line = format!(
                "podman --root {} --runroot {} --storage-driver vfs \
                 --cgroup-manager cgroupfs --events-backend none --runtime runc",
                at(&format!("podman-{name}")),
                at(&format!("podman-{name}-run"))
            );
            Tool::from_line(&line).with("REGISTRY_AUTH_FILE", logins.as_str())
        };
        Self {
            tool: tool("pushes"),
            other: tool("pulls"),
            digest_file: at("podman-digest"),
        }
    }

    fn import(&self, tar: &str, name: &str) {
        self.tool
            .run(&format!("import {tar} localhost/{name}:local"));
    }

    /// Pushes and returns the digest that podman computed itself.
    fn push(&self, site: &Site, options: &str, image: &str) -> String {
        let (flags, file) = (site.flags(""), &self.digest_file);
        let line = format!("push {flags} --digestfile {file} {options} docker://{image}");
        self.tool.run(&line);
        fs_err::read_to_string(file).expect("podman wrote it")
    }

    /// Pulls and returns the image's ID.
    pub(crate) fn pull(&self, site: &Site, image: &str) -> String {
        let flags = site.flags("");
        self.other
            .run(&format!("pull --quiet {flags} {image}"))
            .line()
    }

    /// Returns podman after a login, where the registry asks for one.
    fn logged_in(&self, site: &Site) -> Tool {
        if site.guard.asks() {
            let (name, password) = CALLER;
            let trust = site.trust("");
            let line = format!("login {trust} --username {name} --password {password}");
            self.tool.run(&format!("{line} {}", site.host()));
        }
        self.tool.clone()
    }
}
