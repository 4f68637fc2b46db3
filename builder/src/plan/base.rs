//! What a stage starts from, as its `FROM` says once it is expanded.

use dockerfile::{Diagnostic, Dockerfile, Span};

use super::names::{Named, Names, image_name};
use super::{Arguments, Base, code, excerpt, syntax};

/// Finds out what a stage starts from.
pub(super) fn base(
    file: &Dockerfile,
    number: usize,
    (names, arguments): (&Names<'_>, &Arguments),
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Base> {
    let from = &file.stages.get(number)?.from;
    let span = from.base.span();
    // A context takes the place of the stage that has its name.
    if let Some(name) = &from.name
        && let Some(base) = outside((names, number), name.as_str(), span, diagnostics)
    {
        return base;
    }
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
    if let Some(above) = names.above(name, number) {
        return Some(Base::Stage(above));
    }
    if let Some(base) = outside((names, number), name, span, diagnostics) {
        return base;
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

/// Finds what a name means that was given one from outside.
fn outside(
    (names, number): (&Names<'_>, usize),
    name: &str,
    span: Span,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Option<Base>> {
    match names.base(name, number) {
        Ok(found) => found.map(|named| {
            Some(match named {
                Named::Files(name) => Base::Files(name),
                Named::Image(image) => Base::Image(image),
                Named::Stage(stage) => Base::Stage(stage),
            })
        }),
        Err(message) => {
            diagnostics.push(Diagnostic::error(code::INVALID_BASE, span, message));
            Some(None)
        }
    }
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
