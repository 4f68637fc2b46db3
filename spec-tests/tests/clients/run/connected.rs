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

/// Whom this machine trusts, which may be more than the image does.
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

/// As a user without further numbers, where package managers have the most to stumble over.
fn installed(cage: &Cage, cases: &mut Cases) {
    let base = base::layout(cage, "shared/workshop", &fixtures::workshop());
    let context = cage.make("shared/published");
    let certificates = fs_err::read(CERTIFICATES).unwrap_or_default();
    fs_err::write(context.join("certificates"), certificates).expect("a writable directory");
    let mount = "RUN --mount=type=bind,source=certificates,target=/certificates \
                 export NODE_EXTRA_CA_CERTS=/certificates PIP_CERT=/certificates; ";
    let text = LINES.replace("BASE", &base).replace("RUN ", mount);
    let file = cage.path("shared/published.Dockerfile");
    fs_err::write(&file, text).expect("a writable directory");
    let line = format!("--file {} {}", file.display(), context.display());
    let places = places::of_machine(cage);
    let place = places.last().expect("there are several");
    cases.run(place.name, || {
        let came = place.says(&line);
        assert!(came.said.contains("Hello, world!"), "{}", came.said);
    });
}
