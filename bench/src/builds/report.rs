//! Medians of costs, and weights of layers, as two Markdown tables.

use std::fmt::Write as _;
use std::thread::available_parallelism;

use super::Measure;
use super::archive::Weight;
use super::base::Base;
use super::builder::Builder;
use super::stopwatch::{Cost, run};
use crate::error::Error;
use crate::table::{cell, median};

/// One kind of value that a cost has: its name, and how it is had.
type Kind = (&'static str, fn(&Cost) -> f64);

/// What a cost has, in the order of the table.
const KINDS: [Kind; 3] = [
    ("s", |cost| cost.wall),
    ("s of processors", |cost| cost.processor),
    ("MiB at most", |cost| precise(cost.peak) / 1024.0),
];

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    head: String,
    names: [&'static str; 2],
    costs: Vec<(Measure, &'static str, Cost)>,
    weights: Vec<(&'static str, Weight)>,
}

impl Report {
    /// Makes an empty report; the first builder is compared with the other.
    ///
    /// # Errors
    /// Fails when a builder does not say its version.
    pub(super) fn new(base: &Base, builders: &[Builder; 2]) -> Result<Self, Error> {
        let day = run(std::process::Command::new("date").args(["-u", "+%F"]))?;
        let mut head = format!("{}; {} processors", day.trim(), available_parallelism()?);
        for builder in builders {
            write!(head, "; {}", builder.version()?).expect("a string takes all");
        }
        write!(head, "; base: {}; load {}", base.name, load()?).expect("a string takes all");
        Ok(Self {
            head,
            names: builders.each_ref().map(Builder::name),
            costs: Vec::new(),
            weights: Vec::new(),
        })
    }

    pub(super) fn add(&mut self, measure: Measure, builder: &'static str, cost: Cost) {
        self.costs.push((measure, builder, cost));
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
        if !self.weights.is_empty() {
            text.push('\n');
            text.push_str(&self.weights());
        }
        Ok(text)
    }

    fn costs(&self) -> String {
        let [own, other] = self.names;
        let mut text =
            format!("| median | {own} | {other} | {own} / {other} |\n|---|---:|---:|---:|\n");
        for measure in Measure::ALL {
            for (kind, of) in KINDS {
                let [own, other] = self.names.map(|name| self.median(measure, name, of));
                if own.is_none() && other.is_none() {
                    continue;
                }
                let ratio = own.zip(other).map(|(own, other)| own / other);
                let cells = [cell(own, 2), cell(other, 2), cell(ratio, 2)].join(" | ");
                text.push_str(&format!("| {} ({kind}) | {cells} |\n", measure.name()));
            }
        }
        text
    }

    fn median(&self, measure: Measure, name: &str, of: fn(&Cost) -> f64) -> Option<f64> {
        let costs = self.costs.iter();
        let costs = costs.filter(|(taken, by, _)| *taken == measure && *by == name);
        median(costs.map(|(_, _, cost)| of(cost)).collect())
    }

    fn weights(&self) -> String {
        let mut text = String::from(
            "| layer of COPY | names | directories | tar (bytes) | packed (bytes) \
             | `gzip -6` of that tar | packed / `gzip -6` |\n|---|---:|---:|---:|---:|---:|---:|\n",
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
            text.push_str(&format!(
                "| {name} | {names} | {directories} | {tar} | {packed} | {gzip} | {ratio:.3} |\n"
            ));
        }
        text
    }
}

/// Returns how many processes wanted a processor in the last minute.
fn load() -> Result<String, Error> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
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
    use super::*;

    #[test]
    fn the_table_has_medians_and_ratios() {
        let cost = |wall| Cost {
            wall,
            processor: 1.0,
            peak: 2048,
        };
        let report = Report {
            head: String::new(),
            names: ["wharf", "other"],
            costs: vec![
                (Measure::Cold, "wharf", cost(1.0)),
                (Measure::Cold, "other", cost(4.0)),
                (Measure::Cold, "wharf", cost(9.0)),
                (Measure::Cold, "wharf", cost(2.0)),
            ],
            weights: Vec::new(),
        };
        let text = report.costs();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| cold (s) | 2.00 | 4.00 | 0.50 |",
                "| cold (s of processors) | 1.00 | 1.00 | 1.00 |",
                "| cold (MiB at most) | 2.00 | 2.00 | 1.00 |",
            ]
        );
    }
}
