//! The parts of `ci`, and the command behind each.

use std::path::Path;

use crate::command::Task;
use crate::error::Error;

/// One part of `ci`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The shape of the repository.
    House,
    /// The layout of the code.
    Fmt,
    /// The lints, on every target.
    Clippy,
    /// What is linked: versions, licences, sources.
    Deny,
    /// The program as it is released.
    Build,
    /// The S3 server of the tests.
    S3,
    /// The examples in the documentation.
    DocTest,
    /// The documentation.
    Doc,
    /// Every other test. Last, so that the runner's summary closes the output.
    Test,
}

impl Part {
    /// Every part, in the order in which they run: the quick ones first.
    pub(crate) const ALL: [Self; 9] = [
        Self::House,
        Self::Fmt,
        Self::Clippy,
        Self::Deny,
        Self::Build,
        Self::S3,
        Self::DocTest,
        Self::Doc,
        Self::Test,
    ];

    /// Returns the name by which `--only` asks for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Deny => "deny",
            Self::Build => "build",
            Self::S3 => "s3",
            Self::DocTest => "doctest",
            Self::Doc => "doc",
            Self::Test => "test",
        }
    }

    /// Returns the part of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Returns the parts to run when these were asked for: all of them when
    /// none was named, else these and what they need, each once and in order.
    pub(crate) fn selection(asked: &[Self]) -> Vec<Self> {
        let needed = |part: &Self| {
            asked.is_empty()
                || asked.contains(part)
                // The tests run both programs, and must not run old ones.
                || (matches!(part, Self::Build | Self::S3) && asked.contains(&Self::Test))
        };
        Self::ALL.into_iter().filter(needed).collect()
    }

    /// Returns the command line behind it, for people.
    pub(crate) fn command(self, program: &Path) -> String {
        self.task(program).line().to_owned()
    }

    /// Runs it. `program` is where the build puts the program as it is released.
    ///
    /// # Errors
    /// Whatever ended its command.
    pub(crate) fn run(self, program: &Path) -> Result<(), Error> {
        if self == Self::House {
            return crate::check();
        }
        self.task(program).run()
    }

    fn task(self, program: &Path) -> Task {
        let cargo = |line: &str| {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            Task::new("cargo", &arguments)
        };
        match self {
            Self::House => cargo("xtask check"),
            Self::Fmt => cargo("fmt --all -- --check"),
            Self::Clippy => cargo("clippy --locked --workspace --all-targets -- -D warnings"),
            Self::Deny => cargo("deny check bans licenses sources"),
            Self::Build => cargo("build --locked --release --package wharf"),
            Self::S3 => cargo(
                "build --locked --manifest-path spec-tests/s3/Cargo.toml \
                 --target-dir target/test-s3",
            ),
            Self::DocTest => cargo("test --locked --workspace --doc"),
            Self::Doc => {
                cargo("doc --locked --workspace --no-deps").with("RUSTDOCFLAGS", "-D warnings")
            }
            Self::Test => {
                cargo("nextest run --locked --workspace --no-fail-fast").with("WHARF_BIN", program)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_parts() {
        for part in Part::ALL {
            assert_eq!(Part::named(part.name()), Some(part));
        }
        assert_eq!(Part::named("all"), None);
    }

    #[test]
    fn tests_come_last_and_after_the_program_is_built() {
        assert_eq!(Part::ALL.last(), Some(&Part::Test));
        assert_eq!(Part::selection(&[]), Part::ALL);
        assert_eq!(Part::selection(&[Part::Doc]), [Part::Doc]);
        let tests = [Part::Test, Part::Test];
        let needed = [Part::Build, Part::S3, Part::Test];
        assert_eq!(Part::selection(&tests), needed);
    }

    #[test]
    fn no_part_accepts_a_stale_lock_file_or_a_warning() {
        let line = |part: Part| part.command(Path::new("/wharf"));
        for part in [
            Part::Clippy,
            Part::Build,
            Part::S3,
            Part::DocTest,
            Part::Doc,
            Part::Test,
        ] {
            assert!(line(part).contains("--locked"), "{}", line(part));
        }
        assert!(line(Part::Clippy).ends_with("-D warnings"));
        assert!(line(Part::Fmt).ends_with("--check"));
    }
}
