//! The codes of what is found when a plan is made. They do not change between
//! versions; `docs/reference/dockerfile.md` lists them.

/// Stages that need each other.
pub(super) const CIRCLE: &str = "circle";
/// A `FROM` of which nothing is left once it is expanded.
pub(super) const EMPTY_BASE: &str = "empty-base";
/// A text that no values can make right.
pub(super) const EXPANSION: &str = "expansion";
/// A `FROM` that names no image.
pub(super) const INVALID_BASE: &str = "invalid-base";
/// A `--from` that names neither a stage nor an image.
pub(super) const INVALID_FROM: &str = "invalid-from";
/// A `--platform` that is none.
pub(super) const INVALID_PLATFORM: &str = "invalid-platform";
/// A value that stands in the file and that the instruction does not take.
pub(super) const INVALID_VALUE: &str = "invalid-value";
/// A stage to build that is not there.
pub(super) const UNKNOWN_TARGET: &str = "unknown-target";
/// What the language has and wharf does not do yet.
pub(crate) const UNSUPPORTED: &str = "unsupported";

#[cfg(test)]
mod tests {
    #[test]
    fn each_code_is_in_the_reference() {
        let reference = include_str!("../../../docs/reference/dockerfile.md");
        let codes: Vec<&str> = include_str!("code.rs")
            .lines()
            .filter(|line| {
                line.starts_with("pub(super) const") || line.starts_with("pub(crate) const")
            })
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        assert_eq!(codes.len(), 9);
        for code in codes {
            assert!(reference.contains(&format!("\n| `{code}` |")), "{code}");
        }
    }
}
