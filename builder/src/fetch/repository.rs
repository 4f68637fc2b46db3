//! Names of repositories and of what is wanted of them: the URL, and behind it
//! `#ref:subdir` or `?ref=&subdir=...` (the Dockerfile reference, "ADD git
//! repositories", and "Build context", "URL fragments" and "URL queries").

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::error::{Error, ErrorKind};

/// The queries that a repository may have.
const QUERIES: &str =
    "`ref`, `branch`, `tag`, `commit`, `checksum`, `subdir`, `keep-git-dir` and `submodules`";

/// The fewest digits of a commit that name it.
const ABBREVIATED: usize = 7;
/// The digits of a commit by SHA-1.
pub(super) const SHA1: usize = 40;
/// The digits of a commit by SHA-256.
pub(super) const SHA256: usize = 64;

/// Names a repository, and what is wanted of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct GitSource {
    /// What git is told, without what is secret.
    address: String,
    credentials: Option<Credentials>,
    reference: Option<String>,
    /// A relative path without `.` and `..`; empty for all of it.
    subdirectory: PathBuf,
    keep_git_dir: Option<bool>,
    submodules: Option<bool>,
    /// The start of the commit's name.
    checksum: Option<String>,
}

/// Proves to the server of one origin who asks.
#[derive(Clone, PartialEq, Eq)]
struct Credentials {
    /// The server they are for, as a URL.
    origin: String,
    /// The user and the password, with a colon between them.
    secret: Vec<u8>,
}

impl GitSource {
    /// Reads a URL.
    pub(super) fn url(url: &Url) -> Result<Self, Error> {
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || host.starts_with('-') {
            return Err(mistake("the URL of a repository has to name its host"));
        }
        let mut plain = url.clone();
        plain.set_query(None);
        plain.set_fragment(None);
        let is_http = matches!(url.scheme(), "http" | "https");
        if !is_http && url.password().is_some() {
            return Err(mistake("only `https:` can prove with a password who asks")
                .with_hint("leave the password out of the URL"));
        }
        let mut credentials = None;
        if is_http && (!url.username().is_empty() || url.password().is_some()) {
            let password = url.password().unwrap_or_default();
            let origin = &url[Position::BeforeHost..Position::AfterPort];
            let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
            let secret = [decoded(url.username()), decoded(password)].join(&b':');
            credentials = Some(Credentials {
                origin: format!("{}://{origin}/", url.scheme()),
                secret,
            });
            // Neither fails for a URL with a host.
            let _ = plain.set_username("");
            let _ = plain.set_password(None);
        }
        let mut source = Self::of(plain.to_string());
        source.credentials = credentials;
        source.read_fragment(url.fragment().unwrap_or_default())?;
        source.read_queries(url.query_pairs())?;
        Ok(source)
    }

    /// Reads `user@host:path`; `None` where it is something else.
    pub(super) fn scp(text: &str) -> Option<Result<Self, Error>> {
        let (user, rest) = text.split_once('@')?;
        let (host, _) = rest.split_once(':')?;
        let names = |text: &str, more: &str| {
            let named = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.chars().all(named)
        };
        if !names(user, "-_") || !names(host, "-.") {
            return None;
        }
        Some(Self::read_scp(text, host))
    }

    fn read_scp(text: &str, host: &str) -> Result<Self, Error> {
        if text.starts_with('-') || host.starts_with('-') {
            return Err(mistake("neither user nor host may start with `-`"));
        }
        let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        if address.ends_with(':') || address.chars().any(char::is_control) {
            return Err(mistake("there is no path of a repository behind the host"));
        }
        let mut source = Self::of(address.to_owned());
        source.read_fragment(fragment)?;
        // Only its rules for queries are of interest.
        let mut url = Url::parse("ssh://host/").expect("a constant URL");
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        source.read_queries(url.query_pairs())?;
        Ok(source)
    }

    fn of(address: String) -> Self {
        Self {
            address,
            credentials: None,
            reference: None,
            subdirectory: PathBuf::new(),
            keep_git_dir: None,
            submodules: None,
            checksum: None,
        }
    }

    /// Names a repository of this machine, as no Dockerfile can.
    #[cfg(test)]
    pub(super) fn local(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).expect("a URL");
        let mut plain = url.clone();
        plain.set_query(None);
        plain.set_fragment(None);
        let mut source = Self::of(plain.to_string());
        source.read_fragment(url.fragment().unwrap_or_default())?;
        source.read_queries(url.query_pairs())?;
        Ok(source)
    }

    /// Gives what git is told; nothing of it is secret.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Says whether nobody on the way can read or change what is fetched.
    pub(super) fn is_encrypted(&self) -> bool {
        !self.address.starts_with("http://") && !self.address.starts_with("git://")
    }

    /// Gives the server that credentials are for, and the header that has them.
    pub(super) fn authorization(&self) -> Option<(&str, String)> {
        let Credentials { origin, secret } = self.credentials.as_ref()?;
        Some((
            origin,
            format!("Authorization: Basic {}", STANDARD.encode(secret)),
        ))
    }

    /// Gives the branch, tag or commit that is wanted; the default branch
    /// where there is none.
    pub(crate) fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Says whether it can be but one tree: a whole commit is named, or
    /// demanded.
    pub(crate) fn is_pinned(&self) -> bool {
        let is_whole = |text: &str| {
            matches!(text.len(), SHA1 | SHA256) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let named = [self.reference(), self.checksum()];
        named.into_iter().flatten().any(is_whole)
    }

    /// Gives the directory that is wanted; empty for all.
    pub(crate) fn subdirectory(&self) -> &std::path::Path {
        &self.subdirectory
    }

    /// Says whether `.git` is wanted too.
    pub(crate) fn keeps_git_dir(&self) -> bool {
        self.keep_git_dir.unwrap_or(false)
    }

    /// Says whether the submodules are wanted too.
    pub(crate) fn with_submodules(&self) -> bool {
        self.submodules.unwrap_or(true)
    }

    /// Gives what the commit's name has to start with.
    pub(crate) fn checksum(&self) -> Option<&str> {
        self.checksum.as_deref()
    }

    /// Demands a commit, as `ADD --checksum` does.
    ///
    /// # Errors
    ///
    /// Fails where it is not the start of a commit's name, or the URL demands
    /// another.
    pub(crate) fn demanding(mut self, checksum: &str) -> Result<Self, Error> {
        let checksum = commit(checksum)?;
        if let Some(own) = &self.checksum
            && *own != checksum
        {
            let message = format!("the URL asks for the commit `{own}`, `--checksum` for another");
            return Err(mistake(message));
        }
        self.checksum = Some(checksum);
        Ok(self)
    }

    /// Wants `.git` or not, as `ADD --keep-git-dir` does.
    ///
    /// # Errors
    ///
    /// Fails where the URL says otherwise.
    pub(crate) fn keeping_git_dir(mut self, keep: bool) -> Result<Self, Error> {
        if self.keep_git_dir.is_some_and(|own| own != keep) {
            let message = "`keep-git-dir` of the URL and `--keep-git-dir` contradict each other";
            return Err(mistake(message));
        }
        self.keep_git_dir = Some(keep);
        self.check_git_dir()?;
        Ok(self)
    }

    fn read_fragment(&mut self, fragment: &str) -> Result<(), Error> {
        let fragment = percent_decode_str(fragment)
            .decode_utf8()
            .map_err(|_not_text| mistake("what stands behind `#` is not UTF-8"))?;
        let (reference, subdirectory) = fragment.split_once(':').unwrap_or((&fragment, ""));
        if !reference.is_empty() {
            self.set_reference(reference.to_owned())?;
        }
        if !subdirectory.is_empty() {
            self.set_subdirectory(subdirectory)?;
        }
        Ok(())
    }

    fn read_queries<'a>(
        &mut self,
        queries: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
    ) -> Result<(), Error> {
        let mut seen = Vec::new();
        for (key, value) in queries {
            if seen.contains(&key) {
                return Err(mistake(format!("the query `{key}` stands there twice")));
            }
            self.read_query(&key, &value)?;
            seen.push(key);
        }
        if self.reference.is_none() {
            // A commit is found by its own name too.
            self.reference.clone_from(&self.checksum);
        }
        self.check_git_dir()
    }

    /// `.git` is of a whole repository.
    fn check_git_dir(&self) -> Result<(), Error> {
        if self.keeps_git_dir() && !self.subdirectory.as_os_str().is_empty() {
            let message = "a directory of a repository has no `.git` to keep";
            return Err(mistake(message).with_hint("take the whole repository, or leave `.git`"));
        }
        Ok(())
    }

    fn read_query(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let known = [
            "ref",
            "branch",
            "tag",
            "commit",
            "checksum",
            "subdir",
            "keep-git-dir",
            "submodules",
        ];
        if !known.contains(&key) {
            let key: String = key.escape_debug().collect();
            let message = format!("the query `{key}` is not known for a repository");
            return Err(mistake(message).with_hint(format!("known are {QUERIES}")));
        }
        let truth = || truth(key, value);
        match key {
            "keep-git-dir" => self.keep_git_dir = Some(truth()?),
            "submodules" => self.submodules = Some(truth()?),
            _ if value.is_empty() => {
                return Err(mistake(format!("the query `{key}` has no value")));
            }
            "ref" => self.set_reference(value.to_owned())?,
            "branch" => self.set_reference(below("refs/heads/", value))?,
            "tag" => self.set_reference(below("refs/tags/", value))?,
            "subdir" => self.set_subdirectory(value)?,
            _ => {
                let checksum = commit(value)?;
                if self.checksum.as_ref().is_some_and(|own| *own != checksum) {
                    return Err(mistake("`commit` and `checksum` name different commits"));
                }
                self.checksum = Some(checksum);
            }
        }
        Ok(())
    }

    fn set_reference(&mut self, reference: String) -> Result<(), Error> {
        if !is_reference(&reference) {
            let shown: String = reference.escape_debug().collect();
            return Err(mistake(format!(
                "`{shown}` can not be a branch, tag or commit"
            )));
        }
        match &self.reference {
            Some(own) if *own != reference => Err(mistake(format!(
                "two things are asked for at once, `{own}` and `{reference}`"
            ))),
            _ => {
                self.reference = Some(reference);
                Ok(())
            }
        }
    }

    fn set_subdirectory(&mut self, text: &str) -> Result<(), Error> {
        let mut path = PathBuf::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    return Err(mistake("the directory of a repository has `..` in it"));
                }
                _ if part.eq_ignore_ascii_case(".git") || part.contains('\0') => {
                    return Err(mistake("this is no directory of a repository"));
                }
                _ => path.push(part),
            }
        }
        if !self.subdirectory.as_os_str().is_empty() && self.subdirectory != path {
            return Err(mistake("two directories are asked for at once"));
        }
        self.subdirectory = path;
        Ok(())
    }
}

impl fmt::Display for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitSource")
            .field("address", &self.address)
            .field("reference", &self.reference)
            .field("subdirectory", &self.subdirectory)
            .field("keep_git_dir", &self.keep_git_dir)
            .field("submodules", &self.submodules)
            .field("checksum", &self.checksum)
            .finish_non_exhaustive()
    }
}

fn mistake(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Step, message)
}

fn below(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) {
        return name.to_owned();
    }
    format!("{prefix}{name}")
}

/// Reads a truth as Go's `strconv.ParseBool` does; a key alone is true.
fn truth(key: &str, value: &str) -> Result<bool, Error> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(mistake(format!("`{key}` is either `true` or `false`"))),
    }
}

/// Reads the start of a commit's name.
fn commit(text: &str) -> Result<String, Error> {
    let length = text.len();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || !((ABBREVIATED..=SHA1).contains(&length) || length == SHA256) {
        return Err(
            mistake("the checksum of a repository has to be the name of a commit")
                .with_hint("its 40 hexadecimal digits, or the first 7 of them or more"),
        );
    }
    Ok(text.to_ascii_lowercase())
}

/// Says whether this may name a branch, tag or commit (git-check-ref-format).
/// What git would take for an option or a pattern may not.
fn is_reference(text: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !text.is_empty()
        && !text.starts_with(['-', '/', '+'])
        && !text.ends_with(['/', '.'])
        && !text.ends_with(".lock")
        && !text.contains(odd)
        && !["..", "@{", "//", "/.", "/-"]
            .iter()
            .any(|part| text.contains(part))
}

#[cfg(test)]
mod tests;
