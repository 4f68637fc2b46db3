//! The build checks: what a valid file should say otherwise.
//!
//! The rules of Docker's builder mean here what they mean there; those of
//! wharf are a family of their own. A rule that does not know enough says
//! nothing. Nothing is looked up: what is known from outside is in [`Facts`].

mod casing;
mod copying;
mod description;
mod expose;
mod finding;
mod from;
mod instruction;
mod options;
mod platform;
mod reference;
mod rules;
mod run;
mod scope;
mod secret;
mod shell;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::Dockerfile;
use crate::check::finding::Findings;
use crate::check::from::Bases;
use crate::check::options::Options;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ignore::Ignore;

pub use crate::check::rules::{Asked, Family, RULES, Rule};

/// Is the build argument whose value takes the place of `# check=`.
const CHECK_ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Holds what some rules need to know from outside of the file; where it is
/// not known, they say nothing.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The ignore file of the context.
    pub ignore: Option<&'a Ignore>,
    /// What is known of the images that stages start from, by the number of
    /// the stage.
    pub bases: BTreeMap<usize, BaseFacts>,
    /// The numbers of the stages that start from what was given a name from
    /// outside: the file does not choose it.
    pub outside: BTreeSet<usize>,
    /// The values of build arguments. `BUILDKIT_DOCKERFILE_CHECK` among them
    /// takes the place of `# check=`.
    pub arguments: BTreeMap<String, String>,
    /// The platform that is built for, such as `linux/amd64`; empty if that is
    /// not known.
    pub target_platform: String,
    /// The families whose rules are asked for.
    pub families: Families,
}

/// Holds what is known of the image that a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseFacts {
    /// The names of the variables of its environment.
    pub variables: BTreeSet<String>,
    /// Its working directory, an absolute path or empty.
    pub working_directory: String,
    /// Its platform, such as `linux/arm64`; empty if it says none.
    pub platform: String,
    /// Whether it names a shell of its own.
    pub has_shell: bool,
}

/// Says which families of rules are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Families {
    /// Those that Docker's builder has.
    Dockerfile,
    /// Those of wharf too.
    #[default]
    All,
}

/// Checks a file against the rules.
///
/// Takes what the parser said of the same file, and gives all there is to say,
/// in the order of the file: with what the rules find, without what
/// `# check=skip=` skips, and with Docker's rules as errors where `error=true`
/// says so.
/// Mistakes in `# check=` itself are said too. Of a valid file without
/// `error=true` it gives no error but for those.
#[must_use]
pub fn check(
    file: &Dockerfile,
    source: &[u8],
    parsed: Vec<Diagnostic>,
    facts: &Facts<'_>,
) -> Vec<Diagnostic> {
    let (options, mut said) = Options::read(file, facts);
    said.extend(parsed.into_iter().filter(|diagnostic| {
        // What is no rule can not be skipped.
        rules::find(diagnostic.code).is_none_or(|rule| options.asks_for(rule))
    }));
    let mut findings = Findings::new(&options);
    casing::check(file, source, &mut findings);
    description::check(file, source, &mut findings);
    let bases = Bases::read(file, facts);
    from::check(file, facts, &bases, &mut findings);
    instruction::check(file, source, facts, &bases, &mut findings);
    said.extend(findings.finish());
    if options.errors {
        for diagnostic in &mut said {
            // A file that Docker builds must not be wrong by rules of ours.
            let rule = rules::find(diagnostic.code);
            if rule.is_some_and(|rule| rule.family == Family::Dockerfile) {
                diagnostic.severity = Severity::Error;
            }
        }
    }
    said.sort_by(|a, b| order(a).cmp(&order(b)));
    said.dedup();
    said
}

fn order(diagnostic: &Diagnostic) -> (usize, usize, Severity, &str, &str) {
    let span = diagnostic.span;
    (
        span.start,
        span.end,
        diagnostic.severity,
        diagnostic.code,
        &diagnostic.message,
    )
}
