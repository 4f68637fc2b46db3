//! What there is to build: the stages that the wanted one needs, in an order
//! in which each finds what it needs. Pure: a file and values in, a plan and
//! diagnostics out.

mod base;
mod code;
mod graph;
mod literal;
mod names;
mod scope;
mod sources;
mod support;
mod syntax;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base::base;
use dockerfile::{Diagnostic, Dockerfile, Escape, Instruction, Kind, Severity, Span, Stage};
use image::Place;
use names::Names;
use oci::{Platform, Tag};
use sources::Taken;

use crate::request::NamedContext;

pub(crate) use code::UNSUPPORTED;
pub(crate) use scope::{Arguments, KEEP_GIT_DIR, SYNTAX, Scope, misexpanded};
pub(crate) use support::is_known;

/// Is what a plan is made for.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) target: Option<&'a str>,
    pub(crate) arguments: &'a BTreeMap<String, String>,
    pub(crate) platform: &'a Platform,
    pub(crate) build_platform: &'a Platform,
    /// What names mean that were given one from outside.
    pub(crate) contexts: &'a BTreeMap<String, NamedContext>,
    /// What the images that stages are on have in `ONBUILD`, by the numbers of
    /// the stages in the file.
    pub(crate) triggers: &'a BTreeMap<usize, Vec<Instruction>>,
}

/// Lists what to build.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) escape: Escape,
    /// What `ARG`s outside of stages and values from outside say.
    pub(crate) arguments: Arguments,
    /// The stages in the order of building; the last one is what is wanted.
    pub(crate) stages: Vec<PlannedStage>,
    /// Values that were given for arguments that no stage declares.
    pub(crate) unused: Vec<String>,
    /// The numbers of the stages that start from a named context.
    pub(crate) outside: BTreeSet<usize>,
    /// Named contexts that nothing in the file names.
    pub(crate) unused_contexts: Vec<String>,
    /// The names of all stages of the file, those not built included.
    pub(crate) names: Vec<String>,
}

/// Is one stage of a plan.
#[derive(Debug)]
pub(crate) struct PlannedStage {
    /// Its number in the file, from 0.
    pub(crate) number: usize,
    /// Its name, or else its number.
    pub(crate) name: String,
    /// Where its `FROM` stands.
    pub(crate) span: Span,
    /// The `FROM` as it is written.
    pub(crate) text: String,
    pub(crate) base: Base,
    pub(crate) platform: Platform,
    pub(crate) steps: Vec<Step>,
}

/// Says what a stage starts from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// A stage, by its place in the plan.
    Stage(usize),
    /// An image.
    Image(ImageName),
    /// The files of a named context, and nothing else.
    Files(String),
}

/// Names an image that is not built here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum ImageName {
    /// In the local library or in its registry.
    Named(oci::ImageName),
    /// In an OCI layout on this machine.
    Layout {
        directory: PathBuf,
        tag: Option<Tag>,
    },
}

impl ImageName {
    /// Says where a layout is.
    pub(crate) fn layout(&self) -> Option<Place> {
        match self {
            Self::Named(_) => None,
            Self::Layout { directory, tag } => Some(Place::Layout {
                directory: directory.clone(),
                tag: tag.clone(),
            }),
        }
    }
}

impl std::fmt::Display for ImageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Layout { directory, tag } => {
                write!(f, "oci-layout://{}", directory.display())?;
                tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
            }
        }
    }
}

/// Is one instruction of a stage, and where it takes files from.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) instruction: Instruction,
    pub(crate) from: CopyFrom,
    /// Where each `--mount` of a `RUN` takes files from, in their order.
    pub(crate) mounts: Vec<CopyFrom>,
    /// Whether it is of the image that the stage is on, in its `ONBUILD`.
    pub(crate) is_of_image: bool,
}

impl Step {
    fn is_command(&self) -> bool {
        matches!(self.instruction.kind, Kind::Run(_))
    }
}

/// Says where an instruction takes files from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CopyFrom {
    /// The context, or nowhere.
    Context,
    /// A stage, by its place in the plan.
    Stage(usize),
    /// An image.
    Image(ImageName),
    /// A named context.
    Files(String),
}

impl Plan {
    /// Makes a plan, if the file has no mistake that is in the way of one.
    pub(crate) fn make(file: &Dockerfile, wish: &Wish<'_>) -> (Option<Self>, Vec<Diagnostic>) {
        let mut diagnostics = support::check(file);
        syntax::check(file, &mut diagnostics);
        literal::check(file, &mut diagnostics);
        let arguments = Arguments::new(file, wish, &mut diagnostics);
        let names = Names::of(file, wish.contexts);
        let bases: Vec<Option<Base>> = (0..file.stages.len())
            .map(|number| base(file, number, (&names, &arguments), &mut diagnostics))
            .collect();
        let grown = triggers::insert(file, &names, &bases, wish.triggers);
        let sources = sources::all(&grown, &names, &mut diagnostics);
        let platforms: Vec<Platform> = file
            .stages
            .iter()
            .map(|stage| platform(stage, &arguments, wish, &mut diagnostics))
            .collect();
        let target = names.target(wish.target, file, &mut diagnostics);
        let needs: Vec<Vec<graph::Need>> = (0..file.stages.len())
            .map(|number| sources::needs_of(&grown, number, &bases, &sources))
            .collect();
        let name = |number: usize| stage_name(&file.stages, number);
        let order = target.and_then(|target| graph::order(&needs, target, &name, &mut diagnostics));
        let failed = diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        let (Some(order), false) = (order, failed) else {
            return (None, diagnostics);
        };
        let plan = Self {
            escape: file.escape,
            arguments,
            stages: assemble(&grown, &order, bases, sources, platforms),
            unused: unused(&grown, wish),
            outside: names.outside(),
            unused_contexts: names.unused(),
            names: names.all(),
        };
        (Some(plan), diagnostics)
    }

    /// Counts the instructions.
    pub(crate) fn steps(&self) -> usize {
        self.stages.iter().map(|stage| 1 + stage.steps.len()).sum()
    }

    /// Says whether a stage has a command from so many steps on, or a stage
    /// that is on it has one.
    pub(crate) fn runs(&self, stage: usize, first: usize) -> bool {
        let steps = self.stages.get(stage).map(|stage| stage.steps.iter());
        let mut rest = steps.into_iter().flatten().skip(first);
        let mut others = self.stages.iter().enumerate();
        rest.any(Step::is_command)
            || others
                .any(|(number, other)| other.base == Base::Stage(stage) && self.runs(number, 0))
    }
}

/// Finds out which machine a stage is for.
fn platform(
    stage: &Stage,
    arguments: &Arguments,
    wish: &Wish<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Platform {
    let Some(text) = &stage.from.platform else {
        return wish.platform.clone();
    };
    let parsed = match dockerfile::expand_word(text.as_str(), arguments.escape(), arguments) {
        Ok(expanded) => match expanded.value.parse() {
            _ if expanded.value.is_empty() => Err(format!("`{text}` is empty once it is expanded")),
            Ok(image::PlatformChoice::One(platform)) if platform.os == "windows" => {
                Err("images for Windows are not supported".to_owned())
            }
            Ok(image::PlatformChoice::One(platform)) => Ok(platform.normalized()),
            Ok(image::PlatformChoice::All) => Err("`all` is not one platform".to_owned()),
            Err(_invalid) => Err(format!("`{}` is no platform", excerpt(&expanded.value))),
        },
        Err(error) => {
            diagnostics.push(syntax::diagnose(text, error));
            return wish.platform.clone();
        }
    };
    parsed.unwrap_or_else(|reason| {
        let hint = "a platform is `OS/ARCHITECTURE[/VARIANT]`, or `$BUILDPLATFORM`";
        let diagnostic = Diagnostic::error(code::INVALID_PLATFORM, text.span(), reason);
        diagnostics.push(diagnostic.hint(hint));
        wish.platform.clone()
    })
}

/// Names a stage: by its number where it has no name.
fn stage_name(stages: &[Stage], number: usize) -> String {
    let name = stages
        .get(number)
        .and_then(|stage| stage.from.name.as_ref());
    name.map_or_else(|| number.to_string(), ToString::to_string)
}

/// Lists values for arguments that nothing declares.
fn unused(file: &Dockerfile, wish: &Wish<'_>) -> Vec<String> {
    let mut declared: BTreeSet<&str> = scope::PREDEFINED.into_iter().collect();
    declared.extend(scope::AUTOMATIC);
    declared.extend(scope::OF_THE_BUILD);
    declared.extend(file.arguments.iter().map(|argument| argument.name.as_str()));
    for stage in &file.stages {
        for instruction in &stage.instructions {
            if let Kind::Arg(arguments) = &instruction.kind {
                declared.extend(arguments.iter().map(|argument| argument.name.as_str()));
            }
        }
    }
    let given = wish.arguments.keys();
    given
        .filter(|name| !declared.contains(name.as_str()))
        .cloned()
        .collect()
}

/// Puts the stages in the order of building, and has them name each other by
/// their places in it.
fn assemble(
    file: &Dockerfile,
    order: &[usize],
    bases: Vec<Option<Base>>,
    sources: Vec<Vec<Taken>>,
    platforms: Vec<Platform>,
) -> Vec<PlannedStage> {
    let place: BTreeMap<usize, usize> = order
        .iter()
        .enumerate()
        .map(|(at, number)| (*number, at))
        .collect();
    // Every stage that is needed has a place, by how the order was made.
    let placed = |number: usize| place.get(&number).copied().unwrap_or_default();
    let placed_from = |from| match from {
        CopyFrom::Stage(number) => CopyFrom::Stage(placed(number)),
        other => other,
    };
    let mut stages: BTreeMap<usize, PlannedStage> = BTreeMap::new();
    let parts = file.stages.iter().zip(bases).zip(sources).zip(platforms);
    for (number, (((stage, base), sources), platform)) in parts.enumerate() {
        let (Some(at), Some(base)) = (place.get(&number), base) else {
            continue;
        };
        let base = match base {
            Base::Stage(number) => Base::Stage(placed(number)),
            other => other,
        };
        let steps = stage
            .instructions
            .iter()
            .zip(sources)
            .map(|(instruction, taken)| Step {
                // What is of the file stands behind its `FROM`.
                is_of_image: instruction.span == stage.from.span,
                instruction: instruction.clone(),
                from: placed_from(taken.from),
                mounts: taken.mounts.into_iter().map(placed_from).collect(),
            });
        let planned = PlannedStage {
            number,
            name: stage_name(&file.stages, number),
            span: stage.from.span,
            text: stage.from.text.clone(),
            base,
            platform,
            steps: steps.collect(),
        };
        stages.insert(*at, planned);
    }
    stages.into_values().collect()
}

/// Cuts a text for a message, and keeps it from forging lines.
pub(crate) fn excerpt(text: &str) -> String {
    let cut: String = text.chars().take(oci::ParseError::EXCERPT).collect();
    cut.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
