//! What a layer is made of: its entries, in their order, and where the
//! content of each comes from. A recipe and its content decide the layer.

use std::collections::BTreeMap;

use bytes::Bytes;
use layer::{
    ContentPlace, Entry, EntryPath, File, Kind, LAYER_FORMAT, LayerIndex, Metadata, Node, NodeKind,
    Tree,
};
use oci::{Algorithm, Digest, Hasher};

use crate::error::{Error, ErrorKind};

/// What a digest of entries with their content is of.
const LAYER: &str = "layer";

/// Lists what goes into one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Recipe {
    items: BTreeMap<EntryPath, Item>,
}

/// Is one entry of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    pub(crate) content: Content,
}

/// Says where the content of an entry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// It has none.
    None,
    /// From here.
    Inline(Bytes),
    /// From another tree.
    Place {
        place: ContentPlace,
        /// Its digest, where that is known.
        digest: Option<Digest>,
    },
}

impl Recipe {
    /// Adds an entry, in the place of one that has its path.
    pub(crate) fn add(&mut self, item: Item) {
        self.items.insert(item.entry.path.clone(), item);
    }

    /// Adds all entries of another one.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.items.append(&mut other.items);
    }

    /// Takes the entry of a path out, and those of what is in it.
    pub(crate) fn remove(&mut self, path: &EntryPath) {
        let within = self.items.range(path..).map(|(inner, _)| inner);
        let within = within.take_while(|inner| inner.is_in(path));
        for path in within.cloned().collect::<Vec<_>>() {
            self.items.remove(&path);
        }
    }

    /// Puts what a layer has that knows nothing of a tree onto that tree, as
    /// all who unpack layers do: a directory takes over what is in one that is
    /// there, and nothing else is left of what is in the way. `alone` is what
    /// the layer makes by itself. Gives the directories that were there and now
    /// have another mode or owner, with what they had.
    pub(crate) fn lay(
        &self,
        alone: &Tree,
        onto: &mut Tree,
    ) -> Result<Vec<(EntryPath, Metadata)>, Error> {
        let mut changed = Vec::new();
        for (path, item) in &self.items {
            let metadata = &item.entry.metadata;
            if item.entry.kind == Kind::Directory
                && let Some(there) = onto.node_mut(path).filter(|node| node.is_directory())
            {
                let old = std::mem::replace(&mut there.metadata, metadata.clone());
                if (old.mode, old.uid, old.gid) != (metadata.mode, metadata.uid, metadata.gid) {
                    changed.push((path.clone(), old));
                }
                continue;
            }
            let node = match (&item.entry.kind, alone.node(path)) {
                (Kind::Directory, _) => Node::directory(metadata.clone()),
                (_, Some(node)) => node.clone(),
                (_, None) => continue,
            };
            onto.insert(path, node).map_err(|error| {
                Error::caused(ErrorKind::Step, format!("can not copy to `{path}`"), error)
            })?;
        }
        Ok(changed)
    }

    /// Adds the directories that its entries are in, as they are in a tree
    /// that has them. A puller that unpacks each layer by itself, as docker
    /// and podman do, makes up what is missing: root's, with the mode 0755.
    /// The root is left to it, as everywhere.
    pub(crate) fn enclose(&mut self, tree: &Tree) {
        let mut around = BTreeMap::new();
        for path in self.items.keys() {
            let mut at = path.parent();
            while let Some(path) = at.filter(|path| !path.is_root()) {
                if self.items.contains_key(&path) || around.contains_key(&path) {
                    break;
                }
                let Some(node) = tree.node(&path).filter(|node| node.is_directory()) else {
                    break;
                };
                at = path.parent();
                around.insert(path.clone(), Item::directory(path, node.metadata.clone()));
            }
        }
        self.items.append(&mut around);
    }

    /// Gives what the entry of a path says of it, if there is one.
    pub(crate) fn metadata(&self, path: &EntryPath) -> Option<&Metadata> {
        self.items.get(path).map(|item| &item.entry.metadata)
    }

    /// Says whether the layer would be empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives the entries in the order of the layer.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        let mut items: Vec<&Item> = self.items.values().collect();
        // Nothing else stands elsewhere than its path does.
        if items.iter().any(|item| item.entry.kind == Kind::Whiteout) {
            items.sort_by(|one, other| one.entry.layer_order(&other.entry));
        }
        items.into_iter()
    }

    /// Gives the entries, to be changed.
    pub(crate) fn items_mut(&mut self) -> impl Iterator<Item = &mut Item> {
        self.items.values_mut()
    }

    /// Adds up the bytes of the files.
    pub(crate) fn size(&self) -> u64 {
        self.items().map(|item| item.size()).sum()
    }

    /// Digests everything but the content of files: what is known before any
    /// file is read. Two recipes of one shape may be of one layer.
    pub(crate) fn shape(&self) -> Digest {
        self.digest_with("shape", |_| Some(None))
            .unwrap_or_else(|| Digest::sha256(b""))
    }

    /// Digests everything; `None` where the content of a file is not known.
    pub(crate) fn key(&self) -> Option<Digest> {
        self.digest_with(LAYER, |item| match &item.content {
            Content::None => Some(None),
            Content::Inline(bytes) => Some(Some(Digest::sha256(bytes))),
            Content::Place { digest, .. } => digest.map(Some),
        })
    }

    /// Says whether the content of all files is known.
    pub(crate) fn is_digested(&self) -> bool {
        let is_open = |item: &Item| matches!(item.content, Content::Place { digest: None, .. });
        !self.items.values().any(is_open)
    }

    /// Digests entries, each field behind its length, so that no two lists of
    /// entries are the same bytes.
    fn digest_with(
        &self,
        purpose: &str,
        content: impl Fn(&Item) -> Option<Option<Digest>>,
    ) -> Option<Digest> {
        let mut keying = Keying::new(purpose);
        for item in self.items() {
            let content = content(item)?;
            let Entry {
                path,
                kind,
                metadata,
            } = &item.entry;
            keying.add(path.as_bytes(), (kind, metadata), content);
        }
        Some(keying.finish())
    }

    /// Takes over the digests of files from the index of the layer that was
    /// made of this recipe. Gives those that were known to be others.
    pub(crate) fn learn(
        &mut self,
        index: &LayerIndex,
    ) -> Result<Vec<(EntryPath, ContentPlace)>, Error> {
        if index.records().len() != self.items.len() {
            return Err(Error::new(
                ErrorKind::Storage,
                "the index of the layer does not fit what it was made of",
            ));
        }
        let mut wrong = Vec::new();
        for record in index.records() {
            let item = self.items.get_mut(&record.entry.path);
            if let (Some(Content::Place { digest, place }), Some(stored)) =
                (item.map(|item| &mut item.content), &record.content)
            {
                let is_other = |known: Digest| {
                    known.algorithm() == stored.digest.algorithm() && known != stored.digest
                };
                if digest.is_some_and(is_other) {
                    wrong.push((record.entry.path.clone(), *place));
                }
                *digest = Some(stored.digest);
            }
        }
        Ok(wrong)
    }

    /// Takes over the digests of files that are in another recipe too.
    pub(crate) fn learn_from(&mut self, other: &Self) {
        let mut known = BTreeMap::new();
        for item in other.items.values() {
            if let Content::Place {
                place,
                digest: Some(digest),
            } = &item.content
            {
                known.insert(*place, *digest);
            }
        }
        for item in self.items.values_mut() {
            if let Content::Place {
                place,
                digest: digest @ None,
            } = &mut item.content
            {
                *digest = known.get(place).copied();
            }
        }
    }

    /// Has the nodes of a tree that this recipe put there say that their
    /// content is in the layer that was made of it: by the number of each
    /// record in its index.
    pub(crate) fn settle(&self, tree: &mut Tree, origin: u32) {
        let mut positions = BTreeMap::new();
        for (number, item) in self.items().enumerate() {
            let digest = match &item.content {
                Content::None => None,
                Content::Inline(bytes) => Some(Digest::sha256(bytes)),
                Content::Place { digest, .. } => *digest,
            };
            let known = match &item.entry.kind {
                Kind::File { size } => File {
                    size: *size,
                    place: ContentPlace {
                        origin,
                        position: number as u64,
                    },
                    digest,
                },
                Kind::HardLink { target } => match positions.get(target) {
                    Some(known) => File::clone(known),
                    None => continue,
                },
                _ => continue,
            };
            if let Some(node) = tree.node_mut(&item.entry.path) {
                node.kind = NodeKind::File(known.clone());
            }
            positions.insert(item.entry.path.clone(), known);
        }
    }
}

/// Digests entries whose content is known, in the order of a layer: as
/// [`Recipe::key`] does, for who has no recipe.
pub(crate) struct Keying {
    fields: Fields,
}

impl Keying {
    /// Starts with no entry.
    pub(crate) fn of_layer() -> Self {
        Self::new(LAYER)
    }

    fn new(purpose: &str) -> Self {
        let mut fields = Fields::new();
        fields.add(purpose.as_bytes());
        fields.add(&LAYER_FORMAT.to_le_bytes());
        Self { fields }
    }

    /// Adds an entry.
    pub(crate) fn add(
        &mut self,
        path: &[u8],
        (kind, metadata): (&Kind, &Metadata),
        content: Option<Digest>,
    ) {
        let mut field = |bytes: &[u8]| self.fields.add(bytes);
        field(path);
        let (word, detail) = describe(kind);
        field(word.as_bytes());
        field(&detail);
        field(&metadata.mode.to_le_bytes());
        field(&metadata.uid.to_le_bytes());
        field(&metadata.gid.to_le_bytes());
        field(&metadata.mtime.seconds().to_le_bytes());
        field(&metadata.mtime.nanoseconds().to_le_bytes());
        field(&(metadata.xattrs.len() as u64).to_le_bytes());
        for (name, value) in &metadata.xattrs {
            field(name);
            field(value);
        }
        match content {
            Some(digest) => field(digest.to_string().as_bytes()),
            None => field(b""),
        }
    }

    /// Gives the key of all.
    pub(crate) fn finish(self) -> Digest {
        self.fields.finish()
    }
}

/// Digests fields, each behind its length. The hasher gets them many at a time:
/// for short pieces it takes longer to begin than to digest.
struct Fields {
    hasher: Hasher,
    waiting: Vec<u8>,
}

impl Fields {
    /// How many bytes wait for others.
    const WAITING: usize = 16 * 1024;

    fn new() -> Self {
        Self {
            hasher: Hasher::unbroken(Algorithm::Sha256),
            waiting: Vec::with_capacity(2 * Self::WAITING),
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let length = (bytes.len() as u64).to_le_bytes();
        self.waiting.extend_from_slice(&length);
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= Self::WAITING {
            self.hasher.update(&self.waiting);
            self.waiting.clear();
        }
    }

    fn finish(mut self) -> Digest {
        self.hasher.update(&self.waiting);
        self.hasher.finish()
    }
}

impl Item {
    /// Makes the entry of a directory.
    pub(crate) fn directory(path: EntryPath, metadata: Metadata) -> Self {
        Self {
            entry: Entry {
                path,
                kind: Kind::Directory,
                metadata,
            },
            content: Content::None,
        }
    }

    /// Gives the bytes of its content.
    pub(crate) fn size(&self) -> u64 {
        match self.entry.kind {
            Kind::File { size } => size,
            _ => 0,
        }
    }
}

/// Gives a word for a kind, and what else there is to say of it.
fn describe(kind: &Kind) -> (&'static str, Vec<u8>) {
    match kind {
        Kind::Directory => ("directory", Vec::new()),
        Kind::File { size } => ("file", size.to_le_bytes().into()),
        Kind::HardLink { target } => ("hard link", target.as_bytes().into()),
        Kind::Symlink { target } => ("symlink", target.to_vec()),
        Kind::Fifo => ("fifo", Vec::new()),
        Kind::Device { kind, major, minor } => {
            let word = match kind {
                layer::DeviceKind::Character => "character device",
                layer::DeviceKind::Block => "block device",
            };
            (word, format!("{major}:{minor}").into_bytes())
        }
        Kind::Whiteout => ("whiteout", Vec::new()),
        Kind::Opaque => ("opaque", Vec::new()),
    }
}

#[cfg(test)]
mod tests;
