use clap::Parser as _;

use super::*;

/// Is a command line of nothing but these flags.
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    flags: Flags,
}

fn running(words: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Running> {
    let line = Line::try_parse_from(["wharf"].iter().chain(words))?;
    let environment = Environment::of(variables);
    let (config, _) = crate::config::load(&environment, None, Vec::new())?;
    line.flags.running(&environment, &config)
}

const HOME: (&str, &str) = ("WHARF_HOME", "/library");

#[test]
fn nothing_said_is_the_usual() {
    let found = running(&[], &[HOME]).expect("valid");
    assert_eq!(found.store, Path::new("/library/run"));
    assert_eq!(found.sandbox, SandboxChoice::Best);
    let usual = usual(&Environment::of(&[HOME]));
    assert_eq!(format!("{found:?}"), format!("{usual:?}"));
}

#[test]
fn a_flag_counts_before_the_environment() {
    let variables = [HOME, ("WHARF_SANDBOX", "one")];
    let found = running(&[], &variables).expect("valid");
    assert_eq!(found.sandbox, SandboxChoice::Named(TierName::One));
    let found = running(&["--sandbox", "auto"], &variables).expect("valid");
    assert_eq!(found.sandbox, SandboxChoice::Best);
    for name in TierName::ALL {
        let found = running(&["--sandbox", name.as_str()], &[HOME]).expect("valid");
        assert_eq!(found.sandbox, SandboxChoice::Named(name));
    }
    assert!(running(&[], &[HOME, ("WHARF_SANDBOX", "best")]).is_err());
}

#[test]
fn flags_say_what_commands_may() {
    let found = running(
        &[
            "--network=none",
            "--allow=network.host",
            "--allow=security.insecure",
            "--hermetic",
            "--add-host=db:10.0.0.2",
            "--pids-limit=5",
            "--run-timeout=1m",
            "--ulimit=core=0",
        ],
        &[HOME],
    )
    .expect("valid");
    assert_eq!(found.network, RunNetwork::None);
    assert_eq!(found.insecure, Grant::Allowed);
    assert_eq!(found.reach, Reach::Hermetic);
    let address = "10.0.0.2".parse().expect("an address");
    assert_eq!(found.hosts, [("db".to_owned(), address)]);
    assert_eq!(found.limits.processes, Some(5));
    assert_eq!(found.limits.milliseconds, Some(60_000));
    let host = running(&["--network=host", "--allow=network.host"], &[HOME]).expect("valid");
    assert_eq!(
        (host.network, host.insecure),
        (RunNetwork::Host, Grant::Refused)
    );
}

#[test]
fn runtimes_are_found() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("crun");
    fs_err::write(&program, "").expect("written");
    let places = directory.path().display().to_string();
    let variables = [HOME, ("PATH", places.as_str())];
    assert!(running(&["--oci-runtime=crun"], &variables).is_err());
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&program, mode).expect("set");
    let shown = program.display().to_string();
    for name in ["crun", shown.as_str()] {
        let found = running(&["--oci-runtime", name], &variables).expect("there");
        assert_eq!(found.runtime, OciRuntime::Program(program.clone()));
    }
    for name in ["runc", "./crun", "/no/such/crun"] {
        assert!(
            running(&["--oci-runtime", name], &variables).is_err(),
            "{name}"
        );
    }
}
