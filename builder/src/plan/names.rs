//! What a name means at one place of a file: a stage, a named context from
//! outside, or an image.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use dockerfile::{Diagnostic, Dockerfile};

use super::{CopyFrom, ImageName, code, excerpt};
use crate::request::NamedContext;

/// Finds stages and contexts by name or number.
pub(super) struct Names<'a> {
    /// The last stage of a name is the one that is meant.
    by_name: BTreeMap<&'a str, Vec<usize>>,
    count: usize,
    contexts: &'a BTreeMap<String, NamedContext>,
    /// The contexts that were found so far.
    used: RefCell<BTreeSet<String>>,
    /// The stages that were found to start from one.
    outside: RefCell<BTreeSet<usize>>,
}

/// Is what a name from outside means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// Files, by the name of their context.
    Files(String),
    /// An image.
    Image(ImageName),
    /// A stage, by its number in the file.
    Stage(usize),
}

impl<'a> Names<'a> {
    pub(super) fn of(file: &'a Dockerfile, contexts: &'a BTreeMap<String, NamedContext>) -> Self {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, stage) in file.stages.iter().enumerate() {
            if let Some(name) = &stage.from.name {
                by_name.entry(name.as_str()).or_default().push(number);
            }
        }
        Self {
            by_name,
            count: file.stages.len(),
            contexts,
            used: RefCell::default(),
            outside: RefCell::default(),
        }
    }

    /// Lists the contexts that nothing has asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let names = self.contexts.keys();
        names
            .filter(|name| !used.contains(*name))
            .cloned()
            .collect()
    }

    /// Finds the context that a stage starts from.
    pub(super) fn base(&self, name: &str, stage: usize) -> Result<Option<Named>, String> {
        let found = self.context(name);
        if let Ok(Some(_)) = found {
            self.outside.borrow_mut().insert(stage);
        }
        found
    }

    /// Lists the stages that were found to start from a context.
    pub(super) fn outside(&self) -> BTreeSet<usize> {
        self.outside.borrow().clone()
    }

    /// Lists the names of all stages.
    pub(super) fn all(&self) -> Vec<String> {
        self.by_name.keys().map(ToString::to_string).collect()
    }

    /// Finds the stage that a name means at one place of the file: the last
    /// one above it, or else the first one below, or else the one it is in.
    pub(super) fn stage(&self, name: &str, at: usize) -> Option<usize> {
        let numbers = self.by_name.get(name.to_lowercase().as_str())?;
        numbers
            .iter()
            .rev()
            .find(|number| **number < at)
            .or_else(|| numbers.iter().find(|number| **number > at))
            .or_else(|| numbers.first())
            .copied()
    }

    /// Finds the last stage above a place that has a name.
    pub(super) fn above(&self, name: &str, at: usize) -> Option<usize> {
        let numbers = self.by_name.get(name.to_lowercase().as_str())?;
        let above = numbers.iter().rev().find(|number| **number < at);
        above.copied()
    }

    /// Finds the context that a name means: by the name as it is, or as that
    /// of an image, of which `alpine` and `docker.io/library/alpine:latest`
    /// are two spellings.
    pub(super) fn context(&self, name: &str) -> Result<Option<Named>, String> {
        let lower = name.to_lowercase();
        let found = self.contexts.get_key_value(&lower).or_else(|| {
            let wanted: oci::ImageName = name.parse().ok()?;
            let is_same = |key: &str| key.parse().is_ok_and(|key: oci::ImageName| key == wanted);
            self.contexts.iter().find(|(key, _)| is_same(key))
        });
        let Some((key, context)) = found else {
            return Ok(None);
        };
        self.used.borrow_mut().insert(key.clone());
        Ok(Some(match context {
            NamedContext::Files(_) => Named::Files(key.clone()),
            NamedContext::Image(name) => Named::Image(ImageName::Named(name.clone())),
            NamedContext::Layout { directory, tag } => Named::Image(ImageName::Layout {
                directory: directory.clone(),
                tag: tag.clone(),
            }),
            NamedContext::Stage(stage) => {
                let found = self.by_name.get(stage.to_lowercase().as_str());
                let found = found.and_then(|numbers| numbers.last());
                let missing = || {
                    format!(
                        "the build context `{key}` names the stage `{}`, which is not there",
                        excerpt(stage)
                    )
                };
                Named::Stage(*found.ok_or_else(missing)?)
            }
        }))
    }

    /// Says whether a context takes the place of the stage of a name.
    pub(super) fn is_replaced(&self, stage: &str) -> bool {
        matches!(self.context(stage), Ok(Some(_)))
    }

    /// Finds the stage to build.
    pub(super) fn target(
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
            let known: Vec<&str> = self.by_name.keys().copied().collect();
            let hint = match dockerfile::nearest(wanted, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => hint,
            };
            diagnostics.push(Diagnostic::error(code::UNKNOWN_TARGET, span, message).hint(hint));
        }
        found
    }

    /// Finds out where files are taken from: by what stands behind `flag`, the
    /// `--from` of a `COPY` or `from` of a mount; the message and the hint where it is
    /// nothing.
    pub(super) fn source(
        &self,
        flag: &str,
        from: &str,
        number: usize,
    ) -> Result<CopyFrom, (String, String)> {
        if from.contains('$') {
            return Err((
                format!(
                    "`{flag}={}` has a variable, which is not expanded here",
                    excerpt(from)
                ),
                "name the image with `FROM ... AS name`, and take the files of that stage"
                    .to_owned(),
            ));
        }
        if let Some(stage) = self.stage(from, number) {
            return Ok(CopyFrom::Stage(stage));
        }
        if !from.is_empty() && from.bytes().all(|byte| byte.is_ascii_digit()) {
            return match from.parse::<usize>() {
                Ok(stage) if stage < number => Ok(CopyFrom::Stage(stage)),
                _ => Err((
                    format!("`{flag}={from}` names no stage above this one"),
                    match number {
                        0 => "this is the first stage: there is none above it".to_owned(),
                        _ => format!("the stages above have the numbers 0 to {}", number - 1),
                    },
                )),
            };
        }
        let hint = "it takes the name or number of a stage, the name of an image, or of a context";
        match self.context(from) {
            Ok(Some(Named::Files(name))) => return Ok(CopyFrom::Files(name)),
            Ok(Some(Named::Image(image))) => return Ok(CopyFrom::Image(image)),
            Ok(Some(Named::Stage(stage))) => return Ok(CopyFrom::Stage(stage)),
            Ok(None) => {}
            Err(message) => return Err((message, hint.to_owned())),
        }
        image_name(from).map(CopyFrom::Image).map_err(|reason| {
            (
                format!("`{}` names no stage or image: {reason}", excerpt(from)),
                hint.to_owned(),
            )
        })
    }
}

/// Reads the name of an image that is not built here.
pub(super) fn image_name(name: &str) -> Result<ImageName, String> {
    let Some(layout) = name.strip_prefix("oci-layout://") else {
        return name
            .parse()
            .map(ImageName::Named)
            .map_err(|error| error.to_string());
    };
    let (path, tag) = match layout.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => {
            let tag = tag
                .parse()
                .map_err(|error: oci::ParseError| error.to_string())?;
            (path, Some(tag))
        }
        _ => (layout, None),
    };
    if path.is_empty() || path.contains('\0') {
        return Err("it lacks the path of a directory".to_owned());
    }
    if path.contains('@') {
        return Err("a layout is named by a tag, not by a digest".to_owned());
    }
    let directory = PathBuf::from(path);
    Ok(ImageName::Layout { directory, tag })
}
