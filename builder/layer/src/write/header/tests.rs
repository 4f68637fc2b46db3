use super::*;
use crate::sample::{entry, path};
use crate::time::Time;

fn head(entry: &Entry) -> Vec<u8> {
    Header::of(entry, &entry.metadata).expect("fits").bytes()
}

fn file(path: &str) -> Entry {
    entry(path, Kind::File { size: 3 })
}

/// Gives a field without the zeros at its end.
fn field(header: &[u8], field: Field) -> &str {
    let bytes = &header[field.offset..field.offset + field.length];
    std::str::from_utf8(bytes)
        .expect("ASCII")
        .trim_end_matches('\0')
}

#[test]
fn what_fits_is_one_plain_header() {
    let header = head(&file("a/b"));
    let mut expected = vec![0; 512];
    for (offset, bytes) in [
        (0, &b"a/b"[..]),
        (
            100,
            b"0000644\x000000000\x000000000\x0000000000003\x0000000000000\x00",
        ),
        (148, b"006666\0 0"),
        (257, b"ustar\x0000"),
        (329, b"0000000\x000000000\x00"),
    ] {
        expected[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    let sum: u64 = expected.iter().map(|byte| u64::from(*byte)).sum::<u64>()
        - expected[148..156]
            .iter()
            .map(|byte| u64::from(*byte))
            .sum::<u64>()
        + 8 * 32;
    expected[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    assert_eq!(
        header.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

#[test]
fn a_path_is_split_where_that_is_enough() {
    let names = |lengths: &[usize]| -> String {
        let names: Vec<_> = lengths.iter().map(|length| "n".repeat(*length)).collect();
        names.join("/")
    };
    for (lengths, prefix, name) in [
        (&[100][..], 0, 100),
        (&[50, 49], 0, 100),
        (&[50, 50], 50, 50),
        (&[1, 99], 1, 99),
        (&[1, 100], 1, 100),
        (&[30, 30, 60], 30, 91),
        (&[77, 77, 100], 155, 100),
        (&[155, 100], 155, 100),
    ] {
        let header = head(&file(&names(lengths)));
        assert_eq!(header.len(), 512, "{lengths:?}");
        assert_eq!(field(&header, PREFIX).len(), prefix, "{lengths:?}");
        assert_eq!(field(&header, NAME).len(), name, "{lengths:?}");
    }
    for lengths in [&[101][..], &[156, 1], &[10, 101], &[155, 101], &[255, 255]] {
        let header = head(&file(&names(lengths)));
        assert_eq!(header.len() % 512, 0);
        assert!(header.len() > 1024, "{lengths:?}");
        assert_eq!(field(&header, NAME), "././@PaxHeader");
        let last = &header[header.len() - 512..];
        assert_eq!(field(last, PREFIX), "");
    }
}

#[test]
fn the_slash_of_a_directory_counts() {
    let fits = head(&entry("d".repeat(99), Kind::Directory));
    assert_eq!((fits.len(), field(&fits, NAME).len()), (512, 100));
    let too_long = head(&entry("d".repeat(100), Kind::Directory));
    assert_eq!(too_long.len(), 1536);
    let records = String::from_utf8(too_long[512..1024].to_vec()).expect("ASCII");
    let expected = format!("111 path={}/\n", "d".repeat(100));
    assert_eq!(records.trim_end_matches('\0'), expected);
    let split = head(&entry(format!("a/{}", "d".repeat(99)), Kind::Directory));
    assert_eq!((split.len(), field(&split, NAME).len()), (512, 100));
}

#[test]
fn a_shortened_name_is_no_directory() {
    let name = format!("{}/{}", "n".repeat(99), "m".repeat(200));
    let header = head(&file(&name));
    let last = &header[header.len() - 512..];
    assert_eq!(field(last, NAME), "n".repeat(99));
    let header = head(&file("\u{e9}t\u{e9}"));
    let last = &header[header.len() - 512..];
    assert_eq!(field(last, NAME), "__t__");
    assert_eq!(&header[512..528], "14 path=\u{e9}t\u{e9}\n\0\0".as_bytes());
}

#[test]
fn numbers_are_extended_where_they_have_to() {
    let mut entry = file("a");
    entry.metadata.uid = 0o777_7777;
    entry.metadata.gid = 0o777_7777;
    entry.metadata.mtime = Time::from_seconds(0o777_7777_7777);
    entry.kind = Kind::File {
        size: 0o777_7777_7777,
    };
    let header = head(&entry);
    assert_eq!(header.len(), 512);
    assert_eq!(field(&header, SIZE), "77777777777");
    assert_eq!(field(&header, UID), "7777777");

    entry.metadata.uid += 1;
    entry.metadata.gid += 2;
    entry.metadata.mtime = Time::from_seconds(0o1000_0000_0000);
    entry.kind = Kind::File { size: 1 << 33 };
    let xattr = |name: &str| name.as_bytes().into();
    entry.metadata.xattrs.insert(xattr("user.b"), xattr("2"));
    entry.metadata.xattrs.insert(xattr("user.a"), xattr(""));
    let header = head(&entry);
    let records = std::str::from_utf8(&header[512..1024]).expect("ASCII");
    assert_eq!(
        records.trim_end_matches('\0'),
        "24 SCHILY.xattr.user.a=\n25 SCHILY.xattr.user.b=2\n\
         15 gid=2097153\n20 mtime=8589934592\n19 size=8589934592\n15 uid=2097152\n",
    );
    let last = &header[header.len() - 512..];
    assert_eq!(field(last, SIZE), "00000000000");

    entry = file("a");
    entry.metadata.mtime = Time::from_seconds(-1);
    let header = head(&entry);
    assert_eq!(&header[512..525], b"12 mtime=-1\n\0");

    entry.metadata.mtime = Time::new(5, 250_000_000).expect("below a second");
    let header = head(&entry);
    assert_eq!(&header[512..527], b"14 mtime=5.25\n\0");
}

#[test]
fn a_record_counts_its_own_length() {
    for length in [
        0, 1, 3, 4, 5, 80, 81, 82, 83, 84, 85, 975, 980, 981, 982, 9970, 9975, 9976, 9980,
    ] {
        let mut entry = file("a");
        entry
            .metadata
            .xattrs
            .insert(b"user.a"[..].into(), vec![b'v'; length].into());
        let header = Header::of(&entry, &entry.metadata).expect("fits");
        let records = header.records();
        let digits = records
            .iter()
            .position(|byte| *byte == b' ')
            .expect("a blank");
        let said = std::str::from_utf8(&records[..digits]).expect("digits");
        assert_eq!(said, records.len().to_string(), "{length}");
    }
}

#[test]
fn what_the_form_can_not_say_is_refused() {
    let kind = |entry: &Entry| {
        Header::of(entry, &entry.metadata)
            .expect_err("no such form")
            .kind()
    };
    let device = |major, minor| {
        let kind = DeviceKind::Character;
        entry("d", Kind::Device { kind, major, minor })
    };
    assert_eq!(kind(&device(0o1000_0000, 0)), ErrorKind::Unsupported);
    assert_eq!(kind(&device(0, 0o1000_0000)), ErrorKind::Unsupported);
    for target in [&b""[..], b"a\0b", &[b'x'; 4096]] {
        let target = target.into();
        assert_eq!(
            kind(&entry("l", Kind::Symlink { target })),
            ErrorKind::Invalid
        );
    }
    for name in [&b""[..], b"user.a=b", b"user.a\0b"] {
        let mut entry = file("a");
        entry.metadata.xattrs.insert(name.into(), Box::default());
        assert_eq!(kind(&entry), ErrorKind::Unsupported);
    }
    let mut long = file("a");
    long.metadata
        .xattrs
        .insert(b"user.a"[..].into(), vec![0; EXTENDED_LIMIT].into());
    assert_eq!(kind(&long), ErrorKind::Limit);
    let mut odd = file("a");
    odd.metadata.mode = 0o10000;
    assert_eq!(kind(&odd), ErrorKind::Invalid);
    assert_eq!(kind(&entry("", Kind::Whiteout)), ErrorKind::Invalid);
}

#[test]
fn what_is_removed_is_an_empty_file_of_nobody() {
    let mut gone = entry("a/gone", Kind::Whiteout);
    gone.metadata.mode = 0o777;
    gone.metadata.uid = 7;
    gone.metadata.mtime = Time::from_seconds(7);
    let header = head(&gone);
    assert_eq!(field(&header, NAME), "a/.wh.gone");
    assert_eq!(field(&header, TYPE), "0");
    for (of, zeros) in [(MODE, 7), (UID, 7), (GID, 7), (SIZE, 11), (MTIME, 11)] {
        assert_eq!(field(&header, of), "0".repeat(zeros));
    }
    assert_eq!(
        field(&head(&entry("a", Kind::Opaque)), NAME),
        "a/.wh..wh..opq"
    );
    assert_eq!(field(&head(&entry("", Kind::Opaque)), NAME), ".wh..wh..opq");
    assert_eq!(field(&head(&entry("", Kind::Directory)), NAME), "./");
    assert_eq!(path("a").as_bytes(), b"a");
}
