//! `--parents`: the cases of the Dockerfile reference, and the edges of each.

use super::*;

fn keeping(destination: &str) -> Copying {
    let mut how = how(destination);
    how.keeps_parents = true;
    how
}

fn kept(from: &Tree, sources: &[&str], destination: &str) -> Result<Vec<String>, String> {
    copied(from, &mut Tree::new(), sources, &keeping(destination))
}

fn sources() -> Tree {
    tree(&[
        "x/",
        "x/a.txt",
        "750:7 x/y/",
        "x/y/b.txt",
        "x/y/c.md",
        "x/y/z/",
        "x/y/z/d.txt",
        "y/",
        "y/a.txt",
        "top.txt",
        "l -> x",
        "x/s -> a.txt",
    ])
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table, read from top to bottom")]
fn directories_are_kept_from_the_root_or_from_the_pivot() {
    for (paths, expected) in [
        (
            &["./x/a.txt", "./y/a.txt"][..],
            &[
                "/p/ 755:0",
                "/p/x/ 755:0",
                "/p/x/a.txt 644:0 #1",
                "/p/y/ 755:0",
                "/p/y/a.txt 644:0 #8",
            ][..],
        ),
        (
            &["./x/./y/*.txt"],
            &["/p/ 755:0", "/p/y/ 750:7", "/p/y/b.txt 644:0 #3"],
        ),
        (
            &["x/**/*.txt"],
            &[
                "/p/ 755:0",
                "/p/x/ 755:0",
                "/p/x/a.txt 644:0 #1",
                "/p/x/y/ 750:7",
                "/p/x/y/b.txt 644:0 #3",
                "/p/x/y/z/ 755:0",
                "/p/x/y/z/d.txt 644:0 #6",
            ],
        ),
        (
            &["**/d.*"],
            &[
                "/p/ 755:0",
                "/p/x/ 755:0",
                "/p/x/y/ 750:7",
                "/p/x/y/z/ 755:0",
                "/p/x/y/z/d.txt 644:0 #6",
            ],
        ),
        (
            &["x/y/z"],
            &[
                "/p/ 755:0",
                "/p/x/ 755:0",
                "/p/x/y/ 750:7",
                "/p/x/y/z/ 755:0",
                "/p/x/y/z/d.txt 644:0 #6",
            ],
        ),
        (
            &["x/./y/z/"],
            &[
                "/p/ 755:0",
                "/p/y/ 750:7",
                "/p/y/z/ 755:0",
                "/p/y/z/d.txt 644:0 #6",
            ],
        ),
        (
            &["x/y/./z/d.txt"],
            &["/p/ 755:0", "/p/z/ 755:0", "/p/z/d.txt 644:0 #6"],
        ),
        (&["/x/y/z/./"], &["/p/ 755:0", "/p/d.txt 644:0 #6"]),
        // A link before the pivot is followed; one behind it is copied.
        (&["l/./a.txt"], &["/p/ 755:0", "/p/a.txt 644:0 #1"]),
        (
            &["x/s"],
            &["/p/ 755:0", "/p/x/ 755:0", "/p/x/s -> a.txt 777:0"],
        ),
        // A pattern may find something in each of several places.
        (&["[xy]/./a.*"], &["/p/ 755:0", "/p/a.txt 644:0 #8"]),
        (&["top.txt", "no*"], &["/p/ 755:0", "/p/top.txt 644:0 #9"]),
    ] {
        // The destination is a directory, with a slash or without.
        for destination in ["/p/", "/p"] {
            let found = kept(&sources(), paths, destination);
            assert_eq!(found.expect("copied"), expected, "{paths:?}");
        }
    }
}

#[test]
fn what_is_not_there_says_so() {
    for (path, expected) in [
        ("x/no/a", "`/x/no` is not there"),
        ("no*", "nothing is found by `no*`"),
        ("no/*.txt", "nothing is found by `no/*.txt`"),
        (
            "l/a.txt",
            "`/l` is a link to `x`, and `--parents` follows none",
        ),
        (
            "l/*.txt",
            "`/l` is a link to `x`, and `--parents` follows none",
        ),
        (
            "top.txt/./x",
            "`/top.txt` is no directory, and stands before `/./`",
        ),
        ("top.txt/x", "`/top.txt` is no directory"),
        ("x/[a", "`x/[a` is no pattern"),
    ] {
        let said = kept(&sources(), &[path], "/p/").expect_err(path);
        assert!(said.starts_with(expected), "{path}: {said}");
    }
}

#[test]
fn exclusions_count_from_the_pivot_too() {
    let mut how = keeping("/p/");
    how.excluded = Excluded::parse(["y/*.txt", "**/z"]).expect("patterns");
    let found = copied(&sources(), &mut Tree::new(), &["x/./**"], &how).expect("copied");
    assert_eq!(
        found,
        [
            "/p/ 755:0",
            "/p/a.txt 644:0 #1",
            "/p/s -> a.txt 777:0",
            "/p/y/ 750:7",
            "/p/y/c.md 644:0 #4"
        ]
    );
    // Where everything is left out, the directories around it are too.
    how.excluded = Excluded::parse(["**/*.txt"]).expect("patterns");
    let found = copied(&sources(), &mut Tree::new(), &["x/y/z/d.txt"], &how).expect("copied");
    assert_eq!(found, [""; 0]);
}

#[test]
fn flags_count_for_the_directories_around_too() {
    let mut how = keeping("/p/");
    how.owner = Some(Owner { uid: 4, gid: 5 });
    how.mode = Some(mode::parse("go-rx").expect("a mode"));
    let found = copied(&sources(), &mut Tree::new(), &["x/./y/b.txt"], &how).expect("copied");
    assert_eq!(found, ["/p/ 755:4", "/p/y/ 700:4", "/p/y/b.txt 600:4 #3"]);
}

#[test]
fn names_of_one_file_stay_so_within_a_source() {
    let mut from = sources();
    let twin = from.node(&path("x/a.txt")).expect("there").clone();
    from.insert(&path("y/twin"), twin)
        .expect("its parent is there");
    let found = kept(&from, &["**/*"], "/").expect("copied");
    assert!(
        found.contains(&"/y/twin = /x/a.txt".to_owned()),
        "{found:?}"
    );
}

#[test]
fn what_is_in_the_way_stays_an_error() {
    let mut to = tree(&["x -> y", "y/"]);
    let said = copied(&sources(), &mut to, &["x/a.txt"], &keeping("/"));
    assert!(said.expect_err("a link").starts_with("`/x` is in the way"));
}
