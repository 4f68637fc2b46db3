//! `wharf` as a client, compared with skopeo on the same images: each reads what the
//! other wrote, and both see the same digests.

use serde_json::Value;

use crate::cage::Cage;
use crate::cases::Cases;
use crate::layout::Layout;
use crate::site::{self, CALLER, Guard, Site};
use crate::tool::Tool;

#[test]
fn copies_and_inspects_like_skopeo() {
    let needs = &["skopeo", "busybox", "htpasswd"];
    Cage::run(
        "wharf::copies_and_inspects_like_skopeo",
        needs,
        |cage, cases| {
            let layout = Layout::make(cage);
            for guard in Guard::ALL {
                let site = Site::start(cage, guard);
                let clients = Clients::new(cage, &site);
                with_one_registry(&clients, &site, &layout, cases);
            }
        },
    );
}

fn with_one_registry(clients: &Clients, site: &Site, layout: &Layout, cases: &mut Cases) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    if site.guard.asks() {
        run("a stranger is refused, login helps", &|| {
            login(clients, site, layout)
        });
    }
    run("a layout goes in as skopeo puts it", &|| {
        layout_in(clients, site, layout)
    });
    run("a layout comes out as skopeo takes it", &|| {
        layout_out(clients, site, layout)
    });
    run("a layout in a tar, both ways", &|| {
        layout_archive(clients, site, layout)
    });
    run("a docker archive of skopeo goes in", &|| {
        archive_in(clients, site, layout)
    });
    run("a docker archive for skopeo comes out", &|| {
        archive_out(clients, site, layout)
    });
    run("inspect says what skopeo says", &|| {
        inspected(clients, site, layout)
    });
    run("from one repository to another", &|| {
        between(clients, site, layout)
    });
    run("push and pull by the local library", &|| {
        library(clients, site, layout)
    });
    run("what is absent is said to be", &|| absent(clients, site));
}

fn login(clients: &Clients, site: &Site, layout: &Layout) {
    let host = site.host();
    let from = format!("oci:{}:one", layout.path());
    let wharf = &clients.wharf;
    let said = wharf.refused(&format!("copy {from} {host}/secret:1")).text;
    assert!(said.contains("error:"), "{said}");
    let (name, password) = CALLER;
    clients.typed(
        &format!("login --username {name} --password-stdin {host}"),
        "wrong",
        false,
    );
    clients.typed(
        &format!("login --username {name} --password-stdin {host}"),
        password,
        true,
    );
    wharf.run(&format!("copy {from} {host}/secret:1"));
    wharf.run(&format!("logout {host}"));
    wharf.refused(&format!("inspect docker://{host}/secret:1"));
    clients.typed(
        &format!("login --username {name} --password-stdin {host}"),
        password,
        true,
    );
}

fn layout_in(clients: &Clients, site: &Site, layout: &Layout) {
    for name in ["one", "both"] {
        let from = format!("oci:{}:{name}", layout.path());
        let image = site.image(&format!("in:{name}"));
        clients.wharf.run(&format!("copy {from} {image}"));
        let served = site.served("in", name);
        assert_eq!(served.digest, layout.digest(name));
        assert_eq!(served.bytes, layout.bytes(&served.digest));
        let flags = site.flags("dest-");
        let theirs = site.image(&format!("theirs:{name}"));
        let line = format!("copy --all {flags} {from} docker://{theirs}");
        clients.skopeo.run(&line);
        assert_eq!(site.served("theirs", name).digest, served.digest);
    }
}

fn layout_out(clients: &Clients, site: &Site, layout: &Layout) {
    let back = clients.fresh();
    let image = site.image("in:both");
    clients.wharf.run(&format!("copy {image} oci:{back}:both"));
    let raw = clients
        .skopeo
        .run(&format!("inspect --raw oci:{back}:both"));
    assert_eq!(raw.bytes, layout.bytes(&layout.digest("both")));
    // skopeo reads every blob of it and checks each digest.
    let again = clients.fresh();
    clients
        .skopeo
        .run(&format!("copy --all oci:{back}:both dir:{again}"));
}

fn layout_archive(clients: &Clients, site: &Site, layout: &Layout) {
    let back = clients.fresh();
    let image = site.image("in:one");
    clients
        .wharf
        .run(&format!("copy {image} oci-archive:{back}:one"));
    let raw = clients
        .skopeo
        .run(&format!("inspect --raw oci-archive:{back}:one"));
    assert_eq!(raw.bytes, layout.bytes(&layout.digest("one")));
    let theirs = clients.fresh();
    let from = format!("oci:{}:one", layout.path());
    clients
        .skopeo
        .run(&format!("copy {from} oci-archive:{theirs}:one"));
    let raw = clients
        .skopeo
        .run(&format!("inspect --raw oci-archive:{theirs}:one"))
        .bytes;
    let image = site.image("archive:1");
    clients
        .wharf
        .run(&format!("copy oci-archive:{theirs}:one {image}"));
    assert_eq!(site.served("archive", "1").bytes, raw);
}

/// Layers of a docker archive are plain tars, so that the manifest is another one;
/// the config, and with it the image, stays the same to the byte.
fn archive_in(clients: &Clients, site: &Site, layout: &Layout) {
    let archive = clients.fresh();
    let from = format!("oci:{}:one", layout.path());
    let (image, named) = (site.image("tar:1"), "example.org/made/by-hand:1");
    clients
        .skopeo
        .run(&format!("copy {from} docker-archive:{archive}:{named}"));
    clients
        .wharf
        .run(&format!("copy docker-archive:{archive} {image}"));
    let flags = site.flags("");
    let theirs = clients
        .skopeo
        .run(&format!("inspect --config --raw docker-archive:{archive}"));
    let ours = clients
        .skopeo
        .run(&format!("inspect --config --raw {flags} docker://{image}"));
    assert_eq!(ours.bytes, theirs.bytes);
    // Reading all of it, skopeo compares the layers with the config's diff IDs.
    let (back, source) = (clients.fresh(), site.flags("src-"));
    clients
        .skopeo
        .run(&format!("copy {source} docker://{image} dir:{back}"));
}

fn archive_out(clients: &Clients, site: &Site, layout: &Layout) {
    let archive = clients.fresh();
    let image = site.image("in:one");
    clients
        .wharf
        .run(&format!("copy {image} docker-archive:{archive}"));
    let said = clients
        .skopeo
        .run(&format!("inspect --config --raw docker-archive:{archive}"));
    let manifest: Value =
        serde_json::from_slice(&layout.bytes(&layout.digest("one"))).expect("JSON");
    let config = manifest["config"]["digest"].as_str().expect("an image");
    assert_eq!(said.bytes, layout.bytes(config));
    let again = clients.fresh();
    clients
        .skopeo
        .run(&format!("copy docker-archive:{archive} dir:{again}"));
}

fn inspected(clients: &Clients, site: &Site, layout: &Layout) {
    let (image, flags) = (site.image("in:one"), site.flags(""));
    let theirs = clients
        .skopeo
        .run(&format!("inspect --raw {flags} docker://{image}"));
    let ours = clients
        .wharf
        .run(&format!("inspect --raw manifest docker://{image}"));
    assert_eq!(ours.bytes, theirs.bytes);
    let theirs = clients
        .skopeo
        .run(&format!("inspect --config --raw {flags} docker://{image}"));
    let ours = clients
        .wharf
        .run(&format!("inspect --raw config docker://{image}"));
    assert_eq!(ours.bytes, theirs.bytes);
    let said = clients
        .wharf
        .run(&format!("inspect --json docker://{image}"));
    let said: Value = serde_json::from_slice(&said.bytes).expect("JSON and nothing else");
    let manifest: Value =
        serde_json::from_slice(&layout.bytes(&layout.digest("one"))).expect("JSON");
    assert_eq!(said["digest"], layout.digest("one").as_str());
    assert_eq!(said["mediaType"], manifest["mediaType"]);
    assert_eq!(said["manifest"], manifest);
    let config: Value = serde_json::from_slice(&theirs.bytes).expect("JSON");
    assert_eq!(said["config"], config);
}

fn between(clients: &Clients, site: &Site, layout: &Layout) {
    let (from, to) = (site.image("in:both"), site.image("group/of/groups:1"));
    clients.wharf.run(&format!("copy {from} {to}"));
    assert_eq!(
        site.served("group/of/groups", "1").digest,
        layout.digest("both")
    );
}

fn library(clients: &Clients, site: &Site, layout: &Layout) {
    let image = site.image("library:1");
    let wharf = &clients.wharf;
    wharf.run(&format!("copy oci:{}:one local:{image}", layout.path()));
    wharf.run(&format!("push {image}"));
    assert_eq!(site.served("library", "1").digest, layout.digest("one"));
    let other = site.image("in:both");
    wharf.run(&format!("pull {other}"));
    let raw = wharf.run(&format!("inspect --raw manifest local:{other}"));
    assert_eq!(raw.bytes, layout.bytes(&layout.digest("both")));
}

fn absent(clients: &Clients, site: &Site) {
    let image = site.image("in:never-pushed");
    let said = clients
        .wharf
        .refused(&format!("inspect docker://{image}"))
        .text;
    assert!(said.contains("never-pushed"), "{said}");
    let back = clients.fresh();
    clients.wharf.refused(&format!("copy {image} oci:{back}:1"));
}

/// Both clients, and a directory for what they write.
struct Clients {
    wharf: Tool,
    skopeo: Tool,
    program: String,
    config: String,
    directory: String,
    copies: std::cell::Cell<u32>,
}

impl Clients {
    fn new(cage: &Cage, site: &Site) -> Self {
        let word = site.guard.word().replace(' ', "-");
        let program = site::program().display().to_string();
        let config = cage.make(&format!("config-{word}")).display().to_string();
        let home = cage.make(&format!("wharf-home-{word}"));
        Self {
            wharf: Tool::from_line(&program)
                .with("DOCKER_CONFIG", config.as_str())
                .with("WHARF_HOME", home),
            skopeo: Tool::from_line("skopeo"),
            program,
            config,
            directory: cage.make(&format!("copies-{word}")).display().to_string(),
            copies: std::cell::Cell::new(0),
        }
    }

    /// Runs wharf with a line on its standard input, which must end well or badly.
    fn typed(&self, line: &str, input: &str, good: bool) {
        let file = format!("{}/typed", self.directory);
        fs_err::write(&file, format!("{input}\n")).expect("made by `new`");
        let output = std::process::Command::new(&self.program)
            .args(line.split_whitespace())
            .env("DOCKER_CONFIG", &self.config)
            .stdin(
                fs_err::File::open(&file)
                    .expect("written above")
                    .into_file(),
            )
            .output()
            .expect("a program");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), good, "`wharf {line}`: {said}");
    }

    /// Returns a path at which there is nothing yet.
    fn fresh(&self) -> String {
        self.copies.set(self.copies.get() + 1);
        format!("{}/{}", self.directory, self.copies.get())
    }
}
