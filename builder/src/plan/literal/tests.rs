use super::*;

/// Gives what is said of one instruction.
fn said(line: &str) -> Vec<String> {
    let text = format!("FROM scratch\nARG V\n{line}\n");
    let (file, parsed) = dockerfile::parse(text.as_bytes());
    assert!(parsed.is_empty(), "{line}: {parsed:?}");
    let mut diagnostics = Vec::new();
    check(&file, &mut diagnostics);
    diagnostics
        .iter()
        .map(|said| {
            let part = text.get(said.span.start..said.span.end);
            format!("{}: {}", part.unwrap_or_default(), said.message)
        })
        .collect()
}

#[test]
fn right_flags_are_silent() {
    for line in [
        "COPY --chmod=u=rwX,go=rX a /",
        "COPY --link --chown=1:2 a b/../c /x/",
        "COPY --parents a ./b/./**/c /x",
        "COPY --exclude=*.txt --exclude=!a.txt a /",
        "ADD --unpack=true --link a https://example.com/a /x/",
        "ADD --checksum=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad https://example.com/a /",
        "ADD --checksum=0123456789abcdef0123456789abcdef01234567 https://example.com/a.git#main:sub /",
        "ADD --keep-git-dir=true git@example.com:a.git /",
        // What a variable may make right is not a mistake yet.
        "COPY --link --chown=$V --chmod=$V --exclude=[$V a /",
        "ADD --checksum=$V https://example.com/a /",
        "ADD --checksum=sha256:00 $V /",
    ] {
        assert_eq!(said(line), [""; 0], "{line}");
    }
}

#[test]
fn wrong_flags_are_told_where_they_stand() {
    for (line, expected) in [
        (
            "COPY --chmod=u=rwY a /",
            "u=rwY: `u=rwY` is no mode: `Y` is none of its letters",
        ),
        (
            "COPY --link --chown=app a /",
            "app: `app` is a name, and a layer of `--link` knows no names: it is made without what is below it",
        ),
        ("COPY --exclude=[a a /", "[a: `[a` is no pattern: "),
        ("COPY --parents x/./[a /", "x/./[a: `[a` is no pattern: "),
        ("COPY --parents [a/./x /", "[a/./x: `[a/./x` is no pattern"),
        (
            "COPY https://example.com/a /",
            "https://example.com/a: `COPY` takes no URLs and no git repositories",
        ),
        (
            "COPY git@example.com:a.git /",
            "git@example.com:a.git: `COPY` takes no URLs and no git repositories",
        ),
        (
            "ADD --checksum=sha256:00 a /",
            "sha256:00: `--checksum` is of one file from a URL, or of one git repository",
        ),
        (
            "ADD --checksum=sha256:00 https://example.com/a https://example.com/b /x/",
            "sha256:00: `--checksum` is of one file from a URL, or of one git repository",
        ),
        (
            "ADD --checksum=sha256:00 https://example.com/a /",
            "sha256:00: `sha256:00` is no checksum of a file",
        ),
        (
            "ADD --keep-git-dir a https://example.com/a /x/",
            "--keep-git-dir: `--keep-git-dir` is for git repositories, and no source is one",
        ),
        (
            "ADD --keep-git-dir=true https://example.com/a.git?keep-git-dir=false /",
            "https://example.com/a.git?keep-git-dir=false: `keep-git-dir` of the URL and `--keep-git-dir` contradict each other",
        ),
        ("ADD https:// /", "https://: this is no valid URL"),
    ] {
        let all = said(line);
        let [one] = all.as_slice() else {
            panic!("{line}: {all:?}");
        };
        assert!(one.starts_with(expected), "{line}: {one}");
    }
}
