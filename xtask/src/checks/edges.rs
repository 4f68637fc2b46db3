//! Which of our crates may depend on which. Nothing points up or sideways.
//!
//! A new edge is a line here, and so something that is reviewed on its own.

use crate::finding::{Finding, Rule};
use crate::repository::{Package, Purpose};

/// What one crate may import.
struct Row {
    name: &'static str,
    /// Crates its code may import; its tests may import these too.
    code: &'static [&'static str],
    /// Crates its tests alone may import.
    tests: &'static [&'static str],
}

const fn row(name: &'static str, code: &'static [&'static str]) -> Row {
    Row {
        name,
        code,
        tests: &[],
    }
}

/// The house, from the ground up. A row may stand here before its crate exists.
const HOUSE: &[Row] = &[
    // L0: pure, or the kernel alone.
    row("oci", &[]),
    row("dockerfile", &[]),
    row("sandbox", &[]),
    // L1
    row("layer", &["oci"]),
    row("blob", &["oci"]),
    row("client", &["oci"]),
    // L2
    row("store", &["blob", "oci"]),
    row("image", &["layer", "client", "blob", "oci"]),
    // L3
    row("registry", &["store", "client", "blob", "oci"]),
    // L4
    row(
        "builder",
        &[
            "dockerfile",
            "sandbox",
            "layer",
            "image",
            "client",
            "blob",
            "oci",
        ],
    ),
    row("mirror", &["image", "client", "blob", "oci"]),
    // L5: the program.
    row(
        "wharf",
        &[
            "builder", "registry", "mirror", "image", "client", "blob", "oci",
        ],
    ),
    // Beside the house: they see it as a stranger does.
    row("spec-tests", &[]),
    row("bench", &["dockerfile"]),
    row("xtask", &[]),
];

/// Finds every dependency between our crates that the house does not hold, and
/// every crate that it does not know.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    check_against(packages, HOUSE)
}

fn check_against(packages: &[Package], house: &[Row]) -> Vec<Finding> {
    let ours = |name: &str| {
        packages.iter().any(|package| package.name == name)
            || house.iter().any(|row| row.name == name)
    };
    let mut findings = Vec::new();
    for package in packages {
        let Some(row) = house.iter().find(|row| row.name == package.name) else {
            let message = "the crate has no row in `xtask/src/checks/edges.rs`".to_owned();
            findings.push(Finding::whole(Rule::Edge, &package.name, message));
            continue;
        };
        for dependency in &package.dependencies {
            let target = dependency.name.as_str();
            if ours(target) && !row.allows(target, dependency.kind) {
                let what = match dependency.kind {
                    Purpose::Code => "",
                    Purpose::Tests => " of its tests",
                    Purpose::Build => " of its build script",
                };
                let message = format!(
                    "new edge{what} `{}` -> `{target}`; see `docs/architecture.md`",
                    package.name
                );
                findings.push(Finding::whole(Rule::Edge, &package.name, message));
            }
        }
    }
    findings
}

impl Row {
    fn allows(&self, target: &str, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Code => self.code.contains(&target),
            // The crate itself, for the features that only its tests turn on.
            Purpose::Tests => {
                target == self.name || self.code.contains(&target) || self.tests.contains(&target)
            }
            Purpose::Build => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::tests::package;

    #[test]
    fn edges_of_the_house_are_fine() {
        let packages = [
            package("oci", &[("serde", Purpose::Code)]),
            package("store", &[("blob", Purpose::Code), ("oci", Purpose::Tests)]),
        ];
        assert_eq!(check(&packages), []);
    }

    #[test]
    fn a_new_edge_is_named() {
        let packages = [
            package("oci", &[("blob", Purpose::Code)]),
            package("blob", &[("store", Purpose::Tests)]),
            package("store", &[("blob", Purpose::Build)]),
        ];
        let found: Vec<String> = check(&packages)
            .into_iter()
            .map(|finding| finding.message)
            .collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("edge `oci` -> `blob`"), "{}", found[0]);
        assert!(found[1].contains("tests `blob` -> `store`"), "{}", found[1]);
        assert!(
            found[2].contains("script `store` -> `blob`"),
            "{}",
            found[2]
        );
    }

    #[test]
    fn an_edge_of_tests_is_no_edge_of_code() {
        let house = [
            Row {
                name: "high",
                code: &[],
                tests: &["low"],
            },
            row("low", &[]),
        ];
        let of = |kind| [package("high", &[("low", kind)])];
        assert_eq!(check_against(&of(Purpose::Tests), &house), []);
        assert_eq!(check_against(&of(Purpose::Code), &house).len(), 1);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let found = check(&[package("utils", &[])]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].place, "utils");
    }

    #[test]
    fn the_house_has_no_cycle() {
        // A row imports only rows above it, so no order of imports leads back.
        for (index, row) in HOUSE.iter().enumerate() {
            for target in row.code {
                assert!(
                    HOUSE[..index].iter().any(|lower| lower.name == *target),
                    "`{}` -> `{target}` points up or at nothing",
                    row.name
                );
            }
        }
    }
}
