//! All programs beside each other, with the same bases, contexts and Dockerfiles.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::build::comparisons::{Base, Comparison};
use crate::build::listing::Listing;
use crate::build::peers::{Made, Order, Peer, Peers};
use crate::build::web::Web;
use crate::build::{Build, base, packed, shelves};
use crate::cage::Cage;
use crate::site;
use crate::tool::Tool;

/// All programs, and the same bases for each.
pub(crate) struct Scene<'a> {
    pub(crate) cage: &'a Cage,
    pub(crate) peers: Peers<'a>,
    pub(crate) web: Web,
}

impl<'a> Scene<'a> {
    pub(crate) fn start(cage: &'a Cage) -> Self {
        let tar = base::furnished(cage);
        packed::make(cage);
        let archive = cage.path("packed/tree.tar.gz");
        let archive = fs_err::read(archive).expect("made above");
        base::layout(cage, "small-base", &tar);
        let scene = Self {
            cage,
            peers: Peers::start(cage),
            web: Web::start(archive),
        };
        scene.give("small", &scene.small());
        scene
    }

    /// Lists what is in the small base, or in the one with all commands.
    pub(crate) fn of_base(&self, name: &str) -> Listing {
        let copy = self.cage.path("listed-base").display().to_string();
        let base = self.named(name).replace("oci-layout://", "");
        let base = base.trim_end_matches(":1");
        Tool::from_line("cp -a").run(&format!("{base} {copy}"));
        self.peers.unpacked(&copy, "")
    }

    pub(crate) fn small(&self) -> String {
        let path = self.cage.path("small-base");
        format!("oci-layout://{}:1", path.display())
    }

    pub(crate) fn debian(&self) -> String {
        base::debian(self.cage)
    }

    pub(crate) fn equipped(&self) -> String {
        let tar = base::equipped(self.cage);
        let path = self.cage.path("equipped-base");
        if path.is_dir() {
            return format!("oci-layout://{}:1", path.display());
        }
        base::layout(self.cage, "equipped-base", &tar)
    }

    /// Returns what `FROM` calls the small base, or the one with all commands.
    pub(crate) fn named(&self, name: &str) -> String {
        match name {
            "equipped" => self.equipped(),
            _ => self.small(),
        }
    }

    /// Gives both peers the image of a layout.
    pub(crate) fn give(&self, name: &str, layout: &str) {
        let layout = layout.replace("oci-layout://", "oci:");
        let archive = self.cage.path(&format!("{name}-base.tar"));
        let archive = archive.display().to_string();
        Tool::from_line("skopeo copy").run(&format!(
            "{layout} docker-archive:{archive}:localhost/{name}:1"
        ));
        self.peers.load(&archive);
        fs_err::remove_file(archive).expect("written above");
    }

    /// Makes the context of a case, with archives where its lines name them.
    pub(crate) fn context(&self, number: usize, lines: &str) -> PathBuf {
        let context = self.cage.make(&format!("context-{number}"));
        shelves::fill(&context);
        if lines.contains("packed") {
            packed::fill(self.cage, &context);
        }
        if lines.contains("RUN ") {
            fs_err::write(context.join("word.txt"), "ten bytes!").expect("a writable directory");
            fs_err::copy(
                self.cage.path("busybox/bin/busybox"),
                context.join("busybox"),
            )
            .expect("made with the base");
        }
        context
    }

    pub(crate) fn by_peer(
        &self,
        peer: Peer,
        number: usize,
        comparison: &Comparison,
        context: &Path,
    ) -> Made {
        let base = match comparison.base {
            Base::Small => "localhost/small:1".to_owned(),
            Base::Equipped => "localhost/equipped:1".to_owned(),
            Base::Debian => "localhost/debian:1".to_owned(),
            Base::Built(..) => format!("localhost/parent-{number}:1"),
        };
        let order = Order {
            image: &format!("localhost/case-{number}:1"),
            file: &self.dockerfile(peer.word(), comparison.lines, &base),
            flags: comparison.flags,
            context,
            timed: comparison.timed,
        };
        let built = self.peers.build(peer, &order);
        built.unwrap_or_else(|said| panic!("{peer:?} refused:\n{said}"));
        self.peers.made(peer, &order)
    }

    /// Has wharf build something.
    pub(crate) fn by_wharf(&self, number: usize, case: &Comparison, context: &Path) -> Made {
        let base = match case.base {
            Base::Small => self.small(),
            Base::Equipped => self.equipped(),
            Base::Debian => self.debian(),
            Base::Built(..) => self.parent(number),
        };
        // Where commands make files, younger ones than the image would get its time.
        let time = if case.lines.contains("RUN ") && !case.timed.is_empty() {
            " --source-date-epoch 1700000000"
        } else {
            ""
        };
        self.ours(&Order {
            image: &format!("localhost/ours-{number}:1"),
            file: &self.dockerfile("wharf", case.lines, &base),
            flags: &format!("--preserve-modes{time} {}", case.flags),
            context,
            timed: case.timed,
        })
    }

    /// Has wharf build a Dockerfile that is written already.
    pub(crate) fn ours(&self, order: &Order<'_>) -> Made {
        let Order {
            image,
            file,
            flags,
            context,
            timed,
        } = order;
        let layout = self.cage.path("wharf-layout").display().to_string();
        let archive = self.cage.path("wharf-saved.tar").display().to_string();
        Build::of(context, &self.cage.make("wharf-home"))
            .with(&format!("--tag {image} --file {file} {flags}"))
            .with(&format!("--output type=oci,dest={layout}"))
            .with(&format!("--output type=docker,dest={archive}"))
            .run();
        let wharf = Tool::from_line(&site::program().display().to_string());
        let said = wharf.run(&format!("inspect --raw config oci:{layout}:1"));
        let whole: Value = serde_json::from_slice(&said.bytes).expect("JSON");
        let mut config = whole["config"].clone();
        config["author"] = whole["author"].clone();
        let mut contained = Listing::new();
        if self.peers.looks_inside {
            let docker = &self.peers.daemon.docker;
            docker.run(&format!("load --input {archive}"));
            contained = self.peers.contained("wharf", image, timed);
        }
        Made {
            files: self.peers.unpacked(&layout, timed),
            contained,
            config,
        }
    }

    /// Has wharf build what it should refuse.
    pub(crate) fn tried(&self, lines: &str, flags: &str, base: &str, context: &Path) -> Output {
        let file = self.dockerfile("wharf", lines, &self.named(base));
        Build::of(context, &self.cage.make("wharf-home"))
            .with(&format!("--file {file} {flags}"))
            .output()
    }

    /// Returns what `FROM` calls the base that another Dockerfile made.
    fn parent(&self, number: usize) -> String {
        let path = self.cage.path(&format!("parent-{number}"));
        format!("oci-layout://{}:1", path.display())
    }

    /// Makes a base of a Dockerfile, and hands it to everybody else.
    pub(crate) fn bear(&self, number: usize, lines: &str, by: Option<Peer>, context: &Path) {
        let name = format!("parent-{number}");
        let image = format!("localhost/{name}:1");
        let archive = self.cage.path("parent.tar").display().to_string();
        let Some(peer) = by else {
            let base = self.named(if lines.contains("RUN ") {
                "equipped"
            } else {
                "small"
            });
            let file = self.dockerfile("parent", lines, &base);
            let dest = self.cage.path(&name).display().to_string();
            Build::of(context, &self.cage.make("wharf-home"))
                .with(&format!("--preserve-modes --file {file} --tag {image}"))
                .with(&format!("--output type=oci,dest={dest}"))
                .with(&format!("--output type=docker,dest={archive}"))
                .run();
            self.peers.load(&archive);
            fs_err::remove_file(archive).expect("written above");
            return;
        };
        let file = self.dockerfile("parent", lines, "localhost/small:1");
        let order = Order {
            image: &image,
            file: &file,
            flags: "",
            context,
            timed: "",
        };
        let built = self.peers.build(peer, &order);
        built.unwrap_or_else(|said| panic!("{peer:?} refused:\n{said}"));
        self.peers.save(peer, &image, &archive);
        self.peers.load(&archive);
        // As people bring over images of docker's; skopeo would forget the triggers.
        let layout = self.parent(number).replace("oci-layout://", "oci:");
        let wharf = Tool::from_line(&site::program().display().to_string());
        wharf.run(&format!("copy docker-archive:{archive} {layout}"));
        fs_err::remove_file(archive).expect("written above");
    }

    /// Writes a Dockerfile outside the context, since `FROM` differs in it.
    pub(crate) fn dockerfile(&self, name: &str, lines: &str, base: &str) -> String {
        let file = self.cage.path(&format!("{name}.Dockerfile"));
        let text = self.web.place(&lines.replace("BASE", base));
        fs_err::write(&file, text).expect("a writable directory");
        file.display().to_string()
    }
}
