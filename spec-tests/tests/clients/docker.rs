//! docker: a daemon of the test's own, and the command line beside it.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cage::Cage;
use crate::cases::Cases;
use crate::fixtures;
use crate::layout::architecture;
use crate::replicas;
use crate::site::{self, CALLER, Guard, Site};
use crate::tool::{self, Tool};

/// Longest that the daemon may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest that the daemon may take to end before it is killed.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What docker 20.10 pushes; a registry must not turn it into anything else.
const SCHEMA_2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

#[test]
fn pushes_pulls_and_runs() {
    let needs = &[
        "dockerd",
        "docker",
        "runc",
        "busybox",
        "htpasswd",
        "mmdebstrap",
    ];
    Cage::run("docker::pushes_pulls_and_runs", needs, |cage, cases| {
        let daemon = Daemon::start(cage);
        daemon.import_images(cage);
        for guard in Guard::ALL {
            let site = Site::start(cage, guard);
            with_one_registry(&daemon, &site, cases);
        }
        cases.run("three replicas: pushed to one, pulled from another", || {
            replicated(&daemon);
        });
    });
}

fn with_one_registry(daemon: &Daemon, site: &Site, cases: &mut Cases) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    if site.guard.asks() {
        run("a push without login is refused", &|| {
            stranger(daemon, site)
        });
        run("a wrong password is refused", &|| {
            wrong_password(daemon, site)
        });
        run("login", &|| login(daemon, site));
    }
    run("busybox comes back and runs", &|| {
        round_trip(daemon, site, "busybox", "/bin/echo it runs", "it runs");
    });
    if site.guard.gets_debian() {
        run("debian comes back and runs", &|| {
            let command = "/bin/cat /etc/os-release";
            round_trip(daemon, site, "debian", command, "bookworm");
        });
    }
    run("several layers, built on what is there", &|| {
        built(daemon, site)
    });
    run("a pull by digest", &|| by_digest(daemon, site));
    run("layers are mounted from another repository", &|| {
        mounted(daemon, site)
    });
    run("a manifest list", &|| manifest_list(daemon, site));
    if site::program().is_file() {
        run("what docker saves, wharf copies in", &|| {
            saved(daemon, site)
        });
    }
}

/// Pushes an image, forgets it, pulls it: the same digest on both sides and in
/// between, the same image, and it runs.
fn round_trip(daemon: &Daemon, site: &Site, name: &str, command: &str, wanted: &str) {
    let image = site.image(&format!("{name}:1"));
    daemon.docker.run(&format!("tag {name}:local {image}"));
    let id = daemon.id(&image);
    let pushed = daemon.push(&image);
    let served = site.served(name, "1");
    assert_eq!(pushed, served.digest);
    assert_eq!(served.media_type, SCHEMA_2);
    let manifest: Value = serde_json::from_slice(&served.bytes).expect("JSON");
    assert_eq!(manifest["config"]["digest"], id.as_str());

    daemon.docker.run(&format!("rmi {image} {name}:local"));
    let pulled = daemon.docker.run(&format!("pull {image}")).text;
    assert_eq!(field(&pulled, "Digest: "), pushed, "{pulled}");
    assert_eq!(daemon.id(&image), id);
    let said = daemon
        .docker
        .run(&format!("run --rm --network none {image} {command}"));
    assert!(said.text.contains(wanted), "{}", said.text);
    daemon.docker.run(&format!("tag {image} {name}:local"));
}

/// Pushes to one process and pulls from another, then both through the balancer.
fn replicated(daemon: &Daemon) {
    let registry = replicas::start();
    let one = replicas::image(&registry, 0, "group/busybox:1");
    let other = replicas::image(&registry, 1, "group/busybox:1");
    daemon.docker.run(&format!("tag busybox:local {one}"));
    let id = daemon.id(&one);
    let pushed = daemon.push(&one);
    daemon.docker.run(&format!("rmi {one} busybox:local"));
    let pulled = daemon.docker.run(&format!("pull {other}")).text;
    assert_eq!(field(&pulled, "Digest: "), pushed, "{pulled}");
    assert_eq!(daemon.id(&other), id);
    daemon.docker.run(&format!("tag {other} busybox:local"));

    let any = format!("{}/group/built:1", registry.host());
    daemon.docker.run(&format!(
        "build --network none --tag {any} {}",
        daemon.context
    ));
    let id = daemon.id(&any);
    let pushed = daemon.push(&any);
    daemon.docker.run(&format!("rmi {any}"));
    let pulled = daemon.docker.run(&format!("pull {any}")).text;
    assert_eq!(field(&pulled, "Digest: "), pushed, "{pulled}");
    assert_eq!(daemon.id(&any), id);
}

/// Builds an image of several layers, so that docker sends them side by side.
fn built(daemon: &Daemon, site: &Site) {
    let image = site.image("group/built:1");
    let line = format!("build --network none --tag {image} {}", daemon.context);
    daemon
        .docker
        .clone()
        .with("DOCKER_BUILDKIT", "0")
        .run(&line);
    let pushed = daemon.push(&image);
    assert_eq!(site.served("group/built", &pushed).digest, pushed);
    daemon.docker.run(&format!("rmi {image}"));
    daemon.docker.run(&format!("pull {image}"));
    let said = daemon.docker.run(&format!(
        "run --rm --network none {image} cat /second /fourth"
    ));
    assert_eq!(said.line(), "2\n4");
}

fn by_digest(daemon: &Daemon, site: &Site) {
    let digest = site.served("busybox", "1").digest;
    let image = site.image(&format!("busybox@{digest}"));
    let pulled = daemon.docker.run(&format!("pull {image}")).text;
    assert_eq!(field(&pulled, "Digest: "), digest);
    let absent = format!("busybox@sha256:{}", "0".repeat(64));
    let said = daemon
        .docker
        .refused(&format!("pull {}", site.image(&absent)));
    assert!(
        said.text.contains("manifest unknown") || said.text.contains("not found"),
        "{}",
        said.text
    );
}

fn mounted(daemon: &Daemon, site: &Site) {
    let image = site.image("group/again:1");
    daemon
        .docker
        .run(&format!("tag {} {image}", site.image("busybox:1")));
    let said = daemon.docker.run(&format!("push {image}")).text;
    assert!(said.contains("Mounted from "), "{said}");
    assert!(!said.contains("Pushed"), "{said}");
    let digest = field(&said, "digest: ");
    assert_eq!(digest, site.served("busybox", "1").digest);
    assert_eq!(digest, site.served("group/again", "1").digest);
}

/// Makes a list over one image under two names of processors, by docker's own client.
fn manifest_list(daemon: &Daemon, site: &Site) {
    let (list, image) = (site.image("group/list:1"), site.image("busybox:1"));
    let strange = site.image("group/built:1");
    let plain = if site.guard.is_tls() {
        ""
    } else {
        "--insecure"
    };
    let manifest = |line: &str| daemon.docker.run(&format!("manifest {line}"));
    // Children must be in the list's own repository; the client mounts them there.
    manifest(&format!("create {plain} {list} {image} {strange}"));
    manifest(&format!(
        "annotate --os linux --arch {} {list} {image}",
        architecture()
    ));
    manifest(&format!(
        "annotate --os linux --arch s390x {list} {strange}"
    ));
    let pushed = manifest(&format!("push {plain} --purge {list}")).line();
    let pushed = pushed.lines().last().unwrap_or_default().to_owned();
    let served = site.served("group/list", "1");
    assert_eq!(served.digest, pushed);
    assert_eq!(served.media_type, LIST);
    let pulled = daemon.docker.run(&format!("pull {list}")).text;
    assert_eq!(field(&pulled, "Digest: "), pushed);
    assert_eq!(daemon.id(&list), daemon.id(&image));
    let seen = manifest(&format!("inspect {plain} {list}")).text;
    assert!(seen.contains("s390x"), "{seen}");
}

/// Takes an image out of the daemon and puts it into the registry without docker:
/// config and diff IDs stay, so that docker sees the same image.
fn saved(daemon: &Daemon, site: &Site) {
    let image = site.image("group/saved:1");
    daemon
        .docker
        .run(&format!("tag {} {image}", site.image("group/built:1")));
    let id = daemon.id(&image);
    daemon
        .docker
        .run(&format!("save --output {} {image}", daemon.archive));
    let wharf = Tool::from_line(&site::program().display().to_string())
        .with("DOCKER_CONFIG", daemon.config.as_str());
    wharf.run(&format!("copy docker-archive:{} {image}", daemon.archive));
    daemon.docker.run(&format!("rmi {image}"));
    daemon.docker.run(&format!("pull {image}"));
    assert_eq!(daemon.id(&image), id);
    let said = daemon
        .docker
        .run(&format!("run --rm --network none {image} cat /third"));
    assert_eq!(said.line(), "3");
}

fn stranger(daemon: &Daemon, site: &Site) {
    let image = site.image("busybox:1");
    daemon.docker.run(&format!("tag busybox:local {image}"));
    let said = daemon.docker.refused(&format!("push {image}")).text;
    assert!(said.contains("no basic auth credentials"), "{said}");
}

fn wrong_password(daemon: &Daemon, site: &Site) {
    let line = format!(
        "login --username {} --password wrong {}",
        CALLER.0,
        site.host()
    );
    let said = daemon.docker.refused(&line).text;
    assert!(said.contains("401"), "{said}");
}

fn login(daemon: &Daemon, site: &Site) {
    let (name, password) = CALLER;
    let host = site.host();
    let line = format!("login --username {name} --password {password} {host}");
    assert!(daemon.docker.run(&line).text.contains("Login Succeeded"));
}

/// Returns the digest that follows `label` in docker's output.
pub(crate) fn field(text: &str, label: &str) -> String {
    let start = text
        .find(label)
        .unwrap_or_else(|| panic!("no `{label}` in:\n{text}"));
    let rest = &text[start + label.len()..];
    rest.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// A docker daemon with directories and a socket of its own.
pub(crate) struct Daemon {
    process: Child,
    /// Its command line.
    pub(crate) docker: Tool,
    config: String,
    context: String,
    archive: String,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(crate) fn start(cage: &Cage) -> Self {
        let at = |name: &str| cage.path(name).display().to_string();
        let log = fs_err::File::create(cage.path("dockerd.log")).expect("a writable directory");
        let socket = format!("unix://{}", at("docker.sock"));
        let process = Command::new("dockerd")
            .args([
                "--data-root",
                &at("docker-data"),
                "--exec-root",
                &at("docker-exec"),
            ])
            .args(["--pidfile", &at("docker.pid"), "--host", &socket])
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false"])
            .arg(format!("--storage-driver={}", storage_driver(cage)))
            .stdin(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .expect("`dockerd` was found before");
        let config = cage.make("docker-config").display().to_string();
        let docker = Tool::from_line(&format!("{} --host {socket}", client()))
            .with("DOCKER_CONFIG", config.as_str());
        let daemon = Self {
            process,
            docker,
            config,
            context: cage.make("context").display().to_string(),
            archive: at("saved.tar"),
        };
        let start = Instant::now();
        while !daemon.docker.succeeds("info") {
            let log = || fs_err::read_to_string(at("dockerd.log")).unwrap_or_default();
            assert!(start.elapsed() < START_LIMIT, "no daemon:\n{}", log());
            sleep(Duration::from_millis(100));
        }
        daemon
    }

    fn import_images(&self, cage: &Cage) {
        let busybox = fixtures::busybox(cage);
        for (tar, name) in [(busybox, "busybox"), (fixtures::debian(), "debian")] {
            self.docker
                .run(&format!("import {} {name}:local", tar.display()));
        }
        let mut recipe = "FROM busybox:local\n".to_owned();
        for (number, name) in ["first", "second", "third", "fourth"].iter().enumerate() {
            recipe.push_str(&format!("COPY {name} /{name}\n"));
            let path = cage.path("context").join(name);
            fs_err::write(path, format!("{}\n", number + 1)).expect("made above");
        }
        fs_err::write(cage.path("context/Dockerfile"), recipe).expect("made above");
    }

    /// Pushes and returns the digest that docker computed itself.
    fn push(&self, image: &str) -> String {
        field(&self.docker.run(&format!("push {image}")).text, "digest: ")
    }

    pub(crate) fn id(&self, image: &str) -> String {
        self.docker
            .run(&format!("image inspect --format {{{{.Id}}}} {image}"))
            .line()
    }
}

impl Drop for Daemon {
    /// Asks it to end, so that it ends its containers; the cage kills what is left.
    fn drop(&mut self) {
        Tool::from_line("kill").succeeds(&self.process.id().to_string());
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < END_LIMIT {
            sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the name of how layers are stored: `vfs` copies every file of a base for each
/// layer upon it, but works on every file system, also inside a container.
pub(crate) fn storage_driver(cage: &Cage) -> &'static str {
    let at = |name: &str| cage.make(&format!("overlay/{name}")).display().to_string();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        at("lower"),
        at("upper"),
        at("work")
    );
    let (mount, point) = (Tool::from_line("mount -t overlay"), at("point"));
    if !mount.succeeds(&format!("-o {options} overlay {point}")) {
        return "vfs";
    }
    Tool::from_line("umount").run(&point);
    "overlay2"
}

/// Returns docker's command line, rather the one packaged with the daemon.
fn client() -> String {
    let packaged = std::path::Path::new("/usr/bin/docker");
    let found = packaged.is_file().then(|| packaged.to_owned());
    let found = found.or_else(|| tool::find("docker"));
    found
        .expect("`docker` was found before")
        .display()
        .to_string()
}
