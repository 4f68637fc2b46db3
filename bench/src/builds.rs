//! wharf beside buildah and docker: the same builds by all, in turn, and the medians as a
//! table.

pub(crate) mod arguments;
mod base;
mod builder;
mod context;
mod daemon;
mod memory;
mod project;
mod registry;
mod report;
pub(crate) mod steps;
mod stopwatch;
mod weight;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::arguments::Arguments;
use self::base::Base;
use self::builder::{Builder, Cache, Spent, Task};
use self::registry::Registry;
use self::report::Report;
use self::weight::{lacking, weigh};
use crate::error::Error;

/// One thing that is measured. Of every value less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Cold,
    Same,
    Changed,
    Long,
    /// With the base unpacked by all, wharf too.
    LongAgain,
    LongChanged,
    /// Of wharf alone, once, and only when it is named.
    Memory,
}

impl Measure {
    /// All of them, in the order of the table.
    const ALL: [Self; 7] = [
        Self::Cold,
        Self::Same,
        Self::Changed,
        Self::Long,
        Self::LongAgain,
        Self::LongChanged,
        Self::Memory,
    ];

    /// Says whether nothing of earlier builds is there.
    fn is_cold(self) -> bool {
        matches!(self, Self::Cold | Self::Long)
    }

    /// Says whether it is of the long Dockerfile.
    fn is_long(self) -> bool {
        matches!(self, Self::Long | Self::LongAgain | Self::LongChanged)
    }

    /// Returns the name by which the command line selects it.
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Long => "long",
            Self::LongAgain => "long-again",
            Self::LongChanged => "long-changed",
            Self::Memory => "memory",
        }
    }

    /// Returns the most that wharf is to take, as a part of what the fastest other takes.
    fn target(self) -> f64 {
        match self {
            Self::Cold => 0.4,
            Self::Same => 0.2,
            Self::Changed => 0.3,
            Self::Long | Self::LongAgain => 0.8,
            Self::LongChanged => 0.5,
            Self::Memory => 1.0,
        }
    }
}

/// How long ext4 does not use an inode again that was freed (`recently_deleted`).
const SETTLED: Duration = Duration::from_secs(61);

/// Where everything is.
#[derive(Debug)]
struct Place {
    /// One `COPY`.
    short: PathBuf,
    /// Many steps in several stages.
    long: PathBuf,
    tree: PathBuf,
    /// Makes every change a new one.
    version: u64,
}

impl Place {
    fn make(directory: &Path) -> Result<Self, Error> {
        let place = Self {
            short: directory.join("Dockerfile"),
            long: directory.join("Dockerfile.long"),
            tree: directory.join("tree"),
            version: 0,
        };
        let text = "ARG BASE\nFROM $BASE\nCOPY . /srv/tree/\n";
        fs_err::write(&place.short, text)?;
        fs_err::write(&place.long, project::DOCKERFILE)?;
        context::make_tree(&place.tree)?;
        Ok(place)
    }

    /// Takes one value of each builder.
    fn round(
        &mut self,
        (measure, turn): (Measure, usize),
        builders: &[Builder],
        registry: &mut Registry,
        mut add: impl FnMut(&Builder, Spent, &Registry) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if measure == Measure::Long {
            for builder in builders {
                builder.forget()?;
            }
        }
        // All have built what is there before it changes.
        if !measure.is_cold() && measure != Measure::LongAgain {
            for builder in builders {
                let mut task = self.task(measure);
                task.cache = Cache::Used;
                builder.build(&task, registry)?;
            }
        }
        if matches!(measure, Measure::Changed | Measure::LongChanged) {
            self.version += 1;
            context::change(&self.tree, self.version)?;
        }
        for index in 0..builders.len() {
            let builder = &builders[(index + turn) % builders.len()];
            if measure == Measure::Cold {
                builder.forget()?;
            }
            if measure.is_cold() || measure == Measure::LongAgain {
                registry.restore()?;
            }
            // Whoever makes files pays for those that others have just removed,
            // and commands remove some.
            if measure == Measure::Long {
                std::thread::sleep(SETTLED);
            }
            let spent = builder.build(&self.task(measure), registry)?;
            add(builder, spent, registry)?;
        }
        Ok(())
    }

    fn task(&self, measure: Measure) -> Task<'_> {
        Task {
            dockerfile: if measure.is_long() {
                &self.long
            } else {
                &self.short
            },
            context: &self.tree,
            cache: match measure {
                Measure::Cold | Measure::Long | Measure::LongAgain | Measure::Memory => {
                    Cache::Unused
                }
                Measure::Same => Cache::Whole,
                Measure::Changed | Measure::LongChanged => Cache::Used,
            },
        }
    }
}

/// Measures, and returns what is to be printed.
///
/// # Errors
/// Says which program is missing or fails.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let target = crate::target()?;
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(arguments.directory.as_ref().unwrap_or(&target))?;
    let directory = directory.path();
    let mut text = String::new();
    if arguments.wants(Measure::Memory) {
        text = memory::run(directory)?;
    }
    if Measure::ALL
        .into_iter()
        .any(|measure| measure != Measure::Memory && arguments.wants(measure))
    {
        text = compare(arguments, &Base::make(&target)?, directory)? + &text;
    }
    Ok(text)
}

/// Has all builders take their turns.
fn compare(arguments: &Arguments, base: &Base, directory: &Path) -> Result<String, Error> {
    let mut place = Place::make(directory)?;
    let mut registry = Registry::start(directory)?;
    let builders = Builder::all(directory, base, &registry)?;
    let mut report = Report::new(base, &builders)?;
    for round in 0..arguments.rounds {
        for measure in Measure::ALL {
            if !arguments.wants(measure) || measure == Measure::Memory {
                continue;
            }
            let is_weighed = measure == Measure::Cold && round == 0;
            let add = |builder: &Builder, spent: Spent, registry: &Registry| {
                eprintln!(
                    "round {}: {} of {}: {:.3} s, {:.2} s of processors, {} KiB, {} bytes sent",
                    round + 1,
                    measure.name(),
                    builder.name(),
                    spent.all.wall,
                    spent.all.processor,
                    spent.all.peak,
                    spent.sent
                );
                report.add(measure, builder.name(), spent);
                if measure == Measure::Changed {
                    let lacking = lacking(registry, &builder.repository())?;
                    report.add_lacking(builder.name(), lacking);
                }
                if is_weighed {
                    let weight = weigh(registry, &builder.repository())?;
                    report.add_weight(builder.name(), weight);
                }
                Ok(())
            };
            place.round((measure, round), &builders, &mut registry, add)?;
        }
    }
    for builder in &builders {
        builder.forget()?;
    }
    report.end()
}
