//! Medians of costs, and weights of layers, as Markdown tables.

use std::fmt::Write as _;
use std::thread::available_parallelism;

use super::Measure;
use super::base::Base;
use super::builder::{Builder, Spent};
use super::stopwatch::run;
use super::weight::Weight;
use crate::error::Error;
use crate::table::{cell, median};

/// Seconds that a build of nothing new is to take at most.
const SAME_LIMIT: f64 = 0.1;

/// The most that a layer is to have, as a part of what `gzip -6` makes of it.
const WEIGHT_LIMIT: f64 = 1.03;

/// The most that is to be sent, as a part of what the registry lacks: requests have heads.
const SENT_LIMIT: f64 = 1.005;

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    head: String,
    names: Vec<&'static str>,
    spent: Vec<(Measure, &'static str, Spent)>,
    lacking: Vec<(&'static str, u64)>,
    weights: Vec<(&'static str, Weight)>,
}

impl Report {
    /// Makes an empty report; the first builder is compared with the others.
    ///
    /// # Errors
    /// Fails when a builder does not say its version.
    pub(super) fn new(base: &Base, builders: &[Builder]) -> Result<Self, Error> {
        let day = run(std::process::Command::new("date").args(["-u", "+%F"]))?;
        let mut head = format!("{}; {} processors", day.trim(), available_parallelism()?);
        for builder in builders {
            write!(head, "; {}", builder.version()?).expect("a string takes all");
        }
        write!(head, "; base: {}; load {}", base.name, load()?).expect("a string takes all");
        Ok(Self {
            head,
            names: builders.iter().map(Builder::name).collect(),
            spent: Vec::new(),
            lacking: Vec::new(),
            weights: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, measure: Measure, builder: &'static str, spent: Spent) {
        self.spent.push((measure, builder, spent));
    }

    /// Adds what the registry lacked of a result.
    pub(super) fn add_lacking(&mut self, builder: &'static str, bytes: u64) {
        self.lacking.push((builder, bytes));
    }

    pub(super) fn add_weight(&mut self, builder: &'static str, weight: Weight) {
        self.weights.push((builder, weight));
    }

    /// Returns what is to be printed.
    ///
    /// # Errors
    /// Fails when the system does not say its load.
    pub(super) fn end(self) -> Result<String, Error> {
        let mut text = format!("{} to {}\n\n", self.head, load()?);
        text.push_str(&self.costs());
        text.push_str(&self.sizes());
        if !self.weights.is_empty() {
            text.push('\n');
            text.push_str(&self.weights());
        }
        Ok(text)
    }

    /// Returns the table of seconds, with targets, and of memory and processors.
    fn costs(&self) -> String {
        let names = self.names.join(" | ");
        let mut text = format!(
            "| median | {names} | docker, not compressed | wharf / fastest | target | met |\n|---|{}\n",
            "---:|".repeat(self.names.len() + 2) + "---|---|"
        );
        for measure in Measure::ALL {
            let Some(own) = self.median(measure, "wharf", |spent| Some(spent.all.wall)) else {
                continue;
            };
            let name = measure.name();
            let seconds = |name: &str| self.median(measure, name, |spent| Some(spent.all.wall));
            let others = self.names.iter().filter(|name| **name != "wharf");
            let fastest = others.filter_map(|name| seconds(name)).reduce(f64::min);
            let ratio = fastest.map(|fastest| own / fastest);
            let is_fast = ratio.is_some_and(|ratio| ratio <= measure.target());
            let (target, met) = match measure {
                Measure::Same => (
                    format!("{} and {SAME_LIMIT} s", measure.target()),
                    is_fast && own < SAME_LIMIT,
                ),
                _ => (measure.target().to_string(), is_fast),
            };
            let alone = self.median(measure, "docker", |spent| spent.alone);
            let cells = self.cells(|name| cell(seconds(name), 3));
            let (alone, ratio, met) = (cell(alone, 3), cell(ratio, 3), word(met));
            text += &format!("| {name} (s) | {cells} | {alone} | {ratio} | {target} | {met} |\n");
            // What docker's daemon takes is not the client's.
            let own = |name: &str, of: fn(&Spent) -> f64| {
                let is_seen = name != "docker";
                is_seen.then(|| self.median(measure, name, |spent| Some(of(spent))))?
            };
            let cells = self.cells(|name| cell(own(name, |spent| spent.all.processor), 2));
            text += &format!("| {name} (s of processors) | {cells} | | | | |\n");
            let cells = self.cells(|name| cell(own(name, |spent| mebibytes(spent.all.peak)), 1));
            text += &format!("| {name} (MiB at most) | {cells} | | | | |\n");
        }
        text
    }

    /// Returns the table of what is sent after a change.
    fn sizes(&self) -> String {
        if self.lacking.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "\n| push after `changed` | sent (bytes) | layer, config and manifest (bytes) \
             | ratio | target | met |\n|---|---:|---:|---:|---|---|\n",
        );
        for name in &self.names {
            let sent = self.median(Measure::Changed, name, |spent| Some(precise(spent.sent)));
            let lacking = self.lacking.iter().filter(|(by, _)| by == name);
            let lacking = median(lacking.map(|(_, bytes)| precise(*bytes)).collect());
            let ratio = sent.zip(lacking).map(|(sent, lacking)| sent / lacking);
            let (target, met) = match ratio {
                Some(ratio) if *name == "wharf" => ("1", word(ratio <= SENT_LIMIT)),
                _ => ("", ""),
            };
            let cells = [cell(sent, 0), cell(lacking, 0), cell(ratio, 4)].join(" | ");
            text += &format!("| {name} | {cells} | {target} | {met} |\n");
        }
        text
    }

    fn cells(&self, of: impl Fn(&str) -> String) -> String {
        let cells: Vec<String> = self.names.iter().map(|name| of(name)).collect();
        cells.join(" | ")
    }

    fn median(
        &self,
        measure: Measure,
        name: &str,
        of: impl Fn(&Spent) -> Option<f64>,
    ) -> Option<f64> {
        let spent = self.spent.iter();
        let spent = spent.filter(|(taken, by, _)| *taken == measure && *by == name);
        median(spent.filter_map(|(_, _, spent)| of(spent)).collect())
    }

    fn weights(&self) -> String {
        let mut text = String::from(
            "| layer of COPY | names | directories | tar (bytes) | packed (bytes) \
             | `gzip -6` of that tar | packed / `gzip -6` | target | met |\n\
             |---|---:|---:|---:|---:|---:|---:|---|---|\n",
        );
        for (name, weight) in &self.weights {
            let Weight {
                packed,
                tar,
                gzip,
                names,
                directories,
            } = *weight;
            let ratio = precise(packed) / precise(gzip);
            let (target, met) = match *name {
                "wharf" => (WEIGHT_LIMIT.to_string(), word(ratio <= WEIGHT_LIMIT)),
                _ => (String::new(), ""),
            };
            text.push_str(&format!(
                "| {name} | {names} | {directories} | {tar} | {packed} | {gzip} | {ratio:.3} \
                 | {target} | {met} |\n"
            ));
        }
        text
    }
}

fn word(met: bool) -> &'static str {
    if met { "yes" } else { "no" }
}

/// Returns how many processes wanted a processor in the last minute.
fn load() -> Result<String, Error> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

fn mebibytes(kibibytes: u64) -> f64 {
    precise(kibibytes) / 1024.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size in a table, not an offset"
)]
fn precise(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::super::stopwatch::Cost;
    use super::*;

    fn report() -> Report {
        let spent = |wall, alone, sent| Spent {
            all: Cost {
                wall,
                processor: 1.0,
                peak: 2048,
            },
            alone,
            sent,
        };
        Report {
            head: String::new(),
            names: vec!["wharf", "buildah", "docker"],
            spent: vec![
                (Measure::Cold, "wharf", spent(1.0, None, 0)),
                (Measure::Cold, "wharf", spent(9.0, None, 0)),
                (Measure::Cold, "wharf", spent(2.0, None, 0)),
                (Measure::Cold, "buildah", spent(8.0, Some(3.0), 0)),
                (Measure::Cold, "docker", spent(4.0, Some(1.0), 0)),
                (Measure::Changed, "wharf", spent(2.0, None, 1001)),
            ],
            lacking: vec![("wharf", 1000)],
            weights: Vec::new(),
        }
    }

    #[test]
    fn the_table_has_medians_ratios_and_targets() {
        let text = report().costs();
        let lines: Vec<&str> = text.lines().skip(2).take(3).collect();
        assert_eq!(
            lines,
            [
                "| cold (s) | 2.000 | 8.000 | 4.000 | 1.000 | 0.500 | 0.4 | no |",
                "| cold (s of processors) | 1.00 | 1.00 | - | | | | |",
                "| cold (MiB at most) | 2.0 | 2.0 | - | | | | |",
            ]
        );
    }

    #[test]
    fn what_is_sent_is_beside_what_was_lacking() {
        let text = report().sizes();
        let line = text.lines().nth(3);
        assert_eq!(line, Some("| wharf | 1001 | 1000 | 1.0010 | 1 | yes |"));
    }
}
