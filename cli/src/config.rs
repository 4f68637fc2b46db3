//! The configuration: one typed value, made once of defaults, file,
//! environment and flags, each stronger than the one before.
//!
//! Every default of the program is here. A message about a setting names its
//! key and where it was set.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::environment::Environment;
use crate::report::{WithHint as _, usage};

/// Configures the program.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    /// How a registry is served.
    pub(crate) serve: Serve,
    /// How images are built.
    pub(crate) build: Build,
    /// How registries are reached; the longest prefix counts.
    #[serde(rename = "registry", skip_serializing_if = "Vec::is_empty")]
    pub(crate) registries: Vec<Registry>,
}

/// Configures `wharf serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Serve {
    /// The address and port to listen on; port 0 takes a free one.
    pub(crate) listen: String,
    /// Where everything is kept: a directory.
    pub(crate) storage: String,
    /// A file of users and bcrypt hashes, as `htpasswd -B` writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) htpasswd: Option<PathBuf>,
    /// What a caller without credentials may do: `pull` or `push`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) anonymous: Option<Anonymous>,
    /// More names by which it may be called where everybody on this machine may
    /// push, without ports; `*` lets any name and any web page. Addresses,
    /// `localhost` and the name of this machine need not be listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) allow_hosts: Vec<String>,
    /// A certificate chain in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Whether to serve unencrypted beyond this machine.
    pub(crate) plain_http: bool,
    /// Whether to acknowledge what is not on the disk yet: a power cut loses
    /// it. For tests.
    pub(crate) unsafe_no_sync: bool,
    /// How log lines look: `human` or `json`.
    pub(crate) log: Log,
}

impl Default for Serve {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:5000".to_owned(),
            storage: "./wharf-data".to_owned(),
            htpasswd: None,
            anonymous: None,
            allow_hosts: Vec::new(),
            tls_cert: None,
            tls_key: None,
            plain_http: false,
            unsafe_no_sync: false,
            log: Log::Human,
        }
    }
}

/// Says what a caller without credentials may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Anonymous {
    /// Read
    Pull,
    /// Read, write and delete
    Push,
}

/// Says how log lines look.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Log {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

/// Configures `wharf build`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Build {
    /// What keeps the commands of `RUN` apart from the machine: `auto` for the
    /// best that it allows, `root`, `mapped`, `one`, `chroot`, or `none` to run
    /// nothing.
    pub(crate) sandbox: Sandbox,
}

/// Says what keeps commands apart from the machine.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sandbox {
    /// The best that this machine allows
    #[default]
    Auto,
    /// Namespaces made by root
    Root,
    /// A user namespace with a range of ids
    Mapped,
    /// A user namespace with one id; owners and devices are recorded
    One,
    /// Another root directory, and no isolation
    Chroot,
    /// Nothing is run
    None,
}

/// Configures how a registry is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Registry {
    /// The registry, or a registry and the first components of repositories:
    /// `docker.io`, `ghcr.io/acme`.
    pub(crate) prefix: String,
    /// Where to look first, in order: `registry.example.com/docker.io`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mirrors: Vec<String>,
    /// Whether the registry itself is asked when no mirror helped.
    #[serde(default = "yes")]
    pub(crate) fallback: bool,
    /// Whether to do without encryption, or without checking certificates.
    #[serde(default)]
    pub(crate) insecure: bool,
    /// A file of certificates in PEM that are trusted for this registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

/// Says where a setting was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// In a file.
    File(PathBuf),
    /// By an environment variable.
    Variable(String),
    /// By a flag.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Variable(name) => write!(f, "the environment variable `{name}`"),
            Self::Flag(name) => write!(f, "the flag `{name}`"),
        }
    }
}

/// The settings that can be set by an environment variable: `WHARF_` and the
/// key's last part, as in `WHARF_LISTEN`.
pub(crate) const SERVE_KEYS: [&str; 10] = [
    "listen",
    "storage",
    "htpasswd",
    "anonymous",
    "allow-hosts",
    "tls-cert",
    "tls-key",
    "plain-http",
    "unsafe-no-sync",
    "log",
];

/// Those of `build`, which environment variables set likewise.
pub(crate) const BUILD_KEYS: [&str; 1] = ["sandbox"];

/// Those of them that are lists; commas separate them in the environment.
const LIST_KEYS: [&str; 1] = ["allow-hosts"];

/// A setting that a flag gives: its key below `serve`, the flag, the value.
pub(crate) type FlagValue = (&'static str, &'static str, Value);

/// Loads the configuration, and says where each setting was set.
pub(crate) fn load(
    environment: &Environment,
    file: Option<&Path>,
    flags: Vec<FlagValue>,
) -> anyhow::Result<(Config, Sources)> {
    let mut merged = Merged::default();
    if let Some((path, text)) = read_file(environment, file)? {
        merged.add_file(&path, &text)?;
    }
    let serve = SERVE_KEYS.map(|key| ("serve", key));
    let build = BUILD_KEYS.map(|key| ("build", key));
    for (section, key) in serve.into_iter().chain(build) {
        let name = variable_of(key);
        if let Some(text) = environment.variable(&name) {
            let value = match text {
                text if LIST_KEYS.contains(&key) => {
                    let items = text.split(',').map(|item| Value::from(item.trim()));
                    Value::Array(items.collect())
                }
                "true" | "false" => Value::Boolean(text == "true"),
                text => Value::String(text.to_owned()),
            };
            merged.set(section, key, value, Source::Variable(name));
        }
    }
    for (key, flag, value) in flags {
        merged.set("serve", key, value, Source::Flag(flag));
    }
    merged.finish()
}

/// Names the environment variable that sets a key of `serve` or `build`.
pub(crate) fn variable_of(key: &str) -> String {
    format!("WHARF_{}", key.to_ascii_uppercase().replace('-', "_"))
}

/// Says where each setting was set, by its key.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<String, Source>);

impl Sources {
    /// Names a setting for a message: its key and where it was set.
    pub(crate) fn name(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(source) => format!("`{key}` (set by {source})"),
            None => format!("`{key}` (the default)"),
        }
    }

    /// Says where a setting was set.
    pub(crate) fn of(&self, key: &str) -> String {
        match self.0.get(key) {
            Some(source) => format!("set by {source}"),
            None => "the default".to_owned(),
        }
    }
}

#[derive(Debug, Default)]
struct Merged {
    table: Table,
    sources: Sources,
}

impl Merged {
    fn add_file(&mut self, path: &Path, text: &str) -> anyhow::Result<()> {
        let table: Table = text.parse().or_else(|error| not_toml(path, text, &error))?;
        let source = Source::File(path.to_owned());
        // Read alone first, so that a mistake is told as the file's.
        check(&table, |_key| source.to_string())?;
        if table.contains_key("registry") {
            self.sources.0.insert("registry".to_owned(), source.clone());
        }
        for section in ["serve", "build"] {
            let Some(Value::Table(set)) = table.get(section) else {
                continue;
            };
            for key in set.keys() {
                let key = format!("{section}.{key}");
                self.sources.0.insert(key, source.clone());
            }
        }
        self.table = table;
        Ok(())
    }

    fn set(&mut self, section: &str, key: &str, value: Value, source: Source) {
        let table = self
            .table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(table) = table {
            table.insert(key.to_owned(), value);
            self.sources.0.insert(format!("{section}.{key}"), source);
        }
    }

    fn finish(self) -> anyhow::Result<(Config, Sources)> {
        let sources = self.sources;
        let config = check(&self.table, |key| {
            sources
                .0
                .get(key)
                .map_or_else(String::new, ToString::to_string)
        })?;
        Ok((config, sources))
    }
}

/// Says where a file is no TOML, without its lines: they may hold secrets.
fn not_toml(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Result<Table> {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    // A message of several lines gives what was expected last.
    let why: Vec<&str> = error.message().lines().map(str::trim).collect();
    let place = anyhow::anyhow!("line {line}, column {column}: {}", why.join(", "));
    Err(place).or_usage(|| format!("`{}` is not valid TOML", path.display()))
}

/// Reads a table as a configuration, and names the key and its source where
/// that fails.
fn check(table: &Table, source: impl Fn(&str) -> String) -> anyhow::Result<Config> {
    serde_path_to_error::deserialize(Value::Table(table.clone())).map_err(|error| {
        let key = error.path().to_string();
        let message = error.inner().message().to_owned();
        let source = source(&key);
        match suggestion(&message) {
            Some(known) => usage(format!(
                "{source}: `{key}`: {message}; did you mean `{known}`?"
            )),
            None => usage(format!("{source}: `{key}`: {message}")),
        }
    })
}

/// Finds the known key that an unknown one was meant to be: the message lists
/// both in backticks.
fn suggestion(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (unknown, rest) = rest.split_once('`')?;
    rest.split('`')
        .skip(1)
        .step_by(2)
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, known)| known.to_owned())
}

fn read_file(
    environment: &Environment,
    file: Option<&Path>,
) -> anyhow::Result<Option<(PathBuf, String)>> {
    let named = file
        .map(Path::to_owned)
        .or_else(|| environment.variable("WHARF_CONFIG").map(PathBuf::from));
    if let Some(path) = named {
        let text = fs_err::read_to_string(&path).or_usage(unreadable)?;
        return Ok(Some((path, text)));
    }
    let Some(path) = environment
        .config_directory()
        .map(|directory| directory.join("config.toml"))
    else {
        return Ok(None);
    };
    match fs_err::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_usage(unreadable),
    }
}

fn unreadable() -> String {
    "can not read the configuration file".to_owned()
}

#[cfg(test)]
mod tests;
