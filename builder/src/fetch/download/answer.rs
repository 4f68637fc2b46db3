//! What the answer of a server means: the file, another place, a failure that
//! may pass, or one that does not.

use std::time::{Duration, UNIX_EPOCH};

use layer::Time;
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::error::{Error, ErrorKind};
use crate::fetch::{name, shown};

/// The longest wait that a server may ask for. One that asks for more is not
/// waited for; its answer is reported.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// Says whether a failure may pass.
pub(super) enum Trouble {
    /// It may: another attempt is worth it, after the wait that was asked for.
    Passing {
        /// What failed.
        error: Error,
        /// The wait.
        after: Duration,
    },
    /// It does not.
    Final(Error),
}

/// Gives the place that an answer leads on to, if it does.
pub(super) fn redirect(from: &Url, response: &Response) -> Result<Option<Url>, Trouble> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION);
    let location = location.map(|value| String::from_utf8_lossy(value.as_bytes()));
    place(from, location.as_deref().unwrap_or_default()).map(Some)
}

/// Reads where an answer leads on to. Encryption is never given up.
fn place(from: &Url, location: &str) -> Result<Url, Trouble> {
    let failed = |what: String| {
        let message = format!("`{}` {what}", shown(from));
        Err(Trouble::Final(Error::new(ErrorKind::Fetch, message)))
    };
    let to = match from.join(location) {
        Ok(to) if !location.is_empty() => to,
        _ => return failed("leads on, but does not say where to".to_owned()),
    };
    match (from.scheme(), to.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(to),
        _ => failed(format!(
            "leads on to `{}`, which is not encrypted, or no web address",
            shown(&to)
        )),
    }
}

/// Takes an answer that has the file.
pub(super) fn accept(address: &Url, response: Response) -> Result<Response, Trouble> {
    let status = response.status();
    // A part of the file, or none, is not the file.
    if status == StatusCode::OK {
        return Ok(response);
    }
    let message = format!("`{}` answered {status}", shown(address));
    let kind = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        _ => ErrorKind::Fetch,
    };
    let error = Error::new(kind, message);
    match status.as_u16() {
        // A second attempt can not change these.
        501 | 505 => Err(Trouble::Final(error)),
        408 | 429 | 500..=599 => {
            let after = retry_after(response.headers()).unwrap_or_default();
            if after > LONGEST_ASKED {
                return Err(Trouble::Final(error));
            }
            Err(Trouble::Passing { error, after })
        }
        401 | 403 => Err(Trouble::Final(error.with_hint(
            "without credentials it can not be had; fetch it beforehand, and `COPY` it",
        ))),
        _ => Err(Trouble::Final(error)),
    }
}

/// Reads when the file was changed, in whole seconds (RFC 9110, section
/// 8.8.2).
pub(super) fn modified(headers: &HeaderMap) -> Option<Time> {
    let value = headers.get(header::LAST_MODIFIED)?.to_str().ok()?;
    let time = httpdate::parse_http_date(value).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Time::from_seconds(i64::try_from(seconds).ok()?))
}

/// Reads the name that the server gives the file.
pub(super) fn name(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_DISPOSITION)?;
    name::of_disposition(std::str::from_utf8(value.as_bytes()).ok()?)
}

/// Reads how many seconds to wait (RFC 9110, section 10.2.3). A date is not
/// waited for: there is no clock here.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encryption_is_never_given_up() {
        for (from, location, expected) in [
            ("https://h/a/b?c", "/d", Some("https://h/d")),
            ("https://me:pass@h/a", "/d", Some("https://me:pass@h/d")),
            ("https://me:pass@h/a", "//i/d", Some("https://i/d")),
            ("https://me:pass@h/a", "https://h/d", Some("https://h/d")),
            ("http://h/a", "https://i/d", Some("https://i/d")),
            ("http://h/a", "http://i/d", Some("http://i/d")),
            ("https://h/a", "http://h/a", None),
            ("https://h/a", "ftp://h/a", None),
            ("http://h/a", "file:///a", None),
            ("http://h/a", "http://", None),
            ("http://h/a", "", None),
        ] {
            let from = Url::parse(from).expect("a URL");
            let to = place(&from, location).ok().map(String::from);
            assert_eq!(to.as_deref(), expected, "{from} {location}");
        }
    }
}
