//! What is taken, as if there were nothing where it goes: by this a step is known
//! before any file below it is.

use std::collections::HashMap;

use layer::{ContentPlace, EntryPath, Kind, Metadata, Node, NodeKind, Tree};
use oci::Digest;

use crate::pack::recipe::Keying;
use crate::step::copy::find::{Extent, Found};
use crate::step::copy::place::{made, place};
use crate::step::copy::{Copied, Copying};

/// Lists what is taken: all that counts of it is in that list. Each thing is in
/// a directory of its own, whose name is its number and what it is: two may have
/// one name, and a file of some name is not a directory that has such a file.
pub(crate) fn alone(found: &[Found<'_>], how: &Copying) -> Option<Copied> {
    let mut how = Copying {
        owner: None,
        mode: None,
        ..how.clone()
    };
    let (mut all, mut tree) = (Copied::default(), Tree::new());
    for (number, found) in found.iter().enumerate() {
        how.destination = format!("/{}/", room(number, found));
        // Whether anything is found at all was seen before.
        let one = place(std::slice::from_ref(found), &[], &mut tree, &how);
        let Copied { recipe, taken } = one.ok()?;
        all.recipe.append(recipe);
        all.taken.extend(taken);
    }
    Some(all)
}

/// Gives the key of that list without making it, where it is of one directory,
/// all of it, and the content of all files is known: then nothing changed, more
/// often than not.
pub(crate) fn alone_key(found: &[Found<'_>], how: &Copying) -> Option<Digest> {
    let [one] = found else { return None };
    let is_plain = one.fills() && matches!(one.extent, Extent::Whole) && how.excluded.is_empty();
    if !is_plain {
        return None;
    }
    let mut listing = Listing {
        keying: Keying::of_layer(),
        first: HashMap::new(),
    };
    let room = room(0, one).into_bytes();
    let metadata = made(None, how.time);
    listing
        .keying
        .add(&room, (&Kind::Directory, &metadata), None);
    // A stack of our own: paths may be thousands of names deep.
    let mut open = vec![(room, &*one.node)];
    while let Some((path, node)) = open.pop() {
        // The directory of it all was said before.
        if path.contains(&b'/') {
            listing.add(&path, node)?;
        }
        if let NodeKind::Directory(children) = &node.kind {
            open.extend(children.iter().rev().map(|(name, child)| {
                let path = [&path[..], b"/", name].concat();
                (path, child)
            }));
        }
    }
    Some(listing.keying.finish())
}

/// Names the directory of a thing.
fn room(number: usize, found: &Found<'_>) -> String {
    let what = if found.fills() { "directory" } else { "file" };
    format!("{number} {what}")
}

/// Is a list of which nothing is kept but its digest.
struct Listing {
    keying: Keying,
    /// The first name of each file.
    first: HashMap<ContentPlace, Vec<u8>>,
}

impl Listing {
    /// Adds what is at a path; `None` where it would be in no list.
    fn add(&mut self, path: &[u8], node: &Node) -> Option<()> {
        if path.len() > EntryPath::LIMIT {
            return None;
        }
        let NodeKind::File(file) = &node.kind else {
            let kind = node.kind.to_entry();
            self.keying.add(path, (&kind, &node.metadata), None);
            return Some(());
        };
        if let Some(target) = self.first.get(&file.place) {
            let target = EntryPath::parse(target).ok()?;
            let link = Kind::HardLink { target };
            self.keying.add(path, (&link, &Metadata::default()), None);
            return Some(());
        }
        self.first.insert(file.place, path.to_vec());
        let kind = Kind::File { size: file.size };
        self.keying
            .add(path, (&kind, &node.metadata), Some(file.digest?));
        Some(())
    }
}
