//! Permissions that were not taken over and may have been meant.

use std::collections::BTreeMap;

use layer::EntryPath;

/// Holds what is unusual of files, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unusual {
    files: BTreeMap<EntryPath, Why>,
}

/// Says what is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It has set-id or sticky bits.
    Special(u16),
    /// Others may not read it, but may read what lies beside it.
    Private(u16),
}

/// The set-id and sticky bits.
const SPECIAL: u16 = 0o7000;
/// What lets others than the owner read.
const READABLE: u16 = 0o044;

impl Unusual {
    /// Says whether there is nothing unusual.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Takes note of what is unusual in one directory: files among files, and
    /// directories among directories.
    pub(crate) fn note(&mut self, siblings: &[(EntryPath, u16)]) {
        let some_readable = siblings.iter().any(|(_, mode)| mode & READABLE != 0);
        for (path, mode) in siblings {
            let why = if mode & SPECIAL != 0 {
                Why::Special(*mode)
            } else if some_readable && mode & READABLE == 0 {
                Why::Private(*mode)
            } else {
                continue;
            };
            self.files.insert(path.clone(), why);
        }
    }

    /// Says what is unusual of the paths that were taken.
    pub(crate) fn among<'a>(
        &'a self,
        taken: &'a [EntryPath],
    ) -> impl Iterator<Item = (&'a EntryPath, Why)> {
        // Mostly nothing is, of very many.
        let taken = match self.files.is_empty() {
            true => &[],
            false => taken,
        };
        taken
            .iter()
            .filter_map(|path| self.files.get(path).map(|why| (path, *why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_out_is_noted() {
        let path = |name: &str| EntryPath::parse(name.as_bytes()).expect("valid");
        let mut unusual = Unusual::default();
        unusual.note(&[
            (path("key"), 0o600),
            (path("a"), 0o644),
            (path("su"), 0o4755),
        ]);
        unusual.note(&[(path("d/key"), 0o600), (path("d/other"), 0o700)]);
        let all = ["key", "a", "su", "d/key", "d/other"].map(path);
        let found: Vec<(&EntryPath, Why)> = unusual.among(&all).collect();
        assert_eq!(
            found,
            [
                (&path("key"), Why::Private(0o600)),
                (&path("su"), Why::Special(0o4755))
            ]
        );
    }
}
