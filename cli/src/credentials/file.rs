//! Files of credentials: Docker's `config.json` and Podman's `auth.json`.
//!
//! What is read becomes credentials at once; what is written leaves every
//! other field as and where it was.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use client::{Credential, Secret};
use oci::{DEFAULT_REGISTRY, RegistryHost, RepositoryName};
use serde_json::{Map, Value};

use crate::report::WithHint as _;

/// The largest file of credentials that is read, in bytes. Real ones have
/// some kilobytes.
const FILE_LIMIT: usize = 1024 * 1024;

/// The user name by which a secret says that it is a refresh token.
const TOKEN_USER: &str = "<token>";

/// Holds what one file says, by registry or by registry and the start of
/// repositories, without schemes.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Known {
    logins: BTreeMap<String, Credential>,
    helpers: BTreeMap<String, String>,
    store: Option<String>,
}

/// Says what a file knows of a repository.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Login<'a> {
    /// It has an entry for the registry.
    Whole(&'a Credential),
    /// It has an entry for a part of the registry.
    Namespaced(&'a Credential),
}

#[derive(serde::Deserialize)]
struct Raw {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<RawLogin>>>,
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawLogin {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Known {
    /// Reads the text of a file. The message of a mistake repeats none of it,
    /// since it may be a secret.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > FILE_LIMIT {
            return Err(format!("is larger than {FILE_LIMIT} bytes"));
        }
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // An array would pass for the structure below.
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("is no JSON object (line {line}, column {column})")
        })?;
        let raw: Raw = serde_json::from_value(Value::Object(object))
            .map_err(|_secret| "has another form than a file of credentials".to_owned())?;
        let mut logins = BTreeMap::new();
        for (key, login) in raw.auths.into_iter().flatten() {
            if let Some(credential) = credential(&login.unwrap_or_default())
                .map_err(|why| format!("the entry for `{}` {why}", key.escape_debug()))?
            {
                logins.insert(plain_key(&key), credential);
            }
        }
        let helpers = raw.helpers.into_iter().flatten();
        Ok(Self {
            logins,
            helpers: helpers.map(|(key, name)| (plain_key(&key), name)).collect(),
            store: raw.store.filter(|name| !name.is_empty()),
        })
    }

    /// Finds the entry for a repository, or for its registry: the longest key
    /// that its name starts with.
    pub(crate) fn login(
        &self,
        registry: &RegistryHost,
        repository: Option<&RepositoryName>,
    ) -> Option<Login<'_>> {
        let host = registry.as_str();
        let mut key = match repository {
            Some(repository) => format!("{host}/{repository}"),
            None => host.to_owned(),
        };
        loop {
            if let Some(credential) = self.logins.get(&key) {
                return Some(if key.len() > host.len() {
                    Login::Namespaced(credential)
                } else {
                    Login::Whole(credential)
                });
            }
            key.truncate(key.rfind('/')?);
        }
    }

    /// Names the helper program that keeps the credentials of a registry.
    pub(crate) fn helper(&self, registry: &RegistryHost) -> Option<&str> {
        let own = self.helpers.get(registry.as_str());
        own.or(self.store.as_ref())
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }
}

fn credential(login: &RawLogin) -> Result<Option<Credential>, &'static str> {
    if !login.registrytoken.is_empty() {
        return Ok(Some(Credential::Bearer(Secret::new(&login.registrytoken))));
    }
    if !login.identitytoken.is_empty() {
        let token = Secret::new(&login.identitytoken);
        return Ok(Some(Credential::IdentityToken(token)));
    }
    if login.auth.is_empty() {
        return Ok(basic(&login.username, &login.password));
    }
    let bytes = STANDARD
        .decode(login.auth.trim())
        .or_else(|_padded| STANDARD_NO_PAD.decode(login.auth.trim()))
        .map_err(|_secret| "has an `auth` that is no base64")?;
    let text = String::from_utf8(bytes).map_err(|_secret| "has an `auth` that is no text")?;
    let (username, password) = text
        .split_once(':')
        .ok_or("has an `auth` without a colon between name and password")?;
    Ok(basic(username, password.trim_end_matches('\0')))
}

/// Makes a credential of a name and a password; of nothing it makes none.
pub(crate) fn basic(username: &str, password: &str) -> Option<Credential> {
    match (username, password) {
        (TOKEN_USER, token) => Some(Credential::IdentityToken(Secret::new(token))),
        (_, "") | ("", _) => None,
        (username, password) => Some(Credential::Basic {
            username: username.to_owned(),
            password: Secret::new(password),
        }),
    }
}

/// Strips what people and programs write around a registry: the scheme, and
/// the path of an API.
fn plain_key(key: &str) -> String {
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key
        .strip_suffix("/v1")
        .or_else(|| key.strip_suffix("/v2"))
        .unwrap_or(key);
    let (host, rest) = match key.split_once('/') {
        Some((host, rest)) => (host, Some(rest)),
        None => (key, None),
    };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
        host => host,
    };
    rest.map_or_else(|| host.to_owned(), |rest| format!("{host}/{rest}"))
}

/// Is a file of credentials that is being changed.
#[derive(Debug)]
pub(crate) struct Editor<'a> {
    path: &'a Path,
    object: Map<String, Value>,
    known: Known,
}

impl<'a> Editor<'a> {
    /// Reads the file; one that is not there is empty.
    pub(crate) fn open(path: &'a Path) -> anyhow::Result<Self> {
        let text = match fs_err::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.context("can not read the file of credentials")?,
        };
        let broken = |why: String| anyhow::anyhow!("`{}` {why}", path.display());
        let known = Known::parse(&text)
            .map_err(broken)
            .hint("correct the file, or name another one by `--authfile FILE`")?;
        let object = if text.trim().is_empty() {
            Map::new()
        } else {
            serde_json::from_str(&text).map_err(|_secret| broken("is no JSON object".to_owned()))?
        };
        Ok(Self {
            path,
            object,
            known,
        })
    }

    /// Names the helper program that keeps the credentials of a registry.
    pub(crate) fn helper(&self, registry: &RegistryHost) -> Option<&str> {
        self.known.helper(registry)
    }

    /// Puts a name and a password in, in Docker's form.
    pub(crate) fn put(&mut self, registry: &RegistryHost, username: &str, password: &Secret) {
        self.remove(registry);
        let auth = STANDARD.encode(format!("{username}:{}", password.expose()));
        let auths = self
            .object
            .entry("auths")
            .or_insert_with(|| Value::Object(Map::new()));
        if !auths.is_object() {
            *auths = Value::Object(Map::new());
        }
        auths[registry.auth_key()] = serde_json::json!({ "auth": auth });
    }

    /// Takes every entry of a registry out, however its key is written, and
    /// says whether there was one.
    pub(crate) fn remove(&mut self, registry: &RegistryHost) -> Removed {
        let Some(Value::Object(auths)) = self.object.get_mut("auths") else {
            return Removed::Nothing;
        };
        let before = auths.len();
        auths.retain(|key, _| plain_key(key) != registry.as_str());
        if auths.len() < before {
            Removed::Entry
        } else {
            Removed::Nothing
        }
    }

    /// Writes the file whole and at once, for its owner's eyes only.
    pub(crate) fn save(self) -> anyhow::Result<()> {
        // Where the file is a link, what it points at is replaced.
        let path = fs_err::canonicalize(self.path).unwrap_or_else(|_new| self.path.to_owned());
        let directory = path.parent().unwrap_or(Path::new("."));
        let write = || -> anyhow::Result<()> {
            fs_err::create_dir_all(directory)?;
            // Made with mode 0600, which the name then keeps.
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            let mut text = serde_json::to_string_pretty(&self.object)?;
            text.push('\n');
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write()
            .with_context(|| format!("can not write the file of credentials `{}`", path.display()))
            .hint("name another file by `--authfile FILE` or `REGISTRY_AUTH_FILE`")
    }
}

/// Says whether something was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    /// An entry was.
    Entry,
    /// There was none.
    Nothing,
}
