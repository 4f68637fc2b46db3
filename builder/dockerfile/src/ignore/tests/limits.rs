use crate::ignore::{MAX_DIAGNOSTICS, MAX_FILE, MAX_PATTERNS};
use crate::{Ignore, Severity};

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    Ignore::parse(bytes)
        .1
        .into_iter()
        .map(|said| said.code)
        .collect()
}

#[test]
fn a_file_is_so_large_and_no_larger() {
    let mut file = vec![b'\n'; MAX_FILE];
    assert!(codes(&file).is_empty());
    file.push(b'\n');
    assert_eq!(codes(&file), ["file-too-large"]);
}

#[test]
fn a_file_has_so_many_patterns_and_no_more() {
    let file = "a\n".repeat(MAX_PATTERNS);
    assert!(codes(file.as_bytes()).is_empty());
    let file = file + "b\nb\nb\n";
    let (ignore, diagnostics) = Ignore::parse(file.as_bytes());
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].severity, Severity::Error);
    assert!(ignore.matches(b"a") && !ignore.matches(b"b"));
}

#[test]
fn no_more_is_said_than_can_be_read() {
    // The one behind the last is the error that ended the reading.
    assert_eq!(
        codes("[\n".repeat(5_000).as_bytes()).len(),
        MAX_DIAGNOSTICS + 1
    );
}

#[test]
fn warnings_never_end_the_reading() {
    let file = "..\n".repeat(2 * MAX_DIAGNOSTICS) + "a\n";
    let (ignore, diagnostics) = Ignore::parse(file.as_bytes());
    assert_eq!(diagnostics.len(), MAX_DIAGNOSTICS);
    assert!(ignore.matches(b"a"));
    let (_, diagnostics) = Ignore::parse((file + "[\n").as_bytes());
    assert!(
        diagnostics
            .iter()
            .any(|said| said.severity == Severity::Error)
    );
}

#[test]
fn a_line_is_so_long_and_no_longer() {
    let line = "a".repeat(65_535);
    assert!(codes(format!("{line}\n").as_bytes()).is_empty());
    let (ignore, diagnostics) = Ignore::parse(format!("b\n{line}a\nc\n").as_bytes());
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].span.range(), 2..65_538);
    assert!(ignore.matches(b"c"));
}

#[test]
fn patterns_do_not_take_for_ever() {
    let path = "a".repeat(2_000) + "/" + &"a".repeat(2_000);
    for pattern in [
        "*a".repeat(100) + "b",
        "**/a".repeat(100) + "b",
        "?*".repeat(100) + "/b",
        "**/".repeat(20_000) + "b*",
    ] {
        let (ignore, diagnostics) = Ignore::parse(pattern.as_bytes());
        assert!(diagnostics.is_empty());
        assert!(!ignore.matches(path.get(..200).unwrap().as_bytes()));
    }
    let (ignore, _) = Ignore::parse(("*a".repeat(30) + "b").as_bytes());
    assert!(!ignore.matches(path.as_bytes()));
}

#[test]
fn the_root_and_odd_spellings_of_paths_are_paths() {
    let (ignore, _) = Ignore::parse(b"**\n!b");
    assert!(!ignore.matches(b"") && !ignore.matches(b"/"));
    assert!(ignore.matches(b"/a/") && ignore.matches(b"a//c"));
    assert!(!ignore.matches(b"b/") && !ignore.matches(b"/b//c"));
}

#[test]
fn a_state_outlives_what_it_came_from() {
    let (state, excluded) = {
        let (ignore, _) = Ignore::parse(b"a\n!a/b");
        let copy = ignore.clone();
        drop(ignore);
        copy.root().enter(b"a")
    };
    assert!(excluded && state.may_hold_included());
    assert!(!state.clone().enter(b"b").1 && state.enter(b"c").1);
}
