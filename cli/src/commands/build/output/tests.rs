use super::parse::{One, parse};
use super::write::platform_directory;
use super::*;

fn read(text: &str) -> Outputs {
    parse_all(&[text.to_owned()]).unwrap_or_else(|error| panic!("{text}: {error:#}"))
}

fn refusal(text: &str) -> String {
    let refused = parse(text).expect_err(text);
    refused.to_string()
}

#[test]
fn outputs_are_read() {
    for (text, expected) in [
        ("type=oci,dest=a.tar", "type=oci,dest=a.tar"),
        ("type=oci,tar=false,dest=a", "type=oci,dest=a,tar=false"),
        ("type=oci,dest=a,tar=1", "type=oci,dest=a,tar=true"),
        ("dest=-,type=docker", "type=docker,dest=-"),
        ("out", "type=local,dest=out"),
        ("-", "type=tar,dest=-"),
        ("type=tar,dest=a=b", "type=tar,dest=a=b"),
        ("type=tar,\"dest=a,\"\"b\"", "type=tar,dest=a,\"b"),
    ] {
        let outputs = read(text);
        let shown: Vec<String> = outputs.files.iter().map(Output::to_string).collect();
        assert_eq!(shown, [expected], "{text}");
    }
    assert!(matches!(parse("type=cacheonly"), Ok(One::Nothing)));
    assert!(read("type=docker").load);
    assert!(!read("type=docker,dest=a").load);
}

#[test]
fn images_are_read() {
    for (text, names, push) in [
        ("type=image", "", Push::No),
        ("type=image,push=true", "", Push::ByName),
        ("type=registry", "", Push::ByName),
        ("type=registry,push=false", "", Push::No),
        ("type=image,name=a.test/b", "a.test/b:latest", Push::No),
        (
            "type=image,\"name=a.test/b:1,a.test/b:2\",push=1",
            "a.test/b:1 a.test/b:2",
            Push::ByName,
        ),
        (
            "type=image,name=a.test/b,push-by-digest=true,name-canonical=true,push=true",
            "a.test/b:latest",
            Push::ByDigest,
        ),
    ] {
        let outputs = read(text);
        let [image] = outputs.images.as_slice() else {
            panic!("{text}");
        };
        let shown: Vec<String> = image.names.iter().map(ToString::to_string).collect();
        assert_eq!(shown.join(" "), names, "{text}");
        assert_eq!(image.push, push, "{text}");
        let kept = outputs.names().count();
        assert_eq!(kept == image.names.len(), push != Push::ByDigest, "{text}");
    }
}

#[test]
fn what_is_no_output_is_refused() {
    for (text, expected) in [
        ("", "`--output ` has `` without a `=`"),
        ("type=oci", "`--output type=oci` has no `dest`"),
        ("dest=a", "`--output dest=a` has no `type`"),
        ("type=zip,dest=a", "`zip` is no type of output"),
        (
            "type=oci,dest=",
            "`--output type=oci,dest=` has an empty `dest`",
        ),
        (
            "type=oci,dest=a,dest=b",
            "`--output type=oci,dest=a,dest=b` has `dest` twice",
        ),
        (
            "type=oci,type=oci,dest=a",
            "`--output type=oci,type=oci,dest=a` has `type` twice",
        ),
        (
            "type=oci,dest=a,store=b",
            "`--output type=oci,dest=a,store=b` has `store`, which is not supported",
        ),
        (
            "type=image,dest=a",
            "`--output type=image,dest=a` has `dest`, which is not supported",
        ),
        (
            "type=cacheonly,dest=a",
            "`--output type=cacheonly,dest=a` has `dest`, which is not supported",
        ),
        (
            "type=docker,dest=a,tar=false",
            "`--output type=docker,dest=a,tar=false` has `tar`, which is not supported",
        ),
        (
            "type=image,push=yes",
            "`--output type=image,push=yes` has `push=yes`, which is neither true nor false",
        ),
        (
            "type=local,dest=-",
            "a directory can not go to standard output, but an archive can",
        ),
        (
            "type=oci,tar=false,dest=-",
            "a directory can not go to standard output, but an archive can",
        ),
        (
            "type=oci,dest",
            "`--output type=oci,dest` has `dest` without a `=`",
        ),
        (
            "type=oci,\"dest=a",
            "`--output type=oci,\"dest=a` has a quote without end",
        ),
        (
            "type=oci,\"dest=a\"b",
            "`--output type=oci,\"dest=a\"b` goes on behind a quote",
        ),
    ] {
        assert_eq!(refusal(text), expected);
    }
}

#[test]
fn what_pushes_nothing_by_its_digest_is_refused() {
    for (text, expected) in [
        ("type=registry,push-by-digest=1", "has no `name` to push to"),
        (
            "type=image,name=a,push-by-digest=1",
            "has `push-by-digest=true`, and pushes nothing",
        ),
        (
            "type=registry,name=a,push=false,push-by-digest=1",
            "has `push-by-digest=true`, and pushes nothing",
        ),
    ] {
        let error = parse(text).expect_err("nothing would be pushed");
        let said = format!("{error:#}");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn archives_do_not_go_to_a_terminal() {
    for (text, terminal) in [
        ("-", false),
        ("type=docker,dest=-", false),
        ("type=oci,dest=-", false),
        ("type=oci,dest=a.tar", true),
        ("out", true),
    ] {
        let outputs = read(text);
        assert_eq!(outputs.check_stdout(Stdout::Terminal).is_ok(), terminal);
        assert!(outputs.check_stdout(Stdout::Elsewhere).is_ok(), "{text}");
    }
}

#[test]
fn the_library_is_no_place_for_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let library = directory.path().join("library");
    fs_err::create_dir(&library).expect("writable");
    for (below, is_free) in [
        ("library", false),
        ("library/blobs/new/one", false),
        ("library2", true),
        (".", true),
    ] {
        let path = directory.path().join(below);
        let outputs = read(&format!("type=local,dest={}", path.display()));
        assert_eq!(outputs.check_library(&library).is_ok(), is_free, "{below}");
    }
}

#[test]
fn no_two_outputs_go_to_one_place() {
    for (one, other, expected) in [
        (
            "type=oci,dest=-",
            "-",
            Some("two outputs go to standard output"),
        ),
        (
            "type=oci,dest=out/a.tar",
            "type=tar,dest=./out//./a.tar",
            Some("two outputs go to `./out//./a.tar`"),
        ),
        (
            "type=oci,dest=out",
            "out/",
            Some("two outputs go to `out/`"),
        ),
        ("type=oci,dest=out", "type=oci,dest=out.tar", None),
        ("type=oci,dest=out", "type=oci,dest=/out", None),
        ("type=oci,dest=-", "type=tar,dest=./-", None),
        ("type=registry", "type=registry", None),
    ] {
        let read = parse_all(&[one, other].map(str::to_owned));
        let said = read.err().map(|error| error.to_string());
        assert_eq!(said.as_deref(), expected, "{one} {other}");
    }
}

fn platforms(texts: &[&str]) -> Vec<Platform> {
    let platform = |text: &&str| match text.parse() {
        Ok(image::PlatformChoice::One(platform)) => platform,
        other => panic!("{text}: {other:?}"),
    };
    texts.iter().map(platform).collect()
}

#[test]
fn docker_takes_one_platform() {
    let two = platforms(&["linux/amd64", "linux/arm/v7"]);
    for (text, takes_all) in [
        ("type=docker,dest=a.tar", false),
        ("type=oci,dest=a.tar", true),
        ("type=registry", true),
        ("out", true),
        ("-", true),
    ] {
        let outputs = read(text);
        assert_eq!(outputs.check_platforms(&two).is_ok(), takes_all, "{text}");
        assert!(outputs.check_platforms(&two[..1]).is_ok(), "{text}");
    }
    let refused = check_one("`--load`", &two).expect_err("two");
    assert_eq!(
        refused.root_cause().to_string(),
        "`--load` takes an image for one platform, and this build is for 2: `linux/amd64`, `linux/arm/v7`"
    );
}

#[test]
fn directories_are_named_by_platforms() {
    let names: Vec<String> = platforms(&["linux/amd64", "linux/arm/v7"])
        .iter()
        .map(platform_directory)
        .collect();
    assert_eq!(names, ["linux_amd64", "linux_arm_v7"]);
}
