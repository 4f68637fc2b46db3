//! Tables for people.

use super::{one_line, redact};

/// How far apart columns are.
const GAP: usize = 3;

/// Writes rows below their titles, each column as wide as its widest cell.
pub(crate) fn table(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let titles = titles.iter().map(ToString::to_string).collect();
    let rows: Vec<Vec<String>> = std::iter::once(titles)
        .chain(rows.map(|row| row.iter().map(|cell| redact(&one_line(cell))).collect()))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| console::measure_text_width(cell));
        widths.max().unwrap_or_default() + GAP
    };
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let room = width(column).saturating_sub(console::measure_text_width(cell));
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', room));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
