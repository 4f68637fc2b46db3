//! Tells blocks that are compressed already: to look costs a fiftieth of what it
//! costs to compress them once more, for a five-hundredth of their size.
//!
//! What it says decides bytes of layers, so that it goes by whole numbers alone.

/// Shorter blocks are compressed always, in bytes.
const LEAST: usize = 64 * 1024;

/// How many parts of a block are looked at for how often each byte comes.
const PARTS: usize = 64;
/// The length of each, in bytes.
const PART: usize = 512;
/// How much more often than in noise two of those bytes may be the same, in
/// thousandths. Of what gzip wrote it is at most 40, of programs 6,000 and more.
const UNEVEN: u64 = 60;

/// How many bytes in one piece are looked at for what comes again: as far as
/// deflate looks back (RFC 1951, section 2).
const WINDOW: usize = 32 * 1024;
/// How many bytes have to come again to count.
const SEQUENCE: usize = 4;
/// One of so many places may have something that was there before. In noise it
/// is one of 100,000.
const SELDOM: usize = 100;
/// How many bits of a sequence say where it is remembered.
const SLOT_BITS: u32 = 15;

/// Says whether nothing would be won by compressing a block: its bytes come
/// equally often, and next to nothing comes again.
pub(super) fn is_dense(block: &[u8]) -> bool {
    block.len() >= LEAST && is_even(block) && !repeats(block)
}

/// Says whether all bytes come about equally often.
fn is_even(block: &[u8]) -> bool {
    let mut counts = [0_u64; 256];
    let mut all = 0;
    for part in block.chunks(block.len().div_ceil(PARTS)) {
        for byte in part.iter().take(PART) {
            counts[usize::from(*byte)] += 1;
            all += 1;
        }
    }
    // How often two bytes are the same, of all pairs: in noise one of 256.
    let same: u64 = counts.iter().map(|count| count * count).sum();
    same * 256 * 1000 <= all * all * (1000 + UNEVEN)
}

/// Says whether something comes again in the middle of a block.
fn repeats(block: &[u8]) -> bool {
    let start = block.len().saturating_sub(WINDOW) / 2;
    let window = block.get(start..).unwrap_or_default();
    let window = window.get(..WINDOW).unwrap_or(window);
    let mut places = vec![0_u32; 1 << SLOT_BITS];
    let mut found = 0;
    for sequence in window.windows(SEQUENCE) {
        let mut value = 0;
        for byte in sequence {
            value = value << 8 | u32::from(*byte);
        }
        // Knuth's multiplicative hash.
        let slot = value.wrapping_mul(2_654_435_761) >> (32 - SLOT_BITS);
        let known = &mut places[slot as usize];
        found += usize::from(*known == value);
        *known = value;
    }
    found * SELDOM > window.len()
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    #[test]
    fn what_is_compressed_already_is_dense() {
        assert!(is_dense(&noise(LEAST)));
        assert!(is_dense(&noise(1 << 20)));
        let letters = noise(16_000);
        let letters = letters
            .iter()
            .map(|byte| b"etaoin shrdlu\n(0)."[*byte as usize % 17]);
        let letters: Vec<u8> = letters.collect();
        let text: Vec<u8> = noise(240_000)
            .chunks(2)
            .flat_map(|at| {
                let start = usize::from(at[0]) * usize::from(at[1]) % 15_000;
                letters[start..start + 9].to_vec()
            })
            .collect();
        let mut compressor = super::super::Compressor::new(super::super::LEVEL);
        let packed: Vec<u8> = text
            .chunks(super::super::BLOCK)
            .flat_map(|block| compressor.member(block))
            .collect();
        assert!(packed.len() > LEAST && is_dense(&packed));
        assert!(!is_dense(&text));
    }

    #[test]
    fn what_can_be_made_smaller_is_not() {
        assert!(!is_dense(&[]));
        assert!(!is_dense(&noise(LEAST - 1)));
        assert!(!is_dense(&vec![7; 1 << 20]));
        // Every byte comes as often as every other.
        let counted: Vec<u8> = (0..1_u32 << 20).map(|number| number as u8).collect();
        assert!(is_even(&counted) && !is_dense(&counted));
        // Noise that comes again within reach.
        let again = noise(10_007).repeat(100);
        assert!(is_even(&again) && !is_dense(&again));
        // Half of it is noise.
        let half = [noise(1 << 19), b"text of some length ".repeat(26_000)].concat();
        assert!(!is_dense(&half));
    }

    proptest::proptest! {
        #[test]
        fn any_block_has_an_answer(block: Vec<u8>, times in 0_usize..3000) {
            is_dense(&block.repeat(times));
        }
    }
}
