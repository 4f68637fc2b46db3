//! Which files of a cache fit into its artefact.

use std::collections::BTreeMap;

use layer::{EntryPath, Time};

use crate::cache::mounts::collect::CachedFile;

/// Keeps the files that were used last, as many as fit, in the order in which
/// they come, and counts those that it leaves out. The first that does not fit
/// and all that were not used after it go; of those with one time, the last by
/// their paths go first. Files whose use is not known count as never used.
pub(super) fn choose(
    files: Vec<CachedFile>,
    uses: &BTreeMap<EntryPath, Time>,
    quota: u64,
) -> (Vec<CachedFile>, u64) {
    let mut by_use: Vec<usize> = (0..files.len()).collect();
    by_use.sort_by_cached_key(|number| {
        let file = files.get(*number);
        let used = file.and_then(|file| uses.get(&file.path));
        (std::cmp::Reverse(used.copied()), *number)
    });
    let mut left = Some(quota);
    let mut is_kept = vec![false; files.len()];
    for number in by_use {
        let size = files.get(number).map_or(0, |file| file.size);
        left = left.and_then(|left| left.checked_sub(size));
        if let (Some(_), Some(kept)) = (left, is_kept.get_mut(number)) {
            *kept = true;
        }
    }
    let all = files.len();
    let mut is_kept = is_kept.into_iter();
    let kept: Vec<CachedFile> = files
        .into_iter()
        .filter(|_| is_kept.next().unwrap_or(false))
        .collect();
    let left_out = all.saturating_sub(kept.len()) as u64;
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use layer::Metadata;
    use oci::Digest;

    use super::*;

    fn path(name: &str) -> EntryPath {
        EntryPath::parse(name.as_bytes()).expect("a path")
    }

    fn kept(quota: u64) -> (String, u64) {
        let sizes = [("a", 5), ("b", 5), ("c", 0), ("d", 7), ("e", 5)];
        let files = sizes.map(|(name, size)| CachedFile {
            path: path(name),
            links: Vec::new(),
            metadata: Metadata::default(),
            size,
            digest: Digest::sha256(b""),
        });
        // `e` was never seen; `a` and `b` at the same time.
        let uses = [("a", 30), ("b", 30), ("c", 10), ("d", 40)];
        let uses = uses.map(|(name, time)| (path(name), Time::from_seconds(time)));
        let (kept, left_out) = choose(files.into(), &BTreeMap::from(uses), quota);
        let names = kept.iter().map(|file| file.path.to_string());
        (names.collect::<String>().replace('/', ""), left_out)
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        for (quota, expected) in [
            (22, ("abcde", 0)),
            (21, ("abcd", 1)),
            (17, ("abcd", 1)),
            // Nothing that is older than what did not fit is taken, not even
            // what is empty.
            (16, ("ad", 3)),
            (12, ("ad", 3)),
            (11, ("d", 4)),
            (6, ("", 5)),
            (u64::MAX, ("abcde", 0)),
        ] {
            let (names, left_out) = kept(quota);
            assert_eq!((names.as_str(), left_out), expected, "{quota}");
        }
    }
}
