//! What there is to build: the stages that the wanted one needs, in an order
//! in which each finds what it needs. Pure: a file and values in, a plan and
//! diagnostics out.

mod base;
mod code;
mod graph;
mod literal;
mod scope;
mod support;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use base::{base, image_name};
use dockerfile::{Diagnostic, Dockerfile, Escape, Instruction, Kind, Severity, Span, Stage};
use image::Place;
use oci::{Platform, Tag};

pub(crate) use code::UNSUPPORTED;
pub(crate) use scope::{Arguments, Scope, misexpanded};

/// Is what a plan is made for.
#[derive(Debug, Clone)]
pub(crate) struct Wish<'a> {
    pub(crate) target: Option<&'a str>,
    pub(crate) arguments: &'a BTreeMap<String, String>,
    pub(crate) platform: &'a Platform,
    pub(crate) build_platform: &'a Platform,
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
    /// The names of all stages of the file, those not built included.
    pub(crate) names: Vec<String>,
}

/// Is one stage of a plan.
#[derive(Debug)]
pub(crate) struct PlannedStage {
    /// Its name, or its number in the file, from 0.
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
}

impl Plan {
    /// Makes a plan, if the file has no mistake that is in the way of one.
    pub(crate) fn make(file: Dockerfile, wish: &Wish<'_>) -> (Option<Self>, Vec<Diagnostic>) {
        let mut diagnostics = support::check(&file);
        syntax::check(&file, &mut diagnostics);
        literal::check(&file, &mut diagnostics);
        let arguments = Arguments::new(&file, wish, &mut diagnostics);
        let names = StageNames::of(&file);
        let bases: Vec<Option<Base>> = (0..file.stages.len())
            .map(|number| base(&file, number, &arguments, &mut diagnostics))
            .collect();
        let sources = copy_sources(&file, &names, &mut diagnostics);
        let platforms: Vec<Platform> = file
            .stages
            .iter()
            .map(|stage| platform(stage, &arguments, wish, &mut diagnostics))
            .collect();
        let target = names.target(wish.target, &file, &mut diagnostics);
        let needs: Vec<Vec<graph::Need>> = (0..file.stages.len())
            .map(|number| needs_of(&file, number, &bases, &sources))
            .collect();
        let order = target.and_then(|target| graph::order(&needs, target, &mut diagnostics));
        let failed = diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error);
        let (Some(order), false) = (order, failed) else {
            return (None, diagnostics);
        };
        let unused = unused(&file, wish);
        let stage_names = names.by_name.keys().map(ToString::to_string).collect();
        let stages = assemble(&file, &order, bases, sources, platforms);
        let plan = Self {
            escape: file.escape,
            arguments,
            stages,
            unused,
            names: stage_names,
        };
        (Some(plan), diagnostics)
    }

    /// Counts the instructions.
    pub(crate) fn steps(&self) -> usize {
        self.stages.iter().map(|stage| 1 + stage.steps.len()).sum()
    }
}

/// Finds stages by name or number.
struct StageNames<'a> {
    /// The last stage of a name is the one that is meant.
    by_name: BTreeMap<&'a str, Vec<usize>>,
    count: usize,
}

impl<'a> StageNames<'a> {
    fn of(file: &'a Dockerfile) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, stage) in file.stages.iter().enumerate() {
            if let Some(name) = &stage.from.name {
                by_name.entry(name.as_str()).or_default().push(number);
            }
        }
        Self {
            by_name,
            count: file.stages.len(),
        }
    }

    /// Finds the stage that a name means at one place of the file: the last
    /// one above it, or else the first one below.
    fn find(&self, name: &str, at: usize) -> Option<usize> {
        let numbers = self.by_name.get(name.to_lowercase().as_str())?;
        numbers
            .iter()
            .rev()
            .find(|number| **number < at)
            .or_else(|| numbers.iter().find(|number| **number > at))
            .copied()
    }

    fn target(
        &self,
        wanted: Option<&str>,
        file: &Dockerfile,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        let Some(wanted) = wanted else {
            return self.count.checked_sub(1);
        };
        let named = self.by_name.get(wanted.to_lowercase().as_str());
        let number = || wanted.parse().ok().filter(|number| *number < self.count);
        let found = named
            .and_then(|numbers| numbers.last().copied())
            .or_else(number);
        if found.is_none() && self.count > 0 {
            let names: Vec<String> = self
                .by_name
                .keys()
                .map(|name| format!("`{name}`"))
                .collect();
            let span = file
                .stages
                .last()
                .map(|stage| stage.from.span)
                .unwrap_or_default();
            let hint = if names.is_empty() {
                format!(
                    "no stage has a name; give a number from 0 to {}",
                    self.count - 1
                )
            } else {
                format!("the stages are {}", names.join(", "))
            };
            let message = format!("there is no stage `{}` to build", excerpt(wanted));
            diagnostics.push(Diagnostic::error(code::UNKNOWN_TARGET, span, message).hint(hint));
        }
        found
    }
}

/// Finds out where each instruction takes files from, stage by stage.
fn copy_sources(
    file: &Dockerfile,
    names: &StageNames<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<CopyFrom>> {
    let mut all = Vec::with_capacity(file.stages.len());
    for (number, stage) in file.stages.iter().enumerate() {
        let mut sources = Vec::with_capacity(stage.instructions.len());
        for instruction in &stage.instructions {
            let from = match &instruction.kind {
                Kind::Copy(copy) => copy.from.as_ref(),
                _ => None,
            };
            let source = from.map_or(Ok(CopyFrom::Context), |from| {
                copy_source(from.as_str(), number, names)
            });
            let source = source.unwrap_or_else(|(message, hint)| {
                let span = from.map_or(instruction.span, dockerfile::Text::span);
                diagnostics.push(Diagnostic::error(code::INVALID_FROM, span, message).hint(hint));
                CopyFrom::Context
            });
            sources.push(source);
        }
        all.push(sources);
    }
    all
}

fn copy_source(
    from: &str,
    number: usize,
    names: &StageNames<'_>,
) -> Result<CopyFrom, (String, String)> {
    if from.contains('$') {
        return Err((
            format!(
                "`--from={}` has a variable, which is not expanded here",
                excerpt(from)
            ),
            "name the image with `FROM ... AS name`, and copy from that stage".to_owned(),
        ));
    }
    if let Some(stage) = names.find(from, number) {
        return Ok(CopyFrom::Stage(stage));
    }
    if !from.is_empty() && from.bytes().all(|byte| byte.is_ascii_digit()) {
        return match from.parse::<usize>() {
            Ok(stage) if stage < number => Ok(CopyFrom::Stage(stage)),
            _ => Err((
                format!("`--from={from}` names no stage above this one"),
                match number {
                    0 => "this is the first stage: there is none above it".to_owned(),
                    _ => format!("the stages above have the numbers 0 to {}", number - 1),
                },
            )),
        };
    }
    image_name(from).map(CopyFrom::Image).map_err(|reason| {
        (
            format!("`{}` names no stage or image: {reason}", excerpt(from)),
            "`--from` takes the name or number of a stage, or the name of an image".to_owned(),
        )
    })
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

/// Lists the stages that one needs, and where it says so.
fn needs_of(
    file: &Dockerfile,
    number: usize,
    bases: &[Option<Base>],
    sources: &[Vec<CopyFrom>],
) -> Vec<graph::Need> {
    let mut needs = Vec::new();
    let Some(stage) = file.stages.get(number) else {
        return needs;
    };
    if let Some(Some(Base::Stage(base))) = bases.get(number) {
        let span = stage.from.base.span();
        needs.push(graph::Need { stage: *base, span });
    }
    let sources = sources.get(number).map(Vec::as_slice).unwrap_or_default();
    for (instruction, source) in stage.instructions.iter().zip(sources) {
        if let CopyFrom::Stage(stage) = source {
            let span = instruction.span;
            needs.push(graph::Need {
                stage: *stage,
                span,
            });
        }
    }
    needs
}

/// Lists values for arguments that nothing declares.
fn unused(file: &Dockerfile, wish: &Wish<'_>) -> Vec<String> {
    let mut declared: BTreeSet<&str> = scope::PREDEFINED.into_iter().collect();
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
    sources: Vec<Vec<CopyFrom>>,
    platforms: Vec<Platform>,
) -> Vec<PlannedStage> {
    let place: BTreeMap<usize, usize> = order
        .iter()
        .enumerate()
        .map(|(at, number)| (*number, at))
        .collect();
    // Every stage that is needed has a place, by how the order was made.
    let placed = |number: usize| place.get(&number).copied().unwrap_or_default();
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
            .map(|(instruction, from)| Step {
                instruction: instruction.clone(),
                from: match from {
                    CopyFrom::Stage(number) => CopyFrom::Stage(placed(number)),
                    other => other,
                },
            });
        let name = stage.from.name.as_ref();
        let planned = PlannedStage {
            name: name.map_or_else(|| number.to_string(), |name| name.as_str().to_owned()),
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
