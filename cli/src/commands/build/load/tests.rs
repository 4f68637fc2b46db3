use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::report::failure;

fn choose(environment: &Environment, choice: Choice) -> anyhow::Result<Option<Loader>> {
    Loader::choose(environment, Some(choice), &Outputs::default())
}

fn refusal(found: anyhow::Result<Option<Loader>>) -> String {
    match found {
        Ok(_) => panic!("something was found"),
        Err(error) => error.root_cause().to_string(),
    }
}

#[test]
fn nobody_is_looked_for_unless_asked() {
    let environment = Environment::of(&[("DOCKER_HOST", "tcp://a.test:1")]);
    let none = Loader::choose(&environment, None, &Outputs::default());
    assert!(none.expect("nothing to find").is_none());
    let asked = Outputs {
        load: true,
        ..Outputs::default()
    };
    assert!(Loader::choose(&environment, None, &asked).is_err());
}

#[test]
fn the_daemon_is_where_the_environment_says() {
    for (host, expected) in [
        ("unix:///nowhere/docker.sock", None),
        ("tcp://localhost:2375", Some("tcp://localhost:2375")),
        ("unix://docker.sock", Some("unix://docker.sock")),
        ("ssh://a.test", Some("ssh://a.test")),
    ] {
        let found = Docker::find(&Environment::of(&[("DOCKER_HOST", host)]));
        let said = found.err().map(|error| error.root_cause().to_string());
        let expected = expected
            .map(|host| format!("`DOCKER_HOST` is `{host}`, and no socket of this machine"));
        assert_eq!(said, expected);
    }
}

#[test]
fn where_there_is_neither_both_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    let path = directory.path().display().to_string();
    let environment = Environment::of(&[("DOCKER_HOST", &host), ("PATH", &path)]);
    let said = refusal(choose(&environment, Choice::Auto));
    let start = "`--load` finds neither docker nor podman: ";
    assert!(said.starts_with(start), "{said}");
    assert!(said.contains(&socket.display().to_string()), "{said}");
    assert!(
        said.ends_with("and there is no program `podman` in `PATH`"),
        "{said}"
    );
    let error = choose(&environment, Choice::Auto).err().expect("neither");
    assert_eq!(
        format!("{:?}", failure(&error)),
        format!("{:?}", std::process::ExitCode::from(3))
    );

    // With a program there is podman; a file that can not be run is none.
    let program = directory.path().join("podman");
    fs_err::write(&program, "").expect("writable");
    assert!(choose(&environment, Choice::Auto).is_err());
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(&program, mode).expect("ours");
    let found = choose(&environment, Choice::Auto).expect("podman");
    assert!(matches!(found, Some(Loader::Podman(_))));
    let said = refusal(choose(&environment, Choice::Docker));
    assert!(!said.contains("podman"), "{said}");
}
