//! `--exclude` and `--chmod`, alone and together.

use super::*;

fn excluding(destination: &str, patterns: &[&str]) -> Copying {
    let mut how = how(destination);
    how.excluded = Excluded::parse(patterns.iter().copied()).expect("patterns");
    how
}

#[test]
fn excluded_is_what_matches_from_the_source_on() {
    let context = tree(&[
        "a.txt",
        "b.md",
        "d/",
        "d/a.txt",
        "d/e/",
        "d/e/c.txt",
        "d/e/f",
        "d/x/",
        "d/x/y",
    ]);
    for (patterns, sources, expected) in [
        (
            &["*.txt"][..],
            &["d"][..],
            &[
                "/x/ 755:0",
                "/x/e/ 755:0",
                "/x/e/c.txt 644:0 #5",
                "/x/e/f 644:0 #6",
                "/x/x/ 755:0",
                "/x/x/y 644:0 #8",
            ][..],
        ),
        (
            &["**/*.txt"],
            &["d"],
            &[
                "/x/ 755:0",
                "/x/e/ 755:0",
                "/x/e/f 644:0 #6",
                "/x/x/ 755:0",
                "/x/x/y 644:0 #8",
            ],
        ),
        (&["e", "x"], &["d"], &["/x/ 755:0", "/x/a.txt 644:0 #3"]),
        // A path from the context does not match inside of the source.
        (
            &["d/e"],
            &["d"],
            &[
                "/x/ 755:0",
                "/x/a.txt 644:0 #3",
                "/x/e/ 755:0",
                "/x/e/c.txt 644:0 #5",
                "/x/e/f 644:0 #6",
                "/x/x/ 755:0",
                "/x/x/y 644:0 #8",
            ],
        ),
        (
            &["d/e", "d/x", "*.*"],
            &["."],
            &["/x/ 755:0", "/x/d/ 755:0", "/x/d/a.txt 644:0 #3"],
        ),
        // Files are known by their names.
        (
            &["*.txt"],
            &["a.txt", "b.md"],
            &["/x/ 755:0", "/x/b.md 644:0 #1"],
        ),
        (&["*.txt"], &["*.*"], &["/x/ 755:0", "/x/b.md 644:0 #1"]),
        // A directory that holds what is taken back is there too.
        (
            &["*", "!e/f"],
            &["d"],
            &["/x/ 755:0", "/x/e/ 755:0", "/x/e/f 644:0 #6"],
        ),
        (&["*"], &["d"], &["/x/ 755:0"]),
        (&["*"], &["a.txt"], &[]),
    ] {
        let found = copied(
            &context,
            &mut Tree::new(),
            sources,
            &excluding("/x/", patterns),
        );
        assert_eq!(found.expect("copied"), expected, "{patterns:?} {sources:?}");
    }
}

#[test]
fn a_pattern_that_finds_directories_needs_no_slash() {
    let context = tree(&["d1/", "d1/a", "d2/", "d2/b", "e1", "e2"]);
    let found = copied(&context, &mut Tree::new(), &["d*"], &how("/x"));
    assert_eq!(
        found.expect("copied"),
        ["/x/ 755:0", "/x/a 644:0 #1", "/x/b 644:0 #3"]
    );
    let said = copied(&context, &mut Tree::new(), &["e*"], &how("/x"));
    assert_eq!(
        said.expect_err("one name"),
        "`/x` has to be a directory: there are 2 things to copy"
    );
}

#[test]
fn letters_change_the_modes_that_files_have() {
    let context = tree(&["755:0 run", "640:0 f", "700:0 d/", "d/g", "l -> f"]);
    let changing = |mode: &str| {
        let mut how = how("/n/");
        how.mode = Some(mode::parse(mode).expect("a mode"));
        copied(&context, &mut Tree::new(), &["."], &how).expect("copied")
    };
    assert_eq!(
        changing("u=rwX,go=rX"),
        [
            "/n/ 755:0",
            "/n/d/ 755:0",
            "/n/d/g 644:0 #3",
            "/n/f 644:0 #1",
            "/n/l -> f 777:0",
            "/n/run 755:0 #0"
        ]
    );
    assert_eq!(
        changing("g=u,o-x"),
        [
            "/n/ 755:0",
            "/n/d/ 770:0",
            "/n/d/g 664:0 #3",
            "/n/f 660:0 #1",
            "/n/l -> f 777:0",
            "/n/run 774:0 #0"
        ]
    );
}

#[test]
fn a_directory_that_is_there_is_changed_once() {
    let context = tree(&["a/", "a/t/", "a/t/x", "b/", "b/t/", "b/t/y"]);
    let mut to = tree(&["750:3 t/"]);
    let mut how = how("/");
    how.mode = Some(mode::parse("u=g,g=o").expect("a mode"));
    let found = copied(&context, &mut to, &["a", "b"], &how).expect("copied");
    assert_eq!(found, ["/t/ 500:3", "/t/x 444:0 #2", "/t/y 444:0 #5"]);
}
