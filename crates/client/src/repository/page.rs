//! Lists that come in pages (distribution-spec, "Listing Tags"): `Link` leads
//! from each to the next.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderMap, header};
use oci::ParseError;
use url::Url;

use crate::auth::is_own;
use crate::error::{Error, ErrorKind};
use crate::progress::Silent;
use crate::transport::{Endpoint, Request, Transport, Watch};

/// The largest page that is read, in bytes. Registries that ignore `n` answer
/// with everything at once.
const PAGE_LIMIT: usize = 16 * 1024 * 1024;

/// The most pages of one list that are read.
const PAGES: u32 = 100_000;

/// Says which list it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listing {
    Tags,
    Repositories,
}

/// Gives a list page by page.
pub struct Pages<T> {
    transport: Arc<Transport>,
    endpoint: Arc<Endpoint>,
    next: Option<Request>,
    listing: Listing,
    read: u32,
    noun: PhantomData<fn() -> T>,
}

#[derive(serde::Deserialize)]
struct Page {
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl<T: FromStr<Err = ParseError>> Pages<T> {
    pub(crate) fn new(
        (transport, endpoint): (&Arc<Transport>, &Arc<Endpoint>),
        first: Request,
        listing: Listing,
    ) -> Self {
        Self {
            transport: Arc::clone(transport),
            endpoint: Arc::clone(endpoint),
            next: Some(first),
            listing,
            read: 0,
            noun: PhantomData,
        }
    }

    /// Fetches the next page; `None` after the last one. A page can be empty.
    /// Names that are none are left out.
    ///
    /// # Errors
    ///
    /// Fails when the registry does, or leads elsewhere or in a circle.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let Some(request) = self.next.take() else {
            return Ok(None);
        };
        let watch = Watch {
            attempts: self.transport.patience.begin(),
            progress: &Silent,
        };
        let answer = self
            .transport
            .exchange(&self.endpoint, &request, PAGE_LIMIT, watch)
            .await?
            .successful(&request)?;
        self.read += 1;
        if let Some(url) = next_page(&request.url, &answer.headers)? {
            if self.read == PAGES {
                return Err(Error::protocol(format!(
                    "{} has more than {PAGES} pages",
                    request.asked()
                )));
            }
            self.next = Some(Request {
                url,
                ..request.clone()
            });
        }
        let page: Page = serde_json::from_slice(&answer.body).map_err(|error| {
            let context = format!("{} answered no list", request.asked());
            Error::caused(ErrorKind::Protocol, context, error)
        })?;
        let names = match self.listing {
            Listing::Tags => page.tags,
            Listing::Repositories => page.repositories,
        };
        Ok(Some(
            names
                .unwrap_or_default()
                .iter()
                .filter_map(|name| noun(name))
                .collect(),
        ))
    }

    /// Fetches all pages.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Protocol`] where there are more than `limit`
    /// entries, and as [`Pages::next`] does.
    pub async fn collect(mut self, limit: usize) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
            if all.len() > limit {
                return Err(Error::protocol(format!(
                    "the list of `{}` has more than {limit} entries",
                    self.endpoint.registry
                )));
            }
        }
        Ok(all)
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("listing", &self.listing)
            .field("read", &self.read)
            .finish_non_exhaustive()
    }
}

fn noun<T: FromStr<Err = ParseError>>(text: &str) -> Option<T> {
    text.parse()
        .inspect_err(|error| tracing::warn!(%error, "left out of a list"))
        .ok()
}

/// Finds the next page, which has to be of the same registry and another one.
pub(super) fn next_page(asked: &Url, headers: &HeaderMap) -> Result<Option<Url>, Error> {
    let target = headers
        .get_all(header::LINK)
        .into_iter()
        .find_map(|line| link_to_next(&String::from_utf8_lossy(line.as_bytes())));
    let Some(target) = target else {
        return Ok(None);
    };
    match asked.join(&target) {
        Ok(url) if is_own(&url, asked) && url != *asked => Ok(Some(url)),
        _ => Err(Error::protocol(
            "the `Link` to the next page leads elsewhere or back",
        )),
    }
}

/// Reads one line of `Link` (RFC 8288, section 3) for the target whose
/// relation is `next`.
fn link_to_next(line: &str) -> Option<String> {
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        // Parameters go up to the next link, which starts with a bracket.
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                let value = value.trim().trim_matches('"');
                name.trim().eq_ignore_ascii_case("rel")
                    && value.split(' ').any(|rel| rel.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = &after[end..];
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn links() {
        for (line, expected) in [
            (
                r#"</v2/a/tags/list?n=1&last=b>; rel="next""#,
                Some("/v2/a/tags/list?n=1&last=b"),
            ),
            ("<x>; rel=next", Some("x")),
            ("<x> ; title=y ; REL=\"prev next\"", Some("x")),
            ("<a>; rel=\"prev\", <b>; rel=\"next\"", Some("b")),
            ("<a>; rel=\"prev\"", None),
            ("<a>", None),
            ("<a", None),
            ("", None),
        ] {
            assert_eq!(link_to_next(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn the_next_page_is_of_the_same_registry() {
        let asked: Url = "https://r.example/v2/a/tags/list?n=2"
            .parse()
            .expect("a URL");
        for (target, accepted) in [
            ("/v2/a/tags/list?n=2&last=x", true),
            ("?last=x", true),
            ("https://r.example/v2/a/tags/list?last=x", true),
            ("https://evil.example/v2/a/tags/list?last=x", false),
            ("http://r.example/v2/a/tags/list?last=x", false),
            ("/v2/a/tags/list?n=2", false),
        ] {
            let mut headers = HeaderMap::new();
            let link = format!("<{target}>; rel=\"next\"");
            headers.insert(header::LINK, link.parse().expect("a header"));
            assert_eq!(next_page(&asked, &headers).is_ok(), accepted, "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_link_has_an_answer(line: String) {
            link_to_next(&line);
        }
    }
}
