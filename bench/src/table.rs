//! The medians, and what wharf's are of the others', as a Markdown table.

use std::fmt;

use crate::measure::Measure;
use crate::peer::{Memory, Peer};

/// Values by measure and peer.
#[derive(Debug)]
pub(crate) struct Table {
    peers: Vec<&'static str>,
    values: Vec<(Measure, &'static str, f64)>,
    memory: Vec<(&'static str, Memory)>,
}

impl Table {
    /// Makes an empty table; the first peer is compared with the others.
    pub(crate) fn new(peers: &[Peer]) -> Self {
        Self {
            peers: peers.iter().map(Peer::name).collect(),
            values: Vec::new(),
            memory: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, measure: Measure, peer: &Peer, value: f64) {
        self.values.push((measure, peer.name(), value));
    }

    pub(crate) fn add_memory(&mut self, peer: &Peer, memory: Memory) {
        self.memory.push((peer.name(), memory));
    }

    fn row(&self, measure: Measure) -> Option<String> {
        let medians: Vec<Option<f64>> = self
            .peers
            .iter()
            .map(|peer| self.median(measure, peer))
            .collect();
        let own = medians.first().copied().flatten()?;
        let cells = medians.iter().map(|median| cell(*median, 1));
        let ratios = medians[1..].iter().map(|median| {
            let ratio = median.map(|median| own / median);
            cell(ratio, 2)
        });
        let cells: Vec<String> = cells.chain(ratios).collect();
        let (name, unit) = (measure.name(), measure.unit());
        Some(format!("| {name} ({unit}) | {} |", cells.join(" | ")))
    }

    fn median(&self, measure: Measure, peer: &str) -> Option<f64> {
        let values = self.values.iter();
        let values = values.filter(|(of, by, _)| *of == measure && *by == peer);
        median(values.map(|(_, _, value)| *value).collect())
    }

    fn memory_row(&self, name: &str, of: fn(&Memory) -> u64) -> Option<String> {
        let own = of(&self.memory.first()?.1);
        let each = self.memory.iter().map(|(_, memory)| of(memory));
        let cells = each.map(|value| cell(Some(mebibytes(value)), 1));
        let others = self.memory[1..].iter().map(|(_, memory)| of(memory));
        let ratios = others.map(|value| cell(Some(mebibytes(own) / mebibytes(value)), 2));
        let cells: Vec<String> = cells.chain(ratios).collect();
        Some(format!("| {name} (MiB) | {} |", cells.join(" | ")))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.peers.first().copied().unwrap_or_default();
        let ratios = self
            .peers
            .iter()
            .skip(1)
            .map(|peer| format!("{own} / {peer}"));
        let names = self.peers.iter().map(|&peer| peer.to_owned());
        let columns: Vec<String> = names.chain(ratios).collect();
        writeln!(out, "| median of the rounds | {} |", columns.join(" | "))?;
        writeln!(out, "|---|{}", "---:|".repeat(columns.len()))?;
        let rows = Measure::ALL.iter().filter_map(|measure| self.row(*measure));
        let now = self.memory_row("memory at the end", |memory| memory.now);
        let peak = self.memory_row("memory at most", |memory| memory.peak);
        for row in rows.chain(now).chain(peak) {
            writeln!(out, "{row}")?;
        }
        Ok(())
    }
}

/// Returns the middle value, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 {
        Some(*upper)
    } else {
        Some(f64::midpoint(values[middle - 1], *upper))
    }
}

pub(crate) fn cell(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size in a table, not an offset"
)]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }

    #[test]
    fn rows_compare_with_the_first() {
        let table = Table {
            peers: vec!["wharf", "other", "static"],
            values: vec![
                (Measure::PushLargePut, "wharf", 30.0),
                (Measure::PushLargePut, "other", 20.0),
            ],
            memory: vec![
                (
                    "wharf",
                    Memory {
                        now: 1024,
                        peak: 4096,
                    },
                ),
                (
                    "other",
                    Memory {
                        now: 2048,
                        peak: 4096,
                    },
                ),
                (
                    "static",
                    Memory {
                        now: 1024,
                        peak: 2048,
                    },
                ),
            ],
        };
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "| median of the rounds | wharf | other | static | wharf / other | wharf / static |",
                "|---|---:|---:|---:|---:|---:|",
                "| push-100m-put (MiB/s) | 30.0 | 20.0 | - | 1.50 | - |",
                "| memory at the end (MiB) | 1.0 | 2.0 | 1.0 | 0.50 | 1.00 |",
                "| memory at most (MiB) | 4.0 | 4.0 | 2.0 | 1.00 | 2.00 |",
            ]
        );
    }
}
