//! Targets and outlines by example.

use std::collections::BTreeMap;

use crate::{Outline, Scope, outline, outline_default, parse, targets};

const FILE: &str = "\
# syntax=docker/dockerfile:1
ARG MINOR=9
# VERSION is that of the base
ARG VERSION=3.$MINOR
ARG SUFFIX=
ARG UNUSED=1

# base is
# base comes second
FROM --platform=$BUILDPLATFORM alpine:$VERSION AS Base
# JOBS says how many
ARG JOBS=4
RUN --mount=type=secret,id=token,required=true make
# other is not for everybody

FROM busybox AS other
ARG ELSEWHERE
RUN --mount=type=ssh,id=only true

# tool builds the tool
FROM base AS tool
ARG VERSION
ARG NAME=key
RUN --mount=type=ssh --mount=type=secret,id=$NAME,target=/x --mount=type=secret,target=/run/file true

FROM scratch
COPY --from=TOOL /a /a
RUN --mount=from=1,target=/o --mount=type=secret,id=token,required=false true
";

fn outlined(name: &str) -> Outline {
    let (file, _) = parse(FILE.as_bytes());
    outline(&file, FILE.as_bytes(), name, &BTreeMap::new()).unwrap_or_else(|| panic!("{name}"))
}

fn arguments(outline: &Outline) -> String {
    let lines = outline.arguments.iter().map(|argument| {
        let scope = match argument.scope {
            Scope::Global => "global",
            Scope::Stage => "stage",
        };
        assert_eq!(&FILE[argument.span.range()], argument.name);
        let default = argument.value.as_deref().unwrap_or("-");
        let description = argument.description.as_deref().unwrap_or("-");
        format!("{} {scope} {default} {description}\n", argument.name)
    });
    lines.collect()
}

fn ids(outline: &Outline) -> String {
    let mounts = outline.secrets.iter().chain(&outline.agents);
    let words = mounts.map(|mount| format!("{}:{} ", mount.id, mount.required));
    words.collect()
}

#[test]
fn targets_are_listed() {
    let (file, _) = parse(FILE.as_bytes());
    let found = targets(&file, FILE.as_bytes());
    let lines = found.iter().map(|target| {
        let platform = target.platform.as_deref().unwrap_or("-");
        let description = target.description.as_deref().unwrap_or("-");
        assert!(FILE[target.span.range()].starts_with("FROM"));
        let (name, base) = (&target.name, &target.base);
        let (number, is_default) = (target.stage, target.is_default);
        format!("{number} {name} {base} {platform} {is_default} {description}\n")
    });
    let expected = "\
0 base alpine:$VERSION $BUILDPLATFORM false is
1 other busybox - false -
2 tool base - false builds the tool
3 3 scratch - true -
";
    assert_eq!(lines.collect::<String>(), expected);
    assert!(targets(&parse(b"").0, b"").is_empty());
}

#[test]
fn an_outline_has_what_its_stages_take() {
    let base = outlined("BASE");
    let expected = "\
MINOR global 9 -
VERSION global 3.9 is that of the base
JOBS stage 4 says how many
";
    assert_eq!(arguments(&base), expected);
    assert_eq!(ids(&base), "token:true ");

    let tool = outlined("2");
    assert_eq!(tool.target.description.as_deref(), Some("builds the tool"));
    assert_eq!(arguments(&tool), format!("{expected}NAME stage key -\n"));
    assert_eq!(ids(&tool), "token:true key:false file:false default:false ");

    let other = outlined("other");
    assert_eq!(arguments(&other), "ELSEWHERE stage - -\n");
    assert_eq!(ids(&other), "only:false ");
}

#[test]
fn the_last_stage_is_outlined_where_none_is_named() {
    let (file, _) = parse(FILE.as_bytes());
    let last = outline_default(&file, FILE.as_bytes(), &BTreeMap::new()).unwrap();
    assert_eq!(last, outlined("3"));
    assert!(arguments(&last).contains("ELSEWHERE") && arguments(&last).contains("NAME"));
    let expected = "token:true key:false file:false only:false default:false ";
    assert_eq!(ids(&last), expected);
    assert_eq!(outline(&file, FILE.as_bytes(), "4", &BTreeMap::new()), None);
    assert_eq!(
        outline(&file, FILE.as_bytes(), "nothing", &BTreeMap::new()),
        None
    );
    let (empty, _) = parse(b"ARG A");
    assert_eq!(outline_default(&empty, b"ARG A", &BTreeMap::new()), None);
}

#[test]
fn stages_that_need_each_other_end() {
    let text =
        "FROM b AS a\nCOPY --from=b x y\nFROM a AS b\nCOPY --from=a x y\nCOPY --from=1 x y\n";
    let (file, _) = parse(text.as_bytes());
    assert!(outline(&file, text.as_bytes(), "a", &BTreeMap::new()).is_some());
}

#[test]
fn given_values_take_the_place_of_defaults() {
    let text =
        "ARG G=1\nFROM a\nARG A=1\nARG B=x${A}\nARG G\nRUN --mount=type=secret,id=$B-$G true\n";
    let (file, _) = parse(text.as_bytes());
    let given = [("A", "7"), ("G", "9")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let outline = outline_default(&file, text.as_bytes(), &given.into()).unwrap();
    let values = outline.arguments.iter().map(|argument| {
        let value = argument.value.as_deref().unwrap_or("?");
        format!("{}={value}", argument.name)
    });
    let values: Vec<String> = values.collect();
    assert_eq!(values, ["G=9", "A=7", "B=x7"]);
    assert_eq!(outline.secrets[0].id, "x7-9");
}
