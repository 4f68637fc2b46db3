use std::error::Error as _;
use std::path::Path;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Place, PlaceError> {
    Place::parse(text, Bare::Registry)
}

#[test]
fn each_prefix_has_its_place() {
    for (text, canonical) in [
        ("busybox", "docker://docker.io/library/busybox:latest"),
        ("localhost:5000/x", "docker://localhost:5000/x:latest"),
        ("docker://a/b:1", "docker://docker.io/a/b:1"),
        ("local:x", "local:docker.io/library/x:latest"),
        ("oci:dir", "oci:dir"),
        ("oci:./dir:1", "oci:./dir:1"),
        ("oci:/a:b/c", "oci:/a:b/c"),
        ("oci:a:b:c", "oci:a:b:c"),
        ("oci-archive:x.tar", "oci-archive:x.tar"),
        ("oci-archive:/x.tar:v1", "oci-archive:/x.tar:v1"),
        ("docker-archive:x.tar", "docker-archive:x.tar"),
        (
            "docker-archive:x.tar:localhost:5000/a:1",
            "docker-archive:x.tar:localhost:5000/a:1",
        ),
    ] {
        assert_eq!(
            parse(text).map(|place| place.to_string()).as_deref(),
            Ok(canonical),
            "{text}"
        );
    }
    assert_eq!(
        parse("oci:a:b:c"),
        Ok(Place::Layout {
            directory: Path::new("a:b").to_owned(),
            tag: Some("c".parse().expect("a tag")),
        })
    );
    assert_eq!(
        Place::parse("x", Bare::Library).map(|place| place.to_string()),
        Ok("local:docker.io/library/x:latest".to_owned())
    );
}

#[test]
fn refused() {
    for (text, expected) in [
        (
            "dir:/x",
            "unknown prefix `dir:`: expected `docker://`, `local:`, `oci:`, `oci-archive:` or `docker-archive:`",
        ),
        (
            "docker-daemon:x",
            "unknown prefix `docker-daemon:`: expected `docker://`, `local:`, `oci:`, `oci-archive:` or `docker-archive:`",
        ),
        (
            "https://x/y",
            "unknown prefix `https:`: expected `docker://`, `local:`, `oci:`, `oci-archive:` or `docker-archive:`",
        ),
        ("", "`` names no image"),
        ("docker://", "`docker://` names no image"),
        ("local:A b", "`local:A b` names no image"),
        ("oci:", "`oci:` lacks a path"),
        ("oci::x", "`oci::x` lacks a path"),
        ("oci:x:", "`oci:x:` names no image"),
        ("oci-archive:x:.y", "`oci-archive:x:.y` names no image"),
        ("docker-archive:", "`docker-archive:` lacks a path"),
        ("docker-archive:x:", "`docker-archive:x:` names no image"),
        ("a\nb", "`a\\nb` names no image"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
    let error = parse("oci:x:.y").expect_err("no tag");
    assert!(
        error
            .source()
            .expect("a cause")
            .to_string()
            .contains("invalid tag `.y`")
    );
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        prefix in "(docker://|local:|oci:|oci-archive:|docker-archive:|)",
        rest in "[a-zA-Z0-9.:/@_ é-]{0,30}",
        library: bool,
    ) {
        let bare = if library { Bare::Library } else { Bare::Registry };
        if let Ok(place) = Place::parse(&format!("{prefix}{rest}"), bare) {
            for bare in [Bare::Library, Bare::Registry] {
                prop_assert_eq!(Place::parse(&place.to_string(), bare), Ok(place.clone()));
            }
        }
    }

    #[test]
    fn any_text_has_an_answer(text: String) {
        let _ = Place::parse(&text, Bare::Registry);
    }
}
