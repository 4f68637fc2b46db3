//! Telling what is elsewhere from paths, as BuildKit does. Decisions on text
//! alone; nothing is asked for.

use std::fmt;

use url::Url;

use super::repository::GitSource;
use crate::error::{Error, ErrorKind};

/// What contexts may start with and still be a repository.
const GITHUB: &str = "github.com/";

/// Names something that is elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Remote {
    /// A file, by HTTP.
    Url(Url),
    /// A repository.
    Git(GitSource),
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A URL by itself would show its password.
            Self::Url(url) => f.debug_tuple("Url").field(&shown(url)).finish(),
            Self::Git(source) => f.debug_tuple("Git").field(source).finish(),
        }
    }
}

/// Reads a source of `ADD`; `None` where it is a path.
///
/// A URL of HTTP is a repository where its path ends in `.git`; those of
/// `git:` and `ssh:`, and `user@host:path`, always are.
pub(crate) fn remote(text: &str) -> Option<Result<Remote, Error>> {
    let Some((scheme, _)) = text.split_once("://") else {
        let source = GitSource::scp(text)?;
        return Some(source.map(Remote::Git));
    };
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    let is_http = is("http") || is("https");
    if !is_http && !is("git") && !is("ssh") {
        return None;
    }
    let url = match Url::parse(text) {
        Ok(url) => url,
        // The text may hold a password; it stands in the Dockerfile anyway.
        Err(error) => {
            let error = Error::caused(ErrorKind::Step, "this is no valid URL", error);
            return Some(Err(error));
        }
    };
    if is_http && !url.path().ends_with(".git") {
        return Some(Ok(Remote::Url(url)));
    }
    Some(GitSource::url(&url).map(Remote::Git))
}

/// Reads the place of a context; `None` where it is a path. Beside what `ADD`
/// takes, `github.com/...` is a repository.
pub(crate) fn remote_context(text: &str) -> Option<Result<Remote, Error>> {
    if !text.starts_with(GITHUB) {
        return remote(text);
    }
    let source = Url::parse(&format!("https://{text}"))
        .map_err(|error| Error::caused(ErrorKind::Step, "this is no valid URL", error))
        .and_then(|url| GitSource::url(&url));
    Some(source.map(Remote::Git))
}

/// Shows a URL without what may be secret: who asks, and the query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let who = !url.username().is_empty() || url.password().is_some();
    let queried = url.query().is_some();
    // Neither fails for a URL with a host; one without has nobody in it.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    let mut text = url.to_string();
    if who {
        text = text.replacen("://", "://[redacted]@", 1);
    }
    if queried {
        text.push_str("?[redacted]");
    }
    text
}

/// Takes what proves who asks out of the URLs of a text: of HTTP who asks at
/// all, of others a password.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        rest = behind;
        let end = behind.find(['/', ' ', '\'', '"', ']', '?', '#']);
        let authority = behind.get(..end.unwrap_or(behind.len())).unwrap_or(behind);
        if let Some((who, _)) = authority.rsplit_once('@')
            && (who.contains(':')
                || before.to_ascii_lowercase().ends_with("http")
                || before.to_ascii_lowercase().ends_with("https"))
        {
            shown.push_str("[redacted]");
            rest = behind.get(who.len()..).unwrap_or_default();
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(read: Option<Result<Remote, Error>>) -> &'static str {
        match read {
            None => "path",
            Some(Ok(Remote::Url(_))) => "url",
            Some(Ok(Remote::Git(_))) => "git",
            Some(Err(_)) => "mistake",
        }
    }

    #[test]
    fn what_is_elsewhere() {
        for (text, expected) in [
            ("", "path"),
            ("a", "path"),
            ("./.git", "path"),
            (".git", "path"),
            ("https:/example.com/x", "path"),
            ("ftp://example.com/x", "path"),
            ("file:///etc/passwd", "path"),
            ("oci-layout://x", "path"),
            ("example.com/x.git", "path"),
            ("github.com/a/b", "path"),
            ("a:b", "path"),
            ("./git@host:path", "path"),
            ("https://example.com/", "url"),
            ("https://example.com", "url"),
            ("HTTPS://example.com/x", "url"),
            ("http://example.com/x.git/", "url"),
            ("http://example.com/x.git.bar", "url"),
            ("http://example.com/x?a.git", "url"),
            ("http://example.com/x.git:#branch", "url"),
            ("https://github.com/a/b", "url"),
            ("https://example.com/x.git", "git"),
            ("https://u:p@example.com/x.git#main:sub", "git"),
            ("https://example.com/x.git?ref=main", "git"),
            ("git://example.com/x", "git"),
            ("ssh://git@example.com:22/x", "git"),
            ("git@example.com:x", "git"),
            ("someone@example.com:x/y.git#v1", "git"),
            ("https://", "mistake"),
            ("https://example.com/x.git?token=1", "mistake"),
            ("https://example.com/x.git#-f", "mistake"),
            ("git@-oProxyCommand=x:y", "path"),
            ("git@-h:y", "mistake"),
        ] {
            assert_eq!(kind(remote(text)), expected, "{text}");
        }
    }

    #[test]
    fn contexts_on_github() {
        let read = remote_context("github.com/a/b#main:sub").expect("remote");
        let Ok(Remote::Git(source)) = read else {
            panic!("not a repository");
        };
        assert_eq!(source.to_string(), "https://github.com/a/b");
        assert_eq!(source.reference(), Some("main"));
        assert_eq!(kind(remote_context("github.community/a")), "path");
        assert_eq!(kind(remote_context("https://example.com/a.tar")), "url");
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, expected) in [
            ("https://example.com/x#y", "https://example.com/x"),
            (
                "https://me:pass@example.com:1/x",
                "https://[redacted]@example.com:1/x",
            ),
            (
                "https://token@example.com/",
                "https://[redacted]@example.com/",
            ),
            (
                "https://example.com/x?signature=1",
                "https://example.com/x?[redacted]",
            ),
        ] {
            let url = Url::parse(text).expect("a URL");
            assert_eq!(shown(&url), expected);
            let debugged = format!("{:?}", Remote::Url(url));
            assert_eq!(debugged, format!("Url({expected:?})"));
        }
    }
}
