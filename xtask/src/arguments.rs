//! What was asked for on the command line. It reads words and touches nothing.

use crate::ci::Part;
use crate::error::Error;

/// What `cargo xtask --help` prints.
pub(crate) const USAGE: &str = "\
The repository's own checks and test runs.

Usage: cargo xtask <COMMAND>

Commands:
  check                 Check edges, sizes, names, calls and paths (seconds)
  ci                    Run everything that a change must pass, each part timed
  ci --only PART        Run one part, and what it cannot do without; may be repeated
  soak [--rounds N]     Run the long tests, N rounds each (default 500)
  fuzz [--seconds N]    Feed every fuzz target for N seconds each (default 600); needs cargo-fuzz
                        and a nightly compiler
  help, --help, -h      Print this text

Parts of ci, in order:
  house      the same as `cargo xtask check`
  fmt        cargo fmt --check
  clippy     every target of every crate, warnings denied
  deny       cargo deny check bans licenses sources
  build      the program, as released
  s3         the S3 server of the tests
  doctest    the examples in the documentation
  doc        the documentation itself, warnings denied
  test       every other test, through cargo nextest; needs `build` and `s3`

Environment:
  WHARF_MUST_NOT_SKIP=1   a test that would skip fails instead (.ci/run sets it)
  WHARF_BIN               set by ci and soak: the program under test
  WHARF_SOAK              set by soak: the number of rounds
";

/// Rounds of the long tests when `--rounds` is not given: what a release must survive.
pub(crate) const DEFAULT_ROUNDS: u32 = 500;

/// Seconds for each fuzz target when `--seconds` is not given.
pub(crate) const DEFAULT_SECONDS: u32 = 600;

/// One command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Print [`USAGE`].
    Help,
    /// Check the shape of the repository.
    Check,
    /// Run these parts, in this order.
    Ci(Vec<Part>),
    /// Run the long tests.
    Soak {
        /// How often each long test repeats its story; at least one.
        rounds: u32,
    },
    /// Feed the fuzz targets.
    Fuzz {
        /// How long each of them; at least one.
        seconds: u32,
    },
}

impl Request {
    /// Reads a command from the words after the program's name.
    ///
    /// # Errors
    /// [`Error::Usage`] says which word was not understood.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let words: Vec<String> = words.into_iter().collect();
        if words.iter().any(|word| word == "--help" || word == "-h") {
            return Ok(Self::Help);
        }
        let Some((command, rest)) = words.split_first() else {
            return Err(usage("a command is missing"));
        };
        match command.as_str() {
            "help" => Ok(Self::Help),
            "check" => nothing_after(rest).map(|()| Self::Check),
            "ci" => parse_parts(rest).map(Self::Ci),
            "soak" => {
                let rounds = parse_number("soak", "--rounds", DEFAULT_ROUNDS, rest)?;
                Ok(Self::Soak { rounds })
            }
            "fuzz" => {
                let seconds = parse_number("fuzz", "--seconds", DEFAULT_SECONDS, rest)?;
                Ok(Self::Fuzz { seconds })
            }
            other => Err(usage(&format!("`{other}` is no command"))),
        }
    }
}

fn parse_parts(words: &[String]) -> Result<Vec<Part>, Error> {
    let mut asked = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word != "--only" {
            return Err(usage(&format!("`{word}` is no argument of `ci`")));
        }
        let name = words
            .next()
            .ok_or_else(|| usage("`--only` needs the name of a part"))?;
        let part =
            Part::named(name).ok_or_else(|| usage(&format!("`{name}` is no part of `ci`")))?;
        asked.push(part);
    }
    Ok(Part::selection(&asked))
}

/// Reads the one number that a command takes.
fn parse_number(command: &str, flag: &str, default: u32, words: &[String]) -> Result<u32, Error> {
    match words {
        [] => Ok(default),
        [word, number] if word == flag => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| usage(&format!("`{number}` is no number for `{flag}`"))),
        [word] if word == flag => Err(usage(&format!("`{flag}` needs a number"))),
        [word, ..] => Err(usage(&format!("`{word}` is no argument of `{command}`"))),
    }
}

fn nothing_after(words: &[String]) -> Result<(), Error> {
    words.first().map_or(Ok(()), |word| {
        Err(usage(&format!("`{word}` is one word too many")))
    })
}

fn usage(message: &str) -> Error {
    Error::Usage(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Request::parse(line.split_whitespace().map(str::to_owned))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("check"), Ok(Request::Check));
        assert_eq!(parse("ci"), Ok(Request::Ci(Part::ALL.to_vec())));
        assert_eq!(parse("ci --only fmt"), Ok(Request::Ci(vec![Part::Fmt])));
        assert_eq!(parse("soak"), Ok(Request::Soak { rounds: 500 }));
        assert_eq!(parse("soak --rounds 7"), Ok(Request::Soak { rounds: 7 }));
        assert_eq!(parse("fuzz"), Ok(Request::Fuzz { seconds: 600 }));
        assert_eq!(parse("fuzz --seconds 9"), Ok(Request::Fuzz { seconds: 9 }));
        for line in ["help", "--help", "ci --only -h", "soak --help"] {
            assert_eq!(parse(line), Ok(Request::Help), "{line}");
        }
    }

    #[test]
    fn tests_bring_the_program_they_run() {
        assert_eq!(
            parse("ci --only test --only fmt"),
            Ok(Request::Ci(vec![
                Part::Fmt,
                Part::Build,
                Part::S3,
                Part::Test
            ]))
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("", "missing"),
            ("sing", "`sing`"),
            ("check twice", "`twice`"),
            ("ci fmt", "`fmt`"),
            ("ci --only", "`--only`"),
            ("ci --only everything", "`everything`"),
            ("soak 5", "`5`"),
            ("soak --rounds", "`--rounds`"),
            ("soak --rounds 0", "`0`"),
            ("soak --rounds -1", "`-1`"),
            ("soak --rounds 1 2", "`--rounds`"),
        ] {
            let message = parse(line).expect_err("must be refused");
            assert!(message.contains(word), "{line}: {message}");
        }
    }

    #[test]
    fn the_help_names_every_part() {
        for part in Part::ALL {
            assert!(
                USAGE.contains(&format!("\n  {} ", part.name())),
                "{}",
                part.name()
            );
        }
    }
}
