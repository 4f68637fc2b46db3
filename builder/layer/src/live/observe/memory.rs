//! What was in a directory, in few bytes: about thirty for each path.

use rustix::fs::Stat;

use crate::path::EntryPath;

/// Holds what tells an inode from what it was, by path, in the order of paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct List {
    /// One after the other, each as what it has that the one before has not.
    bytes: Vec<u8>,
    last: Record,
    /// The latest change time. What has it may be changed once more and have
    /// the same time: the clock of a file system ticks slowly.
    newest: (i64, u64),
}

/// Is what is held of one path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    path: Vec<u8>,
    /// The number of the inode; 0 where nothing is known.
    inode: u64,
    /// Seconds since 1970, and nanoseconds.
    changed: (i64, u64),
}

impl Record {
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        reason = "the numbers of the kernel have other types on other processors"
    )]
    pub(super) fn of(path: &EntryPath, stat: &Stat) -> Self {
        Self {
            path: path.as_bytes().to_vec(),
            inode: stat.st_ino,
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u64),
        }
    }

    #[cfg(test)]
    pub(super) fn test(path: &EntryPath, inode: u64, changed: (i64, u64)) -> Self {
        let path = path.as_bytes().to_vec();
        Self {
            path,
            inode,
            changed,
        }
    }

    /// Has it be other than anything.
    pub(super) fn unknown(path: &EntryPath) -> Self {
        Self {
            path: path.as_bytes().to_vec(),
            inode: 0,
            changed: (0, 0),
        }
    }
}

impl List {
    pub(super) fn push(&mut self, record: Record) {
        let before = &self.last;
        let shared = std::iter::zip(&before.path, &record.path)
            .take_while(|(one, other)| one == other)
            .count();
        let rest = record.path.get(shared..).unwrap_or_default();
        for number in [
            shared as u64,
            rest.len() as u64,
            zigzag(record.inode.wrapping_sub(before.inode) as i64),
            zigzag(record.changed.0.wrapping_sub(before.changed.0)),
            zigzag(record.changed.1.wrapping_sub(before.changed.1) as i64),
        ] {
            write(&mut self.bytes, number);
        }
        self.bytes.extend_from_slice(rest);
        self.newest = self.newest.max(record.changed);
        self.last = record;
    }

    /// Has it take no more room than it needs.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The bytes that it takes.
    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            rest: &self.bytes,
            last: Record::default(),
        }
    }

    /// Says whether something is what it was.
    pub(super) fn is_same(&self, before: &Record, now: &Record) -> bool {
        before.inode == now.inode && before.changed == now.changed && now.changed < self.newest
    }
}

/// Gives what is held, in the order of paths.
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    rest: &'a [u8],
    last: Record,
}

impl Iterator for Iter<'_> {
    type Item = (EntryPath, Record);

    fn next(&mut self) -> Option<Self::Item> {
        let shared = usize::try_from(read(&mut self.rest)?).ok()?;
        let length = usize::try_from(read(&mut self.rest)?).ok()?;
        let inode = unzigzag(read(&mut self.rest)?);
        let seconds = unzigzag(read(&mut self.rest)?);
        let nanoseconds = unzigzag(read(&mut self.rest)?);
        let (name, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let last = &mut self.last;
        last.path.truncate(shared);
        last.path.extend_from_slice(name);
        last.inode = last.inode.wrapping_add(inode as u64);
        last.changed.0 = last.changed.0.wrapping_add(seconds);
        last.changed.1 = last.changed.1.wrapping_add(nanoseconds as u64);
        let path = EntryPath::parse(&last.path).ok()?;
        Some((path, last.clone()))
    }
}

/// Has numbers near 0 be small, below it too.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Writes seven bits a byte, the least first; the highest bit of a byte says
/// that there are more.
fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_held_is_given(
            records in proptest::collection::btree_map(
                "[ab]{1,3}(/[ab]{1,3}){0,3}", (any::<u64>(), any::<i64>(), 0_u64..1_000_000_000), 0..30,
            ),
        ) {
            let mut list = List::default();
            let records: Vec<Record> = records
                .into_iter()
                .map(|(path, (inode, seconds, nanoseconds))| Record {
                    path: path.into_bytes(),
                    inode,
                    changed: (seconds, nanoseconds),
                })
                .collect();
            for record in &records {
                list.push(record.clone());
            }
            let given: Vec<Record> = list.iter().map(|(_, record)| record).collect();
            prop_assert_eq!(given, records);
        }
    }
}
