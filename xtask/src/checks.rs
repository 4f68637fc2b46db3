//! The rules of the house, each a pure function from data to findings.
//!
//! A check never reads a file or runs a program: it is given the repository as
//! data, so that its tests can be given a made-up one.

mod calls;
mod edges;
mod imports;
mod names;
mod places;
mod sizes;

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source::Source;

/// Runs every check, in the order in which a reader wants to know.
pub(crate) fn all(repository: &Repository) -> Vec<Finding> {
    let files = &repository.files;
    let sources: Vec<Source<'_>> = files.iter().filter_map(Source::scan).collect();
    let mut findings = edges::check(&repository.packages);
    findings.extend(imports::check(&repository.packages));
    findings.extend(imports::check_lints(files));
    findings.extend(sizes::check(&sources));
    findings.extend(sizes::check_folders(files));
    findings.extend(sizes::check_documents(files));
    findings.extend(names::check(files));
    findings.extend(names::check_docs(files));
    findings.extend(calls::check(&sources));
    findings.extend(places::check(files));
    findings
}

#[cfg(test)]
mod tests;
