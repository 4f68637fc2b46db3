//! A home, a registry, and an image to play with.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use oci::Digest;
use tempfile::TempDir;

/// Is a home directory, and the environment of whoever lives there.
pub(crate) struct Home {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs_err::create_dir(directory.path().join("bin")).expect("made");
        Self {
            directory,
            variables: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(&path, text).expect("written");
        path
    }

    /// Runs the program in the home directory, without a word to it.
    pub(crate) fn wharf<S: AsRef<str>>(&self, arguments: &[S]) -> Ended {
        self.wharf_told(arguments, "")
    }

    /// Runs the program and tells it something.
    pub(crate) fn wharf_told<S: AsRef<str>>(&self, arguments: &[S], told: &str) -> Ended {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("piped");
        // It may end without listening.
        let _ = stdin.write_all(told.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("it ends");
        Ended {
            code: output.status.code(),
            bytes: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Gives the command that runs the program.
    pub(crate) fn command<S: AsRef<str>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .args(arguments.iter().map(AsRef::as_ref))
            .env_clear()
            .env("HOME", self.path(""))
            // Helpers are scripts, and scripts need their tools.
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            )
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path(""));
        command
    }

    /// Writes an image of one layer as a layout, named by a tag.
    pub(crate) fn layout(&self, name: &str, tag: &str) -> Image {
        let image = Image::new();
        let folder = self.path(name);
        let blobs = folder.join("blobs/sha256");
        fs_err::create_dir_all(&blobs).expect("made");
        for bytes in [&image.config, &image.layer, &image.manifest] {
            let digest = Digest::sha256(bytes).to_string();
            fs_err::write(blobs.join(&digest["sha256:".len()..]), bytes).expect("written");
        }
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"{tag}"}}}}]}}"#,
            image.digest(),
            image.manifest.len(),
        );
        fs_err::write(folder.join("index.json"), index).expect("written");
        fs_err::write(
            folder.join("oci-layout"),
            r#"{"imageLayoutVersion":"1.0.0"}"#,
        )
        .expect("written");
        image
    }
}

/// Is an image of one layer.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    fn new() -> Self {
        // An empty archive: two blocks of zeros, padded to a record.
        let layer = vec![0; 10240];
        let diff_id = Digest::sha256(&layer);
        let config = format!(
            r#"{{"created":"2024-05-06T07:08:09Z","architecture":"amd64","os":"linux","config":{{"User":"1000","ExposedPorts":{{"80/tcp":{{}}}},"Env":["PATH=/bin","TOKEN=s3cret"],"Entrypoint":["/init"],"Cmd":["--help"],"WorkingDir":"/srv","Labels":{{"team":"harbour"}}}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}},"history":[{{"created_by":"test"}}]}}"#
        )
        .into_bytes();
        // With odd spaces, so that only exact bytes have the digest.
        let manifest = format!(
            r#"{{ "schemaVersion": 2,  "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}}, "layers": [{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{diff_id}","size":{}}}] }}"#,
            Digest::sha256(&config),
            config.len(),
            layer.len(),
        )
        .into_bytes();
        Self {
            config,
            layer,
            manifest,
        }
    }

    pub(crate) fn digest(&self) -> String {
        Digest::sha256(&self.manifest).to_string()
    }

    pub(crate) fn config_digest(&self) -> String {
        Digest::sha256(&self.config).to_string()
    }

    pub(crate) fn layer_digest(&self) -> String {
        Digest::sha256(&self.layer).to_string()
    }
}

/// Says how a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// Expects success, and gives standard output.
    #[track_caller]
    pub(crate) fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        std::str::from_utf8(&self.bytes).expect("text")
    }

    /// Expects a failure without results, and gives standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        assert_eq!(self.bytes, b"");
        &self.stderr
    }

    /// Gives standard error without what differs from run to run: times.
    pub(crate) fn talk(&self) -> String {
        let mut talk = String::new();
        for line in self.stderr.lines() {
            let timeless = match line.rsplit_once(" in ") {
                Some((start, rest)) if rest.starts_with(|c: char| c.is_ascii_digit()) => start,
                _ => line,
            };
            writeln!(talk, "{timeless}").expect("a string takes all");
        }
        talk
    }
}

/// Is a registry, served until it is dropped.
pub(crate) struct Registry {
    child: Child,
    /// Its address and port.
    pub(crate) host: String,
}

impl Registry {
    /// Serves everybody.
    pub(crate) fn open(home: &Home) -> Self {
        Self::start(home, &[])
    }

    /// Serves those who know a password: `eve` knows `pass word`.
    pub(crate) fn closed(home: &Home) -> Self {
        let hash = bcrypt::hash("pass word", 4).expect("a hash");
        // Everybody writes `2y` into such files.
        let hash = hash.replacen("$2b$", "$2y$", 1);
        let file = home.write("htpasswd", &format!("eve:{hash}\n"));
        Self::start(home, &["--htpasswd", text(&file)])
    }

    /// Serves with options.
    pub(crate) fn start(home: &Home, options: &[&str]) -> Self {
        let arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--unsafe-no-sync",
            "--quiet",
        ];
        let mut child = home
            .command(&[&arguments[..], options].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let stdout = child.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("read");
        let (_, host) = line.trim().split_once("://").expect("an address");
        let host = host.to_owned();
        Self { child, host }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}
