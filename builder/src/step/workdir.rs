//! `WORKDIR`: a path for the config, and the directories that it needs
//! (Dockerfile reference, "WORKDIR").

use std::collections::BTreeMap;

use layer::{EntryPath, Follow, Metadata, Node, Time, Tree};

use crate::error::{Error, ErrorKind};
use crate::pack::recipe::{Item, Recipe};
use crate::step::owner::Owner;

/// Gives the path from the root that a path means in a working directory; a
/// slash at its end stays.
pub(crate) fn absolute(directory: &str, path: &str) -> String {
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{directory}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut absolute = format!("/{}", parts.join("/"));
    let is_directory = path.is_empty()
        || ["/", "/.", "/.."].iter().any(|end| path.ends_with(end))
        || [".", ".."].contains(&path);
    if is_directory && absolute != "/" {
        absolute.push('/');
    }
    absolute
}

/// Says what a layer has to hold for a directory to be there.
pub(crate) fn make(tree: &mut Tree, path: &str, owner: Owner, time: Time) -> Result<Recipe, Error> {
    let resolved = tree
        .resolve(path.as_bytes(), Follow::All)
        .map_err(|error| {
            Error::caused(ErrorKind::Step, format!("`{path}` can not be made"), error)
        })?;
    let target = resolved.path.clone();
    let mut missing = Vec::new();
    let mut at = Some(target);
    while let Some(path) = at {
        match tree.node(&path) {
            Some(node) if node.is_directory() => break,
            Some(_) => {
                let message = format!("`{path}` is there already, and is no directory");
                return Err(Error::new(ErrorKind::Step, message));
            }
            None => {}
        }
        at = path.parent();
        missing.push(path);
    }
    let mut recipe = Recipe::default();
    for path in missing.into_iter().rev() {
        let metadata = Metadata {
            mode: 0o755,
            uid: owner.uid,
            gid: owner.gid,
            mtime: time,
            xattrs: BTreeMap::new(),
        };
        insert(tree, &path, &metadata)?;
        recipe.add(Item::directory(path, metadata));
    }
    Ok(recipe)
}

fn insert(tree: &mut Tree, path: &EntryPath, metadata: &Metadata) -> Result<(), Error> {
    tree.insert(path, Node::directory(metadata.clone()))
        .map_err(|error| Error::caused(ErrorKind::Step, format!("`{path}` can not be made"), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_the_root() {
        for (directory, path, expected) in [
            ("/", "a", "/a"),
            ("/a", "b", "/a/b"),
            ("/a", "b/", "/a/b/"),
            ("/a", "/b", "/b"),
            ("/a", ".", "/a/"),
            ("/a", "./", "/a/"),
            ("/a/b", "..", "/a/"),
            ("/a", "../../b/./c//", "/b/c/"),
            ("/", "/", "/"),
            ("/a", "", "/a/"),
            ("", "x", "/x"),
        ] {
            assert_eq!(absolute(directory, path), expected, "{directory} {path}");
        }
    }

    #[test]
    fn only_what_is_missing_is_made() {
        let mut tree = Tree::new();
        let owner = Owner { uid: 5, gid: 6 };
        let recipe = make(&mut tree, "/a/b", owner, Time::from_seconds(7)).expect("made");
        let made: Vec<String> = recipe
            .items()
            .map(|item| item.entry.path.to_string())
            .collect();
        assert_eq!(made, ["/a", "/a/b"]);
        let metadata = &tree
            .node(&EntryPath::parse(b"a/b").expect("valid"))
            .expect("there")
            .metadata;
        assert_eq!(
            (metadata.mode, metadata.uid, metadata.gid, metadata.mtime),
            (0o755, 5, 6, Time::from_seconds(7))
        );
        assert!(
            make(&mut tree, "/a", owner, Time::from_seconds(7))
                .expect("there")
                .is_empty()
        );
    }
}
