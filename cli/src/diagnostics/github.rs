//! Annotations of GitHub's workflows: one command a line, which puts a
//! remark beside a line of a pull request (GitHub, "Workflow commands").

use std::fmt::Write as _;

use builder::Severity;

use super::Checked;
use super::position::Lines;

/// Writes the annotations.
pub(super) fn render(checked: &[Checked<'_>]) -> String {
    let mut out = String::new();
    for of_file in checked {
        let lines = Lines::of(&of_file.source.bytes);
        let file = property(&of_file.said_name());
        for diagnostic in of_file.diagnostics {
            let command = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let (start, end) = lines.range(diagnostic.span);
            out.push_str(&format!(
                "::{command} file={file},line={},endLine={}",
                start.line, end.line
            ));
            // Columns are taken of a single line only.
            if start.line == end.line {
                out.push_str(&format!(",col={},endColumn={}", start.column, end.column));
            }
            let title = property(diagnostic.code);
            let mut said = super::clean(&diagnostic.message);
            if let Some(hint) = &diagnostic.hint {
                said.push_str("\nhint: ");
                said.push_str(&super::clean(hint));
            }
            writeln!(out, ",title={title}::{}", data(&said)).expect("a string takes all");
        }
    }
    out
}

/// Escapes a message.
fn data(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Escapes the value of a property, which a comma or a colon would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
