//! The command line: `[--rounds N] [--seconds N] [NAME...]`.

use crate::error::Error;
use crate::measure::Measure;

/// Rounds unless asked otherwise.
const ROUNDS: usize = 3;

/// Seconds that a request rate is measured for, unless asked otherwise.
const SECONDS: u32 = 5;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) rounds: usize,
    pub(crate) seconds: u32,
    names: Vec<String>,
}

impl Arguments {
    /// Reads a command line.
    ///
    /// # Errors
    /// Says which word is not understood, and which there are.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut arguments = Self {
            rounds: ROUNDS,
            seconds: SECONDS,
            names: Vec::new(),
        };
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--rounds" => arguments.rounds = number(words.next(), &word)?,
                "--seconds" => arguments.seconds = number(words.next(), &word)?,
                name if Measure::ALL.iter().any(|known| known.name() == name) => {
                    arguments.names.push(word);
                }
                _ => {
                    let names = Measure::ALL.map(Measure::name).join(", ");
                    let words = format!(
                        "unknown word `{word}`: there are `--rounds N`, `--seconds N` and {names}"
                    );
                    return Err(Error::new(words));
                }
            }
        }
        Ok(arguments)
    }

    /// Says whether a measure is to be taken: all are when none is named.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }
}

pub(crate) fn number<N: std::str::FromStr + PartialOrd + Default>(
    word: Option<String>,
    after: &str,
) -> Result<N, Error> {
    let number = word.and_then(|word| word.parse().ok());
    let number = number.filter(|number| *number > N::default());
    number.ok_or_else(|| Error::new(format!("`{after}` needs a number above 0")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Error> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_means_everything() {
        let arguments = parse("").unwrap();
        assert_eq!(arguments.rounds, ROUNDS);
        assert!(
            Measure::ALL
                .iter()
                .all(|measure| arguments.wants(measure.name()))
        );
    }

    #[test]
    fn names_select() {
        let arguments = parse("--rounds 7 manifest-get").unwrap();
        assert_eq!(arguments.rounds, 7);
        assert!(arguments.wants("manifest-get"));
        assert!(!arguments.wants("manifest-head"));
    }

    #[test]
    fn mistakes_are_named() {
        for line in ["manifest", "--rounds", "--rounds x", "--seconds 0"] {
            let words = parse(line).unwrap_err().to_string();
            let word = line.split(' ').next().unwrap();
            assert!(words.contains(&format!("`{word}`")), "{words}");
        }
    }
}
