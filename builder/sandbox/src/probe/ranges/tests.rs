use super::*;

fn range(inside: u32, outside: u32, count: u32) -> IdRange {
    IdRange {
        inside,
        outside,
        count,
    }
}

#[test]
fn ranges_of_a_user_are_found_by_name_and_by_number() {
    let text =
        "other:1:2\nme:100000:65536\n\n1000:300000:10\nme:5\nme:x:y\nme:4294967295:2\n10001:7:7\n";
    let found = subordinate(text, Some("me"), 1000);
    assert_eq!(found, [(100_000, 65_536), (300_000, 10)]);
    assert_eq!(
        mapped(1000, &found),
        [
            range(0, 1000, 1),
            range(1, 100_000, 65_536),
            range(65_537, 300_000, 10),
        ]
    );
    // A user without a name in the container has its number alone.
    assert_eq!(subordinate(text, None, 1000), [(300_000, 10)]);
}

#[test]
fn the_name_of_a_user_comes_from_passwd() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:1000::/:\n";
    assert_eq!(name_of(passwd, 1000), Some("me"));
    assert_eq!(name_of(passwd, 7), None);
}

#[test]
fn a_namespace_is_mapped_onto_itself() {
    let text = "         0     100000      65536\n     65536          5          1\n";
    assert_eq!(
        identity(text),
        [range(0, 0, 65_536), range(65_536, 65_536, 1)]
    );
    assert_eq!(identity("0 0 4294967295\n"), [range(0, 0, u32::MAX)]);
}
