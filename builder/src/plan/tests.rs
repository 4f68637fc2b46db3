use super::*;

fn platform(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    }
}

fn make(
    text: &str,
    target: Option<&str>,
    arguments: &[(&str, &str)],
) -> (Option<Plan>, Vec<String>) {
    let (file, diagnostics) = dockerfile::parse(text.as_bytes());
    let failed =
        |diagnostic: &dockerfile::Diagnostic| diagnostic.severity == dockerfile::Severity::Error;
    assert!(!diagnostics.iter().any(failed), "{diagnostics:?}");
    let arguments: BTreeMap<String, String> = arguments
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (here, there) = (platform("amd64"), platform("arm64"));
    let wish = Wish {
        target,
        arguments: &arguments,
        platform: &there,
        build_platform: &here,
        contexts: &contexts(),
        triggers: &BTreeMap::new(),
    };
    let (plan, diagnostics) = Plan::make(&file, &wish);
    let said = diagnostics
        .iter()
        .map(|diagnostic| format!("{}: {diagnostic}", diagnostic.code));
    (plan, said.collect())
}

/// What names mean in every test: none of them is in the way of the others.
fn contexts() -> BTreeMap<String, NamedContext> {
    let source = crate::context::ContextSource::Directory(PathBuf::from("/somewhere"));
    let image = "registry.test/pinned:1".parse().expect("a name");
    BTreeMap::from([
        ("outside".to_owned(), NamedContext::Files(source)),
        ("alpine".to_owned(), NamedContext::Image(image)),
        ("other".to_owned(), NamedContext::Stage("later".to_owned())),
        ("lost".to_owned(), NamedContext::Stage("nowhere".to_owned())),
    ])
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect()
}

#[test]
fn only_what_the_target_needs_is_planned() {
    let text = "FROM scratch AS a\nFROM scratch AS b\nCOPY --from=c /x /\nFROM a AS c\nFROM b\nCOPY --from=0 /y /\n";
    let (plan, said) = make(text, None, &[]);
    let plan = plan.expect("a plan");
    assert_eq!(said, [""; 0]);
    assert_eq!(names(&plan), ["a", "c", "b", "3"]);
    assert_eq!(plan.stages[3].base, Base::Stage(2));
    assert_eq!(plan.stages[3].steps[0].from, CopyFrom::Stage(0));
    assert_eq!(plan.steps(), 6);
    for (target, expected) in [
        ("A", vec!["a"]),
        ("2", vec!["a", "c"]),
        ("1", vec!["a", "c", "b"]),
    ] {
        let (plan, _) = make(text, Some(target), &[]);
        assert_eq!(names(&plan.expect("a plan")), expected, "{target}");
    }
}

#[test]
fn bases_are_expanded_with_what_stands_before() {
    let text = "ARG V=1\nARG NAME=localhost:5000/base:$V\nFROM $NAME AS x\nFROM --platform=$BUILDPLATFORM ${NAME}${MISSING:+no}\nFROM --platform=$TARGETPLATFORM x\n";
    let (plan, said) = make(text, Some("1"), &[("V", "2"), ("OTHER", "")]);
    let plan = plan.expect("a plan");
    assert_eq!(said, [""; 0]);
    assert_eq!(plan.unused, ["OTHER"]);
    let Base::Image(name) = &plan.stages[0].base else {
        panic!("an image");
    };
    assert_eq!(name.to_string(), "localhost:5000/base:2");
    assert_eq!(plan.stages[0].platform, platform("amd64"));
    let (plan, _) = make(text, None, &[]);
    assert_eq!(plan.expect("a plan").stages[0].platform, platform("arm64"));
}

#[test]
fn a_layout_is_a_base() {
    let (plan, said) = make("FROM oci-layout:///some/where:1.2\n", None, &[]);
    assert_eq!(said, [""; 0]);
    let plan = plan.expect("a plan");
    let Base::Image(ImageName::Layout { directory, tag }) = &plan.stages[0].base else {
        panic!("a layout");
    };
    assert_eq!(directory, &PathBuf::from("/some/where"));
    assert_eq!(tag.as_ref().map(Tag::as_str), Some("1.2"));
}

#[test]
fn mistakes_are_all_named() {
    let text = "FROM $NOTHING\nFROM Not/A:Name!\nCOPY --from=9 a /\nCOPY --from=$X b /\nFROM --platform=all scratch\nENV A=${B\n";
    let (plan, said) = make(text, Some("nobody"), &[]);
    assert!(plan.is_none());
    let codes: Vec<&str> = said
        .iter()
        .filter_map(|said| said.split(':').next())
        .collect();
    assert_eq!(
        codes,
        [
            "expansion",
            "empty-base",
            "invalid-base",
            "invalid-from",
            "invalid-from",
            "invalid-platform",
            "unknown-target"
        ],
        "{said:?}"
    );
}

#[test]
fn values_without_variables_are_checked_in_every_stage() {
    let text = "FROM scratch AS unused\nEXPOSE http 80\nSTOPSIGNAL FOO\nCOPY --chmod=u+y --chown=: [a x\nFROM scratch\nCOPY a b /x\nADD a b* /x\nUSER \"\"\n";
    let (plan, said) = make(text, None, &[]);
    assert!(plan.is_none());
    assert_eq!(
        said,
        [
            "invalid-value: `http` is no port",
            "invalid-value: `FOO` is no signal",
            "invalid-value: `[a` is no pattern",
            "invalid-value: `:` is no owner",
            "invalid-value: `u+y` is no mode: `y` is none of its letters",
            "invalid-value: `/x` has to be a directory: there are 2 things to copy",
            "invalid-value: `USER` is empty once it is expanded",
        ]
    );
    // What a variable may make right is not a mistake yet.
    let text = "FROM scratch\nARG A=80\nEXPOSE $A\nSTOPSIGNAL SIG$A\nCOPY --chmod=$A --chown=$A $A b$A /$A\n";
    let (plan, said) = make(text, None, &[]);
    assert_eq!((plan.is_some(), said), (true, Vec::new()));
}

#[test]
fn a_base_without_a_name_says_what_is_missing() {
    for (file, hint) in [
        (
            "FROM $X\n",
            "declare `X` with `ARG` before the first `FROM`",
        ),
        (
            "ARG X\nFROM $X\n",
            "give `X` a value: `ARG X=...`, or `--build-arg X=...`",
        ),
        (
            "ARG X\nFROM A$X\n",
            "give `X` a value: `ARG X=...`, or `--build-arg X=...`",
        ),
        (
            "ARG X=\nFROM $X\n",
            "its variables have empty values; name an image or a stage",
        ),
    ] {
        let (dockerfile, _) = dockerfile::parse(file.as_bytes());
        let here = platform("amd64");
        let wish = Wish {
            target: None,
            arguments: &BTreeMap::new(),
            platform: &here,
            build_platform: &here,
            contexts: &contexts(),
            triggers: &BTreeMap::new(),
        };
        let (_, said) = Plan::make(&dockerfile, &wish);
        let hints: Vec<Option<&str>> = said.iter().map(|said| said.hint.as_deref()).collect();
        assert_eq!(hints, [Some(hint)], "{file}");
    }
}

#[test]
fn circles_are_named() {
    let (plan, said) = make(
        "FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n",
        None,
        &[],
    );
    assert!(plan.is_none());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("circle"));
}

#[test]
fn another_language_is_an_error() {
    let (plan, said) = make("# syntax=docker/dockerfile:1.7\nFROM scratch\n", None, &[]);
    assert!(plan.is_some(), "{said:?}");
    let (plan, _) = make("# syntax=example/other:1\nFROM scratch\n", None, &[]);
    assert!(plan.is_none());
}

#[test]
fn contexts_take_the_place_of_stages_and_images() {
    let text = "FROM docker.io/library/alpine:latest AS base\nFROM scratch AS outside\nENV A=1\nCOPY . /\nFROM base\nCOPY --from=outside a /\nCOPY --from=OTHER b /\nFROM scratch AS later\n";
    let (plan, said) = make(text, Some("2"), &[]);
    assert_eq!(said, [""; 0]);
    let plan = plan.expect("a plan");
    assert_eq!(names(&plan), ["base", "outside", "later", "2"]);
    let Base::Image(name) = &plan.stages[0].base else {
        panic!("an image");
    };
    assert_eq!(name.to_string(), "registry.test/pinned:1");
    assert_eq!(plan.stages[1].base, Base::Files("outside".to_owned()));
    assert!(plan.stages[1].steps.is_empty());
    assert_eq!(plan.stages[3].steps[0].from, CopyFrom::Stage(1));
    assert_eq!(plan.stages[3].steps[1].from, CopyFrom::Stage(2));
    assert_eq!(plan.unused_contexts, ["lost"]);
    let (_, said) = make("FROM scratch\nCOPY --from=outside x /\n", None, &[]);
    assert_eq!(said, [""; 0]);
    let (plan, said) = make("FROM lost\nCOPY --from=lost x /\n", None, &[]);
    assert!(plan.is_none());
    assert_eq!(said.len(), 2, "{said:?}");
}

#[test]
fn mounts_need_stages() {
    let text = "FROM scratch AS tools\nFROM scratch\nRUN --mount=from=tools,target=/t --mount=type=cache,target=/c,uid=$X,from=0 make\n";
    let (plan, said) = make(text, None, &[]);
    let plan = plan.unwrap_or_else(|| panic!("{said:?}"));
    assert_eq!(names(&plan), ["tools", "1"]);
    let from = &plan.stages[1].steps[0].mounts;
    assert_eq!(from[0], CopyFrom::Stage(0));
    assert_eq!(from[1], CopyFrom::Stage(0));
    let (_, said) = make(
        "FROM scratch\nRUN --mount=from=9,target=/t make\n",
        None,
        &[],
    );
    assert!(said[0].starts_with("invalid-from: "), "{said:?}");
}

#[test]
fn triggers_come_first() {
    let text = "FROM scratch AS base\nENV B=1\nONBUILD ENV A=1\nONBUILD COPY --from=extra x /\nFROM scratch AS extra\nFROM base AS child\nENV C=1\nFROM child\n";
    let (plan, said) = make(text, None, &[]);
    assert_eq!(said, [""; 0]);
    let plan = plan.expect("a plan");
    assert_eq!(names(&plan), ["base", "extra", "child", "3"]);
    let texts = |stage: &PlannedStage| {
        let steps = stage.steps.iter();
        steps
            .map(|step| step.instruction.text.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        texts(&plan.stages[2]),
        ["ENV A=1", "COPY --from=extra x /", "ENV C=1"]
    );
    assert_eq!(texts(&plan.stages[3]), [""; 0]);
}

#[test]
fn syntaxes_are_known_or_not() {
    for (syntax, known) in [
        ("docker/dockerfile:1", true),
        ("docker.io/docker/dockerfile:1.7", true),
        ("docker/dockerfile:1.7.1", true),
        ("docker/dockerfile:1.7-labs", true),
        ("docker/dockerfile:labs", true),
        ("docker/dockerfile@sha256:0", true),
        ("docker/dockerfile:1.4@sha256:0", true),
        ("docker/dockerfile", true),
        ("docker/dockerfile:latest", true),
        ("docker/dockerfile:1.99", false),
        ("docker/dockerfile:2", false),
        ("docker/dockerfile:1.7.1.2", false),
        ("docker/dockerfile-upstream:1", false),
        ("docker/dockerfile:experimental", false),
        ("example.com/docker/dockerfile:1", false),
        ("", false),
    ] {
        assert_eq!(is_known(syntax), known, "{syntax}");
    }
    let (plan, said) = make("# syntax=docker/dockerfile:1.7\nFROM scratch\n", None, &[]);
    assert!(plan.is_some(), "{said:?}");
    let (plan, said) = make("# syntax=example/other:1\nFROM scratch\n", None, &[]);
    assert!(plan.is_none());
    assert_eq!(
        said,
        ["unsupported: the syntax `example/other:1` is not known"]
    );
}

#[test]
fn automatic_arguments_can_be_given() {
    let text = "FROM --platform=$TARGETPLATFORM scratch\n";
    let (plan, _) = make(text, None, &[("TARGETPLATFORM", "linux/riscv64")]);
    let plan = plan.expect("a plan");
    assert_eq!(plan.stages[0].platform, platform("riscv64"));
    assert_eq!(plan.unused, [""; 0]);
}

#[test]
fn files_of_every_style_can_be_planned() {
    let styles = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dockerfile/corpus/styles");
    let mut count = 0;
    for style in fs_err::read_dir(styles).expect("a directory") {
        let path = style.expect("readable").path().join("Dockerfile");
        let text = fs_err::read_to_string(&path).expect("a Dockerfile");
        let (plan, said) = make(&text, None, &[]);
        assert_eq!(said, [""; 0], "{}", path.display());
        assert!(plan.is_some_and(|plan| plan.steps() > 1));
        count += 1;
    }
    assert!(count >= 30, "{count}");
}
