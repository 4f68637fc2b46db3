use super::*;

fn read(text: &str) -> Result<GitSource, Error> {
    match Url::parse(text) {
        Ok(url) => GitSource::url(&url),
        Err(_) => GitSource::scp(text).expect("of that form"),
    }
}

#[test]
fn forms() {
    // The address, what is wanted, and the directory.
    for (text, address, reference, subdirectory) in [
        ("https://h/a.git", "https://h/a.git", None, ""),
        ("https://h/a.git#", "https://h/a.git", None, ""),
        (
            "https://h/a.git#b/c:d/e",
            "https://h/a.git",
            Some("b/c"),
            "d/e",
        ),
        ("https://h/a.git#:d", "https://h/a.git", None, "d"),
        (
            "https://h/a.git#v1:/./d//",
            "https://h/a.git",
            Some("v1"),
            "d",
        ),
        (
            "https://h/a.git?ref=v1&subdir=/d",
            "https://h/a.git",
            Some("v1"),
            "d",
        ),
        (
            "https://h/a.git?ref=v1#v1",
            "https://h/a.git",
            Some("v1"),
            "",
        ),
        (
            "https://h/a.git?tag=v1",
            "https://h/a.git",
            Some("refs/tags/v1"),
            "",
        ),
        (
            "https://h/a.git?branch=m",
            "https://h/a.git",
            Some("refs/heads/m"),
            "",
        ),
        (
            "https://h/a.git?branch=refs/heads/m",
            "https://h/a.git",
            Some("refs/heads/m"),
            "",
        ),
        (
            "https://h/a.git?commit=abcdef0",
            "https://h/a.git",
            Some("abcdef0"),
            "",
        ),
        ("https://u:p@h:1/a.git", "https://h:1/a.git", None, ""),
        ("ssh://git@h:22/a", "ssh://git@h:22/a", None, ""),
        ("git://h/a#x", "git://h/a", Some("x"), ""),
        (
            "git@h:a/b.git?ref=x&subdir=y",
            "git@h:a/b.git",
            Some("x"),
            "y",
        ),
        ("git@h:a#x:y", "git@h:a", Some("x"), "y"),
    ] {
        let source = read(text).expect(text);
        assert_eq!(source.address(), address, "{text}");
        assert_eq!(source.reference(), reference, "{text}");
        assert_eq!(source.subdirectory().to_str(), Some(subdirectory), "{text}");
    }
}

#[test]
fn mistakes() {
    for (query, message) in [
        (
            "?depth=1",
            "the query `depth` is not known for a repository",
        ),
        ("?ref=", "the query `ref` has no value"),
        ("?ref=a&ref=a", "the query `ref` stands there twice"),
        ("?ref=a&tag=b", "two things are asked for at once"),
        ("?branch=a&tag=a", "two things are asked for at once"),
        ("?ref=a#b", "two things are asked for at once"),
        ("?subdir=a#:b", "two directories are asked for at once"),
        (
            "?submodules=maybe",
            "`submodules` is either `true` or `false`",
        ),
        ("?commit=xyz", "the checksum of a repository"),
        ("?commit=abcdef", "the checksum of a repository"),
        (
            "?commit=abcdef0&checksum=abcdef1",
            "`commit` and `checksum`",
        ),
        ("#--upload-pack=x", "can not be a branch"),
        ("?ref=--upload-pack=x", "can not be a branch"),
        ("?ref=a:b", "can not be a branch"),
        ("?ref=%2Ba", "can not be a branch"),
        ("#a..b", "can not be a branch"),
        ("#a%0Ab", "can not be a branch"),
        ("#HEAD@{1}", "can not be a branch"),
        ("#:../x", "has `..` in it"),
        ("#:a/%2e%2e/x", "has `..` in it"),
        ("?subdir=a/../../b", "has `..` in it"),
        ("#:.git/hooks", "no directory of a repository"),
        ("#:a%00", "no directory of a repository"),
    ] {
        for base in ["https://h/a.git", "git@h:a"] {
            let error = read(&format!("{base}{query}")).expect_err(query);
            assert!(error.to_string().contains(message), "{query}: {error}");
            assert_eq!(error.kind(), ErrorKind::Step);
        }
    }
    for text in ["ssh://me:pass@h/a", "git@h:", "git@-h:a", "ssh://-h/a"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn truths() {
    let source = read("https://h/a.git").expect("a source");
    assert!(!source.keeps_git_dir() && source.with_submodules());
    let source = read("https://h/a.git?keep-git-dir&submodules=0").expect("a source");
    assert!(source.keeps_git_dir() && !source.with_submodules());
    assert!(source.clone().keeping_git_dir(true).is_ok());
    assert!(source.keeping_git_dir(false).is_err());
}

#[test]
fn checksums_agree() {
    let source = read("https://h/a.git?checksum=ABCDEF0").expect("a source");
    assert_eq!(source.checksum(), Some("abcdef0"));
    assert!(source.clone().demanding("abcdef0").is_ok());
    assert!(source.clone().demanding("abcdef1").is_err());
    assert!(source.demanding("sha256:00").is_err());
}

#[test]
fn secrets_are_apart() {
    let source = read("https://me:p%40ss@h:1/a.git").expect("a source");
    let header = "Authorization: Basic bWU6cEBzcw==".to_owned();
    assert_eq!(source.authorization(), Some(("https://h:1/", header)));
    for shown in [
        source.to_string(),
        format!("{source:?}"),
        source.address().to_owned(),
    ] {
        assert!(!shown.contains("p%40ss"), "{shown}");
    }
    let token = read("https://token@h/a.git").expect("a source");
    let header = "Authorization: Basic dG9rZW46".to_owned();
    assert_eq!(token.authorization(), Some(("https://h/", header)));
}
