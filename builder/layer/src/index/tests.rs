use std::num::NonZeroUsize;

use super::*;
use crate::entry::{Kind, Metadata};
use crate::pass::write_layer;
use crate::read::decompress;
use crate::time::Time;

#[test]
fn what_is_written_is_what_is_read() {
    let entry = |path: &str, kind| Entry {
        path: EntryPath::parse(path.as_bytes()).expect("valid"),
        kind,
        metadata: Metadata {
            mode: 0o755,
            uid: 3_000_000,
            gid: 4,
            mtime: Time::new(-5, 1).expect("below a second"),
            ..Metadata::default()
        },
    };
    let mut out = Vec::new();
    let (written, ()) = write_layer(NonZeroUsize::MIN, &mut out, |writer| {
        writer.entry(&entry("etc", Kind::Directory))?;
        writer.file(
            &entry("etc/passwd", Kind::File { size: 5 }),
            &mut &b"a:b:c"[..],
        )?;
        writer.entry(&entry(
            "l",
            Kind::Symlink {
                target: b"etc/p\xc3\xa4"[..].into(),
            },
        ))
    })
    .expect("written");
    let mut plain = decompress(out.as_slice()).expect("gzip");
    let read = LayerIndex::read(&mut plain).expect("an archive");
    assert_eq!(read, written.index);
    assert_eq!(
        read.kept(&EntryPath::parse(b"etc/passwd").expect("valid")),
        Some(&b"a:b:c"[..])
    );
    assert_eq!(LayerIndex::decode(&read.encode()).expect("encoded"), read);
    assert!(LayerIndex::decode(b"").is_err());
    assert!(LayerIndex::decode(&[9, 9]).is_err());
}
