//! What the tests take from their surroundings: variables and the built program.
//!
//! The one place of this crate that reads the environment.

use std::path::{Path, PathBuf};

/// Reads one environment variable, when it is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "a black-box test has no `cli` that reads the environment for it"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Says that the calling test cannot run here, on stderr; the test then returns.
///
/// # Panics
/// When `WHARF_MUST_NOT_SKIP=1`, so that a pipeline that has everything cannot skip
/// without anybody noticing.
#[expect(
    clippy::print_stderr,
    reason = "the rule of this repository for skipped tests"
)]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
    assert!(
        variable("WHARF_MUST_NOT_SKIP").as_deref() != Some("1"),
        "skipped, though WHARF_MUST_NOT_SKIP is set: {reason}"
    );
}

/// Finds the built program: `WHARF_BIN`, else the release build, else the debug build.
///
/// # Panics
/// When there is none: a test that passes without the program would prove nothing.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(named) = variable("WHARF_BIN") {
        return PathBuf::from(named);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = variable("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    ["release", "debug"]
        .iter()
        .map(|profile| target.join(profile).join("wharf"))
        .find(|path| path.is_file())
        .expect("the program is built: `cargo build --release`, or set WHARF_BIN")
}
