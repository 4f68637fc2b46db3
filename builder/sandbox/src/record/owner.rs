//! Owners and devices, as attributes spell them. It touches no file.

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

/// Gives the owner that a directory's attribute has for a name.
pub(super) fn owner_of_link(attribute: &[u8], name: &[u8]) -> Option<Owner> {
    let (_, owner) = links(attribute).find(|(found, _)| *found == name)?;
    Some(owner)
}

/// Gives a directory's attribute with another owner for a name, ordered by
/// name; `None` takes the record away.
pub(super) fn with_link(attribute: &[u8], name: &[u8], owner: Option<Owner>) -> Vec<u8> {
    let mut all: Vec<(&[u8], Owner)> = links(attribute).filter(|(found, _)| *found != name).collect();
    all.extend(owner.map(|owner| (name, owner)));
    all.sort_unstable();
    let mut spelled = Vec::with_capacity(attribute.len() + name.len() + 24);
    for (name, owner) in all {
        spelled.extend_from_slice(owner.spell().as_bytes());
        spelled.push(b' ');
        spelled.extend_from_slice(name);
        spelled.push(0);
    }
    spelled
}

/// Reads what the attribute of a directory has; what can not be read is left out.
pub(super) fn links(attribute: &[u8]) -> impl Iterator<Item = (&[u8], Owner)> {
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
        let owner = Owner { user: 7, group: u32::MAX - 1 };
        assert_eq!(Owner::parse(owner.spell().as_bytes()), Some(owner));
        let node = Node { kind: libc::S_IFBLK, major: 8, minor: 1 };
        assert_eq!(node.spell(), "b 8:1");
        assert_eq!(Node::parse(b"b 8:1"), Some(node));
        for wrong in ["", "b", "b8:1", "p 1:1", "c 1", "c 1:-1", "c 4294967296:0"] {
            assert_eq!(Node::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn links_are_ordered_and_replaced() {
        let app = Owner { user: 1000, group: 1000 };
        let other = Owner { user: 5, group: 6 };
        let one = with_link(b"", b"b c", Some(app));
        let two = with_link(&one, b"a", Some(other));
        assert_eq!(two, b"5:6 a\x001000:1000 b c\0");
        assert_eq!(owner_of_link(&two, b"b c"), Some(app));
        let replaced = with_link(&two, b"b c", Some(other));
        assert_eq!(replaced, b"5:6 a\x005:6 b c\0");
        assert_eq!(with_link(&with_link(&replaced, b"a", None), b"b c", None), b"");
        assert_eq!(owner_of_link(b"nonsense\0:1 a\x001:1 \0", b"a"), None);
    }
}
