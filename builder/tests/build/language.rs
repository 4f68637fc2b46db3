//! What instructions come to in configs, bases that have instructions for the
//! images on them, named contexts, and checks.

use std::collections::BTreeMap;

use builder::{Built, Checked, ContextSource, NamedContext, Prepared, Request, Severity};
use serde_json::{Value, json};

use crate::scene::Scene;

/// Reads the config of what was built.
async fn config(scene: &Scene, built: &Built) -> Value {
    serde_json::from_slice(&scene.blob(&built.images[0].config).await).expect("it is JSON")
}

/// Lists the names in the layers of what was built, layer by layer.
async fn names(scene: &Scene, built: &Built) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for layer in 0..built.images[0].layers.len() {
        let bytes = scene.unpacked(built, layer).await;
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().expect("an archive").map(|entry| {
            let entry = entry.expect("an entry");
            let path = entry.path().expect("a path");
            path.to_string_lossy().into_owned()
        });
        all.push(entries.collect());
    }
    all
}

async fn check(scene: &Scene, request: Request) -> Checked {
    let prepared = Prepared::new(request).await.expect("it can be read");
    prepared.check(&scene.images).await.expect("known syntax")
}

fn codes(checked: &Checked) -> Vec<(&str, Severity)> {
    let said = checked.diagnostics.iter();
    said.map(|said| (said.code, said.severity)).collect()
}

#[tokio::test]
async fn the_health_of_a_container_is_in_the_config() {
    let scene = Scene::new();
    let checked = "FROM scratch AS a\nHEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0s --start-interval=2s --retries=3 CMD test -e /ready\n";
    let built = scene.build(checked).await;
    assert_eq!(
        config(&scene, &built).await["config"]["Healthcheck"],
        json!({
            "Test": ["CMD-SHELL", "test -e /ready"],
            "Interval": 90_000_000_000_i64,
            "Timeout": 500_000_000,
            "StartInterval": 2_000_000_000_i64,
            "Retries": 3,
        })
    );
    let exec = format!("{checked}HEALTHCHECK CMD [\"/bin/ok\", \"-q\"]\n");
    let built = scene.build(&exec).await;
    assert_eq!(
        config(&scene, &built).await["config"]["Healthcheck"],
        json!({"Test": ["CMD", "/bin/ok", "-q"]})
    );
    let none = format!("{checked}FROM a\nHEALTHCHECK NONE\n");
    let built = scene.build(&none).await;
    assert_eq!(
        config(&scene, &built).await["config"]["Healthcheck"],
        json!({"Test": ["NONE"]})
    );
    let kept = format!("{checked}FROM a\nENV A=1\n");
    let built = scene.build(&kept).await;
    let kept = &config(&scene, &built).await["config"]["Healthcheck"];
    assert_eq!(kept["Retries"], json!(3));
}

#[tokio::test]
async fn a_maintainer_is_the_author() {
    let scene = Scene::new();
    let built = scene.build("FROM scratch\nMAINTAINER A B <a@b>\n").await;
    assert_eq!(config(&scene, &built).await["author"], json!("A B <a@b>"));
    let codes: Vec<&str> = built.warnings.iter().map(|said| said.code).collect();
    assert_eq!(codes, ["MaintainerDeprecated"]);
}

const BASE: &str = "FROM scratch\nWORKDIR /srv\nOnBuild env  FROM_BASE=1\nONBUILD COPY --from=tools tool .\nONBUILD COPY <<hello <<\"BYE\" ./\nhi $FROM_BASE\nhello\n\tbye $FROM_BASE\nBYE\n";

#[tokio::test]
async fn what_a_base_has_for_its_children_is_done_in_them_once() {
    let scene = Scene::new();
    scene.write("tool", "of the context");
    let built = scene.build(BASE).await;
    assert_eq!(
        config(&scene, &built).await["config"]["OnBuild"],
        json!([
            "env  FROM_BASE=1",
            "COPY --from=tools tool .",
            "COPY <<hello <<\"BYE\" ./\nhi $FROM_BASE\nhello\n\tbye $FROM_BASE\nBYE",
        ])
    );
    let child = "FROM scratch AS tools\nCOPY tool /\nFROM localhost/shop:1 AS child\nENV OWN=2\n";
    let mut request = scene.request(child);
    request.names = vec!["localhost/child:1".parse().expect("a name")];
    let built = scene.run(request).await.expect("it can be built");
    let found = config(&scene, &built).await;
    assert_eq!(found["config"]["OnBuild"], Value::Null);
    let env = found["config"]["Env"].as_array().expect("a list");
    assert_eq!(env[1..], [json!("FROM_BASE=1"), json!("OWN=2")]);
    let names = names(&scene, &built).await;
    assert_eq!(
        names[1..],
        [
            vec!["srv/", "srv/tool"],
            vec!["srv/", "srv/BYE", "srv/hello"]
        ]
    );
    let layer = String::from_utf8(scene.unpacked(&built, 2).await).expect("text");
    assert!(layer.contains("hi 1\n") && layer.contains("bye $FROM_BASE\n"));
    // A stage on the child has the files, and nothing is done again.
    let again = format!("{child}FROM child\n");
    let mut request = scene.request(&again);
    request.names = vec!["localhost/again:1".parse().expect("a name")];
    let again = scene.run(request).await.expect("it can be built");
    assert_eq!(again.images[0].layers, built.images[0].layers);
}

#[tokio::test]
async fn a_trigger_that_fails_is_shown_at_its_from() {
    let scene = Scene::new();
    scene.build("FROM scratch\nONBUILD COPY missing /\n").await;
    let dockerfile = "FROM scratch AS a\nENV A=1\nFROM localhost/shop:1\n";
    let error = scene
        .run(scene.request(dockerfile))
        .await
        .expect_err("no such file");
    let span = error.span().expect("a place");
    assert_eq!(&dockerfile[span.range()], "FROM localhost/shop:1");
    scene
        .build("FROM scratch\nONBUILD COPY --from=nosuch:0 x /\n")
        .await;
    let found = scene.run(scene.request("FROM localhost/shop:1\n")).await;
    assert!(found.is_err());
}

#[tokio::test]
async fn files_from_elsewhere_have_names() {
    let scene = Scene::new();
    scene.write("a", "main");
    scene.write("other/a", "other");
    scene.write("other/secret", "left out");
    scene.write("other/.dockerignore", "secret\n.dockerignore\n");
    let files = NamedContext::Files(ContextSource::Directory(scene.path("other")));
    let contexts = BTreeMap::from([("other".to_owned(), files)]);
    for (dockerfile, expected) in [
        ("FROM scratch\nCOPY --from=other . /\n", vec![vec!["a"]]),
        ("FROM other\n", vec![vec!["a"]]),
        (
            "FROM scratch AS other\nCOPY a /gone\nFROM scratch\nCOPY --from=OTHER a /b\n",
            vec![vec!["b"]],
        ),
        (
            "FROM scratch\nCOPY a /main\nCOPY --from=other a /\n",
            vec![vec!["main"], vec!["a"]],
        ),
    ] {
        let mut request = scene.request(dockerfile);
        request.contexts = contexts.clone();
        let built = scene.run(request).await.expect(dockerfile);
        assert_eq!(names(&scene, &built).await, expected, "{dockerfile}");
        assert_eq!(
            scene
                .told()
                .iter()
                .filter(|told| told.starts_with("warning"))
                .count(),
            0
        );
    }
    let mut request = scene.request("FROM other\nCOPY --from=other secret /\n");
    request.contexts = contexts.clone();
    let error = scene.run(request).await.expect_err("it is left out");
    assert_eq!(error.hint(), Some("`.dockerignore` excludes it"));
    let mut request = scene.request("FROM scratch\nCOPY a /\n");
    request.contexts = contexts;
    scene.run(request).await.expect("it can be built");
    assert_eq!(
        scene.told()[0],
        "warning: no instruction names the build context `other`"
    );
}

#[tokio::test]
async fn an_image_from_outside_takes_the_place_of_a_name() {
    let scene = Scene::new();
    scene.write("a", "pinned");
    let pinned = scene.build("FROM scratch\nCOPY a /\n").await;
    let image = NamedContext::Image("localhost/shop:1".parse().expect("a name"));
    let mut request = scene.request("FROM nowhere.test/base:9\nENV B=1\n");
    request.contexts = BTreeMap::from([("nowhere.test/base:9".to_owned(), image)]);
    request.names = vec!["localhost/child:1".parse().expect("a name")];
    let built = scene.run(request).await.expect("no registry is asked");
    assert_eq!(built.images[0].layers, pinned.images[0].layers);
}

#[tokio::test]
async fn a_check_says_all_and_builds_nothing() {
    let scene = Scene::new();
    let base = scene.build("FROM scratch\nENV KNOWN=1\n").await;
    assert_eq!(base.warnings, []);
    let text = "FROM localhost/shop:1 as Base\nENV A=$KNOWN B=$UNKNWON\nRUN --mount=type=cache,target=/c make\nCOPY missing /\nMAINTAINER me\n";
    let checked = check(&scene, scene.request(text)).await;
    let found = codes(&checked);
    assert!(
        found
            .iter()
            .all(|(_, severity)| *severity == Severity::Warning),
        "{found:?}"
    );
    for code in [
        "StageNameCasing",
        "FromAsCasing",
        "UndefinedVar",
        "MaintainerDeprecated",
    ] {
        assert!(
            found.iter().any(|(found, _)| *found == code),
            "{code} in {found:?}"
        );
    }
    let undefined = found.iter().filter(|(code, _)| *code == "UndefinedVar");
    assert_eq!(undefined.count(), 1, "{found:?}");
    // An image that this machine has not is not asked for.
    let checked = check(&scene, scene.request("FROM nowhere.test/base@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nENV A=$X\n")).await;
    assert_eq!(codes(&checked), []);
    let broken = check(
        &scene,
        scene.request("FROM scratch\nCOPY --chwon=1 a /\nEXPOSE x\n"),
    )
    .await;
    assert!(codes(&broken).contains(&("unknown-flag", Severity::Error)));
}

#[tokio::test]
async fn a_library_in_the_context_is_told_of() {
    let scene = Scene::with_library("context/ci/wharf");
    scene.write("a", "a");
    scene.build("FROM scratch\nCOPY a /\n").await;
    let warned = "warning: the library of images `ci/wharf` is a part of the context";
    assert_eq!(scene.told(), [warned, "packed"]);
    for names in ["ci", "**/wharf", "ci/wharf/*", "ci/wharf/**", "*\n!a"] {
        scene.write(".dockerignore", names);
        scene.build("FROM scratch\nCOPY a /\n").await;
        assert_eq!(scene.told(), ["cached"], "{names}");
    }
}

#[tokio::test]
async fn a_file_can_ask_for_warnings_to_be_errors() {
    let scene = Scene::new();
    let text = "# check=error=true\nFROM scratch\nMAINTAINER me\n";
    let error = scene
        .run(scene.request(text))
        .await
        .expect_err("it asks for errors");
    let (_, said) = error.diagnostics().expect("mistakes");
    assert_eq!(
        (said[0].code, said[0].severity),
        ("MaintainerDeprecated", Severity::Error)
    );
    let skipping = "# check=skip=MaintainerDeprecated;error=true\nFROM scratch\nMAINTAINER me\n";
    let built = scene.build(skipping).await;
    assert_eq!(built.warnings, []);
    let mut request = scene.request(text);
    let value = (
        "BUILDKIT_DOCKERFILE_CHECK".to_owned(),
        "skip=all".to_owned(),
    );
    request.arguments.extend([value]);
    let built = scene.run(request).await.expect("the argument counts");
    assert_eq!(built.warnings, []);
}

#[tokio::test]
async fn where_nothing_is_run_a_run_that_is_needed_is_an_error_at_its_place() {
    let scene = Scene::new();
    let text = "FROM scratch AS unused\nRUN make\nFROM scratch AS used\nRUN a\nFROM used\n";
    let error = scene.run(scene.request(text)).await.expect_err("RUN");
    assert_eq!(error.kind(), builder::ErrorKind::Sandbox);
    let span = error.span().expect("a place");
    assert_eq!(&text[span.range()], "RUN a");
    assert!(error.hint().is_some());
    let text = "FROM scratch AS unused\nRUN make\nFROM scratch\nENV A=1\n";
    scene.build(text).await;
}

#[tokio::test]
async fn an_image_names_no_directory_of_the_machine() {
    let scene = Scene::new();
    for trigger in [
        "COPY --from=oci-layout:///etc x /",
        "RUN --mount=from=oci-layout:///etc,target=/x true",
    ] {
        let base = format!("FROM scratch\nONBUILD {trigger}\n");
        scene.build(&base).await;
        let child = scene.run(scene.request("FROM localhost/shop:1\n")).await;
        let error = child.expect_err(trigger).to_string();
        assert!(
            error.ends_with("names a directory of this machine"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_failed_step_of_a_base_is_said_to_be_of_it() {
    let scene = Scene::new();
    scene.build("FROM scratch\nONBUILD COPY missing /\n").await;
    let found = scene
        .run(scene.request("FROM localhost/shop:1\nENV A=$X\n"))
        .await;
    let error = found.expect_err("it is not there");
    let message = "the image has `ONBUILD COPY missing /`, which fails here";
    assert_eq!(error.to_string(), message);
    let warnings: Vec<&str> = error.warnings().iter().map(|said| said.code).collect();
    assert_eq!(warnings, ["UndefinedVar"]);
}

#[tokio::test]
async fn a_stage_can_not_copy_from_itself() {
    let scene = Scene::new();
    let text = "FROM scratch AS a\nCOPY --from=a / /\n";
    let error = scene.run(scene.request(text)).await.expect_err("a circle");
    let (_, said) = error.diagnostics().expect("mistakes");
    assert_eq!(said[0].message, "the stage `a` needs itself");
    assert_eq!(&text[said[0].span.range()], "a");
}
