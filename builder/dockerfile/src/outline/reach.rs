//! Which stages a stage needs, as far as a file and the values that are given
//! to its arguments say it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Dockerfile, Escape, Instruction, Kind};
use crate::expand::{Variables, expand_word};
use crate::mount::mount_from;

/// Holds the arguments above the first stage with their values.
#[derive(Debug)]
pub(super) struct Globals {
    escape: Escape,
    values: BTreeMap<String, String>,
}

impl Globals {
    pub(super) fn new(file: &Dockerfile, given: &BTreeMap<String, String>) -> Self {
        let mut values = BTreeMap::new();
        for argument in &file.arguments {
            let name = argument.name.as_str();
            let default = argument.default.as_ref();
            let default = default.map(|text| value(text.as_str(), file.escape, &values));
            let value = given.get(name).cloned().or(default);
            values.extend(value.map(|value| (name.to_owned(), value)));
        }
        Self {
            escape: file.escape,
            values,
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Names the variables that a text looks at.
    pub(super) fn uses(&self, text: &str) -> BTreeSet<String> {
        let lookup = Lookup {
            values: &self.values,
            used: RefCell::default(),
        };
        // What it looked at before it failed is used too.
        let _ = expand_word(text, self.escape, &lookup);
        lookup.used.into_inner()
    }
}

/// Looks variables up, and remembers which.
struct Lookup<'a> {
    values: &'a BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

impl Variables for Lookup<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.used.borrow_mut().insert(name.to_owned());
        self.values.value(name)
    }
}

/// Expands a text; one that can not be expanded stays as it is.
pub(super) fn value(text: &str, escape: Escape, known: &dyn Variables) -> String {
    let expanded = expand_word(text, escape, known);
    expanded.map_or_else(|_| text.to_owned(), |expanded| expanded.value)
}

/// Finds the stage of a name or number; of several with a name the last one.
pub(super) fn find(file: &Dockerfile, name: &str) -> Option<usize> {
    let numbers = 0..file.stages.len();
    let named = numbers.rev().find(|number| is_named(file, *number, name));
    named.or_else(|| numbered(file, name))
}

/// Lists the stages that a stage needs, itself among them, in their order.
pub(super) fn stages(file: &Dockerfile, last: usize, globals: &Globals) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![last];
    while let Some(number) = open.pop() {
        let Some(stage) = file.stages.get(number) else {
            continue;
        };
        if !found.insert(number) {
            continue;
        }
        let base = value(stage.from.base.as_str(), file.escape, &globals.values);
        open.extend(above(file, number, &base));
        for instruction in &stage.instructions {
            for from in sources(instruction) {
                open.extend(needed(file, number, &from));
            }
        }
    }
    found
}

/// Lists what an instruction copies or mounts from.
fn sources(instruction: &Instruction) -> Vec<String> {
    match &instruction.kind {
        Kind::Copy(copy) | Kind::Add(copy) => copy
            .from
            .iter()
            .map(|from| from.as_str().to_owned())
            .collect(),
        Kind::Run(run) => run
            .mounts()
            .filter_map(|text| mount_from(text.as_str()))
            .collect(),
        _ => Vec::new(),
    }
}

/// Finds the stage that another one copies from: the last one above it, or
/// else the first one below.
fn needed(file: &Dockerfile, number: usize, name: &str) -> Option<usize> {
    let mut below = number + 1..file.stages.len();
    above(file, number, name)
        .or_else(|| below.find(|below| is_named(file, *below, name)))
        .or_else(|| numbered(file, name))
}

fn above(file: &Dockerfile, number: usize, name: &str) -> Option<usize> {
    let mut above = (0..number).rev();
    above.find(|above| is_named(file, *above, name))
}

fn numbered(file: &Dockerfile, name: &str) -> Option<usize> {
    let number = name.parse().ok()?;
    (number < file.stages.len()).then_some(number)
}

fn is_named(file: &Dockerfile, number: usize, name: &str) -> bool {
    let stage = file.stages.get(number);
    let named = stage.and_then(|stage| stage.from.name.as_ref());
    named.is_some_and(|named| named.as_str().eq_ignore_ascii_case(name))
}
