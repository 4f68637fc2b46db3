use crate::expand::{MAX_DEPTH, MAX_WRITTEN};
use crate::{Escape, ExpandError, Expanded, expand_word};

fn expand(text: &str, variables: &[(&str, &str); 2]) -> Result<Expanded, ExpandError> {
    expand_word(text, Escape::Backslash, variables)
}

fn message(text: &str, variables: &[(&str, &str); 2]) -> String {
    expand(text, variables).unwrap_err().to_string()
}

#[test]
fn variables_lie_so_deep_in_each_other_and_no_deeper() {
    let nested = |depth: usize| format!("{}x{}", "${a:-".repeat(depth), "}".repeat(depth));
    let none = [("", ""), ("", "")];
    assert_eq!(expand(&nested(MAX_DEPTH), &none).unwrap().value, "x");
    assert_eq!(
        message(&nested(MAX_DEPTH + 1), &none),
        "variables lie more than 64 deep in each other"
    );
    let quoted = format!("{}x{}", "\"${a:-".repeat(100_000), "}\"".repeat(100_000));
    assert!(expand(&quoted, &none).is_err());
}

#[test]
fn values_are_so_large_together_and_no_larger() {
    let large = "x".repeat(MAX_WRITTEN / 4);
    let variables = [("a", large.as_str()), ("b", "")];
    assert_eq!(
        expand("$a$a$a$a", &variables).unwrap().value.len(),
        MAX_WRITTEN
    );
    assert_eq!(
        message("$a$a$a$a${b:-y}", &variables),
        "the values are more than 8 MiB together"
    );
    let unused = "${b:+$a$a$a$a$a}";
    assert_eq!(
        message(unused, &variables),
        "the values are more than 8 MiB together"
    );
}

#[test]
fn replacements_do_not_grow_without_end() {
    let nested = (0..10).fold("$a".to_owned(), |text, _| format!("${{a//?/{text}{text}}}"));
    let variables = [("a", "xxxxxxxxxxxxxxxx"), ("b", "")];
    assert_eq!(
        message(&nested, &variables),
        "the values are more than 8 MiB together"
    );
    let dollars = "$0".repeat(100_000);
    let long = "y".repeat(100_000);
    let variables = [("a", long.as_str()), ("b", dollars.as_str())];
    assert_eq!(
        message("${a//*/$b}", &variables),
        "the values are more than 8 MiB together"
    );
    let squared = [("a", long.as_str()), ("b", long.as_str())];
    assert_eq!(
        message("${a//?/$b}", &squared),
        "the values are more than 8 MiB together"
    );
}

#[test]
fn patterns_do_not_take_for_ever() {
    let long = "a".repeat(20_000);
    let stars = "*a".repeat(2_000);
    let variables = [("a", long.as_str()), ("p", stars.as_str())];
    assert_eq!(
        expand("${a##*a*a*a*a*a*a*a*a*a*a*a*a*a*ab}", &variables)
            .unwrap()
            .value,
        long
    );
    assert_eq!(
        expand("${a%%*a*a*a*a*a*a*a*b}", &variables).unwrap().value,
        long
    );
    assert_eq!(
        expand("${a//*a*a*a*a*a*a*a*b/x}", &variables)
            .unwrap()
            .value,
        long
    );
    let error = expand("${a##${p}b}${a##${p}b}${a##${p}b}", &variables).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the pattern takes too long on a value of this size"
    );
}

#[test]
fn many_names_are_told_once_each_without_delay() {
    let text: String = (0..100_000)
        .map(|number| format!("$n{} ", number % 50_000))
        .collect();
    let none = [("", ""), ("", "")];
    assert_eq!(expand(&text, &none).unwrap().unset.len(), 50_000);
}
