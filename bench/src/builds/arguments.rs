//! The command line after `builds`: `[--rounds N] [--in DIRECTORY] [NAME...]`.

use std::path::PathBuf;

use super::Measure;
use crate::arguments::number;
use crate::error::Error;

/// Rounds unless asked otherwise.
const ROUNDS: usize = 3;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(super) rounds: usize,
    /// Where everything is put; else below `target/`.
    pub(super) directory: Option<PathBuf>,
    measures: Vec<Measure>,
}

impl Arguments {
    /// Reads a command line.
    ///
    /// # Errors
    /// Says which word is not understood, and which there are.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut arguments = Self {
            rounds: ROUNDS,
            directory: None,
            measures: Vec::new(),
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let named = |measure: &Measure| measure.name() == word;
            match word.as_str() {
                "--rounds" => arguments.rounds = number(words.next(), &word)?,
                "--in" => {
                    let directory = words.next().map(PathBuf::from);
                    let directory = directory.filter(|directory| directory.is_dir());
                    let missing = || Error::new("`--in` names no directory".to_owned());
                    arguments.directory = Some(directory.ok_or_else(missing)?);
                }
                _ => match Measure::ALL.into_iter().find(named) {
                    Some(measure) => arguments.measures.push(measure),
                    None => return Err(unknown(&word)),
                },
            }
        }
        Ok(arguments)
    }

    /// Says whether a measure is to be taken: all are when none is named, but that of
    /// memory only when it is.
    pub(super) fn wants(&self, measure: Measure) -> bool {
        let is_usual = self.measures.is_empty() && measure != Measure::Memory;
        is_usual || self.measures.contains(&measure)
    }
}

fn unknown(word: &str) -> Error {
    let names = Measure::ALL.map(Measure::name).join(", ");
    Error::new(format!(
        "unknown word `{word}`: after `builds` there are `--rounds N`, `--in DIRECTORY` and {names}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Error> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn nothing_means_everything_but_memory() {
        for measure in Measure::ALL {
            let is_memory = measure == Measure::Memory;
            assert_eq!(parse("").unwrap().wants(measure), !is_memory);
            assert_eq!(parse("memory").unwrap().wants(measure), is_memory);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for line in ["colder", "--rounds 0", "--in /nowhere", "--bigger"] {
            let words = parse(line).unwrap_err().to_string();
            let word = line.split(' ').next().unwrap();
            assert!(words.contains(&format!("`{word}`")), "{words}");
        }
    }
}
