//! What a file offers to whoever builds it: its targets, and what a target
//! takes (`--call=targets` and `--call=outline`).
//!
//! A description is a comment right above a `FROM` or `ARG` that begins with
//! the name of its stage or argument, as in `BuildKit`. Images are not looked
//! at, so what a base image's `ONBUILD` takes is not known here.

mod reach;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Argument, Dockerfile, Escape, Instruction, Kind, Run, Stage};
use crate::expand::Variables;
use crate::mount::{Mount, MountKind, expand_mount};
use crate::outline::reach::Globals;
use crate::span::Span;

/// Is the id of an agent that a mount does not name.
const DEFAULT_AGENT: &str = "default";

/// Is a stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, or its number where it has none.
    pub name: String,
    /// Its number, from 0.
    pub stage: usize,
    /// What it is built on, before expansion.
    pub base: String,
    /// The value of `--platform`, before expansion.
    pub platform: Option<String>,
    /// What its comment says behind its name.
    pub description: Option<String>,
    /// Says whether it is built where no target is named: it is the last one.
    pub is_default: bool,
    /// Where its `FROM` stands.
    pub span: Span,
}

/// Is what a target takes, of itself and of each stage it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The target.
    pub target: Target,
    /// The arguments, in the order of the file, once each.
    pub arguments: Vec<OutlineArgument>,
    /// The secrets, in the order of the file, once each.
    pub secrets: Vec<OutlineMount>,
    /// The agents of `--mount=type=ssh`, in the order of the file, once each.
    pub agents: Vec<OutlineMount>,
}

/// Is an argument of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineArgument {
    /// Its name.
    pub name: String,
    /// Its value, if it has one: what is given to it, or else its default; of a
    /// bare `ARG NAME` that of the argument above the first stage.
    pub value: Option<String>,
    /// What its comment says behind its name.
    pub description: Option<String>,
    /// Says where its value comes from.
    pub scope: Scope,
    /// Where its name stands.
    pub span: Span,
}

/// Says where an argument is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Above the first stage.
    Global,
    /// In a stage.
    Stage,
}

/// Is a secret or agent that a `RUN` mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineMount {
    /// Its id, with the values of the arguments in it.
    pub id: String,
    /// Says whether some step fails without it.
    pub required: bool,
    /// Where the first instruction stands that mounts it.
    pub span: Span,
}

/// Lists the stages of a file, in its order. `source` is what the file was
/// read from.
#[must_use]
pub fn targets(file: &Dockerfile, source: &[u8]) -> Vec<Target> {
    let count = file.stages.len();
    let stages = file.stages.iter().enumerate();
    stages
        .map(|(number, stage)| target(stage, number, number + 1 == count, source))
        .collect()
}

/// Says what a target takes, with the values that are given to its arguments.
/// `name` is the name of a stage, in any case, or its number; there is no
/// answer for a stage that there is not.
#[must_use]
pub fn outline(
    file: &Dockerfile,
    source: &[u8],
    name: &str,
    given: &BTreeMap<String, String>,
) -> Option<Outline> {
    let number = reach::find(file, name)?;
    outline_stage((file, source), number, given)
}

/// Says what the target takes that is built where none is named. There is no
/// answer for a file without stages.
#[must_use]
pub fn outline_default(
    file: &Dockerfile,
    source: &[u8],
    given: &BTreeMap<String, String>,
) -> Option<Outline> {
    let last = file.stages.len().checked_sub(1)?;
    outline_stage((file, source), last, given)
}

fn outline_stage(
    (file, source): (&Dockerfile, &[u8]),
    number: usize,
    given: &BTreeMap<String, String>,
) -> Option<Outline> {
    let target = targets(file, source).into_iter().nth(number)?;
    let globals = Globals::new(file, given);
    let stages = reach::stages(file, number, &globals);
    let mut page = Page {
        file,
        source,
        given,
        globals,
        found: BTreeMap::new(),
        used: BTreeSet::new(),
        secrets: Vec::new(),
        agents: Vec::new(),
    };
    for stage in stages.iter().filter_map(|stage| file.stages.get(*stage)) {
        page.stage(stage);
    }
    page.globals();
    let mut arguments: Vec<OutlineArgument> = page.found.into_values().collect();
    arguments.sort_by_key(|argument| argument.span.start);
    Some(Outline {
        target,
        arguments,
        secrets: page.secrets,
        agents: page.agents,
    })
}

fn target(stage: &Stage, number: usize, is_default: bool, source: &[u8]) -> Target {
    let from = &stage.from;
    let name = from.name.as_ref().map(|name| name.as_str().to_owned());
    let description = name
        .as_deref()
        .and_then(|name| describe(source, from.span.start, name));
    Target {
        name: name.unwrap_or_else(|| number.to_string()),
        stage: number,
        base: from.base.as_str().to_owned(),
        platform: from.platform.as_ref().map(|text| text.as_str().to_owned()),
        description,
        is_default,
        span: from.span,
    }
}

/// Finds what the comments right above a line say about a name.
fn describe(source: &[u8], at: usize, name: &str) -> Option<String> {
    let before = source.get(..at)?;
    let start = before.iter().rposition(|byte| *byte == b'\n')?;
    let lines = before.get(..start)?.rsplit(|byte| *byte == b'\n');
    let mut found = None;
    for line in lines {
        let Ok(line) = str::from_utf8(line) else {
            break;
        };
        let line = line.trim_start_matches('\u{feff}').trim();
        let Some(comment) = line.strip_prefix('#') else {
            break;
        };
        let rest = comment.trim_start().strip_prefix(name);
        // The first of several is meant.
        let rest = rest.and_then(|rest| rest.strip_prefix(' '));
        found = rest.map(|rest| rest.trim().to_owned()).or(found);
    }
    found
}

/// Collects what stages take.
struct Page<'a> {
    file: &'a Dockerfile,
    source: &'a [u8],
    given: &'a BTreeMap<String, String>,
    globals: Globals,
    /// The arguments, by their names.
    found: BTreeMap<String, OutlineArgument>,
    /// The arguments above the first stage that something looks at.
    used: BTreeSet<String>,
    secrets: Vec<OutlineMount>,
    agents: Vec<OutlineMount>,
}

impl Page<'_> {
    fn stage(&mut self, stage: &Stage) {
        let from = &stage.from;
        for text in [Some(&from.base), from.platform.as_ref()]
            .into_iter()
            .flatten()
        {
            self.used.extend(self.globals.uses(text.as_str()));
        }
        let mut known = BTreeMap::new();
        for instruction in &stage.instructions {
            self.instruction(instruction, &mut known);
        }
    }

    fn instruction(&mut self, instruction: &Instruction, known: &mut BTreeMap<String, String>) {
        match &instruction.kind {
            Kind::Arg(arguments) => {
                for argument in arguments {
                    self.argument(argument, instruction.span, known);
                }
            }
            Kind::Env(pairs) => {
                for pair in pairs {
                    let value = reach::value(pair.value.as_str(), self.file.escape, known);
                    known.insert(pair.key.as_str().to_owned(), value);
                }
            }
            Kind::Run(run) => self.run(run, known),
            _ => {}
        }
    }

    fn argument(&mut self, argument: &Argument, above: Span, known: &mut BTreeMap<String, String>) {
        let name = argument.name.as_str();
        let description = describe(self.source, above.start, name);
        let given = self.given.get(name).cloned();
        let default = argument.default.as_ref();
        let default = default.map(|text| reach::value(text.as_str(), self.file.escape, known));
        if default.is_none() && self.globals.value(name).is_some() {
            // It is found above the first stage; its comment may be here.
            self.used.insert(name.to_owned());
        }
        let is_bare = default.is_none();
        let value = given.or(default);
        let known_as = value.clone();
        let known_as = known_as.or_else(|| self.globals.value(name).map(str::to_owned));
        known.extend(known_as.map(|value| (name.to_owned(), value)));
        // What stands above says more of one that is bare here.
        let value = value.filter(|_| !is_bare || self.globals.value(name).is_none());
        self.add(argument, (value, description), Scope::Stage);
    }

    fn add(
        &mut self,
        argument: &Argument,
        (value, description): (Option<String>, Option<String>),
        scope: Scope,
    ) {
        let name = argument.name.as_str();
        let Some(there) = self.found.get_mut(name) else {
            let found = OutlineArgument {
                name: name.to_owned(),
                value,
                description,
                scope,
                span: argument.name.span(),
            };
            self.found.insert(name.to_owned(), found);
            return;
        };
        if there.value.is_none() && value.is_some() {
            there.value = value;
            there.scope = scope;
            there.span = argument.name.span();
        }
        there.description = there.description.take().or(description);
    }

    /// Adds the arguments above the first stage that are used, and those that
    /// their defaults use.
    fn globals(&mut self) {
        for argument in self.file.arguments.iter().rev() {
            let name = argument.name.as_str();
            if !self.used.contains(name) {
                continue;
            }
            if let Some(default) = &argument.default {
                self.used.extend(self.globals.uses(default.as_str()));
            }
            let start = argument.name.span().start;
            let description = describe(self.source, start, name);
            let value = self.globals.value(name).map(str::to_owned);
            self.add(argument, (value, description), Scope::Global);
        }
    }

    fn run(&mut self, run: &Run, known: &BTreeMap<String, String>) {
        for text in run.mounts() {
            let Some(mount) = mount(text.as_str(), self.file.escape, known) else {
                continue;
            };
            let (list, id) = match mount.kind {
                MountKind::Secret => (&mut self.secrets, secret_id(&mount)),
                MountKind::Ssh => (&mut self.agents, mount.id.clone()),
                _ => continue,
            };
            let id = id.unwrap_or_else(|| DEFAULT_AGENT.to_owned());
            if let Some(there) = list.iter_mut().find(|there| there.id == id) {
                there.required |= mount.required;
                continue;
            }
            list.push(OutlineMount {
                id,
                required: mount.required,
                span: text.span(),
            });
        }
    }
}

fn mount(text: &str, escape: Escape, known: &dyn Variables) -> Option<Mount> {
    expand_mount(text, escape, known)
        .ok()
        .map(|(mount, _)| mount)
}

/// Gives the id of a secret, which may be that of its file or variable.
fn secret_id(mount: &Mount) -> Option<String> {
    let file = mount
        .target
        .as_deref()
        .and_then(|path| path.rsplit('/').next());
    let named = mount.id.as_deref().or(file).or(mount.env.as_deref());
    named.map(str::to_owned)
}
