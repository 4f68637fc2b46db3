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

mod secret;
mod serve;
mod span;

pub(crate) use secret::Secret;
pub(crate) use serve::{Anonymous, Log, Metrics, S3, Serve, Sse, Switch};
pub(crate) use span::Span;

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

/// A part of the file, with its settings that can be set by an environment
/// variable.
pub(crate) struct Section {
    /// How it is named in the file.
    pub(crate) name: &'static str,
    /// The type that it is read as.
    #[cfg(test)]
    pub(crate) title: &'static str,
    /// What the names of its variables start with.
    prefix: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [&'static str],
}

/// The parts of the file, in the order in which they are shown.
pub(crate) const SECTIONS: [Section; 3] = [
    Section {
        name: "serve",
        #[cfg(test)]
        title: "Serve",
        prefix: "WHARF_",
        keys: &[
            "listen",
            "storage",
            "htpasswd",
            "anonymous",
            "allow-hosts",
            "tls-cert",
            "tls-key",
            "plain-http",
            "immutable-tags",
            "gc",
            "gc-interval",
            "gc-grace",
            "untagged-after",
            "upload-expiry",
            "redirect",
            "max-connections",
            "metrics",
            "access-log",
            "trace-endpoint",
            "scratch",
            "unsafe-no-sync",
            "log",
        ],
    },
    Section {
        name: "serve.s3",
        #[cfg(test)]
        title: "S3",
        prefix: "WHARF_S3_",
        keys: &[
            "endpoint",
            "region",
            "path-style",
            "access-key-id",
            "secret-access-key",
            "session-token",
            "sse",
            "kms-key",
            "allow-http",
        ],
    },
    Section {
        name: "build",
        #[cfg(test)]
        title: "Build",
        prefix: "WHARF_",
        keys: &["sandbox"],
    },
];

impl Section {
    /// Names the environment variable that sets a key: `WHARF_LISTEN`.
    pub(crate) fn variable(&self, key: &str) -> String {
        let key = key.to_ascii_uppercase().replace('-', "_");
        format!("{}{key}", self.prefix)
    }

    /// Finds the part in the whole.
    pub(crate) fn within<'a>(&self, table: &'a Table) -> Option<&'a Table> {
        table_at(table, self.name)
    }
}

/// Finds a table by its path.
fn table_at<'a>(table: &'a Table, path: &str) -> Option<&'a Table> {
    path.split('.')
        .try_fold(table, |table, name| table.get(name)?.as_table())
}

/// Those of them that are lists; commas separate them in the environment.
const LIST_KEYS: [&str; 2] = ["allow-hosts", "immutable-tags"];

/// Those of them that are numbers.
const NUMBER_KEYS: [&str; 1] = ["max-connections"];

/// Those of them that are secrets: no message repeats their values.
const SECRET_KEYS: [&str; 3] = [
    "serve.s3.access-key-id",
    "serve.s3.secret-access-key",
    "serve.s3.session-token",
];

/// A setting that a flag gives: its key, the flag, the value.
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
    for section in &SECTIONS {
        for key in section.keys {
            let name = section.variable(key);
            if let Some(text) = environment.variable(&name) {
                let key = format!("{}.{key}", section.name);
                merged.set(&key, value_of(&key, text), Source::Variable(name));
            }
        }
    }
    for (key, flag, value) in flags {
        merged.set(key, value, Source::Flag(flag));
    }
    merged.finish()
}

/// Reads what an environment variable says of a key.
fn value_of(key: &str, text: &str) -> Value {
    let last = key.rsplit('.').next().unwrap_or(key);
    if LIST_KEYS.contains(&last) {
        let items = text.split(',').map(|item| Value::from(item.trim()));
        return Value::Array(items.collect());
    }
    let number = text
        .parse::<i64>()
        .ok()
        .filter(|_| NUMBER_KEYS.contains(&last));
    match (text, number) {
        (_, Some(number)) => Value::Integer(number),
        ("true" | "false", None) if !SECRET_KEYS.contains(&key) => Value::Boolean(text == "true"),
        _ => Value::String(text.to_owned()),
    }
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

    /// Names a setting that a flag gave, of those whose keys start so.
    pub(crate) fn flag_below(&self, start: &str) -> Option<String> {
        let below = self.0.iter().filter(|(key, _)| key.starts_with(start));
        let mut given = below.filter(|(_, source)| matches!(source, Source::Flag(_)));
        given.next().map(|(key, _)| self.name(key))
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
        for section in &SECTIONS {
            let set = section.within(&table).into_iter().flat_map(Table::keys);
            let named = set.map(|key| (format!("{}.{key}", section.name), source.clone()));
            self.sources.0.extend(named);
        }
        self.table = table;
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, source: Source) {
        let mut table = &mut self.table;
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        for part in path.split('.') {
            let entry = table
                .entry(part)
                .or_insert_with(|| Value::Table(Table::new()));
            // The file was read before: what is no table was refused.
            let Value::Table(below) = entry else { return };
            table = below;
        }
        table.insert(name.to_owned(), value);
        self.sources.0.insert(key.to_owned(), source);
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
        let message = match SECRET_KEYS.contains(&key.as_str()) {
            true => "it is no text".to_owned(),
            false => error.inner().message().to_owned(),
        };
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
