//! The bytes of what is remembered:
//!
//! ```text
//! magic 8 · version 4 · count 8 · records · SHA-256 of all before
//! a record: device 8 · inode 8 · size 8 · mtime 8+4 · ctime 8+4 · digest 32 · unseen 1
//! ```
//!
//! Numbers are little-endian. Records ascend by device and inode, of which
//! there is one each. They are all of one length, so that reading them is a
//! check and a copy.

use oci::{Algorithm, Digest};

/// Is one file of one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
}

/// Is what changes with the content of a file: seconds with nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) mtime: (i64, u64),
    pub(super) ctime: (i64, u64),
}

/// Is what is remembered of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) inode: Inode,
    pub(super) stamp: Stamp,
    sha256: [u8; 32],
    /// How often others were written down since it was last seen.
    pub(super) unseen: u8,
}

/// How a file of records begins.
const MAGIC: &[u8; 8] = b"wharf-fp";
/// The version of the form. Files of another one are not read.
const VERSION: u32 = 1;
/// The bytes in front of the records.
const HEAD: usize = 8 + 4 + 8;
/// The bytes of a record.
const RECORD: usize = 8 + 8 + 8 + 12 + 12 + 32 + 1;
/// The bytes behind the records.
const CHECKSUM: usize = 32;
/// The nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

impl Record {
    /// Makes a record; `None` for a digest of another algorithm.
    pub(super) fn new(inode: Inode, stamp: Stamp, digest: &Digest) -> Option<Self> {
        Some(Self {
            inode,
            stamp,
            sha256: raw(digest)?,
            unseen: 0,
        })
    }

    /// Gives the digest of the content.
    pub(super) fn digest(&self) -> Digest {
        Digest::from_sha256(self.sha256)
    }

    /// Says whether another one says the same of the same file.
    pub(super) fn says(&self, other: &Self) -> bool {
        (self.inode, self.stamp, self.sha256) == (other.inode, other.stamp, other.sha256)
    }

    fn put(&self, into: &mut Vec<u8>) {
        let Stamp { size, mtime, ctime } = self.stamp;
        for number in [self.inode.device, self.inode.number, size] {
            into.extend_from_slice(&number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [mtime, ctime] {
            into.extend_from_slice(&seconds.to_le_bytes());
            // Fewer than a thousand million, in four bytes.
            let nanoseconds = u32::try_from(nanoseconds).unwrap_or(u32::MAX);
            into.extend_from_slice(&nanoseconds.to_le_bytes());
        }
        into.extend_from_slice(&self.sha256);
        into.push(self.unseen);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let inode = Inode {
            device: number(bytes)?,
            number: number(bytes)?,
        };
        let stamp = Stamp {
            size: number(bytes)?,
            mtime: time(bytes)?,
            ctime: time(bytes)?,
        };
        let sha256 = array(bytes)?;
        let [unseen] = array(bytes)?;
        Some(Self {
            inode,
            stamp,
            sha256,
            unseen,
        })
    }
}

/// Gives the bytes of records, which have to be in order.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length(records.len()));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(records.len() as u64).to_le_bytes());
    for record in records {
        record.put(&mut bytes);
    }
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// Reads records; `None` where a byte is not as it was written.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Record>> {
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    let mut rest = content;
    let count = {
        let magic: [u8; 8] = array(&mut rest)?;
        let version = u32::from_le_bytes(array(&mut rest)?);
        (magic == *MAGIC && version == VERSION).then_some(())?;
        usize::try_from(number(&mut rest)?).ok()?
    };
    (count.checked_mul(RECORD) == Some(rest.len())).then_some(())?;
    (checksum(content) == sum).then_some(())?;
    let mut records: Vec<Record> = Vec::with_capacity(count);
    for _ in 0..count {
        let record = Record::take(&mut rest)?;
        if records
            .last()
            .is_some_and(|last| last.inode >= record.inode)
        {
            return None;
        }
        records.push(record);
    }
    Some(records)
}

/// Gives the bytes that so many records have.
pub(super) const fn length(records: usize) -> usize {
    HEAD + records * RECORD + CHECKSUM
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM] {
    raw(&Digest::sha256(content)).unwrap_or_default()
}

/// Gives the bytes of a SHA-256.
fn raw(digest: &Digest) -> Option<[u8; 32]> {
    let mut raw = [0; 32];
    hex::decode_to_slice(digest.hex(), &mut raw).ok()?;
    (digest.algorithm() == Algorithm::Sha256).then_some(raw)
}

fn array<const LENGTH: usize>(bytes: &mut &[u8]) -> Option<[u8; LENGTH]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*array)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    array(bytes).map(u64::from_le_bytes)
}

fn time(bytes: &mut &[u8]) -> Option<(i64, u64)> {
    let seconds = i64::from_le_bytes(array(bytes)?);
    let nanoseconds = u64::from(u32::from_le_bytes(array(bytes)?));
    (nanoseconds < SECOND).then_some((seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = (i64, u64)> {
        (any::<i64>(), 0..SECOND)
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let value = (any::<u64>(), time(), time(), any::<[u8; 32]>(), any::<u8>());
        let all = prop::collection::btree_map((0..4_u64, any::<u64>()), value, 0..20);
        all.prop_map(|all| {
            let record = |((device, number), (size, mtime, ctime, sha256, unseen))| Record {
                inode: Inode { device, number },
                stamp: Stamp { size, mtime, ctime },
                sha256,
                unseen,
            };
            all.into_iter().map(record).collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in records()) {
            let bytes = encode(&records);
            prop_assert_eq!(bytes.len(), length(records.len()));
            prop_assert_eq!(decode(&bytes), Some(records));
        }

        #[test]
        fn one_other_byte_is_noticed(records in records(), at in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
            let mut bytes = encode(&records);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert_eq!(decode(&bytes), None);
        }

        #[test]
        fn a_part_is_noticed(records in records(), at in any::<prop::sample::Index>()) {
            let bytes = encode(&records);
            prop_assert_eq!(decode(&bytes[..at.index(bytes.len())]), None);
        }

        #[test]
        fn anything_has_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(decode(&bytes), None);
        }
    }

    #[test]
    fn a_digest_is_the_one_it_was() {
        let inode = Inode {
            device: 1,
            number: 2,
        };
        let stamp = Stamp {
            size: 3,
            mtime: (4, 5),
            ctime: (6, 7),
        };
        let digest = Digest::sha256(b"content");
        let record = Record::new(inode, stamp, &digest).expect("of SHA-256");
        assert_eq!(record.digest(), digest);
        let other = Digest::of(Algorithm::Sha512, b"content");
        assert_eq!(Record::new(inode, stamp, &other), None);
    }

    #[test]
    fn records_out_of_order_are_not_read() {
        let record = |number| {
            let stamp = Stamp {
                size: 0,
                mtime: (0, 1),
                ctime: (0, 1),
            };
            Record::new(Inode { device: 1, number }, stamp, &Digest::sha256(b""))
                .expect("of SHA-256")
        };
        assert!(decode(&encode(&[record(1), record(2)])).is_some());
        assert_eq!(decode(&encode(&[record(2), record(1)])), None);
        assert_eq!(decode(&encode(&[record(1), record(1)])), None);
    }
}
