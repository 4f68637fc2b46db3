//! The command line: `[--rounds N] [--seconds N] [--many N] [--quick] [--s3 PROGRAM]
//! [PART...]`.

use crate::arguments::number;
use crate::error::Error;

/// Rounds unless asked otherwise.
const ROUNDS: usize = 3;

/// Seconds that a rate is measured for, unless asked otherwise.
const SECONDS: u32 = 4;

/// What can be asked for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Manifests,
    Blobs,
    Pushes,
    Lists,
    Memory,
    Collect,
}

impl Part {
    /// All of them, in the order in which they run.
    pub(crate) const ALL: [Self; 6] = [
        Self::Manifests,
        Self::Blobs,
        Self::Pushes,
        Self::Lists,
        Self::Memory,
        Self::Collect,
    ];

    /// Returns the word that selects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Blobs => "blobs",
            Self::Pushes => "pushes",
            Self::Lists => "lists",
            Self::Memory => "memory",
            Self::Collect => "collect",
        }
    }
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Rounds of each measure.
    pub(crate) rounds: usize,
    /// Seconds behind one value of a rate.
    pub(crate) seconds: u32,
    /// Bytes of the large blob that is pulled.
    pub(crate) pulled: usize,
    /// Bytes of the large blob that is pushed.
    pub(crate) pushed: usize,
    /// Tags in a repository, repositories, and blobs that are garbage.
    pub(crate) many: u32,
    /// Clients that pull at once while memory is looked at; 2 of 5 as many push.
    pub(crate) clients: u32,
}

impl Scale {
    const FULL: Self = Self {
        rounds: ROUNDS,
        seconds: SECONDS,
        pulled: 1 << 30,
        pushed: 100 << 20,
        many: 100_000,
        clients: 500,
    };

    /// A smoke test: everything runs, the numbers mean nothing.
    const QUICK: Self = Self {
        rounds: 1,
        seconds: 1,
        pulled: 16 << 20,
        pushed: 4 << 20,
        many: 3000,
        clients: 50,
    };
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) scale: Scale,
    /// An S3 server for the second half of `memory`: a program that takes a directory and a
    /// port, and has a bucket `wharf` for the key `wharf` and the secret `wharf-secret`.
    /// Empty for none.
    pub(crate) s3: String,
    parts: Vec<Part>,
}

impl Arguments {
    /// Reads a command line.
    ///
    /// # Errors
    /// Says which word is not understood, and which there are.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut arguments = Self {
            scale: Scale::FULL,
            s3: String::new(),
            parts: Vec::new(),
        };
        let (mut rounds, mut seconds, mut many) = (None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => arguments.scale = Scale::QUICK,
                "--rounds" => rounds = Some(number(words.next(), &word)?),
                "--seconds" => seconds = Some(number(words.next(), &word)?),
                "--many" => many = Some(number(words.next(), &word)?),
                "--s3" => arguments.s3 = words.next().ok_or_else(|| unknown(&word))?,
                name => {
                    let part = Part::ALL.into_iter().find(|part| part.name() == name);
                    arguments.parts.push(part.ok_or_else(|| unknown(name))?);
                }
            }
        }
        arguments.scale.rounds = rounds.unwrap_or(arguments.scale.rounds);
        arguments.scale.seconds = seconds.unwrap_or(arguments.scale.seconds);
        arguments.scale.many = many.unwrap_or(arguments.scale.many);
        // A page of 1000 names has to begin somewhere.
        if arguments.scale.many <= 1000 {
            return Err(Error::new("`--many` needs a number above 1000"));
        }
        Ok(arguments)
    }

    /// Returns the parts that are wanted: all when none is named.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let wanted = |part: &Part| self.parts.is_empty() || self.parts.contains(part);
        Part::ALL.into_iter().filter(wanted).collect()
    }
}

fn unknown(word: &str) -> Error {
    let names = Part::ALL.map(Part::name).join("`, `");
    Error::new(format!(
        "`{word}` is not understood: there are `--rounds N`, `--seconds N`, `--many N`, `--quick`, \
         `--s3 PROGRAM` and `{names}`"
    ))
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
        assert_eq!(arguments.scale, Scale::FULL);
        assert_eq!(arguments.parts(), Part::ALL);
    }

    #[test]
    fn parts_are_selected_and_run_in_their_order() {
        let arguments = parse("--rounds 7 lists blobs --quick").unwrap();
        assert_eq!(arguments.scale.rounds, 7);
        assert_eq!(arguments.scale.many, Scale::QUICK.many);
        assert_eq!(arguments.parts(), [Part::Blobs, Part::Lists]);
    }

    #[test]
    fn mistakes_are_named() {
        for line in [
            "manifest",
            "--rounds",
            "--rounds x",
            "--seconds 0",
            "--s3",
            "--many 1000",
        ] {
            let words = parse(line).unwrap_err().to_string();
            let word = line.split(' ').next().unwrap();
            assert!(words.contains(&format!("`{word}`")), "{words}");
        }
    }
}
