//! The paths of `COPY` and `ADD`.

use crate::ast::{Copy, Source};
use crate::check::finding::Findings;
use crate::check::rules;
use crate::diagnostic::excerpt;
use crate::ignore::Ignore;
use crate::span::Span;
use crate::text::Text;

/// Flags that `ADD` has and `COPY` has not.
const ADD_FLAGS: [&str; 3] = ["checksum", "keep-git-dir", "unpack"];
/// What the names of archives end in, and of what only looks like one: which
/// of both is known by its content alone.
const ARCHIVE_ENDINGS: [&str; 13] = [
    "br", "bz2", "gz", "lz4", "lzma", "tar", "tbz", "tbz2", "tgz", "txz", "tzst", "xz", "zst",
];
/// What begins the names of what `ADD` fetches from elsewhere.
const REMOTE: [&str; 2] = ["git@", "github.com/"];

/// Checks that the paths of a `COPY` or `ADD` are not left out by the ignore
/// file; `values` are the sources once they are expanded, as far as they are
/// known.
pub(super) fn check_ignored(
    keyword: &str,
    sources: &[(&Text, Option<String>)],
    ignore: &Ignore,
    findings: &mut Findings<'_>,
) {
    for (text, value) in sources {
        let Some(value) = value else {
            continue;
        };
        if is_remote(value) || value.contains(['*', '?', '[', '\\']) || !is_ignored(value, ignore) {
            continue;
        }
        let shown = excerpt(&names(value).join("/"));
        let message = format!("`{keyword}` of `{shown}`, which the ignore file leaves out");
        let hint = format!("add `!{shown}` to the end of the ignore file, or copy something else");
        findings.say(rules::COPY_IGNORED_FILE, text.span(), message, hint);
    }
}

/// Says whether a path and all below it are left out.
fn is_ignored(path: &str, ignore: &Ignore) -> bool {
    let mut state = ignore.root();
    let mut excluded = false;
    for name in names(path) {
        (state, excluded) = state.enter(name.as_bytes());
    }
    excluded && !state.may_hold_included()
}

/// Splits a path into its names from the root of its tree.
fn names(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    names
}

/// Checks whether an `ADD` does what a `COPY` does too.
pub(super) fn check_add(add: &Copy, keyword: Span, findings: &mut Findings<'_>) {
    let needed = |name: &str| ADD_FLAGS.contains(&name);
    if add.flags.iter().any(|flag| needed(&flag.name)) {
        return;
    }
    let is_plain = |source: &Source| match source {
        Source::Heredoc(_) => true,
        Source::Path(path) => is_plain(path.as_str()),
    };
    if !add.sources.iter().all(is_plain) {
        return;
    }
    let message = "`ADD` of local files that are no archives does what `COPY` does";
    let hint = "write `COPY`: it never unpacks or fetches anything";
    findings.say(rules::ADD_COULD_BE_COPY, keyword, message.to_owned(), hint);
}

/// Says whether a path can be nothing but local, and no archive.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    if lower.contains('$') || is_remote(&lower) {
        return false;
    }
    let name = lower.trim_end_matches('/').rsplit('/').next();
    let name = name.unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, ending)) if ending.contains(['*', '?', '[']) => false,
        Some((_, ending)) => !ARCHIVE_ENDINGS.contains(&ending),
        None => !name.contains(['*', '?', '[']),
    }
}

fn is_remote(path: &str) -> bool {
    path.contains("://") || REMOTE.iter().any(|start| path.starts_with(start))
}

/// Gives the absolute path of a path in a directory, without `.`, `..` and
/// slashes that do nothing.
pub(super) fn absolute(path: &str, directory: &str) -> String {
    let mut whole = String::new();
    if !path.starts_with('/') {
        whole.push_str(directory);
        whole.push('/');
    }
    whole.push_str(path);
    format!("/{}", names(&whole).join("/"))
}
