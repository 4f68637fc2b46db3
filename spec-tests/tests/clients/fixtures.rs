//! Real input: Debian's root file system, a root file system around a static busybox,
//! and certificates of an authority that nobody else trusts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cage::{Cage, REMOTE_ADDRESS, REMOTE_NAME};
use crate::tool::{self, Tool};

/// The program that makes Debian's root file system.
pub(crate) const DEBIAN_MAKER: &str = "mmdebstrap";

/// Commands of busybox that the small image has.
const COMMANDS: &[&str] = &["cat", "echo", "ls", "sh", "sleep"];

/// Further packages of [`workshop`], and what is left out of all of them.
const WORKSHOP: &[&str] = &[
    "--include=gcc,libc6-dev,libcap2-bin,npm,python3-pip",
    "--aptopt=Apt::Install-Recommends \"0\"",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
];

/// Longest that a root file system may take to be made, in seconds.
const MAKING_LIMIT: &str = "900";

/// Makes Debian's root file system unless an earlier run has, once for all tests.
///
/// # Errors
/// Says what kept it from being made.
pub(crate) fn prepare_debian() -> Result<(), String> {
    prepare("debian", &[], &debian())
}

/// Makes Debian with a compiler, Python's and Node's installers, once for all tests.
///
/// # Errors
/// Says what kept it from being made.
pub(crate) fn prepare_workshop() -> Result<(), String> {
    prepare("workshop", WORKSHOP, &workshop())
}

fn prepare(name: &str, options: &[&str], target: &Path) -> Result<(), String> {
    let directory = kept();
    fs_err::create_dir_all(&directory).map_err(|error| error.to_string())?;
    let lock = fs_err::File::create(directory.join(format!("{name}.lock")));
    let lock = lock.map_err(|error| error.to_string())?;
    lock.file().lock().map_err(|error| error.to_string())?;
    if target.exists() {
        return Ok(());
    }
    if tool::find(DEBIAN_MAKER).is_none() {
        return Err(format!("the program `{DEBIAN_MAKER}` is not installed"));
    }
    let unfinished = directory.join(format!("{name}-bookworm.part.tar"));
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", MAKING_LIMIT, DEBIAN_MAKER]);
    command
        .args(["--quiet", "--variant=minbase"])
        .args(options)
        .arg("bookworm")
        .arg(&unfinished);
    // It reads further sources from its standard input, which is empty here, so that
    // it takes those of this machine.
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "`{DEBIAN_MAKER}` failed; it needs Debian's packages: {said}"
        ));
    }
    fs_err::rename(&unfinished, target).map_err(|error| error.to_string())
}

/// Returns the tar of Debian's root file system.
pub(crate) fn debian() -> PathBuf {
    kept().join("debian-bookworm.tar")
}

/// Returns the tar of Debian with a compiler, pip, npm and `setcap`.
pub(crate) fn workshop() -> PathBuf {
    kept().join("workshop-bookworm.tar")
}

/// Makes the tar of a root file system that holds a static busybox alone.
pub(crate) fn busybox(cage: &Cage) -> PathBuf {
    let tar = cage.path("busybox.tar");
    if tar.exists() {
        return tar;
    }
    let binaries = cage.make("busybox/bin");
    let source = tool::find("busybox").expect("the test names busybox as needed");
    fs_err::copy(source, binaries.join("busybox")).expect("the test's directory is writable");
    for command in COMMANDS {
        let link = binaries.join(command);
        fs_err::os::unix::fs::symlink("busybox", link).expect("the test's directory is writable");
    }
    pack(&cage.path("busybox"), &tar);
    tar
}

/// Makes a tar of a directory that is the same for the same files.
pub(crate) fn pack(directory: &Path, tar: &Path) {
    let line = format!(
        "tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 -C {} -cf {} .",
        directory.display(),
        tar.display()
    );
    Tool::from_line(&line).run("");
}

/// Returns the directory with the authority's certificate and nothing else in it, as
/// docker and podman want it.
pub(crate) fn authority_directory(cage: &Cage) -> PathBuf {
    cage.path("certificates")
}

/// Returns the server's certificate and key.
pub(crate) fn server_certificate(cage: &Cage) -> (PathBuf, PathBuf) {
    (cage.path("server.crt"), cage.path("server.key"))
}

/// Makes an authority and a server's certificate that it signed.
pub(crate) fn make_certificates(cage: &Cage) {
    let at = |name: &str| cage.path(name).display().to_string();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let extensions = format!(
        "subjectAltName=DNS:{REMOTE_NAME},IP:{REMOTE_ADDRESS}\nbasicConstraints=CA:FALSE\n\
         extendedKeyUsage=serverAuth\n"
    );
    fs_err::write(at("extensions"), extensions).expect("the test's directory is writable");
    let openssl = Tool::from_line("openssl");
    openssl.run(&format!(
        "req -x509 {key} -days 2 -subj /CN=authority -addext basicConstraints=critical,CA:TRUE \
         -keyout {} -out {}",
        at("authority.key"),
        at("certificates/ca.crt"),
    ));
    openssl.run(&format!(
        "req {key} -subj /CN={REMOTE_NAME} -keyout {} -out {}",
        at("server.key"),
        at("server.csr"),
    ));
    openssl.run(&format!(
        "x509 -req -in {} -CA {} -CAkey {} -set_serial 1 -days 2 -extfile {} -out {}",
        at("server.csr"),
        at("certificates/ca.crt"),
        at("authority.key"),
        at("extensions"),
        at("server.crt"),
    ));
}

/// Returns the directory that outlives the tests, under the build's own.
fn kept() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).join("fixtures")
}
