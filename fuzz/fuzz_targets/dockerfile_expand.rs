//! Any text has an answer of bounded size; an error stands in the text.

#![no_main]

use dockerfile::{Escape, ExpandError, expand_heredoc, expand_word, expand_words};
use libfuzzer_sys::fuzz_target;

/// Is more than any answer may have, in bytes.
const MAX_ANSWER: usize = 64 << 20;

fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses; the first line is the value of `a` and `_1`.
    let Some((choice, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let escape = if choice & 1 == 0 {
        Escape::Backslash
    } else {
        Escape::Backtick
    };
    let (value, text) = text.split_once('\n').unwrap_or(("", text));
    let variables = [
        ("a", value),
        ("_1", value),
        ("empty", ""),
        ("path", "/usr/bin:/bin"),
    ];
    let check = |answer: Result<usize, ExpandError>| match answer {
        Ok(length) => assert!(length <= MAX_ANSWER),
        Err(error) => {
            assert!(text.get(error.range).is_some());
            assert!(!error.message.is_empty() && !error.message.contains('\n'));
        }
    };
    check(expand_word(text, escape, &variables).map(|expanded| expanded.value.len()));
    check(expand_heredoc(text, escape, &variables).map(|expanded| expanded.value.len()));
    let words = expand_words(text, escape, &variables);
    check(words.map(|words| words.iter().map(String::len).sum()));
    // What has nothing to expand stays.
    if !text.contains(['$', '\'', '"', '\\', '`']) {
        assert_eq!(expand_word(text, escape, &variables).unwrap().value, text);
    }
});
