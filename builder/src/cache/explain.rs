//! Why a step was not found: what of it is otherwise than in the earlier build
//! that is nearest. It compares lists, and reads nothing.

use std::collections::BTreeMap;
use std::fmt;

use crate::cache::definition::{Input, InputKind};
use crate::cache::trace::{Trace, TracedFile, TracedStep};

/// The most changes of one step that are named.
const CHANGES_LIMIT: usize = 100;

/// Is one reason why a step was not found in a cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about, in words: ``the file `src/main.rs` ``.
    pub subject: String,
    /// What became of it.
    pub how: ChangeKind,
}

/// Says what became of something that a step depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another value.
    Value,
    /// The file has another content.
    Content,
    /// The file is of another kind, or has other permissions.
    Mode,
    /// No earlier build had this step.
    New,
    /// What was done before is not asked for (`--no-cache`).
    Refused,
    /// All of it was there before, and what it came to is not there any more.
    Gone,
    /// There are more changes, so many.
    More(usize),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.how {
            ChangeKind::Added => "is new",
            ChangeKind::Removed => "is gone",
            ChangeKind::Value => "is another one",
            ChangeKind::Content => "has another content",
            ChangeKind::Mode => "is of another kind or mode",
            ChangeKind::New => "was in no earlier build",
            ChangeKind::Refused => "asks for it",
            ChangeKind::Gone => "was done before, and what it came to is gone",
            ChangeKind::More(number) => return write!(f, "and {number} more"),
        };
        write!(f, "{} {what}", self.subject)
    }
}

impl Change {
    pub(crate) fn new(subject: impl Into<String>, how: ChangeKind) -> Self {
        Self {
            subject: subject.into(),
            how,
        }
    }
}

/// Compares a step with the one of earlier builds that is most like it: of the
/// same stage, with the same text if there is one.
pub(crate) fn nearest(earlier: &[Trace], step: &TracedStep) -> Vec<Change> {
    let word = |text: &str| text.split_whitespace().next().map(str::to_owned);
    let steps = || earlier.iter().flat_map(|trace| &trace.steps);
    let same_text: Vec<&TracedStep> = steps()
        .filter(|other| other.stage == step.stage && other.text == step.text)
        .collect();
    let like: Vec<&TracedStep> = match same_text.is_empty() {
        false => same_text,
        true => steps()
            .filter(|other| other.stage == step.stage && word(&other.text) == word(&step.text))
            .collect(),
    };
    let compared = like.into_iter().map(|other| compare(other, step));
    let Some(mut changes) = compared.min_by_key(Vec::len) else {
        return vec![Change::new("the step", ChangeKind::New)];
    };
    if changes.is_empty() {
        return vec![Change::new("the step", ChangeKind::Gone)];
    }
    let more = changes.len().saturating_sub(CHANGES_LIMIT);
    if more > 0 {
        changes.truncate(CHANGES_LIMIT);
        changes.push(Change::new("", ChangeKind::More(more)));
    }
    changes
}

fn compare(before: &TracedStep, now: &TracedStep) -> Vec<Change> {
    let mut changes = Vec::new();
    // What stands on something else is no reason of its own.
    for ((kind, name), how) in differing(&before.inputs, &now.inputs) {
        if kind != InputKind::File {
            changes.push(Change::new(subject(kind, name), how));
        }
    }
    match (&before.files, &now.files) {
        (Some(before), Some(now)) => files(before, now, &mut changes),
        _ => {
            let files = |step: &TracedStep| {
                let files = step
                    .inputs
                    .iter()
                    .filter(|input| input.kind == InputKind::File);
                files.map(|input| input.value).collect::<Vec<_>>()
            };
            if files(before) != files(now) {
                changes.push(Change::new("a file that it takes", ChangeKind::Value));
            }
        }
    }
    changes
}

/// Finds what differs in two lists of inputs.
fn differing<'a>(before: &'a [Input], now: &'a [Input]) -> Vec<((InputKind, &'a str), ChangeKind)> {
    let by_name = |inputs: &'a [Input]| {
        let mut all: BTreeMap<(InputKind, &'a str), Vec<_>> = BTreeMap::new();
        for input in inputs {
            all.entry((input.kind, &input.name))
                .or_default()
                .push(input.value);
        }
        all
    };
    let (mut old, new) = (by_name(before), by_name(now));
    let mut differing = Vec::new();
    for (name, values) in new {
        match old.remove(&name) {
            None => differing.push((name, ChangeKind::Added)),
            Some(before) if before != values => differing.push((name, ChangeKind::Value)),
            Some(_) => {}
        }
    }
    differing.extend(old.into_keys().map(|name| (name, ChangeKind::Removed)));
    differing.sort_by_key(|(name, _)| *name);
    differing
}

fn files(before: &[TracedFile], now: &[TracedFile], changes: &mut Vec<Change>) {
    let by_path = |files: &[TracedFile]| {
        let files = files.iter().map(|file| (file.path.clone(), file.clone()));
        files.collect::<BTreeMap<_, _>>()
    };
    let mut old = by_path(before);
    for file in now {
        let how = match old.remove(&file.path) {
            None => ChangeKind::Added,
            Some(before) if before.kind != file.kind => ChangeKind::Mode,
            Some(before) if before.size != file.size => ChangeKind::Content,
            // Of a file that was not read yet the content is not known.
            Some(before) if file.content != 0 && before.content != file.content => {
                ChangeKind::Content
            }
            Some(_) => continue,
        };
        changes.push(Change::new(format!("the file `{}`", file.path), how));
    }
    for path in old.into_keys() {
        changes.push(Change::new(
            format!("the file `{path}`"),
            ChangeKind::Removed,
        ));
    }
}

/// Says what an input is, in words.
fn subject(kind: InputKind, name: &str) -> String {
    match (kind, name) {
        (InputKind::Instruction, "") => "the instruction".to_owned(),
        (InputKind::Instruction, name) => format!("the instruction's {name}"),
        (InputKind::Base, "image") => "the base image".to_owned(),
        (InputKind::Base, _) => "what the steps before it came to".to_owned(),
        (InputKind::Platform, _) => "the platform".to_owned(),
        (InputKind::Argument, name) => format!("the argument `{name}`"),
        (InputKind::Environment, name) => format!("the variable `{name}`"),
        (InputKind::User, _) => "the user".to_owned(),
        (InputKind::Directory, _) => "the working directory".to_owned(),
        (InputKind::Source, "") => "what it copies from".to_owned(),
        (InputKind::Source, name) => format!("what {name} are taken from"),
        (InputKind::File, name) => name.to_owned(),
        (InputKind::Mount, name) => format!("the {name}"),
        (InputKind::Host, name) => format!("the address of `{name}`"),
        (InputKind::Option, name) => format!("the option `{name}`"),
    }
}
