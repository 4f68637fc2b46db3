//! What holds of every file.

use proptest::prelude::*;

use crate::Ignore;
use crate::ignore::tests::corpus::cases;
use crate::ignore::tests::slow::{Line, excludes};

/// Makes a pattern whose text needs no cleaning.
fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 2 => Just("ab"), 2 => Just(".a"), 3 => Just("*"), 2 => Just("?"),
        3 => Just("**"), 1 => Just("[ab]"), 1 => Just("[^a]"), 1 => Just("[a-c]"), 1 => Just("\\*"), 1 => Just("é"),
    ];
    let name = proptest::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat());
    proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (any::<bool>(), pattern());
    let line = line.prop_map(|(exception, pattern)| Line { exception, pattern });
    // An exception alone keeps what is kept: most begin with something else.
    proptest::collection::vec(line, 1..6).prop_map(|mut lines| {
        if let Some(first) = lines.first_mut() {
            first.exception = false;
        }
        lines
    })
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc.*é]{1,3}", 1..5)
        .prop_map(|names| names.join("/"))
        .prop_filter("a path of names", |path| {
            path.split('/').all(|name| name != "." && name != "..")
        })
}

fn read(lines: &[Line]) -> Ignore {
    let text: String = lines
        .iter()
        .map(|line| {
            format!(
                "{}{}\n",
                if line.exception { "!" } else { "" },
                line.pattern
            )
        })
        .collect();
    let (ignore, diagnostics) = Ignore::parse(text.as_bytes());
    assert_eq!(diagnostics, [], "{text}");
    ignore
}

/// Checks that a walk says of each path what is said of it alone, and that
/// nothing is kept in a directory that need not be walked.
fn check_walk(ignore: &Ignore, path: &[u8]) {
    let names: Vec<&[u8]> = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .collect();
    let mut state = ignore.root();
    let mut may_hold = state.may_hold_included();
    assert!(may_hold, "the root is always walked");
    for depth in 1..=names.len() {
        let (inside, excluded) = state.enter(names[depth - 1]);
        assert_eq!(excluded, ignore.matches(&names[..depth].join(&b'/')));
        assert!(
            excluded || may_hold,
            "{} is kept",
            names[..depth].join(&b'/').escape_ascii()
        );
        may_hold = may_hold && inside.may_hold_included();
        assert!(excluded || inside.may_hold_included());
        state = inside;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_slow_way_says_the_same(lines in lines(), paths in proptest::collection::vec(path(), 8)) {
        let ignore = read(&lines);
        for path in paths {
            prop_assert_eq!(ignore.matches(path.as_bytes()), excludes(&lines, &path), "{}", path);
        }
    }

    #[test]
    fn a_walk_says_the_same(lines in lines(), paths in proptest::collection::vec(path(), 8)) {
        let ignore = read(&lines);
        for path in paths {
            check_walk(&ignore, path.as_bytes());
        }
    }

    #[test]
    fn a_directory_is_not_walked_in_vain(lines in lines(), path in path()) {
        // Without an exception nothing can be kept in what is left out.
        let lines: Vec<Line> = lines.into_iter().map(|line| Line { exception: false, ..line }).collect();
        let ignore = read(&lines);
        let mut state = ignore.root();
        for name in path.split('/') {
            let (inside, excluded) = state.enter(name.as_bytes());
            prop_assert_eq!(inside.may_hold_included(), !excluded);
            state = inside;
        }
    }

    #[test]
    fn any_bytes_have_an_answer(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        path in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let (ignore, diagnostics) = Ignore::parse(&bytes);
        for said in diagnostics {
            prop_assert!(said.span.start <= said.span.end && said.span.end <= bytes.len());
        }
        check_walk(&ignore, &path);
    }

    #[test]
    fn nearly_any_file_has_an_answer(text in "[ab!#/*?.^$()|{}+\\[\\]\\\\ \n:dwx0-9é-]{0,60}", path in "[ab/.*é\n]{0,12}") {
        let (ignore, diagnostics) = Ignore::parse(text.as_bytes());
        for said in diagnostics {
            prop_assert!(text.get(said.span.range()).is_some(), "{:?} in {:?}", said, text);
        }
        check_walk(&ignore, path.as_bytes());
    }

    #[test]
    fn part_of_a_case_has_an_answer(index in any::<prop::sample::Index>(), start in 0_usize..60, end in 0_usize..60) {
        let cases = small_cases();
        let (bytes, paths) = index.get(cases);
        let start = start.min(bytes.len());
        let end = end.clamp(start, bytes.len().max(start));
        let (ignore, _) = Ignore::parse(&bytes[start..end.min(bytes.len())]);
        for path in paths {
            check_walk(&ignore, path);
        }
    }
}

/// Is a file, and paths that are looked at with it.
type Small = (Vec<u8>, Vec<Vec<u8>>);

/// Gives the cases that are not there for their size.
fn small_cases() -> &'static [Small] {
    static SMALL: std::sync::LazyLock<Vec<Small>> = std::sync::LazyLock::new(|| {
        let cases = cases().into_iter().filter(|case| case.bytes.len() < 1_000);
        cases.map(|case| (case.bytes, case.paths)).collect()
    });
    &SMALL
}

#[test]
fn a_walk_says_the_same_of_each_case() {
    for case in cases() {
        let (ignore, _) = Ignore::parse(&case.bytes);
        for path in &case.paths {
            check_walk(&ignore, path);
        }
    }
}
