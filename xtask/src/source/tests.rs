//! Tests of the scanner, each on a few lines of Rust.

use super::*;

fn file(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(strip(text), expected, "{text}");
    assert_eq!(text.lines().count(), strip(text).lines().count());
}

#[test]
fn comments_vanish() {
    check("a // b\nc", "a \nc");
    check("a /* b /* c */ d */ e", "a  e");
    check("a /* b\nc */ d", "a \n d");
    check("//! doc\n/// doc\nfn f() {}", "\n\nfn f() {}");
    check("a / b", "a / b");
}

#[test]
fn literals_are_emptied_and_their_lines_stay_code() {
    check(r#"f("a // b", 1)"#, r#"f("", 1)"#);
    check(r#"f("a \" b") // c"#, r#"f("") "#);
    check(r##"f(r#"a " b"#)"##, r#"f("")"#);
    check("f(br\"x\\\") // c", "f(b\"\") ");
    check("f(\"a\nb\")", "f(\"\n\"\")");
    check("f(r\"a\nb\")", "f(\"\n\"\")");
}

#[test]
fn characters_and_lifetimes_are_told_apart() {
    check(r"let q = '\''; // c", "let q = ''; ");
    check("let q = '\"'; x", "let q = ''; x");
    check(r"let q = '\u{1F600}'; x", "let q = ''; x");
    check("fn f<'a>(x: &'a str) {} // c", "fn f<'a>(x: &'a str) {} ");
    check("let r#type = bar#x;", "let r#type = bar#x;");
}

#[test]
fn unfinished_text_is_no_panic() {
    for text in [
        "\"", "'", "'\\", "r#\"", "/*", "/* /*", "'a", "\"\\", "r", "#", "b'",
    ] {
        strip(text);
    }
}

#[test]
fn inline_tests_are_cut_and_other_test_modules_are_not() {
    let inline = "fn f() {}\n\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n  env::var();\n}\n";
    let outline = "fn f() {}\n#[cfg(test)]\nmod tests;\nfn g() {}\n";
    let (inline, outline) = (file("a.rs", inline), file("a.rs", outline));
    let inline = Source::scan(&inline).expect("rust");
    assert_eq!(inline.size(), 1);
    assert!(inline.mentions("env::var").is_empty());
    assert_eq!(Source::scan(&outline).expect("rust").size(), 4);
}

#[test]
fn size_counts_code_alone() {
    let text = file("a.rs", "//! doc\n\nuse a;\n/* x\n y */\nfn f() {\n}\n");
    assert_eq!(Source::scan(&text).expect("rust").size(), 3);
    assert!(Source::scan(&file("a.md", "words")).is_none());
}

#[test]
fn mentions_are_whole_words_in_code() {
    let text = "std::env::var(x);\nenv::vars();\nmy_env::var();\n// env::var\n\"env::var\";\n";
    let text = file("a.rs", text);
    let source = Source::scan(&text).expect("rust");
    assert_eq!(source.mentions("env::var"), [1]);
    assert_eq!(source.mentions("env::vars"), [2]);
    assert!(source.mentions("JoinSet").is_empty());
}

#[test]
fn test_files_are_known_by_their_place() {
    for (path, expected) in [
        ("registry/src/api/tests.rs", true),
        ("registry/tests/pull.rs", true),
        ("registry/src/api/tests/pull.rs", true),
        ("bench/benches/hash.rs", true),
        ("registry/src/api.rs", false),
        ("spec-tests/src/lib.rs", false),
        ("registry/src/contests.rs", false),
    ] {
        let file = file(path, "");
        assert_eq!(
            Source::scan(&file).expect("rust").is_test(),
            expected,
            "{path}"
        );
    }
}
