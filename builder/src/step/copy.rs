//! `COPY`, and `ADD` of files: what goes where (Dockerfile reference, "COPY").
//!
//! Source and destination are trees, so that this neither reads nor writes,
//! and no link leads out of either.

use std::collections::BTreeMap;

use bytes::Bytes;
use layer::{
    ContentPlace, Entry, EntryPath, File, Follow, Kind, Metadata, Node, NodeKind, Resolved, Time,
    Tree,
};

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;
use crate::recipe::{Content, Item, Recipe};
use crate::step::glob::{self, Glob};
use crate::step::owner::Owner;

/// Is something to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// What a path or pattern finds in the source tree.
    Path(String),
    /// A file that stands in the Dockerfile.
    Inline { name: String, content: Bytes },
}

/// Says where to copy, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copying {
    /// The path from the root; one that ends in a slash is a directory.
    pub(crate) destination: String,
    /// What `--chown` says.
    pub(crate) owner: Option<Owner>,
    /// What `--chmod` says.
    pub(crate) mode: Option<u16>,
    /// What becomes of directories that are there already.
    pub(crate) existing: Existing,
    /// The time of what is made here.
    pub(crate) time: Time,
}

/// Says what becomes of directories that are there already, below the
/// destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// They keep their permissions and owners, unless flags name new ones:
    /// those of the source are not what somebody chose.
    Kept,
    /// They become as they are in the source.
    Replaced,
}

/// Is what a copy came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// What is to be packed.
    pub(crate) recipe: Recipe,
    /// Where in the source tree files and directories were taken.
    pub(crate) taken: Vec<EntryPath>,
    /// The files that the sources name themselves, not those in directories.
    pub(crate) files: Vec<(EntryPath, File)>,
}

/// Reports a copy that can not be done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The source that it is about, by its number, if it is about one.
    pub(crate) source: Option<usize>,
}

impl Failure {
    fn of(source: usize, error: Error) -> Self {
        Self {
            error,
            source: Some(source),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            source: None,
        }
    }
}

/// What helps where a source looks like a comment.
pub(crate) const COMMENT_HINT: &str =
    "a comment stands on a line of its own: behind an instruction `#` is part of it";

/// Copies from one tree to another, and says what the layer has to hold.
pub(crate) fn copy(
    from: &Tree,
    to: &mut Tree,
    sources: &[Source],
    how: &Copying,
) -> Result<Copied, Failure> {
    let mut work = Work {
        to,
        how,
        recipe: Recipe::default(),
        twins: BTreeMap::new(),
        taken: Vec::new(),
    };
    let mut found = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        match source {
            Source::Path(pattern) => {
                let matches = find(from, pattern);
                found.extend(matches.map_err(|error| Failure::of(number, error))?);
            }
            Source::Inline { name, content } => found.push(Match::inline(name, content, how)),
        }
    }
    // `yarn.lock*` beside what is there says "if there is one"; alone it is a mistake.
    if let (true, Some(Source::Path(pattern))) = (found.is_empty(), sources.first()) {
        let message = format!("nothing is found by `{pattern}`");
        return Err(Failure::of(0, Error::new(ErrorKind::NotFound, message)));
    }
    let several = found.len() > 1;
    let is_directory = work.destination()?.node.is_some_and(Node::is_directory);
    // One that exists serves for the matches of a pattern, as everywhere; for
    // several sources the reference demands the slash.
    if !how.destination.ends_with('/') && several && (sources.len() > 1 || !is_directory) {
        return Err(no_directory(&how.destination, found.len()).into());
    }
    for (number, found) in found.iter().enumerate() {
        work.place(number, found)?;
    }
    work.link();
    let files = found.into_iter().filter_map(|found| match found.node.kind {
        NodeKind::File(file) => Some((found.path?, file)),
        _ => None,
    });
    Ok(Copied {
        recipe: work.recipe,
        taken: work.taken,
        files: files.collect(),
    })
}

/// Is something that a source names.
struct Match {
    /// The name that a file has at its destination.
    name: Vec<u8>,
    /// Where it is in the source tree; nowhere if it stands in the Dockerfile.
    path: Option<EntryPath>,
    node: Node,
    content: Content,
}

impl Match {
    fn inline(name: &str, content: &Bytes, how: &Copying) -> Self {
        let file = File {
            size: content.len() as u64,
            place: ContentPlace {
                origin: u32::MAX,
                position: 0,
            },
            digest: None,
        };
        Self {
            name: name.as_bytes().to_vec(),
            path: None,
            node: Node {
                metadata: Metadata {
                    mode: 0o644,
                    mtime: how.time,
                    ..Metadata::default()
                },
                kind: NodeKind::File(file),
            },
            content: Content::Inline(content.clone()),
        }
    }
}

/// Says whether a source may find several things, or none.
pub(crate) fn is_pattern(source: &str) -> bool {
    clean(source).iter().any(|part| glob::is_pattern(part))
}

/// Checks a source for what makes it none, whatever the files are.
pub(crate) fn check_source(source: &str) -> Result<(), Error> {
    let patterns = clean(source)
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
fn find(from: &Tree, pattern: &str) -> Result<Vec<Match>, Error> {
    let parts = clean(pattern);
    let found =
        if parts.iter().any(|part| glob::is_pattern(part)) {
            expand(from, &parts).map_err(|glob::BadPattern| bad_pattern(pattern))?
        } else {
            let text = parts.join(&b'/');
            vec![EntryPath::parse(&text).map_err(|error| {
                Error::caused(ErrorKind::Step, "there can be no such file", error)
            })?]
        };
    found.iter().map(|path| matched(from, path)).collect()
}

/// Follows the links to what a path names.
fn matched(from: &Tree, path: &EntryPath) -> Result<Match, Error> {
    let resolved = from
        .resolve(path.as_bytes(), Follow::All)
        .map_err(|error| Error::caused(ErrorKind::Step, format!("can not find `{path}`"), error))?;
    let Some(node) = resolved.node else {
        return Err(Error::new(
            ErrorKind::NotFound,
            match from.node(path).map(|node| &node.kind) {
                Some(NodeKind::Symlink { target }) => {
                    let target = target.escape_ascii();
                    format!("`{path}` is a link to `{target}`, which is not there")
                }
                _ => format!("`{path}` is not there"),
            },
        ));
    };
    let content = match &node.kind {
        NodeKind::File(file) => Content::Place {
            place: file.place,
            digest: file.digest,
        },
        _ => Content::None,
    };
    Ok(Match {
        name: path.name().unwrap_or_default().to_vec(),
        path: Some(resolved.path.clone()),
        node: node.clone(),
        content,
    })
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
            let Ok(directory) = from.resolve(path.as_bytes(), Follow::All) else {
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

/// Is a copy under way.
struct Work<'a> {
    to: &'a mut Tree,
    how: &'a Copying,
    recipe: Recipe,
    /// Names of one file, told by what was copied and where its content is.
    twins: BTreeMap<EntryPath, (usize, ContentPlace)>,
    taken: Vec<EntryPath>,
}

impl Work<'_> {
    fn destination(&self) -> Result<Resolved<'_>, Error> {
        let how = self.how;
        self.to
            .resolve(how.destination.as_bytes(), Follow::All)
            .map_err(|error| {
                let context = format!("can not copy to `{}`", how.destination);
                Error::caused(ErrorKind::Step, context, error)
            })
    }

    /// Puts one thing where it belongs.
    fn place(&mut self, number: usize, found: &Match) -> Result<(), Error> {
        let slash = self.how.destination.ends_with('/');
        let resolved = self.destination()?;
        let (path, there) = (resolved.path.clone(), resolved.node.map(|node| &node.kind));
        let into = matches!(there, Some(NodeKind::Directory(_)));
        let blocked = there.is_some() && !into;
        if found.node.is_directory() {
            if blocked {
                return Err(not_a_directory(&path));
            }
            self.make_directories(&path)?;
            return self.merge(number, found, path);
        }
        let path = if into || slash {
            if blocked {
                return Err(not_a_directory(&path));
            }
            self.make_directories(&path)?;
            path.child(&found.name)
        } else {
            if let Some(parent) = path.parent() {
                self.make_directories(&parent)?;
            }
            path
        };
        if path.is_root() {
            return Err(not_a_directory(&path).with_hint("end the destination with a slash"));
        }
        self.taken.extend(found.path.clone());
        self.put(number, path, &found.node, found.content.clone())
    }

    /// Makes a directory, and those that it is in, where there are none.
    fn make_directories(&mut self, path: &EntryPath) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut at = Some(path.clone());
        while let Some(path) = at {
            match self.to.node(&path) {
                Some(node) if node.is_directory() => break,
                Some(_) => return Err(not_a_directory(&path)),
                None => {}
            }
            at = path.parent();
            missing.push(path);
        }
        let Owner { uid, gid } = self.how.owner.unwrap_or_default();
        for path in missing.into_iter().rev() {
            let metadata = Metadata {
                mode: 0o755,
                uid,
                gid,
                mtime: self.how.time,
                xattrs: BTreeMap::new(),
            };
            self.add(
                path,
                Node::directory(metadata),
                Kind::Directory,
                Content::None,
            )?;
        }
        Ok(())
    }

    /// Copies what is in a directory into one that is there.
    fn merge(&mut self, number: usize, found: &Match, path: EntryPath) -> Result<(), Error> {
        let source = found.path.clone().unwrap_or_default();
        // A stack of our own: paths may be thousands of names deep.
        let mut open = vec![(source, &found.node, path)];
        while let Some((source, node, path)) = open.pop() {
            self.taken.push(source.clone());
            let NodeKind::Directory(children) = &node.kind else {
                continue;
            };
            for (name, child) in children {
                let (source, path) = (source.child(name), path.child(name));
                if path.as_bytes().len() > EntryPath::LIMIT {
                    let what = format!("the path of `{source}` is too long at its destination");
                    return Err(Error::new(ErrorKind::Step, what));
                }
                if child.is_directory() {
                    self.enter(&path, child)?;
                    open.push((source, child, path));
                    continue;
                }
                let content = match &child.kind {
                    NodeKind::File(file) => Content::Place {
                        place: file.place,
                        digest: file.digest,
                    },
                    _ => Content::None,
                };
                self.taken.push(source);
                self.put(number, path, child, content)?;
            }
        }
        Ok(())
    }

    /// Makes a directory like another one, or has one that is there become so.
    fn enter(&mut self, path: &EntryPath, like: &Node) -> Result<(), Error> {
        let mut metadata = self.metadata(like);
        match self.to.node(path) {
            None => {}
            Some(there) if there.is_directory() => {
                let old = &there.metadata;
                if self.how.existing == Existing::Kept {
                    metadata.mode = self.how.mode.unwrap_or(old.mode);
                    let Owner { uid, gid } = self.how.owner.unwrap_or(Owner {
                        uid: old.uid,
                        gid: old.gid,
                    });
                    (metadata.uid, metadata.gid) = (uid, gid);
                    metadata.xattrs.clone_from(&old.xattrs);
                }
                metadata.mtime = old.mtime;
                // A time alone is no reason to say anything of a directory.
                if metadata == *old {
                    return Ok(());
                }
                metadata.mtime = self.how.time;
            }
            Some(_) => return Err(not_a_directory(path)),
        }
        if let Some(there) = self.to.node_mut(path) {
            there.metadata = metadata.clone();
            self.recipe.add(Item::directory(path.clone(), metadata));
            return Ok(());
        }
        self.add(
            path.clone(),
            Node::directory(metadata),
            Kind::Directory,
            Content::None,
        )
    }

    /// Puts what is no directory at a path, in the place of what is none there.
    fn put(
        &mut self,
        number: usize,
        path: EntryPath,
        node: &Node,
        content: Content,
    ) -> Result<(), Error> {
        if self.to.node(&path).is_some_and(Node::is_directory) {
            return Err(Error::new(
                ErrorKind::Step,
                format!("`{path}` is a directory, in the place of which a file would be copied"),
            ));
        }
        let kind = node.kind.to_entry();
        self.twins.remove(&path);
        if let Content::Place { place, .. } = &content {
            self.twins.insert(path.clone(), (number, *place));
        }
        let node = Node {
            metadata: self.metadata(node),
            kind: node.kind.clone(),
        };
        self.add(path, node, kind, content)
    }

    fn add(
        &mut self,
        path: EntryPath,
        node: Node,
        kind: Kind,
        content: Content,
    ) -> Result<(), Error> {
        let entry = Entry {
            path,
            kind,
            metadata: node.metadata.clone(),
        };
        self.to.insert(&entry.path, node).map_err(|error| {
            Error::caused(
                ErrorKind::Step,
                format!("can not copy to `{}`", entry.path),
                error,
            )
        })?;
        self.recipe.add(Item { entry, content });
        Ok(())
    }

    /// Gives what is known of a copy.
    fn metadata(&self, node: &Node) -> Metadata {
        let mut metadata = node.metadata.clone();
        if let Some(Owner { uid, gid }) = self.how.owner {
            (metadata.uid, metadata.gid) = (uid, gid);
        }
        let is_link = matches!(node.kind, NodeKind::Symlink { .. });
        if let (Some(mode), false) = (self.how.mode, is_link) {
            metadata.mode = mode;
        }
        metadata
    }

    /// Has several names of one file be links to the first of them.
    fn link(&mut self) {
        let mut first: BTreeMap<(usize, ContentPlace), EntryPath> = BTreeMap::new();
        for item in self.recipe.items_mut() {
            let Some(twin) = self.twins.get(&item.entry.path) else {
                continue;
            };
            match first.get(twin) {
                Some(target) => {
                    let target = target.clone();
                    item.entry.kind = Kind::HardLink { target };
                    item.entry.metadata = Metadata::default();
                    item.content = Content::None;
                }
                None => {
                    first.insert(*twin, item.entry.path.clone());
                }
            }
        }
    }
}

/// Says that several things do not go to one name.
pub(crate) fn no_directory(destination: &str, count: usize) -> Error {
    let destination = excerpt(destination);
    let message =
        format!("`{destination}` has to be a directory: there are {count} things to copy");
    Error::new(ErrorKind::Step, message).with_hint(format!("end it with a slash: `{destination}/`"))
}

fn not_a_directory(path: &EntryPath) -> Error {
    Error::new(
        ErrorKind::Step,
        format!("`{path}` is in the way: it is there already, and is no directory"),
    )
    .with_hint("where it is a link to a directory, copy to that directory")
}

#[cfg(test)]
mod tests;
