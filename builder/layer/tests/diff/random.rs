//! Any commands over any file system.

use proptest::prelude::*;

use crate::stage::{EPOCH, Overlay, Stage, has_overlays, has_owners, scratch};

/// Gives a path of few, so that commands meet.
fn any_path() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]", 1..4).prop_map(|names| names.join("/"))
}

/// Gives a command. Names of one file are changed by no other name where the
/// kernel would have them be two files of an overlay.
fn any_command(with_links: bool) -> impl Strategy<Value = String> {
    let path = any_path;
    let times = prop_oneof![
        Just(EPOCH - 5000),
        Just(EPOCH - 100),
        Just(EPOCH),
        Just(EPOCH + 100)
    ];
    let modes = prop_oneof![
        Just("644"),
        Just("4755"),
        Just("1777"),
        Just("700"),
        Just("0")
    ];
    let links = if with_links { 30 } else { 1 };
    prop_oneof![
        50 => (path(), "[xy]{0,2}").prop_map(|(path, text)| format!("[ -p {path} ] || echo {text} > {path}")),
        40 => path().prop_map(|path| format!("mkdir -p {path}")),
        40 => path().prop_map(|path| format!("rm -rf {path}")),
        20 => (path(), path()).prop_map(|(from, to)| format!("mv -T {from} {to}")),
        20 => (path(), path()).prop_map(|(from, to)| copy(&from, &to)),
        20 => path().prop_map(|path| format!(
            "cp -a -T {path} aside && rm -rf {path} && cp -a -T aside {path}; rm -rf aside")),
        10 => (path(), path()).prop_map(|(from, to)| format!("ln -snf nowhere/{from} {to}")),
        10 => (any::<bool>(), modes, path())
            .prop_map(|(deep, mode, path)| format!("chmod {} {mode} {path}", if deep { "-R" } else { "" })),
        10 => (0..3_u8, path()).prop_map(|(owner, path)| format!("chown -hR {owner}:{owner} {path}")),
        20 => (times, path()).prop_map(|(time, path)| format!("touch -chd @{time}.5 {path}")),
        10 => path().prop_map(|path| format!("touch -ch {path}")),
        10 => path().prop_map(|path| format!("mkfifo {path}")),
        10 => (any::<bool>(), path()).prop_map(|(zero, path)|
            format!("mknod {path} c 1 {}", if zero { 5 } else { 3 })),
        10 => path().prop_map(|path| format!("@socket {path}")),
        10 => ("0[0-3]", path()).prop_map(|(value, path)| format!("@xattr {path} user.a {value}")),
        10 => path().prop_map(|path| format!("@xattr {path} trusted.a 00")),
        links => (path(), path()).prop_map(move |(from, to)| format!("{} -fT {from} {to}", if with_links { "ln" } else { "cp -p" })),
    ]
}

/// Copies, but nothing into itself: what comes of that depends on the order in
/// which a file system lists names.
fn copy(from: &str, to: &str) -> String {
    if format!("{to}/").starts_with(&format!("{from}/")) {
        return "true".into();
    }
    format!("rm -rf {to}; cp -a -T {from} {to}")
}

fn any_commands(with_links: bool, most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(any_command(with_links), 1..most)
        .prop_map(|commands| commands.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_directory_is_what_its_layers_say(
        before in any_commands(true, 16), first in any_commands(true, 10), second in any_commands(true, 6),
    ) {
        if !has_owners() {
            return Ok(());
        }
        let scratch = scratch();
        let mut stage = Stage::new(scratch.path().join("plain"), &before);
        stage.check();
        for commands in [&first, &second] {
            stage.run(commands);
            stage.check();
            stage.check_extracted(&scratch.path().join("extracted"));
            let again = stage.run("");
            prop_assert_eq!(again.changed, vec![]);
            prop_assert_eq!(again.settlements, vec![]);
        }
    }

    #[test]
    fn an_overlay_is_what_its_layers_say(
        before in any_commands(true, 16), commands in any_commands(true, 10),
    ) {
        if !has_overlays() {
            return Ok(());
        }
        let scratch = scratch();
        let lower = Stage::new(scratch.path().join("lower"), &before);
        let (mut overlay, _) = Overlay::run(lower, &commands);
        overlay.check();
        overlay.check_extracted();
    }

    #[test]
    fn both_give_one_layer(
        before in any_commands(false, 16), commands in any_commands(true, 10),
    ) {
        if !has_overlays() {
            return Ok(());
        }
        let scratch = scratch();
        let mut plain = Stage::new(scratch.path().join("plain"), &before);
        let lower = Stage::new(scratch.path().join("lower"), &before);
        prop_assert_eq!(&plain.tree, &lower.tree);
        let plain = plain.run(&commands);
        let (_, overlay) = Overlay::run(lower, &commands);
        prop_assert_eq!(
            crate::stage::lines(&plain.changed),
            crate::stage::lines(&overlay.changed)
        );
    }
}
