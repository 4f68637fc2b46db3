//! buildah: images that it builds from nothing and from what it pulls.

use serde_json::Value;

use crate::cage::Cage;
use crate::cases::Cases;
use crate::fixtures;
use crate::layout::{Layout, architecture};
use crate::site::{Guard, Site};
use crate::tool::Tool;

#[test]
fn builds_pushes_and_pulls() {
    let needs = &["buildah", "runc", "busybox", "htpasswd"];
    Cage::run("buildah::builds_pushes_and_pulls", needs, |cage, cases| {
        let buildah = Buildah::new(cage);
        let layout = Layout::make(cage);
        for guard in Guard::ALL {
            let site = Site::start(cage, guard);
            with_one_registry(&buildah, &site, &layout, cases);
        }
    });
}

fn with_one_registry(buildah: &Buildah, site: &Site, layout: &Layout, cases: &mut Cases) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    run("an image from nothing comes back", &|| {
        from_nothing(buildah, site);
    });
    run("an image on a pulled one shares its layers", &|| {
        on_pulled(buildah, site);
    });
    run("a Dockerfile on a pulled image", &|| {
        dockerfile(buildah, site)
    });
    run("an index with all its images", &|| {
        index(buildah, site, layout)
    });
    buildah.other.run("rmi --all --force");
}

fn from_nothing(buildah: &Buildah, site: &Site) {
    let container = buildah.tool.run("from scratch").line();
    buildah
        .tool
        .run(&format!("add {container} {} /", buildah.root));
    buildah
        .tool
        .run(&format!("commit --rm {container} localhost/base"));
    for format in ["oci", "v2s2"] {
        let repository = format!("base-{format}");
        let image = site.image(&format!("{repository}:1"));
        let pushed = buildah.push(site, &format!("--format {format} localhost/base"), &image);
        assert_eq!(site.served(&repository, "1").digest, pushed);
        let id = buildah.pull(site, &image);
        let manifest = site.served(&repository, &pushed).bytes;
        let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
        assert_eq!(manifest["config"]["digest"], format!("sha256:{id}"));
    }
}

fn on_pulled(buildah: &Buildah, site: &Site) {
    let (base, image) = (site.image("base-oci:1"), site.image("group/more:1"));
    let flags = site.flags("");
    let container = buildah
        .other
        .run(&format!("from --quiet {flags} {base}"))
        .line();
    let said = buildah.other.run(&format!(
        "run --isolation chroot {container} /bin/echo it runs"
    ));
    assert_eq!(said.line(), "it runs");
    buildah
        .other
        .run(&format!("config --label example=yes {container}"));
    buildah
        .other
        .run(&format!("commit --rm {container} localhost/more"));
    let pushed = buildah.push_by(&buildah.other, site, "localhost/more", &image);
    let layers = |repository: &str, reference: &str| {
        let bytes = site.served(repository, reference).bytes;
        let manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        manifest["layers"].as_array().expect("an image").clone()
    };
    assert!(layers("group/more", &pushed).starts_with(&layers("base-oci", "1")));
}

fn dockerfile(buildah: &Buildah, site: &Site) {
    let (base, image) = (site.image("base-oci:1"), site.image("group/file:1"));
    let recipe = format!("FROM {base}\nRUN echo built > /proof\nCMD [\"cat\", \"/proof\"]\n");
    fs_err::write(format!("{}/Dockerfile", buildah.context), recipe).expect("made by `new`");
    let flags = site.flags("");
    let options = "--isolation chroot --pull-always --layers=false";
    let context = &buildah.context;
    buildah.other.run(&format!(
        "build {options} {flags} --tag localhost/file {context}"
    ));
    let pushed = buildah.push_by(&buildah.other, site, "localhost/file", &image);
    assert_eq!(site.served("group/file", "1").digest, pushed);
}

fn index(buildah: &Buildah, site: &Site, layout: &Layout) {
    let image = site.image("group/both:1");
    let list = "localhost/list";
    buildah.tool.run(&format!("manifest create {list}"));
    for name in ["one", "other"] {
        buildah
            .tool
            .run(&format!("manifest add {list} oci:{}:{name}", layout.path()));
    }
    let (flags, file) = (site.flags(""), &buildah.digest_file);
    buildah.tool.run(&format!(
        "manifest push --all --digestfile {file} {flags} {list} docker://{image}"
    ));
    buildah.tool.run(&format!("manifest rm {list}"));
    let served = site.served("group/both", "1");
    assert_eq!(
        fs_err::read_to_string(file).expect("buildah wrote it"),
        served.digest
    );
    // A layout's images keep their digests on the way: their bytes are not touched.
    for name in ["one", "other"] {
        let digest = layout.digest(name);
        assert_eq!(
            site.served("group/both", &digest).bytes,
            layout.bytes(&digest)
        );
    }
    let id = buildah.pull(site, &image);
    let seen = buildah.other.run(&format!(
        "inspect --type image --format {{{{.OCIv1.Architecture}}}} {id}"
    ));
    assert_eq!(seen.line(), architecture());
}

/// buildah with two stores of its own, so that what is pulled was not there before.
struct Buildah {
    tool: Tool,
    other: Tool,
    digest_file: String,
    root: String,
    context: String,
}

impl Buildah {
    fn new(cage: &Cage) -> Self {
        let at = |name: &str| cage.path(name).display().to_string();
        let tool = |name: &str| {
            Tool::from_line(&format!(
                "buildah --root {} --runroot {} --storage-driver vfs",
                at(&format!("buildah-{name}")),
                at(&format!("buildah-{name}-run"))
            ))
        };
        fixtures::busybox(cage);
        Self {
            tool: tool("makes"),
            other: tool("pulls"),
            digest_file: at("buildah-digest"),
            root: at("busybox"),
            context: cage.make("buildah-context").display().to_string(),
        }
    }

    /// Pushes from the store where images are made.
    fn push(&self, site: &Site, options: &str, image: &str) -> String {
        self.push_by(&self.tool, site, options, image)
    }

    /// Pushes and returns the digest that buildah computed itself.
    fn push_by(&self, tool: &Tool, site: &Site, options: &str, image: &str) -> String {
        let (flags, file) = (site.flags(""), &self.digest_file);
        let line = format!("push {flags} --digestfile {file} {options} docker://{image}");
        tool.run(&line);
        fs_err::read_to_string(file).expect("buildah wrote it")
    }

    /// Pulls and returns the image's ID.
    fn pull(&self, site: &Site, image: &str) -> String {
        let flags = site.flags("");
        let line = format!("pull --quiet --policy always {flags} docker://{image}");
        self.other.run(&line).line()
    }
}
