//! Where what was found goes: the entries of the layer, and the tree as it is
//! with them.

use std::collections::{BTreeMap, BTreeSet};

use layer::{
    ContentPlace, Entry, EntryPath, Follow, Kind, Metadata, Node, NodeKind, Resolved, Time, Tree,
};

use crate::error::{Error, ErrorKind};
use crate::pack::recipe::{Content, Item, Recipe};
use crate::step::copy::find::{self, Extent, Found};
use crate::step::copy::patterns::{Fate, Walk, Wanted};
use crate::step::copy::{Copied, Copying, Existing, Failure, Source, no_directory};
use crate::step::owner::Owner;

/// Puts what was found where it belongs, and says what the layer has to hold.
pub(crate) fn place(
    found: &[Found<'_>],
    sources: &[Source],
    to: &mut Tree,
    how: &Copying,
) -> Result<Copied, Failure> {
    let mut work = Work {
        to,
        how,
        recipe: Recipe::default(),
        twins: BTreeMap::new(),
        entered: BTreeSet::new(),
        taken: Vec::new(),
        is_met: false,
    };
    let is_directory = work.destination()?.node.is_some_and(Node::is_directory);
    // A directory becomes the destination, and then serves for the matches of a
    // pattern as one that exists; for several sources the reference demands the
    // slash.
    let serves = is_directory || found.first().is_some_and(Found::fills);
    let is_vague = !how.destination.ends_with('/') && !how.keeps_parents;
    if is_vague && found.len() > 1 && (sources.len() > 1 || !serves) {
        return Err(no_directory(&how.destination, found.len()).into());
    }
    for (number, found) in found.iter().enumerate() {
        let placed = work.place(number, found);
        placed.map_err(|error| Failure::of(found.source, error))?;
    }
    if let (false, Some(Source::Path(pattern))) = (work.is_met, sources.first()) {
        return Err(Failure::of(0, find::nothing(pattern)));
    }
    work.link();
    Ok(Copied {
        recipe: work.recipe,
        taken: work.taken,
    })
}

/// Is a copy under way.
struct Work<'a> {
    to: &'a mut Tree,
    how: &'a Copying,
    recipe: Recipe,
    /// Names of one file, told by what was copied and where its content is.
    twins: BTreeMap<EntryPath, (usize, ContentPlace)>,
    /// The directories that this copy has said something of.
    entered: BTreeSet<EntryPath>,
    taken: Vec<EntryPath>,
    /// Whether there is anything that a source asks for.
    is_met: bool,
}

/// Is a directory whose names are to be copied.
struct Open<'a> {
    source: EntryPath,
    node: &'a Node,
    /// Where it goes; or where the first of the pending ones is to be.
    path: EntryPath,
    wanted: Wanted,
    walk: Walk,
    /// Directories above what may be found, the last one itself, that are made
    /// only if something in them is.
    pending: Vec<Pending<'a>>,
    /// Whether the destination is made too only if something is found.
    is_vague: bool,
}

/// Is a directory that may have to be made.
#[derive(Clone)]
struct Pending<'a> {
    source: EntryPath,
    node: &'a Node,
}

/// Says how directories come to what is there.
#[derive(Clone, Copy)]
enum Manner<'a> {
    /// As `--chown` and `--chmod` and [`Existing`] have it.
    Copied,
    /// As an archive is unpacked: it replaces what is in its way, and follows
    /// links to directories. It says something of these directories.
    Unpacked(&'a BTreeSet<EntryPath>),
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
    fn place(&mut self, number: usize, found: &Found<'_>) -> Result<(), Error> {
        // An archive has a name too.
        let is_named = !found.fills() || matches!(found.extent, Extent::Unpacked(_));
        if is_named && found.is_left_out(self.how) {
            self.is_met = true;
            return Ok(());
        }
        let slash = self.how.destination.ends_with('/');
        let resolved = self.destination()?;
        let (path, there) = (resolved.path.clone(), resolved.node.map(|node| &node.kind));
        let into = matches!(there, Some(NodeKind::Directory(_)));
        let blocked = there.is_some() && !into;
        if found.fills() {
            if blocked {
                return Err(not_a_directory(&path));
            }
            return self.merge(number, found, path);
        }
        self.is_met = true;
        let path = if into || slash {
            if blocked {
                return Err(not_a_directory(&path));
            }
            if found.name.is_empty() {
                let message = format!("what goes into the directory `{path}` has no name");
                return Err(Error::new(ErrorKind::Step, message)
                    .with_hint("name the file in the destination, as in `/directory/file`"));
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
        let (kind, content) = find::entry(&found.node, found.content.as_ref());
        self.put(number, path, &found.node, (kind, content))
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
        for path in missing.into_iter().rev() {
            let node = Node::directory(self.made());
            self.add(path, node, (Kind::Directory, Content::None))?;
        }
        Ok(())
    }

    fn made(&self) -> Metadata {
        made(self.how.owner, self.how.time)
    }

    /// Copies what is in a directory into another one.
    fn merge(&mut self, number: usize, found: &Found<'_>, path: EntryPath) -> Result<(), Error> {
        let (wanted, manner) = match &found.extent {
            Extent::Whole => (Wanted::All, Manner::Copied),
            Extent::Parts(wanted) => (wanted.clone(), Manner::Copied),
            Extent::Unpacked(directories) => (Wanted::All, Manner::Unpacked(directories)),
        };
        // For some parts of a directory it is not known yet whether there are any.
        let is_vague = !matches!(wanted, Wanted::All);
        if !is_vague {
            self.is_met = true;
            self.make_directories(&path)?;
        }
        let noted = self.taken.len();
        // A stack of our own: paths may be thousands of names deep.
        let mut open = vec![Open {
            source: found.path.clone().unwrap_or_default(),
            node: &found.node,
            path,
            wanted,
            walk: self.how.excluded.walk(),
            pending: Vec::new(),
            is_vague,
        }];
        while let Some(directory) = open.pop() {
            self.taken.push(directory.source.clone());
            self.merge_one(number, directory, manner, &mut open)?;
        }
        if found.path.is_none() {
            self.taken.truncate(noted);
        }
        Ok(())
    }

    /// Copies the files of one directory, and opens the directories in it.
    fn merge_one<'a>(
        &mut self,
        number: usize,
        mut at: Open<'a>,
        manner: Manner<'_>,
        open: &mut Vec<Open<'a>>,
    ) -> Result<(), Error> {
        let NodeKind::Directory(children) = &at.node.kind else {
            return Ok(());
        };
        for (name, child) in children.as_ref() {
            let Some((wanted, is_wanted)) = at.wanted.enter(name) else {
                continue;
            };
            self.is_met |= is_wanted;
            let (walk, fate) = at.walk.enter(name);
            if fate == Fate::LeftOut {
                continue;
            }
            let source = at.source.child(name);
            let is_taken = is_wanted && fate == Fate::Taken;
            if !is_taken && !child.is_directory() {
                continue;
            }
            let mut inner = Open {
                source,
                node: child,
                path: at.path.clone(),
                wanted,
                walk,
                pending: Vec::new(),
                is_vague: at.is_vague,
            };
            if !is_taken {
                inner.pending.clone_from(&at.pending);
                inner.pending.push(Pending {
                    source: inner.source.clone(),
                    node: child,
                });
                open.push(inner);
                continue;
            }
            self.settle(&mut at, manner)?;
            let path = at.path.child(name);
            if path.as_bytes().len() > EntryPath::LIMIT {
                let source = inner.source;
                let what = format!("the path of `{source}` is too long at its destination");
                return Err(Error::new(ErrorKind::Step, what));
            }
            if child.is_directory() {
                inner.path = self.enter(path, child, &inner.source, manner)?;
                inner.is_vague = false;
                open.push(inner);
                continue;
            }
            self.replace(&path, manner);
            self.taken.push(inner.source);
            self.put(number, path, child, find::entry(child, None))?;
        }
        Ok(())
    }

    /// Makes a directory that something was found for, and those that it is in.
    fn settle(&mut self, at: &mut Open<'_>, manner: Manner<'_>) -> Result<(), Error> {
        if std::mem::take(&mut at.is_vague) {
            self.make_directories(&at.path)?;
        }
        for Pending { source, node } in at.pending.drain(..) {
            let path = at.path.child(source.name().unwrap_or_default());
            at.path = self.enter(path, node, &source, manner)?;
        }
        Ok(())
    }

    /// Takes away what an archive replaces by a file.
    fn replace(&mut self, path: &EntryPath, manner: Manner<'_>) {
        let is_directory = self.to.node(path).is_some_and(Node::is_directory);
        if matches!(manner, Manner::Unpacked(_)) && is_directory {
            self.to.remove(path);
            self.recipe.remove(path);
        }
    }

    /// Makes a directory like another one, or has one that is there become so;
    /// gives where it is.
    fn enter(
        &mut self,
        path: EntryPath,
        like: &Node,
        source: &EntryPath,
        manner: Manner<'_>,
    ) -> Result<EntryPath, Error> {
        match manner {
            Manner::Copied => self.enter_copied(&path, like).map(|()| path),
            Manner::Unpacked(directories) => {
                let is_said = directories.contains(source);
                self.enter_unpacked(path, is_said.then_some(like))
            }
        }
    }

    fn enter_copied(&mut self, path: &EntryPath, like: &Node) -> Result<(), Error> {
        let mut metadata = self.metadata(like);
        match self.to.node(path) {
            None => {}
            Some(there) if there.is_directory() => {
                let old = &there.metadata;
                if self.how.existing == Existing::Kept {
                    // What letters change is changed once.
                    if self.entered.contains(path) {
                        return Ok(());
                    }
                    let mode = self.how.mode.as_ref();
                    metadata.mode = mode.map_or(old.mode, |mode| mode.apply(old.mode, true));
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
                    self.entered.insert(path.clone());
                    return Ok(());
                }
                metadata.mtime = self.how.time;
            }
            Some(_) => return Err(not_a_directory(path)),
        }
        self.entered.insert(path.clone());
        self.say(path, metadata)
    }

    /// Makes a directory of an archive, or has one that is there become so if
    /// the archive says something of it. Where a link to a directory is there,
    /// that is the one.
    fn enter_unpacked(
        &mut self,
        mut path: EntryPath,
        said: Option<&Node>,
    ) -> Result<EntryPath, Error> {
        let kind = self.to.node(&path).map(|node| &node.kind);
        if let Some(NodeKind::Symlink { .. }) = kind
            && let Ok(resolved) = self.to.resolve(path.as_bytes(), Follow::All)
            && resolved.node.is_none_or(Node::is_directory)
        {
            path = resolved.path;
            self.make_directories(&path)?;
        }
        let is_there = self.to.node(&path).is_some_and(Node::is_directory);
        let metadata = match said {
            Some(like) => self.metadata(like),
            None if is_there => return Ok(path),
            None => self.made(),
        };
        if self.to.node(&path).map(|node| &node.metadata) != Some(&metadata) || !is_there {
            self.say(&path, metadata)?;
        }
        Ok(path)
    }

    /// Has a directory be there with this metadata.
    fn say(&mut self, path: &EntryPath, metadata: Metadata) -> Result<(), Error> {
        if let Some(there) = self.to.node_mut(path).filter(|node| node.is_directory()) {
            there.metadata = metadata.clone();
            self.recipe.add(Item::directory(path.clone(), metadata));
            return Ok(());
        }
        let node = Node::directory(metadata);
        self.add(path.clone(), node, (Kind::Directory, Content::None))
    }

    /// Puts what is no directory at a path, in the place of what is none there.
    fn put(
        &mut self,
        number: usize,
        path: EntryPath,
        node: &Node,
        (kind, content): (Kind, Content),
    ) -> Result<(), Error> {
        if self.to.node(&path).is_some_and(Node::is_directory) {
            return Err(Error::new(
                ErrorKind::Step,
                format!("`{path}` is a directory, in the place of which a file would be copied"),
            ));
        }
        self.twins.remove(&path);
        if let Content::Place { place, .. } = &content {
            self.twins.insert(path.clone(), (number, *place));
        }
        let node = Node {
            metadata: self.metadata(node),
            kind: node.kind.clone(),
        };
        self.add(path, node, (kind, content))
    }

    fn add(
        &mut self,
        path: EntryPath,
        node: Node,
        (kind, content): (Kind, Content),
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
        if let (Some(mode), false) = (&self.how.mode, is_link) {
            metadata.mode = mode.apply(metadata.mode, node.is_directory());
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

/// Says what is known of a directory that nothing is said of.
pub(super) fn made(owner: Option<Owner>, time: Time) -> Metadata {
    let Owner { uid, gid } = owner.unwrap_or_default();
    Metadata {
        mode: 0o755,
        uid,
        gid,
        mtime: time,
        xattrs: BTreeMap::new(),
    }
}

fn not_a_directory(path: &EntryPath) -> Error {
    Error::new(
        ErrorKind::Step,
        format!("`{path}` is in the way: it is there already, and is no directory"),
    )
    .with_hint("where it is a link to a directory, copy to that directory")
}
