//! What holds of every text.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::expand::pattern::{Budget, Pattern, Reach};
use crate::expand::tests::corpus::cases;
use crate::{Escape, expand_heredoc, expand_word, expand_words};

/// Makes texts that are nearly well formed.
fn near_valid() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("${"),
        Just("}"),
        Just("$"),
        Just("x"),
        Just("y"),
        Just(":-"),
        Just(":+"),
        Just(":?"),
        Just("#"),
        Just("##"),
        Just("%"),
        Just("%%"),
        Just("/"),
        Just("//"),
        Just("*"),
        Just("?"),
        Just("\\"),
        Just("`"),
        Just("'"),
        Just("\""),
        Just(" "),
        Just("é"),
        Just("\n"),
        Just("${x"),
    ];
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

fn variables() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[xyz]", "[ab/.*?$0\\\\ \n]{0,8}", 0..3)
}

fn check(text: &str, variables: &BTreeMap<String, String>) {
    for escape in [Escape::Backslash, Escape::Backtick] {
        let word = expand_word(text, escape, variables);
        let words = expand_words(text, escape, variables);
        match (word, words) {
            (Ok(word), Ok(words)) => {
                assert!(
                    words
                        .iter()
                        .all(|part| !part.is_empty() && word.value.contains(part.as_str()))
                );
                assert!(word.unset.iter().all(|name| !variables.contains_key(name)));
            }
            (Err(word), Err(words)) => {
                assert_eq!(word, words);
                assert!(
                    text.get(word.range.clone()).is_some(),
                    "{word:?} in {text:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        if let Err(error) = expand_heredoc(text, escape, variables) {
            assert!(
                text.get(error.range.clone()).is_some(),
                "{error:?} in {text:?}"
            );
        }
    }
}

/// Says how many letters at the front match, by trying every way.
fn lengths(pattern: &[char], value: &[char]) -> Vec<usize> {
    match pattern {
        [] => vec![0],
        ['*', rest @ ..] => {
            let end = value
                .iter()
                .position(|letter| *letter == '\n')
                .unwrap_or(value.len());
            (0..=end)
                .flat_map(|skip| {
                    lengths(rest, &value[skip..])
                        .into_iter()
                        .map(move |length| length + skip)
                })
                .collect()
        }
        [first, rest @ ..] => match value {
            [letter, more @ ..] if first == letter || (*first == '?' && *letter != '\n') => {
                lengths(rest, more)
                    .into_iter()
                    .map(|length| length + 1)
                    .collect()
            }
            _ => Vec::new(),
        },
    }
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in ".{0,60}", variables in variables()) {
        check(&text, &variables);
    }

    #[test]
    fn nearly_any_text_has_an_answer(text in near_valid(), variables in variables()) {
        check(&text, &variables);
    }

    #[test]
    fn part_of_a_case_has_an_answer(index in any::<prop::sample::Index>(), start in 0_usize..40, end in 0_usize..60) {
        let cases = cases();
        let case = index.get(&cases);
        let part: String = case.text.chars().skip(start).take(end).collect();
        check(&part, &case.variables);
    }

    #[test]
    fn plain_text_is_itself(text in "[^$'\"\\\\]{0,60}") {
        let none = BTreeMap::new();
        let expanded = expand_word(&text, Escape::Backslash, &none).unwrap();
        prop_assert_eq!(&expanded.value, &text);
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assert_eq!(expand_words(&text, Escape::Backslash, &none).unwrap(), words);
    }

    #[test]
    fn quoted_text_is_itself(text in "[^']{0,60}") {
        let none = BTreeMap::new();
        let quoted = format!("'{text}'");
        prop_assert_eq!(&expand_word(&quoted, Escape::Backslash, &none).unwrap().value, &text);
        let escaped: String = text.chars().flat_map(|letter| ['\\', letter]).collect();
        prop_assert_eq!(&expand_word(&escaped, Escape::Backslash, &none).unwrap().value, &text);
    }

    #[test]
    fn a_value_is_itself(value in ".{0,60}") {
        let variables = BTreeMap::from([("x".to_owned(), value.clone())]);
        for text in ["$x", "${x}", "\"$x\"", "${y-$x}", "${x+$x}", "${x?}", "${x#}", "${x%}"] {
            let expanded = expand_word(text, Escape::Backslash, &variables).unwrap();
            prop_assert_eq!(&expanded.value, &value, "{}", text);
        }
    }

    #[test]
    fn patterns_match_what_trying_every_way_finds(pattern in "[ab*?\n]{0,6}", value in "[ab\n]{0,8}") {
        let letters: Vec<char> = value.chars().collect();
        let tokens: Vec<char> = pattern.chars().collect();
        let lengths = lengths(&tokens, &letters);
        let read = Pattern::parse(&pattern).unwrap();
        for (reach, length) in [
            (Reach::Shortest, lengths.iter().min()),
            (Reach::Longest, lengths.iter().max()),
        ] {
            let rest: String = letters.iter().skip(length.copied().unwrap_or(0)).collect();
            let found = read.without_prefix(&value, reach, &mut Budget::new(1 << 20)).unwrap();
            prop_assert_eq!(found, rest);
            let reversed: String = value.chars().rev().collect();
            let back = Pattern::parse(&pattern.chars().rev().collect::<String>()).unwrap();
            let mirrored = back.without_suffix(&reversed, reach, &mut Budget::new(1 << 20)).unwrap();
            prop_assert_eq!(mirrored.chars().rev().collect::<String>(), found);
        }
    }
}
