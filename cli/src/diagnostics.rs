//! Mistakes in Dockerfiles, shown where they are: for people with file, line,
//! excerpt, caret and hint, and for programs in forms that they know.
//!
//! What is wrong is decided elsewhere; here it is only written down.

mod github;
mod human;
mod json;
mod position;
mod sarif;
#[cfg(test)]
mod tests;

use annotate_snippets::Renderer;
use builder::{
    Built, Diagnostic, ErrorKind, Family, Mistaken, Prepared, RULES, Severity, SourceText, Span,
};

use crate::report::{self, Exit, ended, hinted, placed, redact, say, usage};

pub(crate) use position::Lines;

/// Gives an error that no place in a file is known of.
pub(crate) fn plain(error: builder::Error) -> anyhow::Error {
    with_hint(error)
}

/// Shows where a build failed, and gives the error to end with.
pub(crate) fn failed(prepared: &Prepared, error: builder::Error) -> anyhow::Error {
    if let Some((file, diagnostics)) = error.diagnostics() {
        let source = match (file, prepared.ignore_file()) {
            (Mistaken::IgnoreFile, Some(source)) => source,
            _ => prepared.dockerfile(),
        };
        show(source, diagnostics);
        return usage(error.to_string());
    }
    let excerpt = error.span().map(|span| self::excerpt(prepared, span));
    let error = with_hint(error);
    match excerpt {
        Some(excerpt) => placed(error, excerpt),
        None => error,
    }
}

/// Shows a place of the Dockerfile.
pub(crate) fn excerpt(prepared: &Prepared, span: Span) -> String {
    let source = prepared.dockerfile();
    human::excerpt((&source.name, &source.bytes), span)
}

/// Shows what there was to say of a Dockerfile before its build failed.
pub(crate) fn warn_before(prepared: &Prepared, error: &builder::Error) {
    show(prepared.dockerfile(), error.warnings());
}

/// Shows what there is to say of files that could be built of.
pub(crate) fn warn(prepared: &Prepared, built: &Built) {
    show(prepared.dockerfile(), &built.warnings);
    if let Some(ignore_file) = prepared.ignore_file() {
        show(ignore_file, &built.ignore_warnings);
    }
}

fn with_hint(error: builder::Error) -> anyhow::Error {
    let hint = error.hint().map(str::to_owned);
    let is_usage = matches!(error.kind(), ErrorKind::Mistakes);
    let error = anyhow::Error::new(error);
    let error = if is_usage {
        usage(error.to_string())
    } else {
        error
    };
    match hint {
        Some(hint) => hinted(error, hint),
        None => error,
    }
}

/// How many mistakes and warnings of a file are shown beside a build; more
/// would hide the first ones.
const SHOWN: usize = 50;

/// Shows what there is to say of a file, on standard error.
pub(crate) fn show(source: &SourceText, diagnostics: &[Diagnostic]) {
    let (shown, more) = choose(diagnostics);
    let file = (source.name.as_str(), source.bytes.as_slice());
    for diagnostic in shown {
        say(&human::render(&Renderer::plain(), file, diagnostic));
    }
    if more > 0 {
        say(&format!("... and {more} more"));
    }
}

/// Shows what is wrong in a file, on standard error, and nothing that is only
/// odd. Gives how many mistakes there are.
pub(crate) fn show_mistakes(source: &SourceText, diagnostics: &[Diagnostic]) -> usize {
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let errors: Vec<Diagnostic> = errors.cloned().collect();
    show(source, &errors);
    errors.len()
}

/// Chooses what is shown, in the order of the file, and counts what is not.
/// What is wrong comes before what is only odd.
fn choose(diagnostics: &[Diagnostic]) -> (Vec<&Diagnostic>, usize) {
    let of = |severity| {
        let numbered = diagnostics.iter().enumerate();
        numbered.filter(move |(_, diagnostic)| diagnostic.severity == severity)
    };
    let mut chosen: Vec<_> = of(Severity::Error)
        .chain(of(Severity::Warning))
        .take(SHOWN)
        .collect();
    chosen.sort_by_key(|(number, _)| *number);
    let more = diagnostics.len().saturating_sub(chosen.len());
    let shown = chosen.into_iter().map(|(_, diagnostic)| diagnostic);
    (shown.collect(), more)
}

/// Names a form in which diagnostics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people
    Human,
    /// One JSON document
    Json,
    /// One SARIF 2.1.0 document
    Sarif,
    /// Annotations of GitHub's workflows
    Github,
}

/// Says whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// There are.
    On,
    /// There are none.
    Off,
}

/// Is a file that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Checked<'a> {
    /// What the file is called, as seen from where the program runs.
    pub(crate) name: String,
    /// What it says.
    pub(crate) source: &'a SourceText,
    /// What there is to say of it, in its order.
    pub(crate) diagnostics: &'a [Diagnostic],
}

impl Checked<'_> {
    /// Gives the name without passwords, for a URL may have one.
    fn said_name(&self) -> String {
        clean(&self.name)
    }
}

/// Writes all that there is to say of some files, in one text.
pub(crate) fn write(
    form: Form,
    colours: Colours,
    checked: &[Checked<'_>],
) -> Result<String, serde_json::Error> {
    match form {
        Form::Human => Ok(for_people(colours, checked)),
        Form::Json => json::render(checked),
        Form::Sarif => sarif::render(checked),
        Form::Github => Ok(github::render(checked)),
    }
}

fn for_people(colours: Colours, checked: &[Checked<'_>]) -> String {
    let renderer = match colours {
        Colours::On => Renderer::styled(),
        Colours::Off => Renderer::plain(),
    };
    let mut shown = Vec::new();
    for of_file in checked {
        let file = (of_file.name.as_str(), of_file.source.bytes.as_slice());
        for diagnostic in of_file.diagnostics {
            shown.push(redact(&human::render(&renderer, file, diagnostic)) + "\n");
        }
    }
    shown.join("\n")
}

/// Ends a check: well if nothing was found, and else as a build would for an
/// error.
pub(crate) fn end(checked: &[Checked<'_>]) -> anyhow::Result<()> {
    match counts(checked) {
        (0, 0) => Ok(()),
        (0, _) => Err(ended(Exit::Failure)),
        _ => Err(ended(Exit::Usage)),
    }
}

/// Sums up in a line what was found.
pub(crate) fn summary(checked: &[Checked<'_>]) -> String {
    let names: Vec<String> = checked
        .iter()
        .map(|of_file| format!("`{}`", of_file.said_name()))
        .collect();
    let found = match counts(checked) {
        (0, 0) => "nothing was found".to_owned(),
        (0, warnings) => report::count(warnings, "warning"),
        (errors, 0) => report::count(errors, "error"),
        (errors, warnings) => format!(
            "{}, {}",
            report::count(errors, "error"),
            report::count(warnings, "warning"),
        ),
    };
    format!("checked {}: {found}", names.join(" and "))
}

fn counts(checked: &[Checked<'_>]) -> (usize, usize) {
    let all = || checked.iter().flat_map(|of_file| of_file.diagnostics);
    let of = |severity| all().filter(|one| one.severity == severity).count();
    (of(Severity::Error), of(Severity::Warning))
}

/// Where the rules that builders share are explained, each by its name.
const RULES_URL: &str = "https://docs.docker.com/go/dockerfile/rule/";

/// Names the page that explains a code, where it is one of the rules that
/// builders share.
fn url(code: &str) -> Option<String> {
    let rule = RULES.iter().find(|rule| rule.name == code)?;
    (rule.family == Family::Dockerfile).then(|| format!("{RULES_URL}{}/", kebab(rule.name)))
}

/// Writes `JSONArgsRecommended` as `json-args-recommended`.
fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut written = String::with_capacity(name.len() + 4);
    for (at, letter) in letters.iter().enumerate() {
        let is_upper = |at: Option<usize>| {
            let letter = at.and_then(|at| letters.get(at));
            letter.is_some_and(char::is_ascii_uppercase)
        };
        let starts = is_upper(Some(at))
            && (!is_upper(at.checked_sub(1))
                || letters.get(at + 1).is_some_and(char::is_ascii_lowercase));
        if starts && at > 0 {
            written.push('-');
        }
        written.push(letter.to_ascii_lowercase());
    }
    written
}

/// Takes passwords and what moves a cursor out of a text.
fn clean(text: &str) -> String {
    redact(&report::one_line(text))
}
