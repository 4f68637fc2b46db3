//! Owners and devices, as attributes spell them. It touches no file.

use std::collections::BTreeMap;

/// Stands in the attribute of a directory for all links that it does not
/// name. File systems have room for some hundred names, and directories have
/// thousands.
const OTHERS: &[u8] = b"";

/// Is whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Owner {
    /// The number of its user.
    pub(super) user: u32,
    /// The number of its group.
    pub(super) group: u32,
}

/// Is a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    /// `S_IFCHR` or `S_IFBLK`.
    pub(super) kind: u32,
    /// Its major number.
    pub(super) major: u32,
    /// Its minor number.
    pub(super) minor: u32,
}

impl Owner {
    /// Is the one that is not recorded.
    pub(super) const ROOT: Self = Self { user: 0, group: 0 };

    /// Reads `UID:GID`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (user, group) = numbers(text)?;
        Some(Self { user, group })
    }

    /// Spells it.
    pub(super) fn spell(self) -> String {
        format!("{}:{}", self.user, self.group)
    }
}

impl Node {
    /// Reads `c MAJOR:MINOR` or `b MAJOR:MINOR`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let kind = match text.first()? {
            b'c' => libc::S_IFCHR,
            b'b' => libc::S_IFBLK,
            _ => return None,
        };
        let (major, minor) = numbers(text.get(1..)?.strip_prefix(b" ")?)?;
        Some(Self { kind, major, minor })
    }

    /// Spells it.
    pub(super) fn spell(self) -> String {
        let kind = if self.kind == libc::S_IFBLK { 'b' } else { 'c' };
        format!("{kind} {}:{}", self.major, self.minor)
    }
}

/// Gives the owner that a directory's attribute has for a name: its own, or
/// that of the empty name, which is all others'.
pub(super) fn owner_of_link(attribute: &[u8], name: &[u8]) -> Option<Owner> {
    let of = |name: &[u8]| links(attribute).find(|(found, _)| *found == name);
    let (_, owner) = of(name).or_else(|| of(OTHERS))?;
    Some(owner)
}

/// Gives a directory's attribute with another owner for a name, ordered by
/// name; `None` is for a name that is gone.
pub(super) fn with_link(attribute: &[u8], name: &[u8], owner: Option<Owner>) -> Vec<u8> {
    let others = owner_of_link(attribute, OTHERS).unwrap_or(Owner::ROOT);
    let mut all: Vec<(&[u8], Owner)> = links(attribute)
        .filter(|(found, _)| *found != name)
        .collect();
    let owner = owner.filter(|owner| *owner != others);
    all.extend(owner.map(|owner| (name, owner)));
    spell(all)
}

/// Gives the shortest attribute for all links of a directory: whoever has most
/// of them is named once.
pub(super) fn shortest(all: &[(Vec<u8>, Owner)]) -> Vec<u8> {
    let mut counts: BTreeMap<Owner, usize> = BTreeMap::new();
    for (_, owner) in all {
        *counts.entry(*owner).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    let others = most.map_or(Owner::ROOT, |(owner, _)| owner);
    let different = all.iter().filter(|(_, owner)| *owner != others);
    let mut shortest: Vec<(&[u8], Owner)> = different
        .map(|(name, owner)| (name.as_slice(), *owner))
        .collect();
    if others != Owner::ROOT {
        shortest.push((OTHERS, others));
    }
    spell(shortest)
}

fn spell(mut links: Vec<(&[u8], Owner)>) -> Vec<u8> {
    links.sort_unstable();
    let mut spelled = Vec::new();
    for (name, owner) in links {
        spelled.extend_from_slice(owner.spell().as_bytes());
        spelled.push(b' ');
        spelled.extend_from_slice(name);
        spelled.push(0);
    }
    spelled
}

/// Reads what the attribute of a directory has; what can not be read is left out.
fn links(attribute: &[u8]) -> impl Iterator<Item = (&[u8], Owner)> {
    attribute.split(|byte| *byte == 0).filter_map(|entry| {
        let space = entry.iter().position(|byte| *byte == b' ')?;
        let (owner, name) = entry.split_at(space);
        Some((name.get(1..)?, Owner::parse(owner)?))
    })
}

/// Reads two decimal numbers with a colon between them.
fn numbers(text: &[u8]) -> Option<(u32, u32)> {
    let (first, second) = std::str::from_utf8(text).ok()?.split_once(':')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelled_owners_and_devices_read_the_same() {
        let owner = Owner {
            user: 7,
            group: u32::MAX - 1,
        };
        assert_eq!(Owner::parse(owner.spell().as_bytes()), Some(owner));
        let node = Node {
            kind: libc::S_IFBLK,
            major: 8,
            minor: 1,
        };
        assert_eq!(node.spell(), "b 8:1");
        assert_eq!(Node::parse(b"b 8:1"), Some(node));
        for wrong in ["", "b", "b8:1", "p 1:1", "c 1", "c 1:-1", "c 4294967296:0"] {
            assert_eq!(Node::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn links_are_ordered_and_replaced() {
        let app = Owner {
            user: 1000,
            group: 1000,
        };
        let other = Owner { user: 5, group: 6 };
        let one = with_link(b"", b"b c", Some(app));
        let two = with_link(&one, b"a", Some(other));
        assert_eq!(two, b"5:6 a\x001000:1000 b c\0");
        assert_eq!(owner_of_link(&two, b"b c"), Some(app));
        let replaced = with_link(&two, b"b c", Some(other));
        assert_eq!(replaced, b"5:6 a\x005:6 b c\0");
        assert_eq!(
            with_link(&with_link(&replaced, b"a", None), b"b c", None),
            b""
        );
        assert_eq!(owner_of_link(b"nonsense\0:1 a\x001:1 b\0", b"a"), None);
    }

    #[test]
    fn whoever_has_most_links_is_named_once() {
        let app = Owner { user: 7, group: 8 };
        let all = [("a", app), ("b", Owner::ROOT), ("c", app), ("d", app)];
        let all = all.map(|(name, owner)| (name.as_bytes().to_vec(), owner));
        let short = shortest(&all);
        assert_eq!(short, b"7:8 \x000:0 b\0");
        for (name, owner) in &all {
            assert_eq!(owner_of_link(&short, name), Some(*owner));
        }
        assert_eq!(with_link(&short, b"e", Some(app)), short);
        assert_eq!(with_link(&short, b"b", None), b"7:8 \0");
        assert_eq!(
            with_link(&short, b"c", Some(Owner::ROOT)),
            b"7:8 \x000:0 b\x000:0 c\0"
        );
    }
}
