//! What was measured, as one Markdown table: the medians of the rounds, and
//! what wharf's are of the others'.

use std::fmt;

use super::peer::Kind;
use crate::table::{cell, median};

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// What is wanted of wharf, in words; empty where nothing is.
    pub(crate) target: &'static str,
}

/// Values by row and peer, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    values: Vec<(Row, Kind, f64)>,
}

impl Table {
    /// Keeps a value, and says it on standard error.
    #[expect(clippy::print_stderr, reason = "progress, beside the table")]
    pub(crate) fn add(&mut self, row: Row, kind: Kind, value: f64) {
        eprintln!("{}: {}: {value:.2} {}", row.name, kind.name(), row.unit);
        if !self.rows.contains(&row) {
            self.rows.push(row);
        }
        self.values.push((row, kind, value));
    }

    /// Returns the median of a row for one peer.
    pub(crate) fn median(&self, row: Row, kind: Kind) -> Option<f64> {
        let values = self.values.iter();
        let values = values.filter(|(of, by, _)| *of == row && *by == kind);
        median(values.map(|(_, _, value)| *value).collect())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = Kind::Wharf.name();
        let ratios = Kind::OTHERS.map(|kind| format!("{own} / {}", kind.name()));
        let names = Kind::ALL.map(Kind::name).join(" | ");
        let ratios = ratios.join(" | ");
        writeln!(
            out,
            "| median of the rounds | {names} | {ratios} | target |"
        )?;
        let columns = Kind::ALL.len() + Kind::OTHERS.len();
        writeln!(out, "|---|{}---|", "---:|".repeat(columns))?;
        for row in &self.rows {
            let own = self.median(*row, Kind::Wharf);
            write!(out, "| {} ({}) |", row.name, row.unit)?;
            for kind in Kind::ALL {
                write!(out, " {} |", readable(self.median(*row, kind)))?;
            }
            for kind in Kind::OTHERS {
                let other = self.median(*row, kind);
                let ratio = own.zip(other).map(|(own, other)| own / other);
                write!(out, " {} |", cell(ratio, 2))?;
            }
            writeln!(out, " {} |", row.target)?;
        }
        Ok(())
    }
}

/// Writes a value with three digits that say something.
fn readable(value: Option<f64>) -> String {
    let places = value.map_or(0, |value| match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    });
    cell(value, places)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Row = Row {
        name: "push",
        unit: "MiB/s",
        target: "1.25",
    };

    #[test]
    fn rows_compare_with_the_first() {
        let mut table = Table::default();
        for value in [30.0, 90.0, 20.0] {
            table.add(ROW, Kind::Wharf, value);
        }
        table.add(ROW, Kind::DockerRegistry, 20.0);
        assert_eq!(
            table.to_string(),
            "| median of the rounds | wharf | docker-registry | nginx | wharf / docker-registry \
             | wharf / nginx | target |\n\
             |---|---:|---:|---:|---:|---:|---|\n\
             | push (MiB/s) | 30.0 | 20.0 | - | 1.50 | - | 1.25 |\n"
        );
    }

    #[test]
    fn values_have_three_digits() {
        let texts = [1.234, 12.34, 1234.5].map(|value| readable(Some(value)));
        assert_eq!(texts, ["1.23", "12.3", "1234"]);
        assert_eq!(readable(None), "-");
    }
}
