//! What mounts are, and what is said of those that are none. The corpus has the
//! same mistakes where they stand in files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::ast::{Escape, Kind};
use crate::mount::check_mount;
use crate::{Mount, MountKind, Sharing, expand_mount, mount_from, parse, parse_mount};

fn bind(target: &str) -> Mount {
    Mount {
        kind: MountKind::Bind,
        target: Some(target.to_owned()),
        source: None,
        from: None,
        id: None,
        read_only: true,
        required: false,
        mode: None,
        uid: None,
        gid: None,
        size: None,
        sharing: Sharing::Shared,
        env: None,
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_bind_has_defaults() {
    assert_eq!(parse_mount("target=."), Ok(bind(".")));
    assert_eq!(parse_mount("type=BIND,dst=/a"), Ok(bind("/a")));
    assert_eq!(parse_mount("Type=bind,DESTINATION=/a"), Ok(bind("/a")));
    let whole = Mount {
        source: some("src"),
        from: some("build"),
        read_only: false,
        ..bind("/a")
    };
    assert_eq!(
        parse_mount("type=bind,from=build,src=src,target=/a,rw"),
        Ok(whole.clone())
    );
    assert_eq!(
        parse_mount("readwrite=true,target=/a,from=build,source=src"),
        Ok(whole)
    );
}

#[test]
fn the_last_of_several_counts() {
    let mount = parse_mount("type=tmpfs,ro,rw,ro=false,target=/a,dst=/b,type=cache,ro=1").unwrap();
    assert_eq!(mount.kind, MountKind::Cache);
    assert_eq!(mount.target, some("/b"));
    assert!(mount.read_only);
    assert!(!parse_mount("target=/a,ro,rw").unwrap().read_only);
    assert!(parse_mount("target=/a,rw,ro").unwrap().read_only);
    assert!(parse_mount("target=/a,rw=F").unwrap().read_only);
}

#[test]
fn a_cache_is_named_after_its_target() {
    let cache = Mount {
        kind: MountKind::Cache,
        id: some("/home/.cache"),
        read_only: false,
        ..bind("/home//.cache/")
    };
    let text = "type=cache,target=/home//.cache/";
    assert_eq!(parse_mount(text), Ok(cache.clone()));
    let whole = Mount {
        id: some("apt"),
        sharing: Sharing::Locked,
        mode: Some(0o1777),
        uid: Some(u32::MAX),
        gid: Some(0),
        from: some("base"),
        source: some("/var"),
        ..cache
    };
    let text = format!(
        "{text},id=apt,sharing=LOCKED,mode=1777,uid={},gid=0,from=base,source=/var",
        u32::MAX
    );
    assert_eq!(parse_mount(&text), Ok(whole));
}

#[test]
fn a_secret_is_named_in_one_of_three_ways() {
    let secret = |id: &str, target: Option<&str>| Mount {
        kind: MountKind::Secret,
        id: some(id),
        target: target.map(str::to_owned),
        ..bind("")
    };
    for (text, wanted) in [
        ("id=a", secret("a", Some("/run/secrets/a"))),
        ("id=a/b", secret("a/b", Some("/run/secrets/b"))),
        ("source=a", secret("a", Some("/run/secrets/a"))),
        ("target=/x/.npmrc", secret(".npmrc", Some("/x/.npmrc"))),
        ("id=a,target=b", secret("a", Some("b"))),
    ] {
        assert_eq!(parse_mount(&format!("type=secret,{text}")), Ok(wanted));
    }
    let only = Mount {
        env: some("A"),
        required: true,
        ..secret("a", None)
    };
    // Where `type` stands makes no difference.
    assert_eq!(parse_mount("required,env=A,id=a,type=secret"), Ok(only));
    let both = Mount {
        env: some("A"),
        mode: Some(0o400),
        ..secret("a", Some("/a"))
    };
    assert_eq!(
        parse_mount("type=secret,id=a,env=A,target=/a,mode=0400,required=false"),
        Ok(both)
    );
}

#[test]
fn an_agent_has_a_usual_name() {
    let mount = parse_mount("type=ssh").unwrap();
    assert_eq!(mount.id, some("default"));
    assert_eq!((mount.target, mount.read_only), (None, true));
    let mount = parse_mount("type=ssh,id=work,required=true,target=/a,mode=600,uid=7").unwrap();
    assert_eq!((mount.id, mount.uid), (some("work"), Some(7)));
}

#[test]
fn sizes_have_units() {
    for (text, bytes) in [
        ("1", Some(1)),
        ("64m", Some(64 << 20)),
        ("1.5G", Some(3 << 29)),
        ("0.1k", Some(102)),
        (".5kb", Some(512)),
        ("2 KiB", Some(2048)),
        ("7b", Some(7)),
        ("8191p", Some(8191 << 50)),
        ("1.", Some(1)),
        ("0", None),
    ] {
        let mount = parse_mount(&format!("type=tmpfs,target=/a,size={text}"));
        assert_eq!(mount.map(|mount| mount.size), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "m",
        "1x",
        "1kbb",
        "-1",
        "1e3",
        "1.2.3",
        ".",
        "8192p",
        "+1",
        "1  k",
        "9999999999999999999999",
    ] {
        let mount = parse_mount(&format!("type=tmpfs,target=/a,size={text}"));
        assert!(mount.is_err(), "{text}: {mount:?}");
    }
}

#[test]
fn quotes_hold_commas() {
    assert_eq!(parse_mount("\"target=/a,b\""), Ok(bind("/a,b")));
    assert_eq!(
        parse_mount("\"target=/a\"\"b\",type=bind"),
        Ok(bind("/a\"b"))
    );
}

/// Is each mistake: where it is, what is said and what would be right.
const MISTAKES: &[[&str; 4]] = &[
    ["", "", "an option is empty", "one comma"],
    ["target=/a,", "", "an option is empty", "none at the end"],
    ["a=b", "a", "a mount has no option `a`", "`type`, `from`"],
    [
        "tpye=cache",
        "tpye",
        "no option `tpye`",
        "did you mean `type`?",
    ],
    ["target=/a, ro", " ro", "no option ` ro`", "no blanks"],
    [
        "target",
        "target",
        "`target` has no value",
        "`target=VALUE`",
    ],
    [
        "type=volume",
        "volume",
        "`volume` is not a value of `type`",
        "`bind`, `cache`",
    ],
    ["type=cahce", "cahce", "of `type`", "did you mean `cache`?"],
    ["type=", "type=", "the value of `type` is empty", "one of"],
    [
        "ro=yes,target=/a",
        "yes",
        "`yes` is not a value of `ro`",
        "`true` or `false`",
    ],
    [
        "id=x,target=/a",
        "id",
        "a mount of type `bind` does not take `id`",
        "belongs to `cache`, `secret`, `ssh`; `bind` takes `type`",
    ],
    [
        "type=cache",
        "type=cache",
        "type `cache` lacks `target`",
        "working directory",
    ],
    [
        "type=cache,target=",
        "type=cache,target=",
        "lacks `target`",
        "",
    ],
    ["target=/a/..", "/a/..", "`/` can not be the target", ""],
    ["type=cache,target=/a,mode=8", "8", "of `mode`", "octal"],
    ["type=cache,target=/a,mode=0o7", "0o7", "of `mode`", "octal"],
    [
        "type=cache,target=/a,mode=10000",
        "10000",
        "of `mode`",
        "octal",
    ],
    [
        "type=cache,target=/a,uid=root",
        "root",
        "of `uid`",
        "no name",
    ],
    ["type=cache,target=/a,uid=+1", "+1", "of `uid`", "no name"],
    [
        "type=cache,target=/a,gid=4294967296",
        "4294967296",
        "of `gid`",
        "4294967295",
    ],
    [
        "type=cache,target=/a,sharing=none",
        "none",
        "of `sharing`",
        "`shared`, `private`, `locked`",
    ],
    [
        "type=cache,target=/a,required",
        "required",
        "does not take `required`",
        "`secret`, `ssh`",
    ],
    ["type=secret", "type=secret", "no name", "id=NAME"],
    [
        "type=secret,env=A",
        "type=secret,env=A",
        "no name",
        "id=NAME",
    ],
    ["type=secret,id=a,src=b", "src", "one thing", "delete"],
    ["type=secret,id=a,env=A=B", "A=B", "of `env`", "variable"],
    [
        "type=secret,id=a,rw",
        "rw",
        "does not take `rw`",
        "`bind`, `cache`, `tmpfs`",
    ],
    ["type=ssh,source=a", "source", "does not take `source`", ""],
    [
        "type=tmpfs,target=/a,from=b",
        "from",
        "does not take `from`",
        "`bind`, `cache`",
    ],
    ["target=/a\"b\"", "\"", "has a quote inside", ""],
    ["\"target=/a", "\"target=/a", "not closed", ""],
    ["\"target=/a\"b", "b", "`b` stands behind a quote", ""],
];

#[test]
fn mistakes_are_named() {
    for [text, marked, message, hint] in MISTAKES {
        let error = parse_mount(text).unwrap_err();
        let found = error.to_string();
        assert_eq!(
            text.get(error.range.clone()),
            Some(*marked),
            "{text}: {found}"
        );
        assert!(found.contains(message), "{text}: {found}");
        assert!(
            error.hint.contains(hint) && !error.hint.is_empty(),
            "{text}: {}",
            error.hint
        );
    }
}

#[test]
fn variables_are_values_and_no_more() {
    let variables = [("TARGET", "/a,b"), ("TYPE", "cache"), ("QUOTE", "\"")];
    let expand = |text: &str| expand_mount(text, Escape::Backslash, &variables);
    let (mount, unset) = expand("type=$TYPE,target=${TARGET}/$QUOTE,id=${NO}${NO:-x}$NO").unwrap();
    assert_eq!(mount.kind, MountKind::Cache);
    assert_eq!(mount.target, some("/a,b/\""));
    assert_eq!(mount.id, some("x"));
    assert_eq!(unset, ["NO"]);
    let error = expand("target=/a,id=$TYPE").unwrap_err();
    assert_eq!(error.range, 10..12);
    let error = expand("type=cache,target=/a,uid=$TYPE").unwrap_err();
    assert_eq!(
        (error.range, error.message.as_str()),
        (25..30, "`cache` is not a value of `uid`")
    );
    let error = expand("target=${").unwrap_err();
    assert_eq!(error.range, 7..9);
    assert!(!error.hint.is_empty());
}

#[test]
fn what_is_written_is_checked_as_far_as_it_is_known() {
    let check = |text: &str| -> Vec<String> {
        let errors = check_mount(text, Escape::Backslash);
        errors.into_iter().map(|error| error.message).collect()
    };
    for right in [
        "type=$T,sharing=locked",
        "type=cache,target=$T,mode=$M,uid=\\$",
        "type=secret,id=$A",
        "type=secret,target=$A,source=b",
        "from=a$,target=/",
        "target=$A",
    ] {
        let found = check(right);
        assert!(
            found.iter().all(|said| said.contains("`/`")),
            "{right}: {found:?}"
        );
    }
    assert_eq!(check("type=$T,id"), ["the option `id` has no value"]);
    assert_eq!(
        check("from=$A,target=/a"),
        ["`from` can not have a variable"]
    );
    assert_eq!(
        check("from=${A},type=cache,target=/a,uid=x,size=$S").len(),
        3
    );
}

#[test]
fn what_a_run_says_is_what_is_read() {
    let file =
        "FROM a\nRUN --mount=type=cache,target=/$A --mount=type=ssh \\\n  --network=none b\n";
    let (file, said) = parse(file.as_bytes());
    assert_eq!(said, []);
    let Kind::Run(run) = &file.stages[0].instructions[0].kind else {
        panic!("{file:?}");
    };
    let variables = BTreeMap::from([("A".to_owned(), "b".to_owned())]);
    let mounts = run
        .mounts()
        .map(|text| expand_mount(text.as_str(), Escape::Backslash, &variables));
    let targets: Vec<_> = mounts.map(|mount| mount.unwrap().0.target).collect();
    assert_eq!(targets, [some("/b"), None]);
}

#[test]
fn where_from_is_known_before_anything_else() {
    for (text, from) in [
        ("target=/a", None),
        ("type=$T,from=b,target=$A", some("b")),
        ("FROM=a,from=b", some("b")),
        ("\"from=a,b\"", some("a,b")),
        ("from=a,\"b", None),
    ] {
        assert_eq!(mount_from(text), from, "{text}");
    }
}

proptest! {
    /// Pieces of options in any order have an answer, whose places are in them.
    #[test]
    fn any_text_has_an_answer(text in "((type|from|src|target|ro|required|id|mode|size|env|a)?(=(cache|secret|ssh|/|7|m|é|\\$a|\\$\\{b:-c\\}|'|\\\\)*)?[,\"]?){0,9}") {
        let variables = [("a", "é,\"")];
        let expanded = expand_mount(&text, Escape::Backslash, &variables);
        for error in [parse_mount(&text).err(), expanded.as_ref().err().cloned()].into_iter().flatten() {
            prop_assert!(text.get(error.range.clone()).is_some(), "{error:?}");
            prop_assert!(!error.hint.is_empty() && !error.message.contains('\n'));
        }
        // What is wrong in any case is wrong in this one.
        let checked = check_mount(&text, Escape::Backslash);
        if expanded.is_ok() {
            prop_assert!(checked.iter().all(|error| error.message.contains("`from`")), "{checked:?}");
        }
    }
}
