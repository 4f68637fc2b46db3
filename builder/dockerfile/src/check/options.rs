//! What `# check=` says, or the build argument in its place.

use std::collections::BTreeSet;

use crate::ast::Dockerfile;
use crate::check::rules::{self, Asked, Family, RULES, Rule};
use crate::check::{CHECK_ARGUMENT, Facts, Families};
use crate::diagnostic::{Diagnostic, excerpt};
use crate::parse::nearest;
use crate::span::Span;
use crate::text::Text;

/// An option that is none, or one with a value that is none.
const INVALID_CHECK: &str = "invalid-check";
/// A name that no rule has.
const UNKNOWN_CHECK: &str = "unknown-check";
/// The options by name.
const KEYS: [&str; 3] = ["error", "experimental", "skip"];
/// Is how many unknown names are told.
const MAX_UNKNOWN: usize = 100;
/// Stands for every rule.
const ALL: &str = "all";

/// Says which rules speak, and how loud.
#[derive(Debug, Default)]
pub(super) struct Options {
    families: Families,
    skipped: Names,
    experimental: Names,
    /// What rules find are errors.
    pub(super) errors: bool,
}

/// Is a set of rules.
#[derive(Debug, Default)]
struct Names {
    all: bool,
    names: BTreeSet<String>,
}

impl Names {
    fn has(&self, rule: &Rule) -> bool {
        self.all || self.names.contains(rule.name)
    }
}

/// Says where options are written.
#[derive(Debug)]
struct Place<'a> {
    text: &'a Text,
    /// They came from outside, and so stand nowhere in the file.
    outside: bool,
}

impl Place<'_> {
    fn span(&self, part: &Text) -> Span {
        if self.outside {
            Span::default()
        } else {
            part.span()
        }
    }

    /// Says where the options come from, if that is not the file.
    fn origin(&self) -> String {
        if self.outside {
            format!(" in the build argument `{CHECK_ARGUMENT}`")
        } else {
            String::new()
        }
    }
}

impl Options {
    /// Reads the options of a file, and says what is wrong with them.
    pub(super) fn read(file: &Dockerfile, facts: &Facts<'_>) -> (Self, Vec<Diagnostic>) {
        let mut options = Self {
            families: facts.families,
            ..Self::default()
        };
        let mut said = Vec::new();
        if let Some(value) = facts.arguments.get(CHECK_ARGUMENT) {
            let text = &Text::new(value.as_str(), 0).trim();
            let outside = true;
            options.read_all(&Place { text, outside }, &mut said);
            return (options, said);
        }
        let mut directives = file.directives.iter();
        if let Some(directive) = directives.find(|directive| directive.name.as_str() == "check") {
            let text = &directive.value;
            let outside = false;
            options.read_all(&Place { text, outside }, &mut said);
        }
        (options, said)
    }

    /// Says whether a rule speaks.
    pub(super) fn asks_for(&self, rule: &Rule) -> bool {
        if rule.family == Family::Wharf && self.families == Families::Dockerfile {
            return false;
        }
        match rule.asked {
            Asked::Always => !self.skipped.has(rule),
            // To skip all rules is said of those that always speak.
            Asked::Experimental => {
                self.experimental.has(rule) && !self.skipped.names.contains(rule.name)
            }
        }
    }

    fn read_all(&mut self, place: &Place<'_>, said: &mut Vec<Diagnostic>) {
        if place.text.is_empty() {
            return;
        }
        for part in split(place.text, ';') {
            self.read_one(&part, place, said);
        }
    }

    fn read_one(&mut self, part: &Text, place: &Place<'_>, said: &mut Vec<Diagnostic>) {
        let text = part.as_str();
        let Some(equals) = text.find('=') else {
            let origin = place.origin();
            let message = if text.is_empty() {
                format!("an option of checks is empty{origin}")
            } else {
                format!("`{}`{origin} is not an option of checks", excerpt(text))
            };
            let hint = "write `skip=RULE,RULE`, `error=true` or `experimental=RULE`, with `;` \
                        between them";
            let diagnostic = Diagnostic::error(INVALID_CHECK, place.span(part), message);
            said.push(diagnostic.hint(hint));
            return;
        };
        let key = part.slice(0..equals).trim();
        let value = part.slice(equals + 1..text.len()).trim();
        match key.as_str() {
            "skip" => self.skipped = names(&value, place, said),
            "experimental" => self.experimental = names(&value, place, said),
            "error" => match switch(value.as_str()) {
                Some(errors) => self.errors = errors,
                None => {
                    let shown = excerpt(value.as_str());
                    let message = format!("`{shown}` is not a value of `error`{}", place.origin());
                    said.push(
                        Diagnostic::error(INVALID_CHECK, place.span(&value), message)
                            .hint("it is `true` or `false`"),
                    );
                }
            },
            other => {
                let shown = excerpt(other);
                let message = format!("`{shown}`{} is not an option of checks", place.origin());
                let hint = match nearest(other, &KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it is one of `{}`", KEYS.join("`, `")),
                };
                said.push(Diagnostic::error(INVALID_CHECK, place.span(&key), message).hint(hint));
            }
        }
    }
}

/// Reads `all`, or the names of rules with `,` between them.
fn names(value: &Text, place: &Place<'_>, said: &mut Vec<Diagnostic>) -> Names {
    let mut names = Names::default();
    if value.as_str() == ALL {
        names.all = true;
        return names;
    }
    for name in split(value, ',') {
        let text = name.as_str();
        if text.is_empty() {
            continue;
        }
        if said.len() < MAX_UNKNOWN && rules::find(text).is_none() {
            said.push(unknown(&name, place));
        }
        names.names.insert(text.to_owned());
    }
    names
}

fn unknown(name: &Text, place: &Place<'_>) -> Diagnostic {
    let text = name.as_str();
    let message = format!("`{}`{} is not a check", excerpt(text), place.origin());
    let known: Vec<&str> = RULES.iter().map(|rule| rule.name).collect();
    let hint = match nearest(text, &known) {
        _ if text == ALL => "`all` stands alone: `skip=all`".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None => "docs/reference/checks.md lists the checks".to_owned(),
    };
    Diagnostic::warning(UNKNOWN_CHECK, place.span(name), message).hint(hint)
}

/// Reads a value as Docker's builder reads one.
fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Splits a text, and takes blanks from the ends of its parts.
fn split(text: &Text, separator: char) -> Vec<Text> {
    let mut start = 0;
    let mut parts = Vec::new();
    for part in text.as_str().split(separator) {
        parts.push(text.slice(start..start + part.len()).trim());
        start += part.len() + separator.len_utf8();
    }
    parts
}
