//! What the language has and wharf does not do yet. Each is an error at its
//! place: nothing is accepted and then left out.

use dockerfile::{Diagnostic, Directive, Dockerfile};

use super::code;

/// Names everything in a file that is not done yet.
pub(crate) fn check(file: &Dockerfile) -> Vec<Diagnostic> {
    file.directives.iter().filter_map(directive).collect()
}

/// The last minor version of `docker/dockerfile:1` whose language is all here.
const LAST_MINOR: u32 = 24;

/// Checks the directive that names a version of the language. Files of the
/// versions that are known mean the same here; what their previews
/// (`-labs`) have besides is an error where it stands.
fn directive(directive: &Directive) -> Option<Diagnostic> {
    if directive.name.as_str() != "syntax" || is_known(directive.value.as_str()) {
        return None;
    }
    let syntax = crate::plan::excerpt(directive.value.as_str());
    let message = format!("the syntax `{syntax}` is not known");
    let hint = format!(
        "wharf reads Dockerfiles itself, up to `docker/dockerfile:1.{LAST_MINOR}`, and never pulls a program to do so: delete the line, or write `docker/dockerfile:1`"
    );
    let span = directive.value.span();
    Some(Diagnostic::error(code::UNSUPPORTED, span, message).hint(hint))
}

/// Says whether the language of a syntax is known: `docker/dockerfile`, with
/// or without its registry, a version and a digest.
pub(crate) fn is_known(syntax: &str) -> bool {
    let name = syntax.strip_prefix("docker.io/").unwrap_or(syntax);
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let Some(rest) = name.strip_prefix("docker/dockerfile") else {
        return false;
    };
    let version = match rest.strip_prefix(':') {
        Some(version) => version.strip_suffix("-labs").unwrap_or(version),
        None => return rest.is_empty(),
    };
    let mut parts = version.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("1" | "latest" | "labs"), None, None, None) => true,
        (Some("1"), Some(minor), patch, None) => {
            let is_patch = |patch: &str| patch.parse::<u32>().is_ok();
            minor.parse().is_ok_and(|minor: u32| minor <= LAST_MINOR) && patch.is_none_or(is_patch)
        }
        _ => false,
    }
}
