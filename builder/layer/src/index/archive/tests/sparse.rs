//! Sparse files, in each form that there is.

use super::*;

/// Gives a sparse file in the form of GNU: pairs of numbers, of which four fit
/// into the header and 21 into each block after it.
pub(super) fn sparse(runs: &[(u64, u64)], size: u64, content: &[u8]) -> Vec<u8> {
    let pairs: Vec<u8> = runs
        .iter()
        .flat_map(|(offset, length)| format!("{offset:011o}\0{length:011o}\0").into_bytes())
        .collect();
    let (first, rest) = pairs.split_at(pairs.len().min(96));
    let mut member = header(b"sparse", b'S', content.len(), |block| {
        block[257..265].copy_from_slice(b"ustar  \0");
        block[386..386 + first.len()].copy_from_slice(first);
        block[482] = u8::from(!rest.is_empty());
        block[483..495].copy_from_slice(format!("{size:011o}\0").as_bytes());
    });
    let mut blocks = rest.chunks(504).peekable();
    while let Some(pairs) = blocks.next() {
        let mut block = [0; 512];
        block[..pairs.len()].copy_from_slice(pairs);
        block[504] = u8::from(blocks.peek().is_some());
        member.extend(block);
    }
    member.extend_from_slice(content);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

#[test]
fn the_holes_of_sparse_files_are_zeros() {
    let expected = [&b"abc"[..], &[0; 1021], b"de", &[0; 174]].concat();
    let check = |members: &[Vec<u8>]| {
        let index = read(&[members, &[member("after", b'0', b"")]].concat()).expect("valid");
        assert_eq!(printed(&index), ["/sparse 1200", "/after 0"]);
        let stored = Stored {
            offset: None,
            digest: digest(&expected),
        };
        assert_eq!(index.records()[0].content, Some(stored));
    };
    check(&[sparse(&[(0, 3), (1024, 2), (1200, 0)], 1200, b"abcde")]);
    let many: Vec<(u64, u64)> = (0..300).map(|run| (4 * run, 4)).collect();
    check(&[sparse(&many, 1200, &expected)]);
    let map: &[(&str, &[u8])] = &[
        ("GNU.sparse.map", b"0,3,1024,2"),
        ("GNU.sparse.size", b"1200"),
    ];
    let named: &[(&str, &[u8])] = &[
        ("GNU.sparse.name", b"sparse"),
        ("GNU.sparse.numblocks", b"2"),
    ];
    check(&[
        extended(&[map, named].concat()),
        member("no", b'0', b"abcde"),
    ]);
    let pairs: &[(&str, &[u8])] = &[
        ("GNU.sparse.size", b"1200"),
        ("GNU.sparse.offset", b"0"),
        ("GNU.sparse.numbytes", b"3"),
        ("GNU.sparse.offset", b"1024"),
        ("GNU.sparse.numbytes", b"2"),
    ];
    check(&[
        extended(&[pairs, named].concat()),
        member("no", b'0', b"abcde"),
    ]);
    let version: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.realsize", b"1200"),
    ];
    let mut content = b"2\n0\n3\n1024\n2\n".to_vec();
    content.resize(512, 0);
    content.extend_from_slice(b"abcde");
    check(&[
        extended(&[version, named].concat()),
        member("no", b'0', &content),
    ]);
}

#[test]
fn maps_of_sparse_files_have_to_fit() {
    let refused_map = |runs: &[(u64, u64)], size| {
        let content = vec![
            b'x';
            usize::try_from(runs.iter().map(|run| run.1 & 0xfff).sum::<u64>())
                .expect("small")
        ];
        refused(
            &[sparse(runs, size, &content)],
            ErrorKind::Invalid,
            "its map is none",
        );
    };
    refused_map(&[(10, 5), (0, 5)], 100);
    refused_map(&[(0, 5), (4, 5)], 100);
    refused_map(&[(0, 5)], 4);
    refused_map(&[(0, 0o7_7777_7777)], 0o77_7777_7777);
    let short = sparse(&[(0, 5)], 10, b"abc");
    refused(&[short], ErrorKind::Invalid, "its map is none");
    let head = |map: &str, content: &[u8]| {
        let records = [
            ("GNU.sparse.major", &b"1"[..]),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"99"),
        ];
        [extended(&records), member(map, b'0', content)]
    };
    for content in [
        "",
        "1\n",
        "x\n",
        "2\n0\n1\n0",
        "99999999999999999999\n",
        "1\n99999999999999999999\n",
        "600000\n",
    ] {
        refused(
            &head("m", content.as_bytes()),
            ErrorKind::Invalid,
            "`m` of the archive is sparse",
        );
        let mut block = content.as_bytes().to_vec();
        block.resize(512, 0);
        refused(
            &head("m", &block),
            ErrorKind::Invalid,
            "`m` of the archive is sparse",
        );
    }
    let other = [("GNU.sparse.major", &b"2"[..]), ("GNU.sparse.minor", b"0")];
    refused(
        &[extended(&other), member("m", b'0', b"")],
        ErrorKind::Unsupported,
        "`m` is sparse",
    );
    let of = |size: &[u8]| {
        let records = [("GNU.sparse.map", &b"0,0"[..]), ("GNU.sparse.size", size)];
        [extended(&records), member("m", b'0', b"")].concat()
    };
    let limit = "with `m` the sparse files";
    refused(&[of(b"9000000000000000000")], ErrorKind::Limit, limit);
    refused(&[of(b"68719476737")], ErrorKind::Limit, limit);
    // What is read before counts as well.
    let two = [of(b"1000000"), of(b"68718476737")];
    refused(&two, ErrorKind::Limit, limit);
}
