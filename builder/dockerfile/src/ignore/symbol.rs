//! Letters of paths, which need not be text.

use std::ops::Range;

/// Is a letter, or a byte that is part of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol(u32);

/// Is the number of the first byte that is no letter.
const BYTES: u32 = 0x11_0000;

impl Symbol {
    /// Is what separates names.
    pub(super) const SLASH: Self = Self('/' as u32);

    /// Makes one of a letter.
    pub(super) fn letter(letter: char) -> Self {
        Self(u32::from(letter))
    }

    /// Says whether it is one.
    pub(super) fn is_letter(self) -> bool {
        self.0 < BYTES
    }

    fn width(self) -> usize {
        char::from_u32(self.0).map_or(1, char::len_utf8)
    }

    /// Gives it as a letter; a byte that is none counts as U+FFFD.
    pub(super) fn as_letter(self) -> char {
        char::from_u32(self.0).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

/// Gives the letters of a path and where each begins; a byte that is part of
/// none is given alone.
pub(super) fn symbols(bytes: &[u8]) -> impl Iterator<Item = (usize, Symbol)> + '_ {
    let mut start = 0;
    bytes.utf8_chunks().flat_map(move |chunk| {
        let valid = start;
        let invalid = valid + chunk.valid().len();
        start = invalid + chunk.invalid().len();
        let letters = chunk.valid().char_indices();
        let letters = letters.map(move |(at, letter)| (valid + at, Symbol::letter(letter)));
        let others = chunk.invalid().iter().enumerate();
        letters
            .chain(others.map(move |(at, byte)| (invalid + at, Symbol(BYTES + u32::from(*byte)))))
    })
}

/// Finds what bytes are without the blanks at their ends, of any script.
pub(super) fn trimmed(bytes: &[u8]) -> Range<usize> {
    let mut inside = symbols(bytes).filter(|(_, symbol)| !symbol.as_letter().is_whitespace());
    let Some(first) = inside.next() else {
        return 0..0;
    };
    let (at, last) = inside.last().unwrap_or(first);
    first.0..at + last.width()
}

/// Gives bytes without the blanks at their ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.get(trimmed(bytes)).unwrap_or_default()
}
