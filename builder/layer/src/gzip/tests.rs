use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::*;

pub(super) fn noise(length: usize) -> Vec<u8> {
    // A generator of its own, so that the bytes never change.
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(length)
    .collect()
}

#[test]
fn a_member_is_read_back() {
    let mut compressor = Compressor::new(LEVEL);
    let text = b"a line that comes again\n".repeat(1000);
    for block in [vec![], vec![0], noise(BLOCK), vec![0; BLOCK], text] {
        let member = compressor.member(&block);
        assert_eq!(member[..10], HEADER);
        let mut read = Vec::new();
        MultiGzDecoder::new(member.as_slice())
            .read_to_end(&mut read)
            .expect("valid");
        assert!(read == block);
    }
}

#[test]
fn what_was_compressed_before_changes_nothing() {
    let (one, other) = (b"one after the other ".repeat(3000), noise(70_000));
    let mut used = Compressor::new(LEVEL);
    used.member(&other);
    used.member(&one);
    for block in [&one, &other] {
        assert!(used.member(block) == Compressor::new(LEVEL).member(block));
    }
}

#[test]
fn noise_hardly_grows() {
    let member = Compressor::new(LEVEL).member(&noise(BLOCK));
    assert!(member.len() < BLOCK + BLOCK / 1000, "{}", member.len());
}
