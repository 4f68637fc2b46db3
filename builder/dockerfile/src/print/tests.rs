//! What is printed, by its letters; that it reads the same is among the
//! properties of the parser.

use crate::parse::tests::properties::check_print;
use crate::{parse, to_dockerfile};

fn printed(text: &str) -> String {
    check_print(text);
    let (file, _) = parse(text.as_bytes());
    let printed = to_dockerfile(&file);
    let (again, _) = parse(printed.as_bytes());
    assert_eq!(to_dockerfile(&again), printed, "{text:?}");
    printed
}

#[test]
fn it_is_written_as_one_would_write_it() {
    let text = "\
#syntax = a
arg A=1
arg B
from --platform=$P $A as X
# a comment
run --mount=type=cache,target=/c \\
    make  all
copy --chown=1 [\"a b\", \"c\"]
copy [\"a\", \"b\"]
copy --link <<-E /x
\tone
\tE
onbuild env a b c
cmd [ \"a\" ]
healthcheck --retries=2 cmd true
from -- --strange
";
    let expected = "\
# syntax=a

ARG A=1
ARG B

FROM --platform=$P $A AS x
RUN --mount=type=cache,target=/c make  all
COPY --chown=1 [\"a b\", \"c\"]
COPY a b
COPY --link <<E /x
one
E
ONBUILD ENV a b c
CMD [\"a\"]
HEALTHCHECK --retries=2 CMD true

FROM -- --strange
";
    assert_eq!(printed(text), expected);
}

#[test]
fn words_that_would_mean_something_else_are_kept_from_it() {
    let arrays =
        "FROM a\nCOPY [\"<<E\", \"x\"]\nVOLUME [\"[\\\"a\\\"]\"]\nCOPY [\"\", \"a\\tb\"]\n";
    assert_eq!(printed(arrays), arrays);
    let flags = "FROM a\nCOPY -- --a b\nRUN -- --x\nUSER -- --x\nCOPY --chmod=\\'\\ 7 a b\n";
    assert_eq!(printed(flags), flags);
    // A quote in a flag hides a heredoc from whoever looks for one.
    check_print("FROM a\nCOPY --exclude='\\'' a b\nRUN --mount=type=$A,id='\\'' cat <<E\n");
    check_print("FROM a\nRUN --mount=type=$A,id=${ cat <<E\n");
    check_print("# syntax= \nFROM a\n");
    check_print("FROM a\nWORKDIR a\\\u{c}\nCOPY a b\\\u{a0}\n");
}

#[test]
fn lines_that_are_too_long_are_broken() {
    let part = "x".repeat(60_000);
    let text =
        format!("FROM a\nRUN {part} \\\n## no comment\n# none\n {part}#\\\n## y\n #\\\n{part}\n");
    let printed = printed(&text);
    assert!(printed.lines().all(|line| line.len() <= 65_535));
    assert_eq!(printed.lines().count(), 4);
}
