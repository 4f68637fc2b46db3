//! Where a redirect may lead. Followed by hand, so that what proves who asks
//! is never carried to another host.

use http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::error::{Error, shown};

/// The most redirects that one request follows.
pub(super) const REDIRECTS: u32 = 10;

/// Gives the place that an answer redirects to, if it does.
///
/// # Errors
///
/// Fails where the place is no URL, or gives up encryption.
pub(super) fn target(
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Url>, Error> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    place(from, headers).map(Some)
}

/// Reads the `Location` of an answer, relative to what was asked.
///
/// # Errors
///
/// Fails where there is none, it is no URL, or it gives up encryption.
pub(crate) fn place(from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let missing = || {
        Error::protocol(format!(
            "`{}` answered without a usable `Location`",
            shown(from)
        ))
    };
    let location = headers.get(header::LOCATION).ok_or_else(missing)?;
    let location = String::from_utf8_lossy(location.as_bytes());
    let url = from.join(&location).map_err(|_not_a_url| missing())?;
    let kept = url.scheme() == from.scheme() || (from.scheme(), url.scheme()) == ("http", "https");
    if !kept || url.host_str().is_none() {
        return Err(Error::protocol(format!(
            "`{}` leads on to `{}`, which gives up encryption; the registry may not know that it is reached through a proxy",
            shown(from),
            shown(&url)
        )));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn locations() {
        let from: Url = "https://r.example:5000/v2/a/blobs/uploads/?x=1"
            .parse()
            .expect("a URL");
        for (location, expected) in [
            (
                "/v2/u/1?_state=a%3D",
                Some("https://r.example:5000/v2/u/1?_state=a%3D"),
            ),
            ("1?s", Some("https://r.example:5000/v2/a/blobs/uploads/1?s")),
            ("https://s.example/x", Some("https://s.example/x")),
            ("//s.example/x", Some("https://s.example/x")),
            ("http://r.example:5000/x", None),
            ("ftp://s.example/x", None),
            ("data:text/plain,x", None),
            ("https://", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, HeaderValue::from_static(location));
            let found = place(&from, &headers).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{location}");
        }
        assert!(place(&from, &HeaderMap::new()).is_err());
    }
}
