use proptest::prelude::*;

use super::*;

/// Does the same by looking for every value at every place.
fn naive(values: &[Vec<u8>], text: &[u8]) -> Vec<u8> {
    let mut hidden = vec![false; text.len()];
    for value in values {
        for at in 0..text.len() {
            if text[at..].starts_with(value) {
                hidden[at..at + value.len()].fill(true);
            }
        }
    }
    let mut masked = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        match (hidden[at], at > 0 && hidden[at - 1]) {
            (true, true) => {}
            (true, false) => masked.extend_from_slice(REPLACEMENT),
            (false, _) => masked.push(*byte),
        }
    }
    masked
}

fn mask(values: &[&str]) -> Mask {
    Mask::new(values.iter().map(|value| value.as_bytes()))
}

fn masked(values: &[&str], text: &str) -> String {
    String::from_utf8(mask(values).apply(text.as_bytes())).expect("text")
}

#[test]
fn values_are_replaced() {
    for (values, text, expected) in [
        (&["secret"][..], "a secret b", "a *** b"),
        (&["secret"], "secret", "***"),
        (&["secret"], "secre", "secre"),
        (&["secret"], "sesecret", "se***"),
        (&["secret"], "secretsecret", "***"),
        (&["secret"], "secret secret", "*** ***"),
        // The longer one, and what is left of an overlap too.
        (
            &["pass", "password"],
            "password pass passwor",
            "*** *** ***wor",
        ),
        (&["abcd", "cdef"], "xabcdefx", "x***x"),
        (&["aaaa"], "aaaaaaab", "***b"),
        (&["bcde", "abcdef"], "abcdeg abcdef", "a***g ***"),
        // Nothing to look for.
        (&[], "secret", "secret"),
        (&["", "a", "abc"], "abcabc", "abcabc"),
        // What a file ends with is not part of it, but for all of a line.
        (&["token\n"], "x-token-y", "x-***-y"),
        (&["token\r\n"], "x-token-y", "x-***-y"),
    ] {
        assert_eq!(masked(values, text), expected, "{values:?} {text}");
    }
}

#[test]
fn lines_of_a_value_are_replaced_by_themselves() {
    let key = "-----BEGIN KEY-----\nMIIabcdefgh\nxyz\n-----END KEY-----\n";
    assert_eq!(
        masked(&[key], "1: MIIabcdefgh\n2: xyz\n"),
        "1: ***\n2: xyz\n"
    );
    assert_eq!(masked(&[key], key), "***\n");
}

#[test]
fn short_values_are_told() {
    assert!(!can_hide(b"abc\n"));
    assert!(can_hide(b"abcd\n"));
}

#[test]
fn what_can_not_be_a_secret_is_given_on_at_once() {
    let mut stream = mask(&["secret", "see"]).stream();
    let mut output = Vec::new();
    stream.push(b"abc sec", &mut output);
    assert_eq!(output, b"abc ");
    stream.push(b"o", &mut output);
    assert_eq!(output, b"abc seco");
    stream.push(b"secret", &mut output);
    stream.push(b"!se", &mut output);
    assert_eq!(output, b"abc seco***!");
    stream.finish(&mut output);
    assert_eq!(output, b"abc seco***!se");
    // What follows is another stream.
    stream.push(b"cret secret", &mut output);
    stream.finish(&mut output);
    assert_eq!(output, b"abc seco***!secret ***");
}

#[test]
fn no_more_is_held_back_than_the_longest_value() {
    let value = vec![b'a'; 1000];
    let mut stream = Mask::new([value.as_slice()]).stream();
    let mut output = Vec::new();
    for _ in 0..100 {
        stream.push(&[b'a'; 997], &mut output);
        assert!(stream.held.len() <= value.len());
        assert!(stream.hidden.len() <= 1);
    }
    stream.push(b"b", &mut output);
    assert_eq!(output, b"***b");
}

#[test]
fn nothing_secret_is_printed_by_debug() {
    let mask = mask(&["secret"]);
    let printed = format!("{mask:?} {:?}", mask.stream());
    assert_eq!(printed, "[redacted] [redacted]");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn it_is_as_the_naive_one_across_all_borders(
        values in prop::collection::vec(prop::collection::vec(b'a'..=b'c', 4..9), 0..5),
        text in prop::collection::vec(b'a'..=b'd', 0..200),
        borders in prop::collection::vec(1_usize..12, 1..30),
    ) {
        let mask = Mask::new(values.iter().map(Vec::as_slice));
        let mut stream = mask.stream();
        let mut output = Vec::new();
        let mut rest = text.as_slice();
        let mut borders = borders.iter().cycle();
        while !rest.is_empty() {
            let count = (*borders.next().expect("a cycle")).min(rest.len());
            let (chunk, further) = rest.split_at(count);
            stream.push(chunk, &mut output);
            prop_assert!(stream.held.len() <= 8);
            rest = further;
        }
        stream.finish(&mut output);
        let expected = naive(&values, &text);
        prop_assert_eq!(&output, &expected);
        prop_assert_eq!(mask.apply(&text), expected);
    }
}
