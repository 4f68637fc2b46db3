//! Packages of Debian, Python and Node from where they are published, as far as this
//! machine reaches them.

use crate::build::base;
use crate::cage::Cage;
use crate::cases::Cases;
use crate::fixtures;
use crate::run::places;
use spec_tests::skip;

const NEEDS: &[&str] = &["mmdebstrap", "busybox", "gzip", "setpriv", "newuidmap"];

/// What is fetched, by what, and the files that tell of the time when it was.
const LINES: &str = r#"FROM BASE
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    cron hello tzdata && hello && stat -c '%U:%G %a' /usr/bin/crontab | grep root:crontab
RUN pip install --no-cache-dir --break-system-packages iniconfig==2.0.0 && \
    python3 -c 'import iniconfig'
RUN mkdir /app && cd /app && npm install --no-audit --no-fund is-number@7.0.0 && \
    node -e 'if (!require("is-number")(5)) process.exit(1)'
"#;

/// The file in which pip looks for certificates on machines that bring their own.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

#[test]
fn published_packages_are_installed() {
    if let Err(reason) = fixtures::prepare_workshop() {
        skip(&reason);
        return;
    }
    let test = "run::connected::published_packages_are_installed";
    Cage::run_connected(test, NEEDS, installed);
}

/// As a user with numbers of its own, where package managers have the most to stumble
/// over, and as root.
fn installed(cage: &Cage, cases: &mut Cases) {
    let base = base::layout(cage, "shared/workshop", &fixtures::workshop());
    let context = cage.make("shared/published");
    if std::path::Path::new(CERTIFICATES).is_file() {
        fs_err::copy(CERTIFICATES, context.join("certificates")).expect("a writable directory");
    }
    let mount = "RUN --mount=type=bind,source=certificates,target=/etc/ssl/certs/ca-certificates.crt \
                 --mount=type=bind,source=certificates,target=/usr/lib/ssl/cert.pem \
                 NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
                 PIP_CERT=/etc/ssl/certs/ca-certificates.crt; export NODE_EXTRA_CA_CERTS PIP_CERT; ";
    let text = LINES.replace("BASE", &base).replace("RUN ", mount);
    let file = cage.path("shared/published.Dockerfile");
    fs_err::write(&file, text).expect("a writable directory");
    let line = format!("--file {} {}", file.display(), context.display());
    for place in places::of_machine(cage) {
        if ["root", "user with a range"].contains(&place.name) {
            cases.run(place.name, || {
                let came = place.says(&line);
                assert!(came.said.contains("Hello, world!"), "{}", came.said);
            });
        }
    }
}
