//! The reference's list of what wharf does otherwise, as the tests hold it to its word.

use std::collections::BTreeSet;
use std::path::Path;

/// The part of the reference that has the list.
const HEADING: &str = "\n## Differences";

/// Compares the names of reasons in cases with the rows of the reference.
///
/// # Panics
/// Panics when a case names a reason that the reference does not give, or the reference
/// gives one that no case shows.
pub(crate) fn are_written(named: impl Iterator<Item = &'static str>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/dockerfile.md");
    let text = fs_err::read_to_string(file).expect("the reference is in this repository");
    let (_, section) = text.split_once(HEADING).expect("it has such a part");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows = rows.filter_map(|row| row.split_once("` |"));
    let written: BTreeSet<&str> = rows
        .filter(|(_, rest)| {
            rest.split('|')
                .filter(|cell| !cell.trim().is_empty())
                .count()
                >= 2
        })
        .map(|(name, _)| name)
        .collect();
    let named: BTreeSet<&str> = named.collect();
    let missing: Vec<_> = named.difference(&written).collect();
    assert!(missing.is_empty(), "not in the reference: {missing:?}");
    let unshown: Vec<_> = written.difference(&named).collect();
    assert!(unshown.is_empty(), "no case shows: {unshown:?}");
}
