use super::*;

/// Is a machine where overlays work for nobody, and ranges of ids are missing.
fn report(asked: SandboxChoice) -> Report {
    let refusal = |context: &str, hint: &str| json!({"kind": "Denied", "context": context, "hint": hint, "code": 1});
    let no_overlay = refusal("overlay", "use ext4");
    let no_range = refusal("no ids\nfor you", "usermod");
    let finding = |tier: &str, check: &str, refusal: Value| json!({"tier": tier, "check": check, "refusal": refusal});
    let facts = json!({"overlay": {"Err": no_overlay}, "proc": "Fresh", "sys": "Bound"});
    let findings = json!([
        finding("Mapped", "SubordinateIds", no_range.clone()),
        finding("One", "UserNamespace", Value::Null),
        finding("One", "Overlay", no_overlay),
    ]);
    let refusals = json!({"Root": refusal("not root", "be root"), "Mapped": no_range,
        "Chroot": refusal("not root", "be root")});
    let tiers = json!([{"ids": "One", "isolation": "Namespaces"}]);
    Report {
        asked,
        why: "so it is".to_owned(),
        unwritable: None,
        probe: Probe {
            findings: serde_json::from_value(findings).expect("findings"),
            tiers: serde_json::from_value(tiers).expect("tiers"),
            facts: serde_json::from_value(json!({ "One": facts })).expect("facts"),
            refusals: serde_json::from_value(refusals).expect("refusals"),
        },
    }
}

#[test]
fn what_was_found_out_is_told_in_lines() {
    assert_eq!(
        report(SandboxChoice::Best).text(),
        "\
SANDBOX   TIER   WORKS   WHAT IT IS
root      1      no      namespaces, made by root
mapped    1      no      a user namespace with a range of ids
one       2      yes     a user namespace with one id; owners and devices are recorded
chroot    3      no      another root directory, and no isolation from this machine

`RUN` uses `one` (tier 2), so it is.
  files   copies, which are slower: overlay: Operation not permitted (os error 1)
  /proc   their own
  /sys    that of this machine, bound

What would help
  root: not root: Operation not permitted (os error 1)
    be root
  mapped: no ids\\nfor you: Operation not permitted (os error 1)
    usermod
  one: overlay: Operation not permitted (os error 1)
    use ext4

What else does not work
  chroot: not root: Operation not permitted (os error 1)

TRIED                                         root   mapped   one   chroot
range of ids in /etc/subuid and /etc/subgid          no
user namespace                                                yes
overlay                                                       no
"
    );
}

#[test]
fn one_sandbox_is_told_alone() {
    let text = report(SandboxChoice::Named(TierName::Chroot)).text();
    assert!(text.contains("`RUN` does not work: not root: "), "{text}");
    assert!(text.contains("  chroot: not root: "), "{text}");
    assert!(!text.contains("mapped"), "{text}");
    let text = report(SandboxChoice::Named(TierName::None)).text();
    assert!(text.contains("the sandbox `none` runs nothing"), "{text}");
}

#[test]
fn programs_are_told_the_same() {
    let json = report(SandboxChoice::Best).json();
    assert_eq!(
        (&json["sandbox"], &json["tier"]),
        (&json!("one"), &json!(2))
    );
    let one = &json["sandboxes"][2];
    assert_eq!(one["name"], "one");
    assert_eq!(one["works"], true);
    assert_eq!(
        one["gives"],
        json!({"files": "copy", "proc": "own", "sys": "bound"})
    );
    assert_eq!(one["checks"][1]["check"], "overlay");
    assert_eq!(one["checks"][1]["hint"], "use ext4");
    assert_eq!(json["sandboxes"][1]["hint"], "usermod");
    let none = report(SandboxChoice::Named(TierName::Root)).json();
    assert_eq!((&none["sandbox"], &none["tier"]), (&Value::Null, &json!(4)));
}

#[test]
fn a_place_that_can_not_be_written_is_told_first() {
    let nowhere = Environment::of(&[]);
    let mut report = report(SandboxChoice::Best);
    report.unwritable = unwritable(&nowhere, Path::new("/tmp"));
    let text = report.text();
    let expected = "\nWhat would help\n  store: there is no place for the library of images: `HOME` is not set\n    set `WHARF_HOME` to a directory that can be written\n  root: ";
    assert!(text.contains(expected), "{text}");
    assert_eq!(report.json()["store"]["works"], false);
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().display().to_string();
    let somewhere = Environment::of(&[("HOME", &home)]);
    let store = somewhere.store_directory().expect("a home");
    assert!(unwritable(&somewhere, &store).is_none());
    assert!(!store.exists());
}
