//! containerd's `ctr`: another implementation of pushing (one PUT with the whole body)
//! and of pulling (resolving by HEAD) than docker's and podman's.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cage::Cage;
use crate::cases::Cases;
use crate::layout::{Layout, architecture};
use crate::site::{CALLER, Guard, Site};
use crate::tool::Tool;

/// Longest that containerd may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn pushes_pulls_and_runs() {
    let needs = &["containerd", "ctr", "runc", "busybox", "htpasswd"];
    Cage::run("ctr::pushes_pulls_and_runs", needs, |cage, cases| {
        let containerd = Containerd::start(cage);
        let layout = Layout::make(cage);
        let archive = cage.path("layout.tar").display().to_string();
        Tool::from_line("tar").run(&format!("-C {} -cf {archive} .", layout.path()));
        for guard in Guard::ALL {
            let site = Site::start(cage, guard);
            with_one_registry(&containerd.ctr, &site, (&layout, &archive), cases);
        }
    });
}

fn with_one_registry(
    ctr: &Tool,
    site: &Site,
    (layout, archive): (&Layout, &str),
    cases: &mut Cases,
) {
    let word = site.guard.word();
    let mut run = |name: &str, case: &dyn Fn()| cases.run(&format!("{word}: {name}"), case);
    let base = site.image("hand");
    ctr.run(&format!(
        "images import --all-platforms --no-unpack --base-name {base} {archive}"
    ));
    if site.guard.asks() {
        run("a stranger is refused", &|| {
            ctr.refused(&format!("images push {} {base}:one", trust(site)));
        });
    }
    run("an image and an index are pushed", &|| {
        for name in ["one", "both"] {
            pushed(ctr, site, layout, name);
        }
    });
    forget(ctr);
    run("an index is pulled and runs", &|| {
        pulled(ctr, site, layout, "both");
        let line = "run --rm --snapshotter native --runc-binary runc";
        let said = ctr.run(&format!("{line} {base}:both one cat /architecture"));
        assert_eq!(said.line(), architecture());
    });
    forget(ctr);
    run("an index is pulled with all its images", &|| {
        let flags = flags(site);
        ctr.run(&format!(
            "content fetch {flags} --all-platforms {base}:both"
        ));
        let listed = ctr.run("content ls --quiet").text;
        assert!(listed.contains(&layout.digest("other")), "{listed}");
    });
    forget(ctr);
    run("a pull by digest", &|| {
        let image = format!("{base}@{}", layout.digest("one"));
        ctr.run(&format!(
            "images pull --snapshotter native {} {image}",
            flags(site)
        ));
    });
    forget(ctr);
}

fn pushed(ctr: &Tool, site: &Site, layout: &Layout, name: &str) {
    let image = site.image(&format!("hand:{name}"));
    ctr.run(&format!("images push {} {image}", flags(site)));
    let served = site.served("hand", name);
    assert_eq!(served.digest, layout.digest(name));
    assert_eq!(served.bytes, layout.bytes(&served.digest));
}

fn pulled(ctr: &Tool, site: &Site, layout: &Layout, name: &str) {
    let image = site.image(&format!("hand:{name}"));
    ctr.run(&format!(
        "images pull --snapshotter native {} {image}",
        flags(site)
    ));
    let listed = ctr.run(&format!("images ls name=={image}")).text;
    assert!(listed.contains(&layout.digest(name)), "{listed}");
}

/// Removes every image and waits until their content is gone, so that the next pull
/// has to fetch it.
fn forget(ctr: &Tool) {
    for image in ctr.run("images ls --quiet").line().lines() {
        ctr.run(&format!("images rm --sync {image}"));
    }
    let left = ctr.run("content ls --quiet").line();
    assert_eq!(left, "", "content stays without an image");
}

fn flags(site: &Site) -> String {
    let (name, password) = CALLER;
    if site.guard.asks() {
        format!("{} --user {name}:{password}", trust(site))
    } else {
        trust(site)
    }
}

fn trust(site: &Site) -> String {
    if site.guard.is_tls() {
        format!("--tlscacert {}", site.authority_file().display())
    } else {
        "--plain-http".to_owned()
    }
}

/// containerd with directories and a socket of its own.
pub(crate) struct Containerd {
    process: Child,
    /// Its command line.
    pub(crate) ctr: Tool,
}

impl Containerd {
    /// Starts it and waits until it answers.
    pub(crate) fn start(cage: &Cage) -> Self {
        let at = |name: &str| cage.path(name).display().to_string();
        let socket = at("containerd.sock");
        let config = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{socket}\"\n",
            at("containerd-root"),
            at("containerd-state"),
        );
        fs_err::write(at("containerd.toml"), config).expect("the test's directory is writable");
        let log = fs_err::File::create(at("containerd.log")).expect("a writable directory");
        let process = Command::new("containerd")
            .args(["--config", &at("containerd.toml")])
            .stdin(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .expect("`containerd` was found before");
        let ctr = Tool::from_line(&format!("ctr --address {socket}"));
        let containerd = Self { process, ctr };
        let start = Instant::now();
        while !containerd.ctr.succeeds("version") {
            let log = || fs_err::read_to_string(at("containerd.log")).unwrap_or_default();
            assert!(start.elapsed() < START_LIMIT, "no containerd:\n{}", log());
            sleep(Duration::from_millis(100));
        }
        containerd
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
