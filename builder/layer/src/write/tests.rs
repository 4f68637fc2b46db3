mod others;

use super::*;
use crate::sample::{
    Item, archive, entry, every_kind, file, fill, hard_link, other, path, symlink,
};
use crate::time::Time;

fn written(items: &[Item]) -> Result<(Vec<u8>, LayerIndex), Error> {
    let mut writer = Writer::new(Vec::new());
    fill(&mut writer, items)?;
    writer.finish()
}

fn refused(items: &[Item]) -> String {
    let error = written(items).expect_err("not a layer");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    error.to_string()
}

#[test]
fn the_bytes_of_every_kind_are_known() {
    let (archive, index) = written(&every_kind()).expect("well formed");
    assert_eq!(
        (archive.len(), Digest::sha256(&archive).to_string().as_str()),
        (
            63488,
            "sha256:baa4aadceb07b6fb7d69b0c21f2d82831553d15aa1a1fbaa383af5255fb8d978"
        ),
    );
    assert_eq!(index.records().len(), every_kind().len());
}

#[test]
fn an_empty_layer_is_two_blocks_of_zeros() {
    let (archive, index) = written(&[]).expect("well formed");
    assert_eq!(archive, [0; 1024]);
    assert_eq!(index, LayerIndex::default());
}

#[test]
fn the_index_knows_where_content_is() {
    let items = every_kind();
    let (archive, index) = written(&items).expect("well formed");
    for ((entry, content), record) in items.iter().zip(index.records()) {
        assert_eq!(*entry, record.entry);
        let Kind::File { size } = entry.kind else {
            assert_eq!(record.content, None);
            continue;
        };
        let stored = record.content.as_ref().expect("files have content");
        let start = usize::try_from(stored.offset.expect("in one piece")).expect("small");
        assert_eq!(&archive[start..start + size as usize], content);
        assert_eq!(stored.digest, Digest::sha256(content));
    }
    assert_eq!(
        index.kept(&path("etc/passwd")),
        Some(&b"root:x:0:0::/:\n"[..])
    );
    assert_eq!(index.kept(&path("etc/group")), Some(&b"root:x:0:\n"[..]));
    assert_eq!(index.kept(&path("etc/shadow")), None);
}

#[test]
fn a_large_file_is_not_kept() {
    let limit = usize::try_from(LayerIndex::KEPT_LIMIT).expect("small");
    for (size, is_kept) in [(limit, true), (limit + 1, false)] {
        let (_, index) = written(&[file("etc/passwd", &vec![b'a'; size])]).expect("well formed");
        assert_eq!(index.kept(&path("etc/passwd")).is_some(), is_kept, "{size}");
    }
}

#[test]
fn a_hard_link_says_what_its_file_says() {
    // Some readers give the owner, the permissions and the times of a hard link
    // to the file; and a new owner takes its capabilities away.
    let (mut first, content) = file("a", b"1");
    first.metadata.mode = 0o4755;
    first.metadata.uid = 1000;
    first.metadata.mtime = Time::from_seconds(7);
    first
        .metadata
        .xattrs
        .insert(b"user.a"[..].into(), b"b"[..].into());
    let (mut link, none) = hard_link("b", "a");
    link.metadata.mode = 0o600;
    let (archive, index) = written(&[(first, content), (link, none)]).expect("well formed");
    // Twice an extended header, its records and a header; once content.
    let (one, other) = (&archive[..1536], &archive[2048..3584]);
    let differences: Vec<usize> = (0..1536).filter(|at| one[*at] != other[*at]).collect();
    let fields = [0, 124 + 10, 148, 156, 157].map(|offset| 1024 + offset);
    assert!(differences.contains(&fields[0]));
    assert!(
        differences
            .iter()
            .all(|at| { fields.contains(at) || (1024 + 148..1024 + 156).contains(at) }),
        "{differences:?}",
    );
    assert_eq!(index.records()[1].entry.metadata, Metadata::default());
}

fn fifo(path: &str) -> Item {
    other(path, Kind::Fifo)
}

fn directory(path: &str) -> Item {
    other(path, Kind::Directory)
}

fn whiteout(path: &str) -> Item {
    other(path, Kind::Whiteout)
}

#[test]
fn what_is_out_of_order_is_refused() {
    let twice = "`/a` can not be written: it is there twice";
    let before = "`/a` can not be written: it belongs before `/b`";
    for (items, why) in [
        (&[fifo("b"), fifo("a")][..], before),
        (&[fifo("a"), fifo("a")], twice),
        (
            &[directory("a"), fifo("a/b"), directory("a")],
            "belongs before",
        ),
        (&[fifo("a-b"), fifo("a/b")], "belongs before"),
        (&[fifo("a"), directory("")], "belongs before"),
        (&[fifo("a"), whiteout("b")], "belongs before"),
        (&[fifo("a"), other("", Kind::Opaque)], "belongs before"),
        (&[other("", Kind::Opaque), directory("")], "belongs before"),
    ] {
        let message = refused(items);
        assert!(message.contains(why), "{message}: {why}");
    }
}

#[test]
fn what_contradicts_what_was_before_is_refused() {
    let removed = "`/a` is removed by the same layer";
    let leaf = "`/a` is no directory";
    let (to_a, to_b) = ("its target `/a` is no file", "its target `/b` is no file");
    for (items, why) in [
        (&[whiteout("a"), fifo("a")][..], removed),
        (&[whiteout("a"), directory("a")], removed),
        (&[whiteout("a"), whiteout("b"), file("a", b"")], removed),
        (&[whiteout("a"), fifo("a/b")], removed),
        (&[whiteout("a"), directory("a/b/c")], removed),
        (&[whiteout("a"), whiteout("a/b")], removed),
        (&[whiteout("a"), other("a", Kind::Opaque)], removed),
        (&[fifo("a"), fifo("a/b")], leaf),
        (&[symlink("a", "b"), fifo("a/b")], leaf),
        (&[file("a", b""), other("a", Kind::Opaque)], leaf),
        (&[hard_link("b", "a")], to_a),
        (&[fifo("a"), hard_link("b", "a")], to_a),
        (&[whiteout("a"), hard_link("b", "a")], to_a),
        (&[hard_link("b", "b")], to_b),
        (
            &[file("a", b""), hard_link("b", "a"), hard_link("c", "b")],
            to_b,
        ),
    ] {
        let message = refused(items);
        assert!(message.contains(why), "{message}: {why}");
    }
}

#[test]
fn names_that_mean_something_else_are_refused() {
    let name = "in a layer such a name";
    let root = "`/` can not be written: the root has to be a directory";
    for (items, why) in [
        (&[fifo(".wh.a")][..], name),
        (&[fifo("a/.wh..wh..opq")], name),
        (&[directory(".wh.a")], name),
        (&[fifo(".wh.a/b")], name),
        (&[whiteout(".wh.a")], name),
        (&[fifo("")], root),
        (&[whiteout("")], root),
    ] {
        let message = refused(items);
        assert!(message.contains(why), "{message}: {why}");
    }
}

#[test]
fn what_was_refused_leaves_no_trace() {
    let mut writer = Writer::new(Vec::new());
    writer.entry(&entry("b", Kind::Fifo)).expect("well formed");
    writer
        .entry(&entry("a", Kind::Fifo))
        .expect_err("out of order");
    writer
        .entry(&entry("c", Kind::File { size: 0 }))
        .expect_err("a file");
    writer
        .file(&entry("c", Kind::Fifo), &mut &b""[..])
        .expect_err("no file");
    writer.entry(&entry("c", Kind::Fifo)).expect("well formed");
    let (written, _) = writer.finish().expect("memory");
    assert_eq!(
        written,
        archive(&[other("b", Kind::Fifo), other("c", Kind::Fifo)])
    );
}

#[test]
fn content_has_to_have_its_size() {
    for (content, how) in [
        (&b"12"[..], "shorter"),
        (b"1234", "longer"),
        (b"", "shorter"),
    ] {
        let mut writer = Writer::new(Vec::new());
        let three = entry("f", Kind::File { size: 3 });
        let error = writer
            .file(&three, &mut &content[..])
            .expect_err("another size");
        assert_eq!(error.kind(), ErrorKind::Changed);
        let expected = format!("`/f` changed while it was read: it is {how} than it was");
        assert_eq!(error.to_string(), expected);
        // A torn layer can not be ended as if it were whole.
        let error = writer.entry(&entry("g", Kind::Fifo)).expect_err("torn");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(
            writer.finish().expect_err("torn").kind(),
            ErrorKind::Invalid
        );
    }
}

/// Fails to read, for a reason of its own.
struct Failing(ErrorKind);

impl Read for Failing {
    fn read(&mut self, _buffer: &mut [u8]) -> std::io::Result<usize> {
        Err(Error::new(self.0, "a reason").into())
    }
}

/// Gives one byte at a time, and is interrupted before each.
struct Halting<'a>(&'a [u8], bool);

impl Read for Halting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn a_failure_to_read_keeps_its_kind() {
    for kind in [ErrorKind::Changed, ErrorKind::Io, ErrorKind::Limit] {
        let mut writer = Writer::new(Vec::new());
        let error = writer
            .file(&entry("f", Kind::File { size: 3 }), &mut Failing(kind))
            .expect_err("it fails");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (kind, "can not read `/f`")
        );
    }
    let mut writer = Writer::new(Vec::new());
    let three = entry("f", Kind::File { size: 3 });
    writer
        .file(&three, &mut Halting(b"123", false))
        .expect("it halts");
    assert_eq!(
        writer.finish().expect("memory").0,
        archive(&[file("f", b"123")])
    );
}
