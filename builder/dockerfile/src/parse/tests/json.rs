//! Arrays beside what another reader of JSON finds in them.

use std::ops::Range;

use proptest::prelude::*;
use serde_json::Value;

use crate::parse::json::Array;
use crate::text::Text;

/// Says what an array should be read as: its strings, that it holds others, or
/// nothing.
fn expected(text: &str) -> Option<Option<Vec<String>>> {
    let Ok(Value::Array(values)) = serde_json::from_str(text) else {
        return None;
    };
    let strings = values.into_iter().map(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    });
    Some(strings.collect())
}

fn found(text: &str) -> Option<Option<Vec<String>>> {
    match Array::read(&Text::new(text, 7)) {
        Array::Strings(words) => {
            for word in &words {
                let Range { start, end } = word.span().range();
                assert!(start >= 7 && end <= text.len() + 7);
            }
            Some(Some(words.iter().map(Text::to_string).collect()))
        }
        Array::Others(spans) => {
            assert!(!spans.is_empty());
            Some(None)
        }
        Array::No => None,
    }
}

#[test]
fn arrays_as_deep_as_a_file_is_long_are_read() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(found(&deep(10_000)), Some(None));
    assert_eq!(found(&deep(10_001)), None);
    assert_eq!(found(&deep(1_000_000)), None);
    assert_eq!(found(&"[".repeat(1_000_000)), None);
    assert_eq!(found(&format!("[{}", "{\"a\":".repeat(500_000))), None);
}

#[test]
fn halves_of_characters_are_replaced() {
    let strings = |text: &str| found(text).flatten().unwrap().concat();
    assert_eq!(strings(r#"["\ud83d"]"#), "\u{fffd}");
    assert_eq!(strings(r#"["\ud83d\u0041"]"#), "\u{fffd}A");
    assert_eq!(strings(r#"["\ud83d\ud83d\udc08"]"#), "\u{fffd}🐈");
    assert_eq!(strings(r#"["\udc08\ud83d"]"#), "\u{fffd}\u{fffd}");
    assert_eq!(strings(r#"["\ud83d\n"]"#), "\u{fffd}\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn both_find_the_same(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "\"", "\"", "\"a\"", "\"b c\"", ",", ",", "[", "]", "{", "}", ":", " ", "\t", "\\",
            "\\n", "\\u00e9", "\\u12", "é", "1", "0", "-", ".", "e", "E+", "true", "null", "fals",
            "\u{1}", "\u{7f}",
        ]), 0..12),
    ) {
        let text = format!("[{}]", pieces.concat());
        prop_assert_eq!(found(&text), expected(&text));
    }
}
