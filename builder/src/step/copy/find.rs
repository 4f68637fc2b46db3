//! What sources mean: the files and directories that each of them finds.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use layer::{
    ContentPlace, EntryPath, File, Follow, Kind, Metadata, Node, NodeKind, ResolveError, Resolved,
    Time, Tree,
};

use crate::error::{Error, ErrorKind};
use crate::pack::recipe::Content;
use crate::plan::excerpt;
use crate::step::copy::patterns::Wanted;
use crate::step::copy::{Copying, Failure, Source};
use crate::step::glob::{self, Glob};

/// Is something that a source names.
#[derive(Debug, Clone)]
pub(crate) struct Found<'a> {
    /// The number of the source.
    pub(crate) source: usize,
    /// The name that a file has at its destination.
    pub(super) name: Vec<u8>,
    /// Where it is in the tree that the source is in; nowhere if it is in none.
    pub(super) path: Option<EntryPath>,
    pub(super) node: Cow<'a, Node>,
    /// What it has in it, where that stands in the Dockerfile.
    pub(super) content: Option<Bytes>,
    pub(super) extent: Extent<'a>,
}

/// Says what of a find is copied.
#[derive(Debug, Clone)]
pub(super) enum Extent<'a> {
    /// A file; or what is in a directory.
    Whole,
    /// What is wanted of a directory, with the directories that it is in.
    Parts(Wanted),
    /// What was in an archive, which says something of these directories.
    Unpacked(&'a BTreeSet<EntryPath>),
}

impl<'a> Found<'a> {
    /// Gives the file that this is, if it is one that has its content in a
    /// tree or was fetched.
    pub(crate) fn file(&self) -> Option<&File> {
        match (&self.node.kind, &self.content) {
            (NodeKind::File(file), None) => Some(file),
            _ => None,
        }
    }

    /// Gives its name.
    pub(crate) fn name(&self) -> String {
        match &self.path {
            Some(path) => path.to_string(),
            None => self.name.escape_ascii().to_string(),
        }
    }

    /// Says whether `--exclude` leaves it out by its name.
    pub(crate) fn is_left_out(&self, how: &Copying) -> bool {
        how.excluded.leaves_out(&self.name)
    }

    /// Puts what was in this archive in its place; `directories` are those
    /// that the archive itself has.
    pub(crate) fn unpacked(&mut self, tree: &'a Tree, directories: &'a BTreeSet<EntryPath>) {
        self.path = None;
        self.extent = Extent::Unpacked(directories);
        if let Some(root) = tree.node(&EntryPath::root()) {
            self.node = Cow::Borrowed(root);
        }
    }

    /// Says whether its files go into the destination, which so has to be a
    /// directory.
    pub(crate) fn fills(&self) -> bool {
        self.node.is_directory()
    }

    fn inline(source: usize, name: &str, content: &Bytes, time: Time) -> Self {
        let file = File {
            size: content.len() as u64,
            place: ContentPlace {
                origin: u32::MAX,
                position: 0,
            },
            digest: None,
        };
        let metadata = Metadata {
            mode: 0o644,
            mtime: time,
            ..Metadata::default()
        };
        Self {
            source,
            name: name.as_bytes().to_vec(),
            path: None,
            node: Cow::Owned(Node {
                metadata,
                kind: NodeKind::File(file),
            }),
            content: Some(content.clone()),
            extent: Extent::Whole,
        }
    }
}

/// Says what a node is in a layer, and where its content comes from.
pub(super) fn entry(node: &Node, inline: Option<&Bytes>) -> (Kind, Content) {
    let content = match (&node.kind, inline) {
        (_, Some(bytes)) => Content::Inline(bytes.clone()),
        (NodeKind::File(file), None) => Content::Place {
            place: file.place,
            digest: file.digest,
        },
        _ => Content::None,
    };
    (node.kind.to_entry(), content)
}

/// Finds what all sources mean: nothing at all only where some are patterns.
pub(crate) fn find<'a>(
    from: &'a Tree,
    sources: &'a [Source],
    how: &Copying,
) -> Result<Vec<Found<'a>>, Failure> {
    let mut all = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        match source {
            Source::Path(pattern) => {
                let found = match how.keeps_parents {
                    true => parts(from, pattern, number),
                    false => matches(from, pattern, number),
                };
                all.extend(found.map_err(|error| Failure::of(number, error))?);
            }
            Source::Inline { name, content } => {
                all.push(Found::inline(number, name, content, how.time));
            }
            Source::Fetched {
                name,
                file,
                metadata,
            } => all.push(Found {
                source: number,
                name: name.clone(),
                path: None,
                node: Cow::Owned(Node {
                    metadata: metadata.clone(),
                    kind: NodeKind::File(file.clone()),
                }),
                content: None,
                extent: Extent::Whole,
            }),
            Source::Tree(tree) => all.extend(tree.node(&EntryPath::root()).map(|root| Found {
                source: number,
                name: Vec::new(),
                path: None,
                node: Cow::Borrowed(root),
                content: None,
                extent: Extent::Whole,
            })),
        }
    }
    // `yarn.lock*` beside what is there says "if there is one"; alone it is a mistake.
    if let (true, Some(Source::Path(pattern))) = (all.is_empty(), sources.first()) {
        return Err(Failure::of(0, nothing(pattern)));
    }
    Ok(all)
}

/// Says that a pattern finds nothing.
pub(super) fn nothing(pattern: &str) -> Error {
    let message = format!("nothing is found by `{}`", excerpt(pattern));
    Error::new(ErrorKind::NotFound, message)
}

/// Says whether a source may find several things, or none.
pub(crate) fn is_pattern(source: &str) -> bool {
    clean(source).iter().any(|part| glob::is_pattern(part))
}

/// Splits a source at its pivot: `--parents` keeps what stands behind it.
pub(crate) fn pivot(source: &str) -> (&str, &str) {
    source.split_once("/./").unwrap_or(("", source))
}

/// Checks a source for what makes it none, whatever the files are.
pub(crate) fn check_source(source: &str, keeps_parents: bool) -> Result<(), Error> {
    let plain = match keeps_parents {
        true => {
            let (base, rest) = pivot(source);
            Wanted::new(&clean(rest), glob::is_pattern)?;
            base
        }
        false => source,
    };
    let patterns = clean(plain)
        .into_iter()
        .filter(|part| glob::is_pattern(part));
    for part in patterns {
        Glob::parse(part).map_err(|glob::BadPattern| bad_pattern(source))?;
    }
    Ok(())
}

fn bad_pattern(source: &str) -> Error {
    Error::new(
        ErrorKind::Step,
        format!("`{}` is no pattern", excerpt(source)),
    )
    .with_hint("`[` needs its `]`, and `\\` something to escape")
}

/// Finds what a source means: nothing at all only where it is a pattern.
fn matches<'a>(from: &'a Tree, pattern: &str, source: usize) -> Result<Vec<Found<'a>>, Error> {
    let parts = clean(pattern);
    let found = if parts.iter().any(|part| glob::is_pattern(part)) {
        expand(from, &parts).map_err(|glob::BadPattern| bad_pattern(pattern))?
    } else {
        vec![literal(&parts)?]
    };
    let matched = found.iter().map(|path| matched(from, path, source));
    matched.collect()
}

fn literal(parts: &[&[u8]]) -> Result<EntryPath, Error> {
    EntryPath::parse(&parts.join(&b'/'))
        .map_err(|error| Error::caused(ErrorKind::Step, "there can be no such file", error))
}

/// Follows the links to what a path names.
fn matched<'a>(from: &'a Tree, path: &EntryPath, source: usize) -> Result<Found<'a>, Error> {
    let resolved = resolve(from, path)
        .map_err(|error| Error::caused(ErrorKind::Step, format!("can not find `{path}`"), error))?;
    let Some(node) = resolved.node else {
        return Err(missing(from, path));
    };
    Ok(Found {
        source,
        name: path.name().unwrap_or_default().to_vec(),
        path: Some(resolved.path),
        node: Cow::Borrowed(node),
        content: None,
        extent: Extent::Whole,
    })
}

fn resolve<'a>(from: &'a Tree, path: &EntryPath) -> Result<Resolved<'a>, ResolveError> {
    from.resolve(path.as_bytes(), Follow::All)
}

fn missing(from: &Tree, path: &EntryPath) -> Error {
    let message = match from.node(path).map(|node| &node.kind) {
        Some(NodeKind::Symlink { target }) => {
            let target = target.escape_ascii();
            format!("`{path}` is a link to `{target}`, which is not there")
        }
        _ => format!("`{path}` is not there"),
    };
    Error::new(ErrorKind::NotFound, message)
}

/// Finds what a source means whose directories are kept: those behind the
/// pivot, or all where it has none.
fn parts<'a>(from: &'a Tree, text: &str, source: usize) -> Result<Vec<Found<'a>>, Error> {
    let (pivot, rest) = pivot(text);
    let rest = clean(rest);
    let wanted = Wanted::new(&rest, glob::is_pattern)?;
    let mut found = matches(from, pivot, source)?;
    for base in &mut found {
        let path = base.path.clone().unwrap_or_default();
        if !base.node.is_directory() {
            let message = format!("`{path}` is no directory, and stands before `/./`");
            return Err(Error::new(ErrorKind::Step, message).with_hint(
                "`--parents` keeps the directories behind `/./`, in one that is before",
            ));
        }
        walk_literal(from, &path, &rest)?;
        base.extent = Extent::Parts(wanted.clone());
    }
    Ok(found)
}

/// Sees to it that the names of a source are there which stand before the
/// first pattern in it: those of a pattern may be missing as it may find nothing.
fn walk_literal(from: &Tree, base: &EntryPath, parts: &[&[u8]]) -> Result<(), Error> {
    let literal = parts.iter().take_while(|part| !glob::is_pattern(part));
    let names: Vec<&[u8]> = literal.copied().collect();
    let is_literal = names.len() == parts.len();
    let mut path = base.clone();
    for (at, name) in names.iter().enumerate() {
        path = literal_child(&path, name)?;
        let Some(node) = from.node(&path) else {
            return match is_literal {
                true => Err(missing(from, &path)),
                false => Ok(()),
            };
        };
        let is_last = is_literal && at + 1 == names.len();
        match &node.kind {
            _ if is_last => {}
            NodeKind::Directory(_) => {}
            NodeKind::Symlink { target } => {
                let message = format!(
                    "`{path}` is a link to `{}`, and `--parents` follows none",
                    target.escape_ascii()
                );
                return Err(Error::new(ErrorKind::Step, message)
                    .with_hint("name the directory itself, or put `/./` behind the link"));
            }
            _ => {
                let message = format!("`{path}` is no directory");
                return Err(Error::new(ErrorKind::NotFound, message));
            }
        }
    }
    Ok(())
}

fn literal_child(path: &EntryPath, name: &[u8]) -> Result<EntryPath, Error> {
    let name = literal(&[name])?;
    Ok(name.below(path))
}

/// Splits a path, and takes `.` and `..` out of it; none leads above the root.
fn clean(pattern: &str) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in pattern.as_bytes().split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// Finds the paths that are of a pattern, in their order. Links are followed
/// where a part is literal, and not where it is a pattern.
fn expand(from: &Tree, parts: &[&[u8]]) -> Result<Vec<EntryPath>, glob::BadPattern> {
    let mut found = vec![EntryPath::root()];
    for part in parts {
        let glob = glob::is_pattern(part)
            .then(|| Glob::parse(part))
            .transpose()?;
        let mut next = Vec::new();
        for path in &found {
            let Ok(directory) = resolve(from, path) else {
                continue;
            };
            let Some(NodeKind::Directory(children)) = directory.node.map(|node| &node.kind) else {
                continue;
            };
            match &glob {
                None if children.contains_key(*part) => next.push(path.child(part)),
                None => {}
                Some(glob) => {
                    let names = children.keys().filter(|name| glob.matches(name));
                    next.extend(names.map(|name| path.child(name)));
                }
            }
        }
        found = next;
    }
    Ok(found)
}
