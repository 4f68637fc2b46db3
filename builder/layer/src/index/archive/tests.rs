mod others;
mod sparse;

use std::io;

use oci::Digest;

use super::*;
use crate::sample::path;
use crate::time::Time;

/// Gives a header in the form of ustar, with a right checksum.
fn header(name: &[u8], flag: u8, size: usize, change: impl FnOnce(&mut [u8; 512])) -> Vec<u8> {
    let mut block = [0; 512];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, name);
    put(100, b"0000644\0");
    put(108, b"0000001\0");
    put(116, b"0000002\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000003\0");
    put(156, &[flag]);
    put(257, b"ustar\x0000");
    change(&mut block);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block.to_vec()
}

fn member(name: &str, flag: u8, content: &[u8]) -> Vec<u8> {
    let mut member = header(name.as_bytes(), flag, content.len(), |_| {});
    member.extend_from_slice(content);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

fn link(name: &str, flag: u8, target: &str) -> Vec<u8> {
    header(name.as_bytes(), flag, 0, |block| {
        block[157..157 + target.len()].copy_from_slice(target.as_bytes());
    })
}

fn extended(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
        let mut length = rest.len();
        while length < rest.len() + length.to_string().len() {
            length += 1;
        }
        content.extend_from_slice(length.to_string().as_bytes());
        content.extend_from_slice(&rest);
    }
    member("pax", b'x', &content)
}

fn read(members: &[Vec<u8>]) -> Result<LayerIndex, Error> {
    let archive = [members.concat(), vec![0; 1024]].concat();
    LayerIndex::read(&mut archive.as_slice())
}

/// Prints an index, a line for each record.
fn printed(index: &LayerIndex) -> Vec<String> {
    let printed = index.records().iter().map(|record| {
        let Entry { path, kind, .. } = &record.entry;
        match kind {
            Kind::Directory => format!("{path}/"),
            Kind::File { size } => format!("{path} {size}"),
            Kind::HardLink { target } => format!("{path} = {target}"),
            Kind::Symlink { target } => format!("{path} -> {}", target.escape_ascii()),
            Kind::Fifo => format!("{path} |"),
            Kind::Device { major, minor, .. } => format!("{path} {major}:{minor}"),
            Kind::Whiteout => format!("{path} gone"),
            Kind::Opaque => format!("{path} opaque"),
        }
    });
    printed.collect()
}

#[track_caller]
fn check(members: &[Vec<u8>], expected: &[&str]) {
    assert_eq!(printed(&read(members).expect("well formed")), expected);
}

#[track_caller]
fn refused(members: &[Vec<u8>], kind: ErrorKind, part: &str) {
    let error = read(members).expect_err("malformed");
    assert!(
        error.kind() == kind && error.to_string().contains(part),
        "{error:?}"
    );
}

fn digest(content: &[u8]) -> Digest {
    let mut hasher = Hasher::unbroken(Algorithm::Sha256);
    hasher.update(content);
    hasher.finish()
}

#[test]
fn names_are_read_as_they_are_meant() {
    let dot = [
        member("./", b'5', b""),
        member("./a", b'0', b"x"),
        member("/b//c/", b'5', b""),
    ];
    check(&dot, &["//", "/a 1", "/b/c/"]);
    let long = "l".repeat(200);
    let by_gnu = [
        member("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        member("l", b'0', b""),
    ];
    check(&by_gnu, &[&format!("/{long} 0")]);
    let target = [
        member("././@LongLink", b'K', format!("{long}\0").as_bytes()),
        link("s", b'2', "l"),
    ];
    check(&target, &[&format!("/s -> {long}")]);
    let by_pax = [
        extended(&[("path", b"no"), ("path", b"x\ny=z"), ("linkpath", b"")]),
        link("l", b'2', "t"),
    ];
    check(&by_pax, &["/x\\ny=z -> t"]);
    let by_prefix = header(b"a", b'0', 0, |block| {
        block[345..348].copy_from_slice(b"p/q")
    });
    check(&[by_prefix], &["/p/q/a 0"]);
    let by_star = header(b"a", b'0', 0, |block| {
        block[345..348].copy_from_slice(b"p/q");
        block[476..488].copy_from_slice(b"00000000003\0");
        block[508..].copy_from_slice(b"tar\0");
    });
    check(&[by_star], &["/p/q/a 0"]);
    let oldest = header(b"d/", b'\0', 0, |block| block[257..].fill(0));
    check(&[oldest], &["/d/"]);
    // Of another form with the same letters the prefix is none.
    let gnu = header(b"a", b'0', 0, |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[345..357].copy_from_slice(b"00000000003\0");
    });
    check(&[gnu], &["/a 0"]);
}

#[test]
fn whiteouts_are_known_by_their_names() {
    let longest = format!(".wh.{}", "x".repeat(255));
    let members = [
        member("d/.wh..wh..opq", b'0', b""),
        member(".wh..wh..opq", b'0', b""),
        member("d/.wh.a", b'0', b""),
        member("./.wh.b", b'0', b"content of no use"),
        member(".wh.c/", b'5', b""),
        extended(&[("path", longest.as_bytes())]),
        member("x", b'0', b""),
    ];
    let hidden = format!("/{} gone", &longest[4..]);
    check(
        &members,
        &[
            "/d opaque",
            "/ opaque",
            "/d/a gone",
            "/b gone",
            "/c gone",
            &hidden,
        ],
    );
    for name in [
        ".wh.",
        "a/.wh..",
        "a/.wh...",
        ".wh.a/b",
        ".wh.a/.",
        ".wh.a/.wh..wh..opq",
    ] {
        refused(
            &[member(name, b'0', b"")],
            ErrorKind::Invalid,
            name.trim_end_matches("/."),
        );
    }
    let by_aufs = [
        member(".wh..wh.plnk/1.2", b'0', b"x"),
        member(".wh..wh.orph/.", b'5', b""),
        member("a", b'0', b""),
    ];
    check(&by_aufs, &["/a 0"]);
}

#[test]
fn metadata_is_that_of_the_entry() {
    let bytes = b"\x01\n\0=\xff\n11 path=evil\n";
    let records: &[(&str, &[u8])] = &[
        ("SCHILY.xattr.security.capability", bytes),
        ("SCHILY.xattr.user.empty", b""),
        ("mtime", b"-1.5"),
        ("uid", b"4294967295"),
        ("gid", b""),
        ("atime", b"7.5"),
        ("comment", b"\n"),
    ];
    let global = member("g", b'g', b"13 path=evil\n");
    let index = read(&[
        global,
        extended(records),
        member("a", b'0', b""),
        member("b", b'0', b""),
    ])
    .expect("valid");
    let xattrs = [
        (b"security.capability"[..].into(), bytes[..].into()),
        (b"user.empty"[..].into(), b""[..].into()),
    ];
    let first = Metadata {
        mode: 0o644,
        uid: u32::MAX,
        gid: 2,
        mtime: Time::new(-2, 500_000_000).expect("below a second"),
        xattrs: xattrs.into(),
    };
    let second = Metadata {
        uid: 1,
        mtime: Time::from_seconds(3),
        xattrs: BTreeMap::new(),
        ..first.clone()
    };
    assert_eq!(printed(&index), ["/a 0", "/b 0"]);
    assert_eq!(index.records()[0].entry.metadata, first);
    assert_eq!(index.records()[1].entry.metadata, second);

    let odd = header(b"a", b'0', 0, |block| {
        block[100..108].copy_from_slice(b"0107755 ");
        block[108..116].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xfe");
        block[116..124].fill(0);
        block[136..148].fill(0xff);
    });
    let index = read(&[odd]).expect("valid");
    let odd = Metadata {
        mode: 0o7755,
        uid: u32::MAX - 1,
        gid: 0,
        mtime: Time::from_seconds(-1),
        ..Metadata::default()
    };
    assert_eq!(index.records()[0].entry.metadata, odd);
}

#[test]
fn content_is_where_the_index_says() {
    let long = "x".repeat(300_000);
    let members = [
        extended(&[("size", b"300000")]),
        header(b"big", b'0', 0, |_| {}),
        long.clone().into_bytes(),
        vec![0; 300_000_usize.next_multiple_of(512) - 300_000],
        // What has no content has none, whatever its size says.
        header(b"link", b'1', 1024, |block| {
            block[157..160].copy_from_slice(b"big")
        }),
        member("etc/passwd", b'0', b"first"),
        member("etc/passwd", b'7', b"second"),
        member("etc/group", b'0', b"of"),
        link("etc/group", b'2', "x"),
        header(b"null", b'3', 0, |block| {
            block[329..337].copy_from_slice(b"0000001\0");
            block[337..345].copy_from_slice(b"0000003\0");
        }),
        member("pipe", b'6', b""),
    ];
    let expected = [
        "/big 300000",
        "/link = /big",
        "/etc/passwd 5",
        "/etc/passwd 6",
        "/etc/group 2",
        "/etc/group -> x",
        "/null 1:3",
        "/pipe |",
    ];
    check(&members, &expected);
    let index = read(&members).expect("valid");
    let archive = members.concat();
    for (record, content) in [
        (0, long.as_bytes()),
        (2, b"first"),
        (3, b"second"),
        (4, b"of"),
    ] {
        let stored = index.records()[record].content.as_ref().expect("a file");
        let offset = usize::try_from(stored.offset.expect("in one piece")).expect("small");
        assert!(archive[offset..].starts_with(content));
        assert_eq!(stored.digest, digest(content));
    }
    assert_eq!(
        index
            .records()
            .iter()
            .filter(|record| record.content.is_some())
            .count(),
        4
    );
    assert_eq!(index.kept(&path("etc/passwd")), Some(&b"second"[..]));
    assert_eq!(index.kept(&path("etc/group")), None);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let parent = [member("a/../../etc/x", b'0', b"")];
    refused(&parent, ErrorKind::Invalid, "a/../../etc/x");
    refused(&[link("x", b'1', "../y")], ErrorKind::Invalid, "../y");
    refused(
        &[link("x", b'1', "")],
        ErrorKind::Invalid,
        "`x` of the archive is another name",
    );
    refused(
        &[link("x", b'2', "")],
        ErrorKind::Invalid,
        "`x` of the archive is a link",
    );
    for target in [&b"a\0b"[..], &[b'x'; 4096]] {
        let link = [extended(&[("linkpath", target)]), link("x", b'2', "")];
        refused(&link, ErrorKind::Invalid, "no path");
    }
    let nul = [extended(&[("path", b"a\0b")]), member("x", b'0', b"")];
    refused(&nul, ErrorKind::Invalid, "NUL");
    refused(&[member("/", b'0', b"")], ErrorKind::Invalid, "root");
}

#[test]
fn what_an_entry_can_not_be_is_refused() {
    for (key, value, part) in [
        ("uid", &b"4294967296"[..], "`x` of the archive has an owner"),
        ("gid", b"-1", "`x` of the archive has a group"),
        ("size", b"-1", "`x` of the archive has a size"),
        ("mtime", b"1.x", "a time"),
        ("mtime", b"9223372036854775808", "a time"),
        ("SCHILY.xattr.", b"", "an attribute"),
    ] {
        let members = [extended(&[(key, value)]), member("x", b'0', b"")];
        refused(&members, ErrorKind::Invalid, part);
    }
    refused(
        &[member("x", b'V', b"")],
        ErrorKind::Unsupported,
        "`x` is of the kind `V`",
    );
    for major in [b"\xff\xff\xff\xff\xff\xff\xff\xff", b"000000x\0"] {
        let device = header(b"dev", b'4', 0, |block| {
            block[329..337].copy_from_slice(major)
        });
        refused(&[device], ErrorKind::Invalid, "`dev`");
    }
    let mut damaged = member("x", b'0', b"");
    damaged[0] = b'y';
    refused(&[damaged], ErrorKind::Invalid, "checksum");
}

#[test]
fn headers_of_other_headers_are_refused() {
    refused(&[extended(&[])], ErrorKind::Invalid, "ends where");
    let global = [extended(&[]), member("x", b'g', b"")];
    refused(&global, ErrorKind::Invalid, "global");
    let zeros = [member("x", b'0', b""), vec![0; 512], member("y", b'0', b"")];
    refused(&zeros, ErrorKind::Invalid, "goes on");
    for (flag, size) in [(b'x', 1024 * 1024 + 1), (b'L', 1 << 32), (b'g', 1 << 32)] {
        refused(
            &[header(b"x", flag, size, |_| {})],
            ErrorKind::Limit,
            "1048576",
        );
    }
    for records in [
        "x",
        "5 a=b\n",
        "7 a=b\n",
        "6 a=b!",
        "4 a\n",
        "99999999999999999999 a=b\n",
        "-6 a=b\n",
        "6 a=b\n\0",
    ] {
        let member = member("x", b'x', records.as_bytes());
        refused(&[member], ErrorKind::Invalid, "no list of records");
    }
}

#[test]
fn an_archive_may_end_without_its_end() {
    let whole = [member("a", b'0', b"abc"), member("b", b'0', b"")].concat();
    let read = |archive: &[u8]| LayerIndex::read(&mut &*archive).map(|index| printed(&index));
    assert_eq!(read(&[]).expect("empty"), Vec::<String>::new());
    assert_eq!(read(&whole).expect("two entries"), ["/a 3", "/b 0"]);
    assert_eq!(read(&whole[..515]).expect("nothing fills it up"), ["/a 3"]);
    for cut in [1, 511, 512, 514, 1025, 1535] {
        assert_eq!(
            read(&whole[..cut]).expect_err("cut off").kind(),
            ErrorKind::Invalid,
            "{cut}"
        );
    }
    // What stands behind the end is read and counts for nothing.
    let behind = [whole, vec![0; 1024], b"something else".repeat(1000)].concat();
    let mut rest = behind.as_slice();
    assert_eq!(
        printed(&LayerIndex::read(&mut rest).expect("two entries")).len(),
        2
    );
    assert!(rest.is_empty());
}

#[test]
fn what_reading_fails_with_keeps_its_kind() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(Error::new(ErrorKind::Changed, "the source").into())
        }
    }
    let whole = [member("a", b'0', b"abc"), vec![0; 1024]].concat();
    for cut in [0, 100, 513, whole.len()] {
        let error = LayerIndex::read(&mut whole[..cut].chain(Fails)).expect_err("it fails");
        assert_eq!(error.kind(), ErrorKind::Changed);
    }
}
