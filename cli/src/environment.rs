//! The one reader of the process's surroundings: environment variables, clock,
//! randomness and terminal. Everything else is handed values.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Holds what the process was started with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the environment of this process. Variables that are not UTF-8
    /// are as if they were not set.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    pub(crate) fn of_this_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { variables }
    }

    /// Gives a variable that is set and not empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
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

/// Makes a number that nobody guesses: 122 bits of the system's randomness.
pub(crate) fn random() -> u128 {
    uuid::Uuid::new_v4().as_u128()
}

/// Says whether somebody looks at what is said.
pub(crate) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal()
}
