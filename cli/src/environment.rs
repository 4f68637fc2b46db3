//! The one reader of the process's surroundings: environment variables, clock,
//! randomness and terminal. Everything else is handed values.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use client::Roots;

use crate::report::{WithHint as _, usage};

/// The environment variables that count, with what they say. Those of the
/// settings of `serve` and `build` are made of their keys.
pub(crate) const VARIABLES: [(&str, &str); 51] = [
    (
        "WHARF_CONFIG",
        "The configuration file, where `--config` does not name one.",
    ),
    (
        "WHARF_HOME",
        "The library of images, instead of `$XDG_DATA_HOME/wharf`.",
    ),
    (
        "WHARF_LOG_FILTER",
        "What `wharf serve` logs: `info`, or single parts as in `registry=debug,info`.",
    ),
    (
        "HOME",
        "The home directory: where files are that no other variable places.",
    ),
    (
        "PATH",
        "Where the programs are that keep credentials (`docker-credential-NAME`), `git`, and those that `--oci-runtime` names.",
    ),
    (
        "SSH_AUTH_SOCK",
        "The agent with the keys for git repositories that are reached by SSH, and for `--ssh default`.",
    ),
    ("TMPDIR", "Where temporary files go, instead of `/tmp`."),
    (
        "XDG_CONFIG_HOME",
        "Where `wharf/config.toml` is, instead of `~/.config`.",
    ),
    (
        "XDG_DATA_HOME",
        "Where the library `wharf` is, instead of `~/.local/share`.",
    ),
    (
        "XDG_RUNTIME_DIR",
        "Where Podman's `containers/auth.json` is looked for.",
    ),
    (
        "REGISTRY_AUTH_FILE",
        "A file of credentials, looked at before the others.",
    ),
    (
        "DOCKER_CONFIG",
        "The directory of Docker's `config.json`, looked at before `~/.docker`.",
    ),
    (
        "DOCKER_AUTH_CONFIG",
        "Credentials themselves, in the form of `config.json`; looked at after Docker's files.",
    ),
    (
        "SSL_CERT_FILE",
        "A file of certificates to trust instead of those of the machine.",
    ),
    (
        "SSL_CERT_DIR",
        "A directory of certificates to trust instead of those of the machine.",
    ),
    ("http_proxy", "The proxy for plain HTTP."),
    ("HTTP_PROXY", "The same, where `http_proxy` is not set."),
    ("https_proxy", "The proxy for HTTPS."),
    ("HTTPS_PROXY", "The same, where `https_proxy` is not set."),
    (
        "no_proxy",
        "Hosts, domains and networks that are reached directly, separated by commas.",
    ),
    ("NO_PROXY", "The same, where `no_proxy` is not set."),
    (
        "AWS_ACCESS_KEY_ID",
        "The name of the key that requests to a bucket are signed with, where `[serve.s3]` has none.",
    ),
    ("AWS_SECRET_ACCESS_KEY", "The secret half of that key."),
    (
        "AWS_SESSION_TOKEN",
        "The token that belongs to a key for a while only.",
    ),
    (
        "AWS_REGION",
        "The region of the bucket, where `[serve.s3]` names none.",
    ),
    (
        "AWS_DEFAULT_REGION",
        "The same, where `AWS_REGION` is not set.",
    ),
    (
        "AWS_ENDPOINT_URL_S3",
        "The URL of the service of the bucket, where `[serve.s3]` has none.",
    ),
    (
        "AWS_ENDPOINT_URL",
        "The same, where `AWS_ENDPOINT_URL_S3` is not set.",
    ),
    (
        "AWS_ALLOW_HTTP",
        "Set to `true`: that URL may be one that does not encrypt what is sent.",
    ),
    (
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "A file with the token for which the security token service gives keys.",
    ),
    ("AWS_ROLE_ARN", "The role that those keys are of."),
    ("AWS_ROLE_SESSION_NAME", "What their use is logged as."),
    (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "Where the agent of a container gives keys: a path.",
    ),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "The same: a URL."),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "Refused: the token is read from a file, which the next variable names.",
    ),
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "The file of what that agent is shown.",
    ),
    (
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "Where the machine gives keys, instead of its usual address.",
    ),
    (
        "AWS_ENDPOINT_URL_STS",
        "The URL of the security token service.",
    ),
    (
        "AWS_EC2_METADATA_DISABLED",
        "Set to `true`: the machine is not asked for keys.",
    ),
    (
        "AWS_PROFILE",
        "Refused, as are `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`: files of profiles are not read.",
    ),
    ("AWS_CONFIG_FILE", "Refused, as `AWS_PROFILE` is."),
    (
        "AWS_SHARED_CREDENTIALS_FILE",
        "Refused, as `AWS_PROFILE` is.",
    ),
    (
        "GOOGLE_*",
        "What says how a bucket of Google Cloud Storage is reached, as `GOOGLE_APPLICATION_CREDENTIALS`; not tested against the service.",
    ),
    (
        "AZURE_*",
        "What says how a container of Azure is reached, as `AZURE_STORAGE_ACCOUNT_NAME`; not tested against the service.",
    ),
    (
        "SOURCE_DATE_EPOCH",
        "The time of the files and images that `wharf build` makes, in seconds since 1970.",
    ),
    (
        "DOCKER_HOST",
        "The socket of docker that `wharf build --load` asks, as in `unix:///var/run/docker.sock`, which is the default.",
    ),
    (
        "BUILDKIT_PROGRESS",
        "How `wharf build` shows its progress, where `--progress` does not say.",
    ),
    (
        "BUILDX_METADATA_WARNINGS",
        "Set to anything but `0` and `false`: the file of `--metadata-file` has the warnings as well.",
    ),
    ("NO_COLOR", "Set to anything: no colours."),
    ("TERM", "Set to `dumb`: no progress bars."),
    (
        "WHARF_UPDATE_DOCS",
        "For the tests of wharf itself: write the reference anew instead of comparing it.",
    ),
];

/// The directory of what builds keep for each other, in the library's.
const STORE: &str = "run";

/// Holds what the process was started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// The certificates of the machine.
    roots: OnceLock<Roots>,
}

impl Environment {
    /// Reads the environment of this process. Variables that are not UTF-8
    /// are as if they were not set.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub(crate) fn of_this_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            roots: OnceLock::new(),
        }
    }

    /// Makes an environment by hand.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let owned = variables
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Self {
            variables: owned.collect(),
            roots: OnceLock::new(),
        }
    }

    /// Gives a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        debug_assert!(is_documented(name), "`{name}` is not in the reference");
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Gives the variables whose names start so, for a library that knows
    /// them.
    pub(crate) fn starting<T: FromIterator<(String, String)>>(&self, start: &str) -> T {
        self.variables
            .iter()
            .filter(|(name, _)| name.starts_with(start))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Gives a variable that the user names, if it is set.
    pub(crate) fn inherited(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Gives the certificates that are trusted; all who ask have the same, so
    /// that they are read once.
    pub(crate) fn roots(
        &self,
        make: impl FnOnce() -> anyhow::Result<Roots>,
    ) -> anyhow::Result<Roots> {
        if let Some(roots) = self.roots.get() {
            return Ok(roots.clone());
        }
        let roots = make()?;
        Ok(self.roots.get_or_init(|| roots).clone())
    }

    /// Gives the home directory.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// Gives the directory of configuration (XDG Base Directory
    /// Specification).
    pub(crate) fn config_directory(&self) -> Option<PathBuf> {
        let chosen = self
            .variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        Some(
            chosen
                .or_else(|| Some(self.home()?.join(".config")))?
                .join("wharf"),
        )
    }

    /// Gives the directory of the library of images.
    pub(crate) fn library_directory(&self) -> anyhow::Result<PathBuf> {
        if let Some(chosen) = self.variable("WHARF_HOME") {
            return Ok(PathBuf::from(chosen));
        }
        let data = self
            .variable("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.home()?.join(".local/share")));
        data.map(|data| data.join("wharf"))
            .ok_or_else(|| usage("there is no place for the library of images: `HOME` is not set"))
            .hint("set `WHARF_HOME` to a directory")
    }

    /// Gives the directory of what builds keep for each other: unpacked layers
    /// and cache mounts.
    pub(crate) fn store_directory(&self) -> anyhow::Result<PathBuf> {
        Ok(self.library_directory()?.join(STORE))
    }

    /// Gives the directory of temporary files.
    pub(crate) fn temporary_directory(&self) -> PathBuf {
        self.variable("TMPDIR")
            .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
    }
}

fn is_documented(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name)
        || crate::config::SECTIONS.iter().any(|section| {
            let mut variables = section.keys.iter().map(|key| section.variable(key));
            variables.any(|variable| variable == name)
        })
}

/// Tells the time, in milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the clock"
)]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Gives the directory that the program runs in, where it is there.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the working directory"
)]
pub(crate) fn working_directory() -> Option<PathBuf> {
    std::env::current_dir().ok()
}

/// Gives the name of this machine, where it has one.
pub(crate) fn machine() -> Option<String> {
    let name = fs_err::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty() && name != "(none)").then(|| name.to_owned())
}

/// Makes a number that nobody guesses: 122 bits of the system's randomness.
pub(crate) fn random() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}

/// Says whether somebody can be asked.
pub(crate) fn stdin_is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// Says whether results are shown to somebody, and go nowhere else.
pub(crate) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Says whether somebody looks at what is said.
pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Tells how many columns the terminal has that is said to.
pub(crate) fn columns() -> u16 {
    console::Term::stderr().size().1
}
