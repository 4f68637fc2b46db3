//! skopeo: copying without a store in between, so that every byte can be compared.

use serde_json::Value;

use crate::cage::Cage;
use crate::cases::Cases;
use crate::fixtures;
use crate::layout::Layout;
use crate::replicas;
use crate::site::{Guard, Site};
use crate::tool::Tool;

#[test]
fn copies_inspects_syncs_and_deletes() {
    let needs = &["skopeo", "busybox", "htpasswd", "mmdebstrap"];
    Cage::run(
        "skopeo::copies_inspects_syncs_and_deletes",
        needs,
        |cage, cases| {
            let layout = Layout::make(cage);
            for guard in Guard::ALL {
                let site = Site::start(cage, guard);
                let skopeo = Skopeo::new(cage, &site);
                with_one_registry(&skopeo, &site, &layout, cases);
            }
            cases.run("three replicas: pushed to one, pulled from another", || {
                replicated(cage, &layout);
            });
        },
    );
}

fn with_one_registry(skopeo: &Skopeo, site: &Site, layout: &Layout, cases: &mut Cases) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    if site.guard.asks() {
        run("a stranger is refused", &|| stranger(site, layout));
    }
    run("an image comes back byte for byte", &|| {
        copied(skopeo, site, layout, "one");
    });
    run("an index comes back byte for byte", &|| {
        copied(skopeo, site, layout, "both");
    });
    run("a docker image", &|| docker_image(skopeo, site, layout));
    if site.guard.gets_debian() {
        run("debian, several layers at a time", &|| debian(skopeo, site));
    }
    run("from one repository to another", &|| {
        moved(skopeo, site, layout)
    });
    run("inspect", &|| inspected(skopeo, site, layout));
    run("sync out and in again", &|| synced(skopeo, site, layout));
    run("delete", &|| deleted(skopeo, site, layout));
}

/// Copies in and out again; both ways the manifests and blobs stay what they were.
fn copied(skopeo: &Skopeo, site: &Site, layout: &Layout, name: &str) {
    let image = site.image(&format!("copied:{name}"));
    let from = format!("oci:{}:{name}", layout.path());
    skopeo.copy_in(&from, &image);
    let digest = layout.digest(name);
    let served = site.served("copied", name);
    assert_eq!(served.digest, digest);
    assert_eq!(served.bytes, layout.bytes(&digest));
    let back = skopeo.fresh();
    skopeo.copy_out(&image, &format!("oci:{back}:{name}"));
    let listed = Tool::from_line("find")
        .run(&format!("{back}/blobs -type f"))
        .line();
    assert!(listed.lines().count() >= 4, "{listed}");
    for path in listed.lines() {
        let hex = path.rsplit('/').next().unwrap_or_default();
        let bytes = fs_err::read(path).expect("it was listed");
        assert_eq!(bytes, layout.bytes(&format!("sha256:{hex}")));
    }
}

/// Copies an index to one process, from there through another, and out of a third, byte
/// for byte.
fn replicated(cage: &Cage, layout: &Layout) {
    let registry = replicas::start();
    let skopeo = Tool::from_line("skopeo");
    let image = |replica| replicas::image(&registry, replica, "group/both:1");
    let from = format!("oci:{}:both", layout.path());
    let plain = "copy --all --dest-tls-verify=false";
    skopeo.run(&format!("{plain} {from} docker://{}", image(0)));
    let any = format!("{}/group/again:1", registry.host());
    skopeo.run(&format!(
        "{plain} --src-tls-verify=false docker://{} docker://{any}",
        image(1)
    ));
    let back = cage.make("skopeo-replicated").display().to_string();
    let again = replicas::image(&registry, 2, "group/again:1");
    skopeo.run(&format!(
        "copy --all --src-tls-verify=false docker://{again} oci:{back}:both"
    ));
    let listed = Tool::from_line("find").run(&format!("{back}/blobs -type f"));
    let listed = listed.line();
    assert!(listed.lines().count() >= 4, "{listed}");
    for path in listed.lines() {
        let hex = path.rsplit('/').next().unwrap_or_default();
        let bytes = fs_err::read(path).expect("it was listed");
        assert_eq!(bytes, layout.bytes(&format!("sha256:{hex}")));
    }
}

fn docker_image(skopeo: &Skopeo, site: &Site, layout: &Layout) {
    let image = site.image("docker:1");
    let from = format!("oci:{}:one", layout.path());
    let (flags, file) = (site.flags("dest-"), skopeo.digest_file.as_str());
    skopeo.tool.run(&format!(
        "copy --format v2s2 --digestfile {file} {flags} {from} docker://{image}"
    ));
    let served = site.served("docker", "1");
    let schema_2 = "application/vnd.docker.distribution.manifest.v2+json";
    assert_eq!(served.media_type, schema_2);
    assert_eq!(
        fs_err::read_to_string(file).expect("skopeo wrote it"),
        served.digest
    );
    let back = skopeo.fresh();
    skopeo.copy_out(&image, &format!("dir:{back}"));
    let bytes = fs_err::read(format!("{back}/manifest.json")).expect("skopeo wrote it");
    assert_eq!(bytes, served.bytes);
}

/// Sends the large image: a docker archive made of the root file system's tar.
fn debian(skopeo: &Skopeo, site: &Site) {
    let image = site.image("debian:12");
    skopeo.copy_in(&format!("tarball:{}", fixtures::debian().display()), &image);
    let back = skopeo.fresh();
    skopeo.copy_out(&image, &format!("dir:{back}"));
    let bytes = fs_err::read(format!("{back}/manifest.json")).expect("skopeo wrote it");
    assert_eq!(bytes, site.served("debian", "12").bytes);
}

fn moved(skopeo: &Skopeo, site: &Site, layout: &Layout) {
    let (from, to) = (site.image("copied:both"), site.image("group/moved:1"));
    let (source, target) = (site.flags("src-"), site.flags("dest-"));
    let line = format!("copy --all {source} {target} docker://{from} docker://{to}");
    skopeo.tool.run(&line);
    assert_eq!(
        site.served("group/moved", "1").digest,
        layout.digest("both")
    );
}

fn inspected(skopeo: &Skopeo, site: &Site, layout: &Layout) {
    let flags = site.flags("");
    let image = site.image("copied:one");
    let raw = skopeo
        .tool
        .run(&format!("inspect --raw {flags} docker://{image}"));
    assert_eq!(raw.bytes, layout.bytes(&layout.digest("one")));
    let said = skopeo
        .tool
        .run(&format!("inspect {flags} docker://{image}"))
        .bytes;
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    assert_eq!(said["Digest"], layout.digest("one").as_str());
    let mut tags = said["RepoTags"].as_array().expect("a list").clone();
    tags.sort_by_key(ToString::to_string);
    assert_eq!(Value::from(tags), serde_json::json!(["both", "one"]));
    let said = skopeo.tool.run(&format!(
        "list-tags {flags} docker://{}",
        site.image("copied")
    ));
    assert!(said.text.contains("\"both\""), "{}", said.text);
}

fn synced(skopeo: &Skopeo, site: &Site, layout: &Layout) {
    let directory = skopeo.fresh();
    let (source, target) = (site.flags("src-"), site.flags("dest-"));
    let from = site.image("copied");
    let options = "--all --preserve-digests";
    skopeo.tool.run(&format!(
        "sync {options} {source} --src docker --dest dir {from} {directory}"
    ));
    let host = site.host();
    skopeo.tool.run(&format!(
        "sync {options} {target} --src dir --dest docker {directory} {host}/synced"
    ));
    for name in ["one", "both"] {
        assert_eq!(
            site.served("synced/copied", name).digest,
            layout.digest(name)
        );
    }
}

/// skopeo deletes by digest what a tag points to.
fn deleted(skopeo: &Skopeo, site: &Site, layout: &Layout) {
    let flags = site.flags("");
    let image = site.image("synced/copied:one");
    skopeo.tool.run(&format!("delete {flags} docker://{image}"));
    let said = skopeo
        .tool
        .refused(&format!("inspect {flags} docker://{image}"));
    assert!(said.text.contains("manifest unknown"), "{}", said.text);
    let path = format!("/v2/synced/copied/manifests/{}", layout.digest("one"));
    assert_eq!(site.status(&path), "404");
    assert_eq!(site.served("copied", "one").digest, layout.digest("one"));
}

fn stranger(site: &Site, layout: &Layout) {
    let trust = site.trust("dest-");
    let from = format!("oci:{}:one", layout.path());
    let to = site.image("copied:one");
    for creds in [
        "",
        "--dest-creds=alice:wrong",
        "--dest-creds=bob:open-sesame",
    ] {
        let skopeo = Tool::from_line("skopeo");
        let said = skopeo
            .refused(&format!("copy {trust} {creds} {from} docker://{to}"))
            .text;
        let words = [
            "authentication required",
            "unauthorized",
            "invalid username/password",
        ];
        assert!(words.iter().any(|word| said.contains(word)), "{said}");
    }
}

/// skopeo, the flags for one registry, and a directory for what comes back.
struct Skopeo {
    tool: Tool,
    source: String,
    target: String,
    digest_file: String,
    directory: String,
    copies: std::cell::Cell<u32>,
}

impl Skopeo {
    fn new(cage: &Cage, site: &Site) -> Self {
        let word = site.guard.word().replace(' ', "-");
        Self {
            tool: Tool::from_line("skopeo"),
            source: site.flags("src-"),
            target: site.flags("dest-"),
            digest_file: cage.path("skopeo-digest").display().to_string(),
            directory: cage.make(&format!("skopeo-{word}")).display().to_string(),
            copies: std::cell::Cell::new(0),
        }
    }

    fn copy_in(&self, from: &str, image: &str) {
        let target = &self.target;
        self.tool
            .run(&format!("copy --all {target} {from} docker://{image}"));
    }

    fn copy_out(&self, image: &str, to: &str) {
        let source = &self.source;
        self.tool
            .run(&format!("copy --all {source} docker://{image} {to}"));
    }

    /// Returns a path at which there is nothing yet.
    fn fresh(&self) -> String {
        self.copies.set(self.copies.get() + 1);
        format!("{}/{}", self.directory, self.copies.get())
    }
}
