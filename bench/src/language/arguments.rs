//! The command line after `dockerfile`: `[--rounds N] [--lines N]`.

use crate::arguments::number;
use crate::error::Error;

/// Rounds unless asked otherwise.
const ROUNDS: usize = 5;
/// Lines unless asked otherwise.
const LINES: usize = 2_000;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(super) rounds: usize,
    pub(super) lines: usize,
}

impl Arguments {
    /// Reads a command line.
    ///
    /// # Errors
    /// Says which word is not understood, and which there are.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut arguments = Self {
            rounds: ROUNDS,
            lines: LINES,
        };
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => arguments.rounds = number(words.next(), &word)?,
                "--lines" => arguments.lines = number(words.next(), &word)?,
                _ => {
                    let words = format!(
                        "unknown word `{word}`: after `dockerfile` there are `--rounds N` and `--lines N`"
                    );
                    return Err(Error::new(words));
                }
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Error> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_said_is_usual() {
        let usual = parse("").unwrap();
        assert_eq!((usual.rounds, usual.lines), (ROUNDS, LINES));
        let other = parse("--lines 10 --rounds 2").unwrap();
        assert_eq!((other.rounds, other.lines), (2, 10));
    }

    #[test]
    fn mistakes_are_named() {
        for line in ["plan", "--lines 0", "--rounds x"] {
            let words = parse(line).unwrap_err().to_string();
            let word = line.split(' ').next().unwrap();
            assert!(words.contains(&format!("`{word}`")), "{words}");
        }
    }
}
