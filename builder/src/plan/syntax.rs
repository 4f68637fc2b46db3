//! Mistakes in variables, found before anything is built: every text that
//! will be expanded is expanded once, with a value for every name.

use dockerfile::{
    Copy, Diagnostic, Dockerfile, Escape, ExpandError, Instruction, Kind, Source, Text, Variables,
};

use super::code;

/// Gives every variable a value.
struct Anything;

impl Variables for Anything {
    fn value(&self, _: &str) -> Option<&str> {
        Some("x")
    }
}

/// Finds texts that no values can make right.
pub(crate) fn check(file: &Dockerfile, diagnostics: &mut Vec<Diagnostic>) {
    for stage in &file.stages {
        for instruction in &stage.instructions {
            for text in texts(instruction) {
                if let Err(diagnostic) = expand(text, file.escape) {
                    diagnostics.push(diagnostic);
                }
            }
        }
    }
}

fn expand(text: &Text, escape: Escape) -> Result<(), Diagnostic> {
    dockerfile::expand_word(text.as_str(), escape, &Anything)
        .map(drop)
        .map_err(|error| diagnose(text, error))
}

/// Says where in the file a text could not be expanded.
pub(crate) fn diagnose(text: &Text, error: ExpandError) -> Diagnostic {
    let span = text.span_of(error.range.clone());
    let diagnostic = Diagnostic::error(code::EXPANSION, span, error.to_string());
    match error.hint {
        Some(hint) => diagnostic.hint(hint),
        None => diagnostic,
    }
}

/// Lists what is expanded in an instruction.
fn texts(instruction: &Instruction) -> Vec<&Text> {
    match &instruction.kind {
        Kind::Add(copy) | Kind::Copy(copy) => copied(copy),
        Kind::Arg(arguments) => arguments
            .iter()
            .filter_map(|argument| argument.default.as_ref())
            .collect(),
        Kind::Env(pairs) | Kind::Label(pairs) => pairs
            .iter()
            .flat_map(|pair| [&pair.key, &pair.value])
            .collect(),
        Kind::Expose(texts) | Kind::Volume(texts) => texts.iter().collect(),
        Kind::Onbuild(trigger) => texts(trigger),
        Kind::StopSignal(text) | Kind::User(text) | Kind::Workdir(text) => vec![text],
        Kind::Cmd(_)
        | Kind::Entrypoint(_)
        | Kind::Healthcheck(_)
        | Kind::Maintainer(_)
        | Kind::Run(_)
        | Kind::Shell(_) => Vec::new(),
    }
}

fn copied(copy: &Copy) -> Vec<&Text> {
    let paths = copy.sources.iter().filter_map(|source| match source {
        Source::Path(path) => Some(path),
        Source::Heredoc(_) => None,
    });
    let owned = [&copy.chown, &copy.chmod];
    paths
        .chain([&copy.destination])
        .chain(owned.into_iter().flatten())
        .chain(copy.excludes())
        .chain(copy.checksum())
        .collect()
}
