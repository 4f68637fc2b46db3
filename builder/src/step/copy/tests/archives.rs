//! What `ADD` makes of an archive, once it is unpacked.

use std::collections::BTreeSet;

use super::*;

/// Unpacks what was in an archive, of which some directories are only there
/// for what is in them.
pub(super) fn unpacked(
    archive: &Tree,
    implied: &[&str],
    to: &mut Tree,
    how: &Copying,
) -> Result<Recipe, String> {
    let context = tree(&["a.tar"]);
    let sources = [Source::Path("a.tar".to_owned())];
    let mut found = find(&context, &sources, how).map_err(said)?;
    let directories: BTreeSet<EntryPath> = archive
        .walk(&EntryPath::root())
        .filter(|(path, node)| node.is_directory() && !implied.contains(&path.to_string().as_str()))
        .map(|(path, _)| path)
        .collect();
    assert!(found[0].file().is_some(), "it may be an archive");
    found[0].unpacked(archive, &directories);
    let copied = place(&found, &sources, to, how).map_err(said)?;
    assert_eq!(copied.taken, [], "nothing of an archive is in the context");
    Ok(copied.recipe)
}

#[test]
fn an_archive_brings_its_own_owners_modes_and_links() {
    let archive = tree(&[
        "700:5 bin/",
        "4755:6 bin/su",
        "etc/",
        "etc/l -> ../bin",
        "1777:0 tmp/",
        "bin/twin = bin/su",
    ]);
    let found = unpacked(&archive, &["/etc"], &mut Tree::new(), &how("/x")).expect("unpacked");
    assert_eq!(
        lines(&found),
        [
            "/x/ 755:0",
            "/x/bin/ 700:5",
            "/x/bin/su 4755:6 #1",
            "/x/bin/twin = /x/bin/su",
            "/x/etc/ 755:0",
            "/x/etc/l -> ../bin 777:0",
            "/x/tmp/ 1777:0",
        ]
    );
}

#[test]
fn an_archive_replaces_what_is_in_its_way() {
    let archive = tree(&[
        "700:5 bin/",
        "bin/f",
        "lib/",
        "lib/g",
        "etc/",
        "etc/h",
        "k",
        "m/",
        "m/n",
    ]);
    let mut to = tree(&[
        "usr/",
        "usr/bin/",
        "bin -> usr/bin",
        "750:1 lib/",
        "etc",
        "k/",
        "k/below",
        "gone -> nowhere",
        "m -> etc",
    ]);
    let found = unpacked(&archive, &["/lib"], &mut to, &how("/")).expect("unpacked");
    assert_eq!(
        lines(&found),
        [
            // The link is not followed, as it leads to no directory.
            "/etc/ 755:0",
            "/etc/h 644:0 #5",
            "/k 644:0 #6",
            // The archive says nothing of this directory.
            "/lib/g 644:0 #3",
            "/m/n 644:0 #8",
            "/usr/bin/ 700:5",
            "/usr/bin/f 644:0 #1",
        ]
        .map(|line| line.replace("/m/n", "/etc/n"))
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert!(to.node(&path("k/below")).is_none());
}

#[test]
fn flags_count_for_archives_too() {
    let archive = tree(&["700:5 d/", "d/a.txt", "d/b", "l -> d"]);
    let mut how = how("/x/");
    how.owner = Some(Owner { uid: 8, gid: 9 });
    how.mode = Some(mode::parse("a+r").expect("a mode"));
    how.excluded = Excluded::parse(["**/*.txt"]).expect("patterns");
    let found = unpacked(&archive, &[], &mut Tree::new(), &how).expect("unpacked");
    assert_eq!(
        lines(&found),
        [
            "/x/ 755:8",
            "/x/d/ 744:8",
            "/x/d/b 644:8 #2",
            "/x/l -> d 777:8"
        ]
    );
    // The archive itself may be left out.
    how.excluded = Excluded::parse(["*.tar"]).expect("patterns");
    let found = unpacked(&archive, &[], &mut Tree::new(), &how).expect("left out");
    assert_eq!(lines(&found), [""; 0]);
}

#[test]
fn a_file_is_no_destination_for_an_archive() {
    let archive = tree(&["a"]);
    let said = unpacked(&archive, &[], &mut tree(&["f"]), &how("/f")).expect_err("a file");
    assert!(said.starts_with("`/f` is in the way"), "{said}");
}

#[test]
fn a_later_archive_replaces_what_an_earlier_one_brought() {
    let context = tree(&["1.tar", "2.tar"]);
    let (first, second) = (tree(&["a/", "a/b", "a/c/", "k"]), tree(&["a", "k/", "k/x"]));
    let sources = ["1.tar", "2.tar"].map(|path| Source::Path(path.to_owned()));
    let how = how("/");
    let directories = [BTreeSet::from([path("a")]), BTreeSet::from([path("k")])];
    let mut found = find(&context, &sources, &how).expect("found");
    found[0].unpacked(&first, &directories[0]);
    found[1].unpacked(&second, &directories[1]);
    let mut to = Tree::new();
    let copied = place(&found, &sources, &mut to, &how).expect("unpacked");
    assert_eq!(
        lines(&copied.recipe),
        ["/a 644:0 #0", "/k/ 755:0", "/k/x 644:0 #2"]
    );
}
