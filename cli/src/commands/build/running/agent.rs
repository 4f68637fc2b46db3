//! `--ssh`: agents that sign for a command. Keys themselves are never taken.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::report::{WithHint as _, missing, usage};

/// The variable that names the agent of whoever builds.
const VARIABLE: &str = "SSH_AUTH_SOCK";

/// What helps where there is no agent.
const START: &str = "start one, and give it a key: `eval $(ssh-agent); ssh-add KEY`";

/// Finds the sockets of all agents; no two have one name.
pub(super) fn find_all(
    environment: &Environment,
    texts: &[String],
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut agents = BTreeMap::new();
    for text in texts {
        let (id, socket) = text.split_once('=').unwrap_or((text, ""));
        if id.is_empty() {
            let error = usage(format!("`--ssh {text}` has no name"));
            return Err(error).hint("it is as in `--ssh default` or `--ssh work=/run/agent.sock`");
        }
        let socket = match socket {
            "" => environment
                .variable(VARIABLE)
                .ok_or_else(|| missing(format!("there is no SSH agent: `{VARIABLE}` is not set")))
                .hint(START)?,
            socket => socket,
        };
        let path = check(id, Path::new(socket))?;
        if agents.insert(id.to_owned(), path).is_some() {
            return Err(usage(format!("the SSH agent `{id}` is given twice")));
        }
    }
    Ok(agents)
}

/// Sees to it that a path is one of a socket, and makes it absolute.
fn check(id: &str, path: &Path) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    let is_socket = match fs_err::metadata(path) {
        Ok(there) => there.file_type().is_socket(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing(format!("there is no SSH agent at `{shown}`"))).hint(START);
        }
        Err(error) => return Err(error.into()),
    };
    if !is_socket {
        let error = usage(format!("`{shown}` is not the socket of an SSH agent"));
        return Err(error).hint(format!(
            "keys are never read: give them to an agent, as in `eval $(ssh-agent); ssh-add {shown}`, and build with `--ssh {id}`"
        ));
    }
    super::absolute(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn agents_are_sockets() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("agent");
        let _listener = UnixListener::bind(&socket).expect("bound");
        let key = directory.path().join("key");
        fs_err::write(&key, "secret").expect("written");
        let shown = socket.display().to_string();
        let environment = Environment::of(&[(VARIABLE, &shown)]);
        let find = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            find_all(&environment, &texts)
        };
        let found = find(&["default", &format!("work={shown}")]).expect("there");
        let expected = ["default", "work"].map(|id| (id.to_owned(), socket.clone()));
        assert_eq!(found, BTreeMap::from(expected));
        for (texts, expected) in [
            (&[""][..], "has no name"),
            (&["=x"], "has no name"),
            (&["default", "default"], "is given twice"),
            (&["a=/no/agent"], "there is no SSH agent at `/no/agent`"),
            (&[&format!("a={}", key.display())], "is not the socket"),
        ] {
            let error = find(texts).expect_err(expected);
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
        let nothing = Environment::of(&[]);
        assert!(find_all(&nothing, &["default".to_owned()]).is_err());
    }
}
