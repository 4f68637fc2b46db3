//! Paths as the kernel resolves them for a process whose root the tree is
//! (path_resolution(7)).

use std::collections::VecDeque;

use crate::path::EntryPath;
use crate::tree::{Node, NodeKind, Tree};

/// Says whether a link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It is.
    All,
    /// It is not; links on the way are.
    AllButLast,
}

/// Is where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<'a> {
    /// The path without links; where it ends in names that are not there, the
    /// directories before them have none.
    pub path: EntryPath,
    /// What is there, if anything is.
    pub node: Option<&'a Node>,
}

/// Reports a path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There are more links on the way than the kernel follows.
    #[error("`{0}` leads through more than 40 links, or in a circle")]
    Loop(String),
    /// A part on the way is no directory.
    #[error("`{0}` is no directory")]
    NotADirectory(EntryPath),
    /// The path, or one that a link names, is none.
    #[error(transparent)]
    Path(#[from] crate::path::PathError),
}

/// How many links a path may lead through, as the kernel has it.
const LINKS_LIMIT: usize = 40;

impl Tree {
    /// Finds where a path leads: links count from the root of the tree, and
    /// nothing leads above it.
    ///
    /// # Errors
    ///
    /// Fails when a part on the way is there and no directory, when links
    /// lead in a circle, and when the path is none.
    pub fn resolve(&self, text: &[u8], follow: Follow) -> Result<Resolved<'_>, ResolveError> {
        let mut rest: VecDeque<Vec<u8>> = parts(text).collect();
        let mut at = EntryPath::root();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match part.as_slice() {
                // What is before it was found to be a directory, or nothing.
                b"." => continue,
                b".." => {
                    at = at.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = EntryPath::parse(&part)?.below(&at);
            if next.as_bytes().len() > EntryPath::LIMIT {
                // Says so in the words of all other paths that are too long.
                EntryPath::parse(next.as_bytes())?;
            }
            // What is not there has nothing in it, and `..` leads back.
            let Some(node) = self.node(&next) else {
                at = next;
                continue;
            };
            match &node.kind {
                NodeKind::Symlink { target } if !rest.is_empty() || follow == Follow::All => {
                    links += 1;
                    if links > LINKS_LIMIT {
                        return Err(ResolveError::Loop(text.escape_ascii().to_string()));
                    }
                    if target.starts_with(b"/") {
                        at = EntryPath::root();
                    }
                    for part in parts(target).rev() {
                        rest.push_front(part);
                    }
                }
                NodeKind::Directory(_) => at = next,
                _ if rest.is_empty() => at = next,
                _ => return Err(ResolveError::NotADirectory(next)),
            }
        }
        let node = self.node(&at);
        Ok(Resolved { path: at, node })
    }
}

/// Splits a path. A slash at its end says what `.` says: that what is before it
/// is a directory.
fn parts(text: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    let end = text.ends_with(b"/").then(|| b".".to_vec());
    let parts = text.split(|byte| *byte == b'/');
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .chain(end)
}

#[cfg(test)]
mod tests;
