//! Diagnostics as SARIF 2.1.0, which code hosts and editors read (OASIS,
//! "Static Analysis Results Interchange Format Version 2.1.0").

use std::collections::BTreeMap;

use builder::{Diagnostic, RULES, Severity};
use serde::Serialize;

use super::position::Lines;
use super::{Checked, clean, url};

/// Where the schema of the format is (section 3.13.3).
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The root of the checked-out files, which whoever reads knows (3.14.14).
const ROOT: &str = "%SRCROOT%";

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    original_uri_base_ids: BTreeMap<&'static str, Base>,
    results: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    version: &'static str,
    semantic_version: &'static str,
    rules: Vec<Described<'a>>,
}

/// Is what the format calls a reporting descriptor (3.49).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    id: &'a str,
    short_description: Message,
    #[serde(skip_serializing_if = "Option::is_none")]
    help_uri: Option<String>,
}

#[derive(Serialize)]
struct Base {
    description: Message,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: Physical,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Physical {
    artifact_location: Artifact,
    region: Region,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri_base_id: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

/// Writes what was found.
pub(super) fn render(checked: &[Checked<'_>]) -> Result<String, serde_json::Error> {
    let rules = rules(checked);
    let numbers: BTreeMap<&str, usize> = rules
        .iter()
        .enumerate()
        .map(|(number, rule)| (rule.id, number))
        .collect();
    let description = Message {
        text: "The directory that wharf ran in.".to_owned(),
    };
    let run = Run {
        column_kind: "unicodeCodePoints",
        original_uri_base_ids: BTreeMap::from([(ROOT, Base { description })]),
        results: checked
            .iter()
            .flat_map(|of_file| findings(of_file, &numbers))
            .collect(),
        tool: Tool {
            driver: Driver {
                name: "wharf",
                version: env!("CARGO_PKG_VERSION"),
                semantic_version: env!("CARGO_PKG_VERSION"),
                rules,
            },
        },
    };
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [run],
    };
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

/// Lists every rule that there is, and what else was found, once each.
fn rules<'a>(checked: &[Checked<'a>]) -> Vec<Described<'a>> {
    let of = |id: &'a str, text: String| Described {
        id,
        short_description: Message { text },
        help_uri: url(id),
    };
    let mut rules: Vec<Described<'a>> = RULES
        .iter()
        .map(|rule| of(rule.name, rule.summary.to_owned()))
        .collect();
    let found = checked.iter().flat_map(|of_file| of_file.diagnostics);
    for Diagnostic { code, .. } in found {
        if rules.iter().all(|rule| rule.id != *code) {
            // What can not be built has a code of the very words.
            rules.push(of(code, code.replace('-', " ")));
        }
    }
    rules
}

fn findings<'a>(checked: &Checked<'a>, numbers: &BTreeMap<&str, usize>) -> Vec<Finding<'a>> {
    let lines = Lines::of(&checked.source.bytes);
    let found = |diagnostic: &'a Diagnostic| {
        let (start, end) = lines.range(diagnostic.span);
        let hint = diagnostic.hint.as_deref();
        let hint = hint.map(|hint| format!("\nhint: {}", clean(hint)));
        Finding {
            rule_id: diagnostic.code,
            rule_index: numbers.get(diagnostic.code).copied().unwrap_or_default(),
            level: match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            // Braces stay single: readers that know no placeholders, as
            // GitHub, show a message without arguments as it is.
            message: Message {
                text: clean(&diagnostic.message) + &hint.unwrap_or_default(),
            },
            locations: [Location {
                physical_location: Physical {
                    artifact_location: artifact(&checked.said_name()),
                    region: Region {
                        start_line: start.line,
                        start_column: start.column,
                        end_line: end.line,
                        end_column: end.column,
                    },
                },
            }],
        }
    };
    checked.diagnostics.iter().map(found).collect()
}

/// Names a file by a URI (RFC 3986): relative to the root, unless it is
/// somewhere else.
fn artifact(name: &str) -> Artifact {
    if name.contains("://") {
        return Artifact {
            uri: name.to_owned(),
            uri_base_id: None,
        };
    }
    let path = encoded(name);
    match path.starts_with('/') {
        true => Artifact {
            uri: format!("file://{path}"),
            uri_base_id: None,
        },
        false => Artifact {
            uri: path,
            uri_base_id: Some(ROOT),
        },
    }
}

/// Encodes what has a meaning in URIs (RFC 3986, section 2.1).
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_uris() {
        for (name, uri, base) in [
            ("shop/Dockerfile", "shop/Dockerfile", Some(ROOT)),
            ("../a b:%", "../a%20b%3A%25", Some(ROOT)),
            ("/srv/\u{e9}", "file:///srv/%C3%A9", None),
            (
                "https://h.test/Dockerfile",
                "https://h.test/Dockerfile",
                None,
            ),
        ] {
            let found = artifact(name);
            assert_eq!((found.uri.as_str(), found.uri_base_id), (uri, base));
        }
    }
}
