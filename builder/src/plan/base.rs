//! What a stage starts from, as its `FROM` says once it is expanded.

use std::path::PathBuf;

use dockerfile::{Diagnostic, Dockerfile};

use super::{Arguments, Base, ImageName, code, excerpt, syntax};

/// Finds out what a stage starts from.
pub(super) fn base(
    file: &Dockerfile,
    number: usize,
    arguments: &Arguments,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Base> {
    let from = &file.stages.get(number)?.from;
    let span = from.base.span();
    let expanded = match dockerfile::expand_word(from.base.as_str(), file.escape, arguments) {
        Ok(expanded) => expanded,
        Err(error) => {
            diagnostics.push(syntax::diagnose(&from.base, error));
            return None;
        }
    };
    let name = expanded.value.as_str();
    if name.is_empty() {
        let message = format!("`{}` is empty once it is expanded", from.base);
        let hint = valueless(file, &expanded.unset).unwrap_or_else(|| {
            "its variables have empty values; name an image or a stage".to_owned()
        });
        diagnostics.push(Diagnostic::error(code::EMPTY_BASE, span, message).hint(hint));
        return None;
    }
    if name == "scratch" {
        return Some(Base::Scratch);
    }
    // Only stages above: a name that stands below means an image.
    let above = file.stages.iter().take(number).rposition(|stage| {
        let stage = stage.from.name.as_ref();
        stage.is_some_and(|stage| stage.as_str() == name.to_lowercase())
    });
    if let Some(above) = above {
        return Some(Base::Stage(above));
    }
    match image_name(name) {
        Ok(image) => Some(Base::Image(image)),
        Err(reason) => {
            let message = format!("`{}` names no image or stage: {reason}", excerpt(name));
            let mut diagnostic = Diagnostic::error(code::INVALID_BASE, span, message);
            if let Some(hint) = valueless(file, &expanded.unset) {
                diagnostic = diagnostic.hint(hint);
            }
            diagnostics.push(diagnostic);
            None
        }
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

/// Says how variables without a value get one.
fn valueless(file: &Dockerfile, unset: &[String]) -> Option<String> {
    let declared = |name: &&String| {
        let mut arguments = file.arguments.iter();
        arguments.any(|argument| argument.name.as_str() == name.as_str())
    };
    let (declared, unknown): (Vec<&String>, Vec<&String>) = unset.iter().partition(declared);
    if let Some(name) = unknown.first() {
        return Some(format!(
            "declare `{name}` with `ARG` before the first `FROM`"
        ));
    }
    let name = declared.first()?;
    Some(format!(
        "give `{name}` a value: `ARG {name}=...`, or `--build-arg {name}=...`"
    ))
}
