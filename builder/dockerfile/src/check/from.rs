//! `FROM`: its arguments, its platform, and how its image is named.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Dockerfile, From};
use crate::check::Facts;
use crate::check::finding::Findings;
use crate::check::platform::Platform;
use crate::check::reference::Reference;
use crate::check::rules;
use crate::check::scope::{Globals, Origin, Resolved};
use crate::diagnostic::excerpt;
use crate::span::Span;
use crate::text::Text;

/// The image of nothing.
const SCRATCH: &str = "scratch";
/// The tag that an image has that names none.
const LATEST: &str = "latest";
/// The platform that is built for where none is named.
const TARGET_PLATFORM: &str = "TARGETPLATFORM";

/// Knows what the stages of a file start from.
#[derive(Debug)]
pub(super) struct Bases {
    pub(super) globals: Globals,
    stages: Vec<Base>,
}

/// Is what a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Base {
    Scratch,
    Stage(usize),
    /// An image by its name.
    Image(String),
    /// It is not known.
    Unknown,
}

impl Bases {
    /// Works out what the stages start from.
    pub(super) fn read(file: &Dockerfile, facts: &Facts<'_>) -> Self {
        let globals = Globals::new(file, facts);
        let mut names = BTreeMap::new();
        let mut stages = Vec::with_capacity(file.stages.len());
        for (number, stage) in file.stages.iter().enumerate() {
            let resolved = globals.resolve(stage.from.base.as_str());
            let is_known = |it: &Resolved| it.certain && it.unset.is_empty();
            let resolved = resolved.filter(is_known);
            stages.push(match resolved.map(|resolved| resolved.value) {
                None => Base::Unknown,
                Some(name) if name == SCRATCH => Base::Scratch,
                Some(name) => match names.get(name.to_ascii_lowercase().as_str()) {
                    Some(above) => Base::Stage(*above),
                    None => Base::Image(name),
                },
            });
            if let Some(name) = &stage.from.name {
                names.insert(name.as_str(), number);
            }
        }
        Self { globals, stages }
    }

    /// Gives what a stage starts from, with what is known of its image.
    pub(super) fn origin<'a>(&self, number: usize, facts: &'a Facts<'_>) -> Origin<'a> {
        let image = || {
            facts
                .bases
                .get(&number)
                .map_or(Origin::Unknown, Origin::Image)
        };
        match self.stages.get(number) {
            Some(Base::Scratch) => Origin::Scratch,
            Some(Base::Stage(above)) => Origin::Stage(*above),
            Some(Base::Image(_) | Base::Unknown) | None => image(),
        }
    }
}

/// Checks every `FROM`.
pub(super) fn check(
    file: &Dockerfile,
    facts: &Facts<'_>,
    bases: &Bases,
    findings: &mut Findings<'_>,
) {
    let defaults = Globals::defaults(file, facts);
    let mut pinned = BTreeSet::new();
    for (number, stage) in file.stages.iter().enumerate() {
        let from = &stage.from;
        for text in [Some(&from.base), from.platform.as_ref()]
            .into_iter()
            .flatten()
        {
            check_arguments(text, &bases.globals, findings);
        }
        check_default(file, number, &defaults, findings);
        let Some(base) = bases.stages.get(number) else {
            continue;
        };
        if let Some(platform) = &from.platform {
            check_platform(platform, from, bases, findings);
        }
        if let Base::Image(name) = base {
            let actual = facts
                .bases
                .get(&number)
                .map(|facts| facts.platform.as_str());
            let target = facts.target_platform.as_str();
            if let Some(wanted) = wanted_platform(from, target, &bases.globals) {
                let span = from.base.span();
                check_base_platform(name, span, actual.unwrap_or_default(), &wanted, findings);
            }
            // To say it once of each image is enough.
            if !facts.outside.contains(&number) && pinned.insert(name) {
                check_pin(from, name, findings);
            }
        }
    }
}

/// Checks that arguments are declared.
fn check_arguments(text: &Text, globals: &Globals, findings: &mut Findings<'_>) {
    let Some(resolved) = globals.resolve(text.as_str()) else {
        return;
    };
    for name in &resolved.unset {
        if globals.declares(name) {
            continue;
        }
        if findings.is_full() {
            return;
        }
        let message = format!("`{}` is not declared above the first `FROM`", excerpt(name));
        let hint = match findings.suggest(name, globals.names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write `ARG {}` there", excerpt(name)),
        };
        let span = variable(text, name);
        findings.say(rules::UNDEFINED_ARG_IN_FROM, span, message, hint);
    }
}

/// Finds where a text uses a variable.
pub(super) fn variable(text: &Text, name: &str) -> Span {
    find_variable(text.as_str(), name).map_or(text.span(), |range| text.span_of(range))
}

/// Finds `$name` or `${name` in a text, with the `}` right behind it.
pub(super) fn find_variable(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices('$').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let (open, rest) = match rest.strip_prefix('{') {
            Some(rest) => (1, rest),
            None => (0, rest),
        };
        let behind = rest.strip_prefix(name)?;
        if behind.starts_with(is_word) {
            return None;
        }
        let close = usize::from(open == 1 && behind.starts_with('}'));
        Some(at..at + 1 + open + name.len() + close)
    })
}

/// Checks that the image has a name when no values come from outside.
fn check_default(
    file: &Dockerfile,
    number: usize,
    defaults: &Globals,
    findings: &mut Findings<'_>,
) {
    let Some(stage) = file.stages.get(number) else {
        return;
    };
    let base = &stage.from.base;
    let Some(Resolved {
        value,
        certain,
        used,
        unset,
    }) = defaults.resolve(base.as_str())
    else {
        return;
    };
    // What is not declared has a finding of its own, and a name without
    // variables is wrong with any values.
    let undeclared = unset.iter().any(|name| !defaults.declares(name));
    if !certain || used.is_empty() || undeclared || Reference::parse(&value).is_some() {
        return;
    }
    let above = file.stages.iter().take(number);
    let mut names = above.filter_map(|stage| stage.from.name.as_ref());
    if names.any(|name| name.as_str().eq_ignore_ascii_case(&value)) {
        return;
    }
    let name = used.iter().find(|name| defaults.declares(name));
    let name = excerpt(name.map_or("NAME", String::as_str));
    let message = if value.is_empty() {
        format!("without a value for `{name}` from outside, `{base}` is empty")
    } else {
        format!(
            "without a value for `{name}` from outside, `{}` is `{}`, which names no image",
            excerpt(base.as_str()),
            excerpt(&value)
        )
    };
    let hint = format!("give it a default: `ARG {name}=...`");
    findings.say(
        rules::INVALID_DEFAULT_ARG_IN_FROM,
        base.span(),
        message,
        hint,
    );
}

/// Checks what `--platform` says.
fn check_platform(text: &Text, from: &From, bases: &Bases, findings: &mut Findings<'_>) {
    let Some(resolved) = bases.globals.resolve(text.as_str()) else {
        return;
    };
    let only_target = resolved.used.len() == 1 && resolved.used.contains(TARGET_PLATFORM);
    let plain = text.as_str().trim_matches(['"', '\'']);
    let is_plain =
        plain == format!("${TARGET_PLATFORM}") || plain == format!("${{{TARGET_PLATFORM}}}");
    if only_target && is_plain && !bases.globals.declares(TARGET_PLATFORM) {
        let message = format!("`{plain}` is the platform of a stage that names none");
        let hint = format!("delete `--platform={plain}`");
        findings.say(rules::REDUNDANT_TARGET_PLATFORM, text.span(), message, hint);
    }
    if !resolved.used.is_empty() {
        return;
    }
    let Some(platform) = Platform::parse(&resolved.value) else {
        return;
    };
    let name = from.name.as_ref().map_or("", Text::as_str);
    // A stage that is named after its platform means that one.
    if name.contains(&platform.os) || name.contains(&platform.architecture) {
        return;
    }
    let shown = excerpt(&resolved.value);
    let message = format!("this stage is always for `{shown}`, whatever is built for");
    let hint = format!(
        "delete `--platform`, write `--platform=$BUILDPLATFORM` for a stage that only runs tools, \
         or name the stage after its platform: `AS {}-{}`",
        platform.os, platform.architecture
    );
    findings.say(rules::FROM_PLATFORM_CONST, text.span(), message, hint);
}

/// Gives the platform that a stage is for, if that is known.
fn wanted_platform(from: &From, target: &str, globals: &Globals) -> Option<String> {
    let Some(text) = &from.platform else {
        return Some(target.to_owned());
    };
    let resolved = globals.resolve(text.as_str())?;
    resolved.certain.then_some(resolved.value)
}

/// Checks that an image is for the platform of its stage.
fn check_base_platform(
    name: &str,
    span: Span,
    actual: &str,
    wanted: &str,
    findings: &mut Findings<'_>,
) {
    let (Some(expected), Some(found)) = (Platform::parse(wanted), Platform::parse(actual)) else {
        return;
    };
    if expected.matches(&found) {
        return;
    }
    let name = name.split('@').next().unwrap_or_default();
    let message = format!(
        "`{}` is for `{}`, and this stage for `{}`",
        excerpt(name),
        excerpt(actual),
        excerpt(wanted)
    );
    let hint = "name an image that is made for the platform";
    findings.say(rules::INVALID_BASE_IMAGE_PLATFORM, span, message, hint);
}

/// Checks whether the name means one image for ever.
fn check_pin(from: &From, name: &str, findings: &mut Findings<'_>) {
    let Some(reference) = Reference::parse(name) else {
        return;
    };
    if reference.digest.is_some() || reference.is_layout() {
        return;
    }
    let shown = excerpt(name);
    let span = from.base.span();
    let is_latest = reference.tag.is_none_or(|tag| tag == LATEST);
    if is_latest && findings.asks_for(rules::LATEST_TAG) {
        let message = match reference.tag {
            Some(_) => format!("`{shown}` is whatever is newest when it is built"),
            None => format!("`{shown}` has no tag, and so is whatever is newest when it is built"),
        };
        let hint = format!("name a version: `{}:VERSION`", excerpt(reference.name));
        findings.say(rules::LATEST_TAG, span, message, hint);
        return;
    }
    let message = format!("`{shown}` can become another image");
    let hint = format!("name its digest too: `{shown}@sha256:...`");
    findings.say(rules::UNPINNED_BASE, span, message, hint);
}
