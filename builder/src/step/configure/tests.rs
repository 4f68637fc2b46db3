use std::collections::BTreeMap;

use dockerfile::Dockerfile;
use oci::Platform;

use super::*;
use crate::plan::Wish;

/// Applies the instructions of a stage, and gives its config as JSON.
fn configured(lines: &str, given: &[(&str, &str)]) -> Result<serde_json::Value, String> {
    let text = format!("ARG GLOBAL=everywhere\nFROM scratch\n{lines}\n");
    let (file, diagnostics): (Dockerfile, Vec<_>) = dockerfile::parse(text.as_bytes());
    let failed =
        |diagnostic: &dockerfile::Diagnostic| diagnostic.severity == dockerfile::Severity::Error;
    assert!(!diagnostics.iter().any(failed), "{diagnostics:?}");
    let platform = Platform {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: None,
    };
    let given: BTreeMap<String, String> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let wish = Wish {
        target: None,
        arguments: &given,
        platform: &platform,
        build_platform: &platform,
        contexts: &BTreeMap::new(),
        triggers: &BTreeMap::new(),
    };
    let arguments = Arguments::new(&file, &wish, &mut Vec::new());
    let mut config = ImageConfig::scratch(&platform);
    config.config.env = vec!["PATH=/bin".to_owned()];
    config.config.cmd = Some(vec!["base".to_owned()]);
    config.config.working_dir = String::new();
    let mut stage = Configured::new(config);
    for instruction in &file.stages[0].instructions {
        let done = stage.apply(instruction, &arguments);
        assert!(
            done.map_err(|error| error.to_string())?,
            "only of the config"
        );
    }
    Ok(serde_json::to_value(stage.config.config).expect("JSON"))
}

#[test]
fn configs_are_as_docker_makes_them() {
    for (lines, given, expected) in [
        (
            "ENV A=1 B=$A C=\"x y\" PATH=$PATH:/x\nENV D $A z",
            &[][..],
            r#"{"Env":["PATH=/bin:/x","A=1","B=","C=x y","D=1 z"],"Cmd":["base"]}"#,
        ),
        (
            "ARG A=1 B=$A\nARG C=$A\nENV X=$A-$B-$C",
            &[][..],
            r#"{"Env":["PATH=/bin","X=1--1"],"Cmd":["base"]}"#,
        ),
        (
            "ARG A=d\nARG GLOBAL\nARG U\nENV X=$A-$GLOBAL-$U-$TARGETARCH",
            &[],
            r#"{"Env":["PATH=/bin","X=d-everywhere--"],"Cmd":["base"]}"#,
        ),
        (
            "ARG A=d\nARG TARGETARCH\nENV X=$A-$TARGETARCH",
            &[("A", "g")],
            r#"{"Env":["PATH=/bin","X=g-amd64"],"Cmd":["base"]}"#,
        ),
        (
            "ENV A=env\nARG A=arg\nLABEL l=$A",
            &[("A", "given")],
            r#"{"Env":["PATH=/bin","A=env"],"Cmd":["base"],"Labels":{"l":"env"}}"#,
        ),
        (
            "ENTRYPOINT [\"e\"]",
            &[],
            r#"{"Env":["PATH=/bin"],"Entrypoint":["e"]}"#,
        ),
        (
            "CMD c $X\nENTRYPOINT [\"e\"]",
            &[],
            r#"{"Env":["PATH=/bin"],"Entrypoint":["e"],"Cmd":["/bin/sh","-c","c $X"]}"#,
        ),
        (
            "SHELL [\"sh\",\"-ec\"]\nCMD x",
            &[],
            r#"{"Env":["PATH=/bin"],"Cmd":["sh","-ec","x"],"Shell":["sh","-ec"]}"#,
        ),
        (
            "EXPOSE 80 53/UDP 8000-8001\nEXPOSE 80/tcp",
            &[],
            r#"{"ExposedPorts":{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{}},"Env":["PATH=/bin"],"Cmd":["base"]}"#,
        ),
        (
            "VOLUME /b a\nVOLUME [\"/c d\"]",
            &[],
            r#"{"Env":["PATH=/bin"],"Cmd":["base"],"Volumes":{"/b":{},"/c d":{},"a":{}}}"#,
        ),
        (
            "USER 1:2\nSTOPSIGNAL SIGRTMIN+3\nLABEL \"a b\"=c",
            &[],
            r#"{"User":"1:2","Env":["PATH=/bin"],"Cmd":["base"],"Labels":{"a b":"c"},"StopSignal":"SIGRTMIN+3"}"#,
        ),
    ] {
        let found = configured(lines, given).expect(lines);
        let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON");
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn what_means_nothing_is_refused() {
    for (lines, part) in [
        ("EXPOSE x", "`x` is no port"),
        ("EXPOSE 70000", "`70000` is no port"),
        ("EXPOSE 80/icmp", "`80/icmp` is no port"),
        ("EXPOSE 9-8", "`9-8` is no port"),
        ("STOPSIGNAL SIGNOTHING", "no signal"),
        ("STOPSIGNAL 65", "no signal"),
        ("USER $NOBODY", "`USER` is empty"),
        ("VOLUME $NOTHING", "`VOLUME` is empty"),
        ("ENV $NOTHING=x", "is no name"),
        ("ENV A=\"${B:?it is needed}\"", "it is needed"),
    ] {
        let said = configured(lines, &[]).expect_err(lines);
        assert!(said.contains(part), "{lines}: {said}");
    }
}
