//! Files cut into groups, each of which becomes a blob: so that where little
//! changes, little is packed and sent.

use oci::Digest;

use crate::cache::mounts::collect::CachedFile;

/// The least bytes of a group, but for the last one, while there are few
/// groups: a blob that is worth its request.
const LEAST: u64 = 4 * 1024 * 1024;
/// How many times as large a group is at most, but for its last file.
const MOST_OF_LEAST: u64 = 8;
/// How many groups there should be at most: for more bytes, groups are larger.
const WANTED_GROUPS: u64 = 512;
/// What a file counts beside its content: its headers, and the work.
const FILE_BYTES: u64 = 1024;
/// How the digests of paths end that are borders: one of eight does.
const BORDERS: [char; 2] = ['0', '8'];

/// Cuts files into groups, in the order of their first names. A border is
/// before a file whose path says so, once the group is large enough; so what
/// comes or goes in one group moves no border beyond the next but few.
pub(super) fn groups(files: Vec<CachedFile>) -> Vec<Vec<CachedFile>> {
    let weigh = |file: &CachedFile| {
        let names = (file.links.len() as u64).saturating_add(1);
        file.size.saturating_add(names.saturating_mul(FILE_BYTES))
    };
    let all = files.iter().map(weigh).fold(0, u64::saturating_add);
    let least = least(all);
    let most = least.saturating_mul(MOST_OF_LEAST);
    let mut groups = Vec::new();
    let (mut group, mut bytes) = (Vec::new(), 0_u64);
    for file in files {
        if bytes >= most || bytes >= least && is_border(&file) {
            groups.push(std::mem::take(&mut group));
            bytes = 0;
        }
        bytes = bytes.saturating_add(weigh(&file));
        group.push(file);
    }
    if !group.is_empty() {
        groups.push(group);
    }
    groups
}

/// Says how large groups of so many bytes are at least. It doubles, so that it
/// seldom changes from one build to the next.
fn least(all: u64) -> u64 {
    let mut least = LEAST;
    while all / least > WANTED_GROUPS {
        least = least.saturating_mul(2);
    }
    least
}

fn is_border(file: &CachedFile) -> bool {
    Digest::sha256(file.path.as_bytes())
        .hex()
        .ends_with(BORDERS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use layer::{EntryPath, Metadata};
    use proptest::prelude::*;

    use super::*;

    fn file(number: usize, size: u64) -> CachedFile {
        let path = format!("d/{number:06}");
        CachedFile {
            path: EntryPath::parse(path.as_bytes()).expect("a path"),
            links: Vec::new(),
            metadata: Metadata::default(),
            size,
            digest: Digest::sha256(&number.to_le_bytes()),
        }
    }

    fn files(count: usize) -> Vec<CachedFile> {
        let size = |number: usize| (number as u64).wrapping_mul(7919) % 400_000;
        (0..count)
            .map(|number| file(number, size(number)))
            .collect()
    }

    #[test]
    fn a_change_is_in_few_groups() {
        let before: BTreeSet<_> = groups(files(3000))
            .into_iter()
            .map(|group| format!("{group:?}"))
            .collect();
        assert!((60..200).contains(&before.len()), "{}", before.len());
        for change in [0, 1, 777, 1500, 2999] {
            let mut added = files(3000);
            added.insert(change, file(change, 5_000_000));
            let mut removed = files(3000);
            removed.remove(change);
            let mut changed = files(3000);
            changed[change] = file(change, 3_000_000);
            for files in [added, removed, changed] {
                let after = groups(files);
                let new = after
                    .iter()
                    .filter(|group| !before.contains(&format!("{group:?}")));
                assert!((1..=4).contains(&new.count()), "{change}");
            }
        }
    }

    #[test]
    fn groups_grow_with_what_there_is() {
        let gigabyte = 1024 * 1024 * 1024;
        let sizes = [0, 2, 3, 5, 100].map(|gigabytes| least(gigabytes * gigabyte) / LEAST);
        assert_eq!(sizes, [1, 1, 2, 4, 64]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_order_stays(sizes in prop::collection::vec(0_u64..9_000_000, 0..200)) {
            let files: Vec<_> = sizes.into_iter().enumerate().map(|(at, size)| file(at, size)).collect();
            let groups = groups(files.clone());
            prop_assert!(groups.iter().all(|group| !group.is_empty()));
            prop_assert_eq!(groups.concat(), files);
        }
    }
}
