//! Where builds take place: a context, a layout with bases, and homes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::base;
use crate::change::Call;
use crate::progress::{self, Step};

/// Longest that one build may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A directory for one test.
pub(crate) struct Scene {
    root: TempDir,
}

/// What a build came to.
#[derive(Debug)]
pub(crate) struct Came {
    /// The digest of the image.
    pub(crate) digest: String,
    pub(crate) steps: Vec<Step>,
    /// All that it said.
    pub(crate) words: String,
}

impl Scene {
    /// Makes one, unless commands can not be run here; then it says so.
    pub(crate) fn set() -> Option<Self> {
        if base::busybox().is_none() {
            spec_tests::skip("there is no busybox; Debian has it in `busybox-static`");
            return None;
        }
        let doctor = Command::new(spec_tests::program())
            .arg("doctor")
            .output()
            .expect("the program starts");
        if !doctor.status.success() {
            let words = String::from_utf8_lossy(&doctor.stdout).into_owned();
            spec_tests::skip(&format!("`RUN` does not work here: {words}"));
            return None;
        }
        let root = tempfile::tempdir().expect("a temporary directory");
        let scene = Self { root };
        for folder in ["context", "base"] {
            fs_err::create_dir(scene.at(folder)).expect("a new directory");
        }
        base::make(&scene.at("base"));
        Some(scene)
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.at("context")
    }

    /// Builds with a home of this name.
    ///
    /// # Panics
    /// When the build fails; the message shows what it said.
    pub(crate) fn build(&self, home: &str, call: &Call, further: &str) -> Came {
        let mut started = self.start(home, call, further);
        started.wait()
    }

    /// Starts a build.
    pub(crate) fn start(&self, home: &str, call: &Call, further: &str) -> Started {
        let (log, out) = (
            self.at(&format!("{home}.log")),
            self.at(&format!("{home}.out")),
        );
        self.start_at(home, call, further, (log, out))
    }

    /// Starts a build that writes to files of these names.
    pub(crate) fn start_at(
        &self,
        home: &str,
        call: &Call,
        further: &str,
        (log, out): (PathBuf, PathBuf),
    ) -> Started {
        let dockerfile = out.with_extension("Dockerfile");
        fs_err::write(&dockerfile, &call.dockerfile).expect("a writable directory");
        let file = |path: &Path| {
            let file = fs_err::File::create(path);
            file.expect("a writable directory").into_file()
        };
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {}; exec \"$@\"", call.umask), "sh"])
            .arg(spec_tests::program())
            .args(["build", progress::FLAG, "--build-context"])
            .arg(format!("base=oci-layout://base:{}", call.base))
            .arg("--file")
            .arg(dockerfile)
            .args(call.flags.split_whitespace())
            .args(further.split_whitespace())
            .arg("context");
        command
            .current_dir(self.root.path())
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", self.root.path())
            .env("WHARF_HOME", self.at(home))
            .env("TMPDIR", self.root.path());
        for (name, value) in &call.variables {
            command.env(name, value);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&log))
            .spawn();
        let child = child.expect("a shell");
        Started { child, log, out }
    }
}

/// A build under way.
pub(crate) struct Started {
    child: Child,
    log: PathBuf,
    out: PathBuf,
}

impl Started {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it fails or does not end.
    pub(crate) fn wait(&mut self) -> Came {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("a build does not end:\n{}", self.words());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let words = self.words();
        assert!(status.success(), "a build failed:\n{words}");
        let digest = fs_err::read_to_string(&self.out).expect("made above");
        Came {
            digest: digest.trim().to_owned(),
            steps: progress::steps(&words),
            words,
        }
    }

    /// Kills it, and says whether it was still there.
    pub(crate) fn kill(&mut self) -> bool {
        let is_there = self
            .child
            .try_wait()
            .expect("it can be waited for")
            .is_none();
        let _ = self.child.kill();
        let _ = self.child.wait();
        is_there
    }

    fn words(&self) -> String {
        let bytes = fs_err::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
