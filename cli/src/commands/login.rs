//! `wharf login`.

use std::io::BufRead as _;
use std::sync::Arc;

use anyhow::Context as _;
use client::{Access, Secret};
use oci::{DEFAULT_REGISTRY, RegistryHost};

use crate::arguments::Global;
use crate::commands::wait;
use crate::config;
use crate::credentials::{self, Candidate, Editor, Helper};
use crate::environment::{self, Environment};
use crate::registries::{self, Reach};
use crate::report::{WithHint as _, advise, say, usage};

/// The longest name or password that is read, in bytes. Some are tokens of
/// several kilobytes.
const SECRET_LIMIT: u64 = 64 * 1024;

/// Stores credentials for a registry, after trying them there.
///
/// They go to the helper program that Docker's configuration names for the
/// registry, else into the file of credentials that is looked at first:
/// --authfile, $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or
/// ~/.docker/config.json. What cannot be stored encrypted is stored readable
/// for its owner only.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The registry, as in localhost:5000
    #[arg(default_value = DEFAULT_REGISTRY, value_parser = registry)]
    registry: RegistryHost,

    /// The user name; asked for at a terminal
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,

    /// Read the password from standard input instead of asking for it
    #[arg(long, requires = "username")]
    password_stdin: bool,

    #[command(flatten)]
    reach: Reach,
}

/// Reads a registry as people paste it, with a scheme or a slash.
pub(crate) fn registry(text: &str) -> Result<RegistryHost, oci::ParseError> {
    let text = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    text.strip_suffix('/').unwrap_or(text).parse()
}

/// Asks for credentials, tries them, and stores them.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let (config, _) = config::load(environment, global.config.as_deref(), Vec::new())?;
    let registry = &arguments.registry;
    let file = credentials::login_file(environment, arguments.reach.authfile.as_deref())?;
    let mut editor = Editor::open(&file)?;
    let (username, password) = ask(arguments)?;
    let candidate = Candidate::new(registry, &username, &password);
    let client = registries::client_as(environment, &config, Arc::new(candidate))?;
    let talk = !global.quiet;
    wait(async {
        let access = client
            .registry(registry)
            .ping()
            .await
            .map_err(|error| {
                let proxies = registries::proxies(environment);
                advise(error.into(), std::slice::from_ref(registry), &proxies)
            })
            .with_context(|| format!("can not log in to `{registry}`"))?;
        if access == Access::Open {
            say(&format!(
                "`{registry}` did not ask who it is: the credentials are stored, but were not tried"
            ));
        }
        let place = if let Some(name) = editor.helper(registry) {
            let helper = Helper::new(name, environment.variable("PATH").unwrap_or_default());
            helper
                .store(registry.auth_key(), &username, &password)
                .await?;
            format!("the helper `{name}`")
        } else {
            editor.put(registry, &username, &password);
            editor.save()?;
            format!("`{}`", file.display())
        };
        if talk {
            say(&format!(
                "logged in to `{registry}` as `{username}`, kept by {place}"
            ));
        }
        Ok(())
    })
}

/// Gets name and password, from where the arguments say.
fn ask(arguments: &Arguments) -> anyhow::Result<(String, Secret)> {
    if arguments.password_stdin {
        let username = arguments.username.clone().unwrap_or_default();
        return checked(username, first_line(std::io::stdin().lock())?);
    }
    if !environment::stdin_is_terminal() {
        return Err(usage(
            "nobody can be asked for a password: standard input is no terminal",
        ))
        .hint("give it by `--username NAME --password-stdin`");
    }
    let username = match &arguments.username {
        Some(username) => username.clone(),
        None => {
            say("user name:");
            first_line(std::io::stdin().lock())?
        }
    };
    let prompt = format!("password of `{username}` at `{}`: ", arguments.registry);
    let password = rpassword::prompt_password(prompt).context("can not read the password")?;
    checked(username, password)
}

fn checked(username: String, password: String) -> anyhow::Result<(String, Secret)> {
    if username.is_empty() || username.contains(':') {
        return Err(usage(
            "the user name is empty or has a colon, which no registry can be told",
        ));
    }
    if password.is_empty() {
        return Err(usage("the password is empty"));
    }
    Ok((username, Secret::new(password)))
}

/// Reads a line without its end.
fn first_line(input: impl std::io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    input
        .take(SECRET_LIMIT)
        .read_line(&mut line)
        .context("can not read standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_may_be_pasted_as_an_address() {
        for text in ["a.test:1", "https://a.test:1", "http://a.test:1/"] {
            assert_eq!(registry(text).expect("one").as_str(), "a.test:1");
        }
        for text in ["", "a.test/repository", "https://a.test/v2/", "user@a.test"] {
            assert!(registry(text).is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn a_password_is_one_line() {
        assert_eq!(first_line(&b"secret\r\nmore"[..]).expect("read"), "secret");
        assert_eq!(first_line(&b" secret "[..]).expect("read"), " secret ");
    }

    #[test]
    fn nothing_is_no_credential() {
        for (name, password) in [("", "x"), ("a:b", "x"), ("a", "")] {
            assert!(checked(name.into(), password.into()).is_err());
        }
    }
}
