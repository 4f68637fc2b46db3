//! Images of `RUN` in the hands of those who run images: docker, podman and runc.

use serde_json::Value;

use crate::build::base;
use crate::cage::Cage;
use crate::cases::Cases;
use crate::docker::Daemon;
use crate::run::places;
use crate::tool::Tool;

const NEEDS: &[&str] = &[
    "dockerd",
    "docker",
    "podman",
    "conmon",
    "runc",
    "umoci",
    "busybox",
    "mmdebstrap",
    "cc",
    "gzip",
    "setpriv",
];

/// What commands make, and a program that looks for all of it when the image runs.
const DOCKERFILE: &str = r#"FROM BASE
RUN mkdir -p /shop/d && echo kept > /shop/kept && ln /shop/kept /shop/again && \
    chown -R app:staff /shop && chmod 4755 /shop/kept && mkfifo /shop/d/pipe && \
    odd security.capability 0100000200200000000000000000000000000000 /usr/bin/odd && \
    rm -r /srv/deep && ln -s /shop /srv/deep && rm /srv/file
RUN printf '%s\n' '#!/bin/sh' 'set -e' 'test "$(stat -c %a:%u:%g:%h /shop/kept)" = 4755:1000:50:2' \
    'test -p /srv/deep/d/pipe' 'test ! -e /srv/file' 'test ! -e /shop/lost' \
    'test "$(cat /srv/deep/again)" = kept' 'id -u' 'echo "the shop is open: $WORD"' > /bin/shop && \
    chmod 0755 /bin/shop && echo x > /shop/lost
RUN --mount=type=tmpfs,target=/tmp rm /shop/lost && touch /tmp/gone
ENV WORD=asked
USER app
ENTRYPOINT ["/bin/shop"]
"#;

/// What that program says.
const SAYS: &str = "1000\nthe shop is open: asked";

const IMAGE: &str = "localhost/shop:1";

#[test]
fn images_of_commands_run() {
    let test = "run::accepted::images_of_commands_run";
    Cage::run(test, NEEDS, run);
}

fn run(cage: &Cage, cases: &mut Cases) {
    let base = base::layout(cage, "shared/equipped", &base::equipped(cage));
    let place = &places::of_machine(cage)[0];
    let file = cage.path("shared/shop.Dockerfile");
    fs_err::write(&file, DOCKERFILE.replace("BASE", &base)).expect("a writable directory");
    let (layout, archive) = (cage.path("shop-layout"), cage.path("shop.tar"));
    let (layout, archive) = (layout.display().to_string(), archive.display().to_string());
    place.builds(&format!(
        "--tag {IMAGE} --output type=oci,dest={layout} --output type=docker,dest={archive} \
         --file {} {}",
        file.display(),
        cage.make("shared/nothing").display()
    ));
    cases.run("docker", || {
        let daemon = Daemon::start(cage);
        daemon.docker.run(&format!("load --input {archive}"));
        let said = daemon
            .docker
            .run(&format!("run --rm --network none {IMAGE}"));
        assert_eq!(said.line(), SAYS);
    });
    cases.run("podman", || {
        let at = |name: &str| cage.path(name).display().to_string();
        let podman = Tool::from_line(&format!(
            "podman --root {} --runroot {} --storage-driver vfs --cgroup-manager cgroupfs \
             --events-backend none --runtime runc",
            at("podman"),
            at("podman-run")
        ));
        podman.run(&format!("load --input {archive}"));
        let said = podman.run(&format!("run --rm --network none {IMAGE}"));
        assert_eq!(said.line(), SAYS);
    });
    cases.run("runc", || {
        let bundle = cage.path("bundle");
        Tool::from_line("umoci unpack").run(&format!("--image {layout}:1 {}", bundle.display()));
        // It would want a terminal, and groups of processes of its own.
        let file = bundle.join("config.json");
        let text = fs_err::read(&file).expect("umoci writes it");
        let mut config: Value = serde_json::from_slice(&text).expect("JSON");
        config["process"]["terminal"] = false.into();
        config["linux"]["resources"] = Value::Null;
        fs_err::write(&file, config.to_string()).expect("umoci wrote it");
        let root = cage.make("runc").display().to_string();
        let runc = Tool::from_line(&format!("runc --root {root} run --bundle"));
        let said = runc.run(&format!("{} shop", bundle.display()));
        assert_eq!(said.line(), SAYS);
    });
}
