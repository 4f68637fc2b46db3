//! S3 servers for the tests: the one in `spec-tests/s3`, and moto.
//!
//! Each is a process that ends with the process which started it, however that ends.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::environment::variable;
use crate::http::{Request, agent};

/// Name and secret that both servers take.
const CREDENTIALS: (&str, &str) = ("wharf", "wharf-secret");

/// The bucket that is there from the start.
pub const BUCKET: &str = "wharf";

/// Longest that a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a program and ends it when its own standard input ends.
const LEASH: &str = r#""$@" </dev/null & read -r _; kill -9 $!"#;

/// A running S3 server; it is ended with this value.
pub struct S3 {
    url: String,
    /// None where it was there before.
    process: Option<Child>,
    /// Removes the large content with the server.
    folder: TempDir,
}

impl S3 {
    /// Starts the server of `spec-tests/s3`: signatures and conditions as on AWS.
    ///
    /// # Panics
    /// When it was not built, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let program = program().expect(
            "the S3 server is built: `cargo build --manifest-path spec-tests/s3/Cargo.toml \
             --target-dir target/test-s3`, or set WHARF_TEST_S3",
        );
        let mut process = leashed(&program)
            .arg(folder.path())
            .args(["0", BUCKET])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let output = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        read.expect("it is piped");
        let url = line.trim().strip_prefix("listening ");
        let url = url.expect("the S3 server listens").to_owned();
        Self {
            url,
            process: Some(process),
            folder,
        }
    }

    /// Takes the moto that `WHARF_TEST_MOTO` names by its URL, or starts one, which takes
    /// seconds; `None` where it is not installed.
    ///
    /// # Panics
    /// When it is, and does not start.
    #[must_use]
    pub fn moto() -> Option<Self> {
        if let Some(url) = variable("WHARF_TEST_MOTO") {
            let folder = tempfile::tempdir().expect("a temporary directory");
            let process = None;
            let given = Self {
                url,
                process,
                folder,
            };
            return Some(given.with_bucket());
        }
        let program = in_path("moto_server")?;
        let folder = tempfile::tempdir().expect("a temporary directory");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = port.expect("loopback has free ports");
        let log = fs_err::File::create(folder.path().join("log")).expect("a log");
        let process = leashed(&program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(log.into_file())
            .spawn()
            .expect("a shell starts");
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(start.elapsed() < PATIENCE, "moto does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        let started = Self {
            url: format!("http://{address}"),
            process: Some(process),
            folder,
        };
        Some(started.with_bucket())
    }

    /// Makes the bucket, which may be there.
    fn with_bucket(self) -> Self {
        let url = format!("{}/{BUCKET}", self.url);
        let request = Request::new(&agent(&[]), "PUT", &url);
        let _ = request.send().expect(200);
        self
    }

    /// Returns the one server of this process, started with its first use.
    ///
    /// # Panics
    /// As [`S3::start`].
    #[must_use]
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<S3> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    /// Returns the one moto of this process; `None` where it is not installed.
    ///
    /// # Panics
    /// As [`S3::moto`].
    #[must_use]
    pub fn shared_moto() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<S3>> = OnceLock::new();
        SERVER.get_or_init(Self::moto).as_ref()
    }

    /// Returns `http://ADDR:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the directory of the content over 64 KiB, a file for each piece; moto keeps
    /// all of it in memory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the variables that lead `wharf serve` here.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        environment_of(&self.url)
    }
}

/// Returns the variables that lead `wharf serve` to an S3 server at this URL.
#[must_use]
pub fn environment_of(url: &str) -> Vec<(String, String)> {
    let (name, secret) = CREDENTIALS;
    [
        ("AWS_ENDPOINT_URL_S3", url),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", name),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Ends the leash, and thereby the server.
            drop(process.stdin.take());
            let _ = process.wait();
        }
    }
}

fn leashed(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", LEASH, "sh"])
        .arg(program)
        .stdin(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Finds the server of `spec-tests/s3`.
fn program() -> Option<PathBuf> {
    if let Some(named) = variable("WHARF_TEST_S3") {
        return Some(PathBuf::from(named));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("target/test-s3/debug/wharf-test-s3");
    path.is_file().then_some(path)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    let mut folders = path.split(':').map(|folder| Path::new(folder).join(name));
    folders.find(|file| file.is_file())
}
