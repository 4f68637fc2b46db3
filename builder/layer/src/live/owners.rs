//! The owners of what can not have attributes, as the attribute of their
//! directory spells them ([`LINK_OWNERS`](crate::live::LINK_OWNERS)). It
//! touches no file.

use std::collections::BTreeMap;

/// Holds owners (user and group) by names. The empty name is that of all that
/// have none here; without it, those are root's.
pub(in crate::live) type Owners = BTreeMap<Box<[u8]>, (u32, u32)>;

/// The name that stands for all others.
const OTHERS: &[u8] = b"";

/// Whose is what nobody is recorded for.
const ROOT: (u32, u32) = (0, 0);

/// Up to which length an attribute names everybody, in bytes: a file system may
/// have 4 KiB for all attributes of a directory together.
pub(in crate::live) const NAMED_LIMIT: usize = 3072;

/// Lists the owners of all that can not have attributes in a directory: those
/// that are not root; where that would be too long, those that are not
/// whoever has most of them.
pub(in crate::live) fn owners<'a>(
    all: impl Iterator<Item = (&'a [u8], (u32, u32))> + Clone,
) -> Owners {
    let but = |owner| {
        let others = all.clone().filter(move |(_, found)| *found != owner);
        others.map(|(name, owner)| (Box::from(name), owner))
    };
    let named: Owners = but(ROOT).collect();
    if spelled(&named).is_none_or(|value| value.len() <= NAMED_LIMIT) {
        return named;
    }
    let mut counts: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (_, owner) in all.clone() {
        let count = counts.entry(owner).or_default();
        *count = count.saturating_add(1);
    }
    match counts.into_iter().max_by_key(|(_, count)| *count) {
        Some((most, _)) if most != ROOT => but(most).chain([(OTHERS.into(), most)]).collect(),
        _ => named,
    }
}

/// Gives whose a name is.
pub(in crate::live) fn owner_of(owners: &Owners, name: &[u8]) -> (u32, u32) {
    let found = owners.get(name).or_else(|| owners.get(OTHERS));
    found.copied().unwrap_or(ROOT)
}

/// Gives a name to somebody else.
pub(in crate::live) fn set_owner(owners: &mut Owners, name: &[u8], owner: (u32, u32)) {
    if owner_of(owners, OTHERS) == owner {
        owners.remove(name);
    } else {
        owners.insert(name.into(), owner);
    }
}

/// Spells them as the attribute has them; nobody has none.
pub(in crate::live) fn spelled(owners: &Owners) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    for (name, (uid, gid)) in owners {
        value.extend_from_slice(format!("{uid}:{gid} ").as_bytes());
        value.extend_from_slice(name);
        value.push(0);
    }
    (!value.is_empty()).then_some(value)
}

/// Reads `UID:GID NAME`, with a NUL behind each; `None` where it is not of that
/// form.
pub(in crate::live) fn read(value: &[u8]) -> Option<Owners> {
    let entries = value.split(|byte| *byte == 0);
    let entries = entries.filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let at = entry.iter().position(|byte| *byte == b' ')?;
            let (owner, name) = entry.split_at_checked(at)?;
            Some((name.get(1..)?.into(), pair(owner)?))
        })
        .collect()
}

/// Reads two decimal numbers with a colon between them.
pub(in crate::live) fn pair(text: &[u8]) -> Option<(u32, u32)> {
    let (first, second) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever most names belong to.
    const MOST: (u32, u32) = (1000, 1000);

    fn many(count: usize) -> Vec<(Vec<u8>, (u32, u32))> {
        let mut all: Vec<_> = (0..count)
            .map(|number| (format!("{number:04}").into_bytes(), MOST))
            .collect();
        all.push((b"of root".to_vec(), ROOT));
        all.push((b"of 5".to_vec(), (5, 6)));
        all
    }

    #[test]
    fn long_lists_are_short() {
        for (count, entries) in [(3, 4), (1000, 3)] {
            let all = many(count);
            let iter = all.iter().map(|(name, owner)| (name.as_slice(), *owner));
            let listed = owners(iter);
            assert_eq!(listed.len(), entries);
            let value = spelled(&listed).expect("some");
            assert!(value.len() <= NAMED_LIMIT);
            assert_eq!(read(&value), Some(listed.clone()));
            for (name, owner) in &all {
                assert_eq!(owner_of(&listed, name), *owner);
            }
        }
    }

    #[test]
    fn names_change_hands() {
        let mut owners = read(b"5:6 \x000:0 a\0").expect("it is well formed");
        assert_eq!(owner_of(&owners, b"a"), ROOT);
        assert_eq!(owner_of(&owners, b"b"), (5, 6));
        set_owner(&mut owners, b"a", (5, 6));
        set_owner(&mut owners, b"b", ROOT);
        set_owner(&mut owners, b"c", (7, 7));
        let value = spelled(&owners).expect("some");
        assert_eq!(value, b"5:6 \x000:0 b\x007:7 c\0");
        assert_eq!(read(b"5:6"), None);
        assert_eq!(read(b"5 name\0"), None);
        assert_eq!(read(b""), Some(Owners::new()));
    }
}
