//! The built program as a person runs it: with a home of its own and nothing of the
//! surroundings.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::environment::{program, variable};

/// Longest that one run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A caller of `wharf` with an empty home directory.
pub struct Wharf {
    home: TempDir,
}

/// What one run of the program came to.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote on stdout.
    pub output: Vec<u8>,
    /// What it wrote on stderr.
    pub words: String,
}

impl Wharf {
    /// Makes a caller.
    ///
    /// # Panics
    /// When there is no room for its home.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        Self { home }
    }

    /// Returns the home directory, which is also the working directory of every run.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// When it does not start, does not end in time, or panics.
    #[track_caller]
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let file = |name: &str| {
            let path = self.home().join(name);
            fs_err::File::create(path)
                .expect("the home is writable")
                .into_file()
        };
        let mut child = Command::new(program())
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .env("PATH", variable("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("WHARF_HOME", self.home().join("library"))
            .env("TMPDIR", self.home())
            .stdin(Stdio::null())
            .stdout(file(".stdout"))
            .stderr(file(".stderr"))
            .spawn()
            .expect("the program starts");
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                break status;
            }
            if start.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("`wharf {}` does not end", arguments.join(" "));
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let words = fs_err::read(self.home().join(".stderr")).unwrap_or_default();
        let ran = Ran {
            status,
            output: fs_err::read(self.home().join(".stdout")).unwrap_or_default(),
            words: String::from_utf8_lossy(&words).into_owned(),
        };
        assert!(!ran.words.contains("panicked"), "{}", ran.words);
        ran
    }

    /// Runs the program and expects it to do what it was told.
    ///
    /// # Panics
    /// When it fails; the message shows what it said.
    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        let command = arguments.join(" ");
        assert!(
            ran.status.success(),
            "`wharf {command}` failed: {}",
            ran.words
        );
        ran
    }

    /// Runs the program and expects it to refuse, by its exit code and with a reason.
    ///
    /// # Panics
    /// When it succeeds, dies of a signal or says nothing.
    #[track_caller]
    pub fn refuses(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        let command = arguments.join(" ");
        let code = ran.status.code();
        assert!(
            code.is_some_and(|code| code != 0),
            "`wharf {command}` ended with {code:?}"
        );
        assert!(
            ran.words.contains("error"),
            "`wharf {command}` said: {}",
            ran.words
        );
        ran
    }
}
