//! A registry for one test, guarded in one of four ways, and how each client is
//! told of it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cage::{Cage, REMOTE_ADDRESS, REMOTE_NAME};
use crate::fixtures;
use crate::tool::{self, Tool};
use spec_tests::digest;

/// Name and password of the only caller known to a registry with passwords.
pub(crate) const CALLER: (&str, &str) = ("alice", "open-sesame");

/// Variable that names another registry program to run the same tests against, to
/// prove the tests themselves: `docker-registry`.
const PEER: &str = "WHARF_TEST_PEER";

/// Longest that a registry may take to start.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How a registry is guarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Plain HTTP on loopback, open to all.
    Open,
    /// Plain HTTP on loopback, with a password file.
    Password,
    /// TLS off loopback, open to all.
    Tls,
    /// TLS off loopback, with a password file.
    TlsPassword,
}

impl Guard {
    /// All four.
    pub(crate) const ALL: [Self; 4] = [Self::Open, Self::Password, Self::Tls, Self::TlsPassword];

    /// Says whether the registry asks for a password.
    pub(crate) fn asks(self) -> bool {
        matches!(self, Self::Password | Self::TlsPassword)
    }

    /// Says whether the registry is reached by TLS.
    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::TlsPassword)
    }

    /// Returns the word that stands in the names of cases.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Password => "htpasswd",
            Self::Tls => "tls",
            Self::TlsPassword => "tls and htpasswd",
        }
    }

    /// Says whether this is one of the two guards that get the large image as well.
    pub(crate) fn gets_debian(self) -> bool {
        matches!(self, Self::Open | Self::TlsPassword)
    }

    fn port(self) -> u16 {
        match self {
            Self::Open => 5000,
            Self::Password => 5001,
            Self::Tls => 5443,
            Self::TlsPassword => 5444,
        }
    }
}

/// A running registry; it ends with this value.
pub(crate) struct Site {
    /// How it is guarded.
    pub(crate) guard: Guard,
    process: Child,
    authority: PathBuf,
}

/// A manifest as the registry serves it.
pub(crate) struct Served {
    /// What `Docker-Content-Digest` says.
    pub(crate) digest: String,
    /// What `Content-Type` says.
    pub(crate) media_type: String,
    /// The body.
    pub(crate) bytes: Vec<u8>,
}

impl Site {
    /// Starts a registry on a fresh directory and waits until it listens.
    pub(crate) fn start(cage: &Cage, guard: Guard) -> Self {
        let word = guard.word().replace(' ', "-");
        let storage = cage.make(&format!("registry-{word}"));
        let log = fs_err::File::create(cage.path(&format!("registry-{word}.log")))
            .expect("the test's directory is writable");
        let command = match tool::variable(PEER) {
            Some(peer) => peer_command(cage, guard, &storage, Path::new(&peer)),
            None => own_command(cage, guard, &storage),
        };
        let process = start(command, log, &address(guard));
        let authority = fixtures::authority_directory(cage);
        let site = Self {
            guard,
            process,
            authority,
        };
        if guard.is_tls() {
            site.teach_docker();
        }
        site
    }

    /// Returns host and port as they stand at the front of an image's name.
    pub(crate) fn host(&self) -> String {
        let name = if self.guard.is_tls() {
            REMOTE_NAME
        } else {
            "localhost"
        };
        format!("{name}:{}", self.guard.port())
    }

    /// Returns an image's full name.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Returns the flag of podman, buildah and skopeo by which they trust this
    /// registry; `side` is empty, `src-` or `dest-`.
    pub(crate) fn trust(&self, side: &str) -> String {
        if self.guard.is_tls() {
            format!("--{side}cert-dir={}", self.authority.display())
        } else {
            format!("--{side}tls-verify=false")
        }
    }

    /// Returns [`Site::trust`] with the caller's name and password where it asks.
    pub(crate) fn flags(&self, side: &str) -> String {
        let (name, password) = CALLER;
        let creds = format!("--{side}creds={name}:{password}");
        let creds = if self.guard.asks() {
            creds
        } else {
            String::new()
        };
        format!("{} {creds}", self.trust(side))
    }

    /// Returns the file with the authority's certificate.
    pub(crate) fn authority_file(&self) -> PathBuf {
        self.authority.join("ca.crt")
    }

    /// Fetches a manifest with curl, which believes nothing and changes nothing.
    ///
    /// # Panics
    /// Panics unless it is served and its bytes have the digest that is claimed.
    pub(crate) fn served(&self, repository: &str, reference: &str) -> Served {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let said = self.curl(&format!("--fail --include {path}"));
        let split = said.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, body) = said.bytes.split_at(split.expect("an answer has a head"));
        let head = String::from_utf8_lossy(head);
        let field = |name: &str| {
            let line = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            });
            line.unwrap_or_else(|| panic!("no `{name}` in:\n{head}"))
        };
        let served = Served {
            digest: field("docker-content-digest"),
            media_type: field("content-type"),
            bytes: body[4..].to_vec(),
        };
        assert_eq!(digest(&served.bytes), served.digest, "of {path}");
        served
    }

    /// Returns the status of a GET.
    pub(crate) fn status(&self, path: &str) -> String {
        let format = "--output /dev/null --write-out %{http_code}";
        self.curl(&format!("{format} {path}")).line()
    }

    /// Runs curl on a path, which must be the last word.
    fn curl(&self, line: &str) -> tool::Said {
        let (options, path) = line.rsplit_once(' ').expect("options and a path");
        let scheme = if self.guard.is_tls() { "https" } else { "http" };
        let authority = self.authority_file();
        let mut curl = format!(
            "curl --silent --show-error --cacert {}",
            authority.display()
        );
        if self.guard.asks() {
            let (name, password) = CALLER;
            curl.push_str(&format!(" --user {name}:{password}"));
        }
        for media_type in ACCEPTED {
            curl.push_str(&format!(" --header Accept:{media_type}"));
        }
        Tool::from_line(&curl).run(&format!("{options} {scheme}://{}{path}", self.host()))
    }

    /// Puts the authority where docker looks, which is this test's own directory.
    fn teach_docker(&self) {
        let directory = Path::new("/etc/docker/certs.d").join(self.host());
        fs_err::create_dir_all(&directory).expect("the cage covers it");
        fs_err::copy(self.authority_file(), directory.join("ca.crt")).expect("the cage covers it");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Media types that docker 20.10 accepts, and those of OCI.
const ACCEPTED: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
];

/// Returns the built program.
pub(crate) fn program() -> PathBuf {
    spec_tests::program()
}

fn address(guard: Guard) -> String {
    let host = if guard.is_tls() {
        REMOTE_ADDRESS
    } else {
        "127.0.0.1"
    };
    format!("{host}:{}", guard.port())
}

fn own_command(cage: &Cage, guard: Guard, storage: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg("serve").args(["--listen", &address(guard)]);
    command.arg("--storage").arg(storage);
    if guard.asks() {
        command.arg("--htpasswd").arg(password_file(cage));
    } else if guard.is_tls() {
        command.arg("--anonymous=push");
    }
    if guard.is_tls() {
        let (certificate, key) = fixtures::server_certificate(cage);
        command.arg("--tls-cert").arg(certificate);
        command.arg("--tls-key").arg(key);
    }
    command
}

fn peer_command(cage: &Cage, guard: Guard, storage: &Path, peer: &Path) -> Command {
    let mut http = format!("addr: '{}'", address(guard));
    if guard.is_tls() {
        let (certificate, key) = fixtures::server_certificate(cage);
        let (certificate, key) = (certificate.display(), key.display());
        http.push_str(&format!(
            ", tls: {{certificate: {certificate}, key: {key}}}"
        ));
    }
    let root = storage.display();
    let mut text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {root}}}, \
         delete: {{enabled: true}}}}\nhttp: {{{http}}}\n"
    );
    if guard.asks() {
        let file = password_file(cage);
        text.push_str(&format!(
            "auth: {{htpasswd: {{realm: peer, path: {}}}}}\n",
            file.display()
        ));
    }
    let config = storage.with_extension("yml");
    fs_err::write(&config, text).expect("the test's directory is writable");
    let mut command = Command::new(peer);
    command.arg("serve").arg(config);
    command
}

/// Makes the password file. The cost is the least that bcrypt allows.
fn password_file(cage: &Cage) -> PathBuf {
    let file = cage.path("htpasswd");
    let (name, password) = CALLER;
    let said = Tool::from_line("htpasswd -B -b -n -C 4").run(&format!("{name} {password}"));
    fs_err::write(&file, said.line() + "\n").expect("the test's directory is writable");
    file
}

/// Starts a registry and waits until it takes connections. wharf says so on its
/// standard output; its peer says nothing of use, so that one has to try.
fn start(mut command: Command, log: fs_err::File, address: &str) -> Child {
    command.stdin(Stdio::null());
    if tool::variable(PEER).is_none() {
        command.stdout(Stdio::piped()).stderr(log.into_file());
        let mut process = command.spawn().expect("a program");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a pipe");
        assert!(line.starts_with("listening http"), "it said `{line}`");
        return process;
    }
    command.stdout(log.into_file()).stderr(Stdio::null());
    let process = command.spawn().expect("a program");
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < START_LIMIT, "nothing at {address}");
        sleep(Duration::from_millis(50));
    }
    process
}
