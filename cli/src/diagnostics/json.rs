//! Diagnostics as JSON, for programs. The shape is that of
//! `docs/guide/check.md`; a change that breaks a reader raises `version`.

use builder::Severity;
use serde::Serialize;

use super::position::Lines;
use super::{Checked, clean, url};

/// The version of the shape.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    file: String,
    diagnostics: Vec<Remark<'a>>,
}

#[derive(Serialize)]
struct Remark<'a> {
    file: String,
    severity: &'static str,
    code: &'a str,
    message: String,
    hint: Option<String>,
    span: Place,
    url: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    start: usize,
    end: usize,
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

/// Writes the diagnostics of the Dockerfile, which comes first, and of the
/// files beside it.
pub(super) fn render(checked: &[Checked<'_>]) -> Result<String, serde_json::Error> {
    let document = Document {
        version: VERSION,
        file: checked.first().map(Checked::said_name).unwrap_or_default(),
        diagnostics: checked.iter().flat_map(remarks).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn remarks<'a>(checked: &Checked<'a>) -> Vec<Remark<'a>> {
    let lines = Lines::of(&checked.source.bytes);
    let remark = |diagnostic: &'a builder::Diagnostic| {
        let (start, end) = lines.range(diagnostic.span);
        Remark {
            file: checked.said_name(),
            severity: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: diagnostic.code,
            message: clean(&diagnostic.message),
            hint: diagnostic.hint.as_deref().map(clean),
            span: Place {
                start: diagnostic.span.start,
                end: diagnostic.span.end,
                start_line: start.line,
                start_column: start.column,
                end_line: end.line,
                end_column: end.column,
            },
            url: url(diagnostic.code),
        }
    };
    checked.diagnostics.iter().map(remark).collect()
}
