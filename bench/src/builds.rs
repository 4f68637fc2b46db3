//! wharf beside buildah: the same builds by both, in turn, and the medians as a table.

mod archive;
pub(crate) mod arguments;
mod base;
mod builder;
mod context;
mod report;
pub(crate) mod steps;
mod stopwatch;

use std::path::{Path, PathBuf};

use self::archive::weigh;
use self::arguments::Arguments;
use self::base::Base;
use self::builder::{BASE, Builder, Cache, Task};
use self::report::Report;
use self::stopwatch::Cost;
use crate::error::Error;

/// One thing that is measured. Of every value less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Cold,
    ColdScratch,
    Same,
    SameArchive,
    Changed,
    ChangedArchive,
    Big,
}

impl Measure {
    /// All of them, in the order of the table.
    const ALL: [Self; 7] = [
        Self::Cold,
        Self::ColdScratch,
        Self::Same,
        Self::SameArchive,
        Self::Changed,
        Self::ChangedArchive,
        Self::Big,
    ];

    /// Says whether nothing of earlier builds is there.
    fn is_cold(self) -> bool {
        matches!(self, Self::Cold | Self::ColdScratch | Self::Big)
    }

    /// Returns the name by which the command line selects it.
    fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::ColdScratch => "cold-scratch",
            Self::Same => "same",
            Self::SameArchive => "same-archive",
            Self::Changed => "changed",
            Self::ChangedArchive => "changed-archive",
            Self::Big => "big",
        }
    }
}

/// Where everything is.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    on_base: PathBuf,
    on_scratch: PathBuf,
    tree: PathBuf,
    large: PathBuf,
    /// Makes every change a new one.
    version: u64,
}

impl Place {
    fn make(directory: &Path, arguments: &Arguments) -> Result<Self, Error> {
        let place = Self {
            directory: directory.to_path_buf(),
            on_base: directory.join("Dockerfile"),
            on_scratch: directory.join("Dockerfile.scratch"),
            tree: directory.join("tree"),
            large: directory.join("large"),
            version: 0,
        };
        let copy = "COPY . /srv/tree/";
        fs_err::write(&place.on_base, format!("FROM {BASE}\n{copy}\n"))?;
        fs_err::write(&place.on_scratch, format!("FROM scratch\n{copy}\n"))?;
        context::make_tree(&place.tree)?;
        if arguments.wants(Measure::Big) {
            context::make_large(&place.large)?;
        }
        Ok(place)
    }

    /// Returns the archive that a builder writes; one at a time is there.
    fn archive(&self, builder: &Builder) -> PathBuf {
        self.directory.join(format!("{}.tar", builder.name()))
    }

    /// Takes one value of each builder.
    fn round(
        &mut self,
        (measure, turn): (Measure, usize),
        builders: &[Builder; 2],
        mut add: impl FnMut(&Builder, Cost) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Both have built what is there before it changes.
        if !measure.is_cold() {
            for builder in builders {
                let mut task = self.task(Measure::Same, None);
                task.cache = Cache::Used;
                builder.build(&task)?;
            }
        }
        if matches!(measure, Measure::Changed | Measure::ChangedArchive) {
            self.version += 1;
            context::change(&self.tree, self.version)?;
        }
        for index in 0..builders.len() {
            let builder = &builders[(index + turn) % builders.len()];
            if measure.is_cold() {
                builder.forget()?;
            }
            let archive = self.archive(builder);
            let is_written = !matches!(measure, Measure::Same | Measure::Changed);
            let archive = is_written.then_some(archive.as_path());
            let cost = builder.build(&self.task(measure, archive))?;
            add(builder, cost)?;
        }
        Ok(())
    }

    fn task<'a>(&'a self, measure: Measure, archive: Option<&'a Path>) -> Task<'a> {
        Task {
            dockerfile: match measure {
                Measure::ColdScratch | Measure::Big => &self.on_scratch,
                _ => &self.on_base,
            },
            context: match measure {
                Measure::Big => &self.large,
                _ => &self.tree,
            },
            cache: match measure {
                Measure::Cold | Measure::ColdScratch | Measure::Big => Cache::Unused,
                Measure::Same | Measure::SameArchive => Cache::Whole,
                Measure::Changed | Measure::ChangedArchive => Cache::Used,
            },
            archive,
        }
    }
}

/// Measures, and returns what is to be printed.
///
/// # Errors
/// Says which program is missing or fails.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let target = crate::target()?;
    let base = Base::make(&target)?;
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)?;
    let mut place = Place::make(directory.path(), arguments)?;
    let builders = Builder::both(directory.path(), &base)?;
    let mut report = Report::new(&base, &builders)?;
    for round in 0..arguments.rounds {
        for measure in Measure::ALL {
            if !arguments.wants(measure) || (measure == Measure::Big && round > 0) {
                continue;
            }
            let unpacked = place.directory.join("unpacked");
            let archives = builders.each_ref().map(|builder| place.archive(builder));
            place.round((measure, round), &builders, |builder, cost| {
                eprintln!(
                    "round {}: {} of {}: {:.2} s, {:.2} s of processors, {} KiB",
                    round + 1,
                    measure.name(),
                    builder.name(),
                    cost.wall,
                    cost.processor,
                    cost.peak
                );
                report.add(measure, builder.name(), cost);
                Ok(())
            })?;
            if measure == Measure::Cold && round == 0 {
                for (builder, archive) in builders.iter().zip(&archives) {
                    report.add_weight(builder.name(), weigh(archive, &unpacked)?);
                }
            }
        }
    }
    for builder in &builders {
        builder.forget()?;
    }
    report.end()
}
