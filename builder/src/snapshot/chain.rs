//! Layers one on the other, by what they hold.

use oci::{Algorithm, Digest, Hasher};

/// Names the file system that some layers make, and each below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Chain {
    links: Vec<Digest>,
}

/// Is raised when what is unpacked of a layer becomes another directory.
const FORM: &str = "wharf snapshot 1";
/// How many characters of a digest name a directory: 127 of them have to fit
/// into the options of one mount. The whole digest is in the directory.
const NAME: usize = 16;

impl Chain {
    /// Makes the chain of layers, the lowest first.
    pub(crate) fn of<'a>(layers: impl IntoIterator<Item = &'a Digest>) -> Self {
        let mut chain = Self::default();
        for diff_id in layers {
            chain.push(diff_id);
        }
        chain
    }

    /// Puts a layer on top.
    pub(crate) fn push(&mut self, diff_id: &Digest) {
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        hasher.update(FORM.as_bytes());
        if let Some(below) = self.links.last() {
            hasher.update(below.to_string().as_bytes());
        }
        hasher.update(b" ");
        hasher.update(diff_id.to_string().as_bytes());
        self.links.push(hasher.finish());
    }

    /// Gives the chain of its lowest layers, so many of them.
    pub(crate) fn below(&self, count: usize) -> Self {
        Self {
            links: self.links.iter().take(count).copied().collect(),
        }
    }

    /// Gives the names of its links, the lowest first.
    pub(crate) fn links(&self) -> &[Digest] {
        &self.links
    }

    /// Says how many layers of this chain another one starts with, if it starts
    /// with all of them.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        other.links.starts_with(&self.links)
    }
}

/// Names the directory of a link.
pub(crate) fn name(link: &Digest) -> String {
    link.hex().chars().take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_layer_depends_on_all_below_it() {
        let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        let chains = [
            Chain::of([&a]),
            Chain::of([&b]),
            Chain::of([&a, &b]),
            Chain::of([&b, &a]),
        ];
        let mut names: Vec<String> = chains
            .iter()
            .filter_map(|chain| chain.links().last().map(name))
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
        assert!(chains[0].is_below(&chains[2]));
        assert!(!chains[1].is_below(&chains[2]));
        assert!(Chain::default().is_below(&chains[0]));
    }
}
