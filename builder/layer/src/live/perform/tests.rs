use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::entry::Kind;
use crate::error::ErrorKind;
use crate::index::{LayerIndex, Record, Stored};
use crate::live::found::{ANYBODY, ROOT, attributes, compare, expected, found, is_root, possible};
use crate::live::operations;
use crate::sample::{Item, any_layer, archive, every_kind, file, hard_link, other, path, symlink};
use crate::tree::{ContentPlace, Tree};

mod attacks;
mod overlay;

/// Is a layer in a file, and in memory.
pub(super) struct Layer {
    pub(super) file: std::fs::File,
    bytes: Vec<u8>,
    pub(super) index: LayerIndex,
}

pub(super) fn layer(items: &[Item]) -> Layer {
    let bytes = archive(items);
    let mut file = tempfile::tempfile().expect("space");
    std::io::Write::write_all(&mut file, &bytes).expect("space");
    let index = LayerIndex::read(&mut bytes.as_slice()).expect("an archive");
    Layer { file, bytes, index }
}

/// Gives a layer of which no order is asked for, as of those of others.
pub(super) fn unordered(items: &[Item]) -> Layer {
    let mut bytes = Vec::new();
    let records = items.iter().map(|(entry, content)| {
        let offset = Some(bytes.len() as u64);
        bytes.extend_from_slice(content);
        let digest = oci::Digest::sha256(content);
        let stored = Stored { offset, digest };
        Record {
            entry: entry.clone(),
            content: matches!(entry.kind, Kind::File { .. }).then_some(stored),
        }
    });
    let index = LayerIndex::new(records.collect(), BTreeMap::new());
    let mut file = tempfile::tempfile().expect("space");
    std::io::Write::write_all(&mut file, &bytes).expect("space");
    Layer { file, bytes, index }
}

/// Gives the content of the files of layers that were applied in this order.
pub(super) fn content(layers: &[Layer], place: ContentPlace, size: u64) -> Vec<u8> {
    let layer = &layers[place.origin as usize];
    let record = &layer.index.records()[place.position as usize];
    let stored = record.content.as_ref().expect("a file");
    let start = stored.offset.expect("whole") as usize;
    layer.bytes[start..start + size as usize].to_vec()
}

pub(super) fn work(
    before: &Tree,
    layer: &Layer,
    into: &Path,
    (form, rights): (Form, Rights),
    threads: usize,
) -> Result<Performed, Error> {
    let operations = operations(before, &layer.index)?;
    let work = Work {
        operations: &operations,
        content: &layer.file,
        into: &Directory::open(into)?,
        form,
        rights,
    };
    work.perform(threads)
}

/// Puts layers one on the other into a directory, and compares it with what
/// their tree is after each; `false` where no tree has them.
fn stacked(layers: &[Layer], rights: Rights, threads: usize) -> Result<bool, TestCaseError> {
    let root = tempfile::tempdir().expect("space");
    let mut tree = Tree::new();
    for (origin, layer) in (0..).zip(layers) {
        let mut after = tree.clone();
        if after.apply(origin, &layer.index).is_err() {
            return Ok(false);
        }
        match work(&tree, layer, root.path(), (Form::Plain, rights), threads) {
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(false),
            performed => performed.map_err(|error| {
                TestCaseError::fail(format!("{error}: {:?}", std::error::Error::source(&error)))
            })?,
        };
        tree = after;
        // Modes may not let a plain user read it.
        if is_root() {
            let is = expected(&tree, rights, |place, size| content(layers, place, size));
            compare(&found(root.path(), rights), &is)?;
        }
    }
    Ok(true)
}

fn layers() -> impl Strategy<Value = Vec<Vec<Item>>> {
    let layer = any_layer().prop_map(|mut items| {
        possible(&mut items);
        items
    });
    proptest::collection::vec(layer, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_directory_is_what_the_tree_is(layers in layers(), threads in 1_usize..4) {
        let layers: Vec<Layer> = layers.iter().map(|items| layer(items)).collect();
        for rights in [ROOT, ANYBODY] {
            if rights == ANYBODY || is_root() {
                prop_assume!(stacked(&layers, rights, threads)?);
            }
        }
    }
}

#[test]
fn every_kind_is_there() {
    let mut items = every_kind();
    possible(&mut items);
    let layers = [layer(&items), layer(&items)];
    for rights in [ROOT, ANYBODY] {
        if rights == ANYBODY || is_root() {
            assert!(stacked(&layers, rights, 2).expect("as the tree"));
        } else {
            println!("skipped: only root gives owners and devices");
        }
    }
}

/// Gives the permissions of something.
fn mode(at: &Path) -> u32 {
    fs_err::symlink_metadata(at).expect("it is there").mode() & 0o7777
}

#[test]
fn any_number_of_threads_makes_the_same() {
    let mut items = vec![other("d", Kind::Directory)];
    items.extend((0..500).map(|number| {
        let content = vec![number as u8; number * 257 % 90_000];
        file(format!("d/{number:03}"), &content)
    }));
    let layer = layer(&items);
    let mut all = Vec::new();
    for threads in [1, 2, 5] {
        let root = tempfile::tempdir().expect("space");
        let form = (Form::Plain, ANYBODY);
        let performed = work(&Tree::new(), &layer, root.path(), form, threads).expect("space");
        assert_eq!(
            (performed.made, performed.skipped),
            (502, Skipped::default())
        );
        assert_eq!(
            performed.bytes,
            items
                .iter()
                .map(|(_, content)| content.len() as u64)
                .sum::<u64>()
        );
        all.push(found(root.path(), ANYBODY));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[test]
fn neither_groups_nor_access_lists_are_inherited() {
    let root = tempfile::tempdir().expect("space");
    let kept = root.path().join("kept");
    fs_err::create_dir(&kept).expect("space");
    // Owner, group and others have no right, as a default (`acl(5)`).
    let mut list = vec![2, 0, 0, 0];
    for tag in [1_u16, 4, 0x20] {
        list.extend(tag.to_le_bytes());
        list.extend([0; 2]);
        list.extend([0xff; 4]);
    }
    let flags = rustix::fs::XattrFlags::empty();
    let set = rustix::fs::setxattr(&kept, "system.posix_acl_default", &list, flags);
    if set.is_err() {
        println!("skipped: the file system has no access lists");
        return;
    }
    fs_err::set_permissions(&kept, std::fs::Permissions::from_mode(0o2750)).expect("ours");
    let mut directory = other("kept", Kind::Directory);
    directory.0.metadata.mode = 0o2755;
    let name: &[u8] = b"system.posix_acl_default";
    directory
        .0
        .metadata
        .xattrs
        .insert(name.into(), list.clone().into());
    let items = [
        directory,
        other("kept/d", Kind::Directory),
        file("kept/f", b"f"),
    ];
    let form = (Form::Plain, ANYBODY);
    work(&Tree::new(), &layer(&items), root.path(), form, 1).expect("space");
    assert_eq!(mode(&kept), 0o2755);
    assert_eq!(mode(&kept.join("d")), 0o755);
    assert_eq!(mode(&kept.join("f")), 0o644);
    for name in ["d", "f"] {
        assert_eq!(attributes(&kept.join(name)), [], "{name}");
    }
    let is = [("system.posix_acl_default".to_owned(), list)];
    assert_eq!(attributes(&kept), is);
}

#[test]
fn marks_and_foreign_attributes_of_a_layer_are_left_out() {
    let mut with = file("f", b"");
    let names = [
        "user.overlay.opaque",
        "user.overlay.redirect",
        "trusted.overlay.opaque",
        "user.wharf.owner",
        "user.wharf.node",
        "security.selinux",
        "user.kept",
    ];
    for name in names {
        with.0
            .metadata
            .xattrs
            .insert(name.as_bytes().into(), b"y"[..].into());
    }
    let mut directory = other("", Kind::Directory);
    directory.0.metadata.xattrs = with.0.metadata.xattrs.clone();
    let mut link = symlink("l", "f");
    link.0.metadata.xattrs = [(b"user.kept"[..].into(), b"y"[..].into())].into();
    let layer = layer(&[directory, with, link]);
    for form in [Form::Plain, Form::Overlay { marks: Marks::User }] {
        let root = tempfile::tempdir().expect("space");
        let performed = work(&Tree::new(), &layer, root.path(), (form, ANYBODY), 1).expect("space");
        let skipped = Skipped {
            attributes: 12,
            links: 1,
            ..Skipped::default()
        };
        assert_eq!(performed.skipped, skipped);
        let kept = [("user.kept".to_owned(), b"y".to_vec())];
        assert_eq!(attributes(root.path()), kept);
        assert_eq!(attributes(&root.path().join("f")), kept);
    }
}

/// Gives whose something is, as it is recorded.
fn owner(root: &Path, name: &str) -> (u32, u32) {
    let directory = Directory::open(root).expect("it is there");
    let observation = crate::live::observe(&directory, (Form::Plain, ANYBODY)).expect("readable");
    let mut seen = observation.seen.iter();
    let seen = seen.find(|seen| seen.path == path(name)).expect("there");
    (seen.metadata.uid, seen.metadata.gid)
}

#[test]
fn many_links_and_pipes_have_their_owners() {
    let owned = |mut item: Item, owner: u32| {
        (item.0.metadata.uid, item.0.metadata.gid) = (owner, owner);
        item
    };
    let root = tempfile::tempdir().expect("space");
    let mut items = vec![owned(other("d", Kind::Directory), 4)];
    let links = (0..1000).map(|number| owned(symlink(format!("d/{number:04}"), "x"), 1000));
    items.extend(links);
    items.extend([
        owned(other("d/pipe", Kind::Fifo), 7),
        file("d/root-file", b""),
        symlink("d/root-link", "x"),
        owned(other("pipe", Kind::Fifo), 8),
        owned(symlink("symlink", "x"), 9),
    ]);
    let layers = [layer(&items), layer(&items)];
    assert!(stacked(&layers, ANYBODY, 2).expect("as the tree"));
    let form = (Form::Plain, ANYBODY);
    let performed = work(&Tree::new(), &layers[0], root.path(), form, 2).expect("space");
    assert_eq!(performed.skipped, Skipped::default());
    let record = |name: &str| {
        let all = attributes(&root.path().join(name));
        let found = all.into_iter().find(|(name, _)| name == LINK_OWNERS);
        found.expect("it is recorded").1
    };
    assert_eq!(record(""), b"8:8 pipe\x009:9 symlink\0");
    let short: &[u8] = b"1000:1000 \x007:7 pipe\x000:0 root-link\0";
    assert_eq!(record("d"), short);
    for (name, number) in [
        ("d", 4),
        ("d/0000", 1000),
        ("d/0999", 1000),
        ("d/pipe", 7),
        ("d/root-file", 0),
        ("d/root-link", 0),
        ("pipe", 8),
        ("symlink", 9),
    ] {
        assert_eq!(owner(root.path(), name), (number, number), "{name}");
    }
    // What is given away and back, and what is kept.
    let settled = |name: &str, owner: u32| {
        let metadata = Metadata {
            uid: owner,
            gid: owner,
            ..crate::sample::metadata(0o644)
        };
        let settlement = crate::live::Settlement::Metadata {
            path: path(name),
            metadata,
        };
        let directory = Directory::open(root.path()).expect("it is there");
        crate::live::settle(&[settlement], &directory, form).expect("ours");
        assert_eq!(self::owner(root.path(), name), (owner, owner), "{name}");
        record("d")
    };
    assert_eq!(settled("d/0005", 1000), short);
    assert_eq!(settled("d/pipe", 7), short);
    let given = settled("d/0005", 0);
    assert_eq!(
        given,
        [&b"1000:1000 \x000:0 0005\0"[..], &short[11..]].concat()
    );
    assert_eq!(settled("d/0005", 1000), short);
    assert_eq!(settled("d/pipe", 1000), b"1000:1000 \x000:0 root-link\0");
    settled("pipe", 0);
    assert_eq!(record(""), b"9:9 symlink\0");
}

#[test]
fn content_that_ends_too_early_is_told() {
    for length in [10, 100_000] {
        let layer = layer(&[file("f", &vec![b'x'; length])]);
        layer.file.set_len(600).expect("ours");
        let root = tempfile::tempdir().expect("space");
        layer.file.set_len(512 + length as u64 - 1).expect("ours");
        let form = (Form::Plain, ANYBODY);
        let failed = work(&Tree::new(), &layer, root.path(), form, 1).expect_err("too short");
        assert_eq!(failed.kind(), ErrorKind::Changed);
        assert!(failed.to_string().contains("`/f`"), "{failed}");
    }
}

#[test]
fn a_full_disk_is_told_with_the_file() {
    let root = tempfile::tempdir().expect("space");
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "none"])
        .arg(root.path())
        .status();
    if !is_root() || !mounted.is_ok_and(|status| status.success()) {
        println!("skipped: nothing can be mounted here");
        return;
    }
    let results = [40_000, 400_000].map(|length| {
        let items = [file("a", &[1; 30_000]), file("b", &vec![2; length])];
        work(
            &Tree::new(),
            &layer(&items),
            root.path(),
            (Form::Plain, ANYBODY),
            1,
        )
    });
    let unmounted = Command::new("umount").arg(root.path()).status();
    assert!(unmounted.expect("it was mounted").success());
    for result in results {
        let error = result.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().ends_with("/b`"), "{error}");
        let source = std::error::Error::source(&error).expect("the kernel says why");
        assert!(source.to_string().contains("No space left"), "{source}");
    }
}
