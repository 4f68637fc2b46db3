//! Pages of lists: how many, after what, and where the next one is
//! (distribution-spec, "Listing Tags").

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{ApiError, Code};
use super::query::Query;

/// The names of one page, at most, and where the client asks for no number.
const NAMES_LIMIT: usize = 10_000;

/// Says which page is wanted.
#[derive(Debug)]
pub(super) struct PageRequest<'a> {
    /// The last name of the page before; empty for the first.
    pub(super) after: &'a str,
    /// How many names.
    pub(super) limit: usize,
}

impl<'a> PageRequest<'a> {
    /// Reads `n` and `last`.
    pub(super) fn parse(query: &'a Query) -> Result<Self, ApiError> {
        let limit = match query.first("n") {
            None => NAMES_LIMIT,
            Some(text) => {
                // More digits than a number has still mean "all".
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if !digits {
                    return Err(ApiError::new(
                        400,
                        Code::PaginationNumberInvalid,
                        "`n` is not a number of names, 0 or more",
                    ));
                }
                text.parse().unwrap_or(NAMES_LIMIT).min(NAMES_LIMIT)
            }
        };
        Ok(Self {
            after: query.first("last").unwrap_or_default(),
            limit,
        })
    }
}

/// Points at the page after `last` (RFC 8288).
pub(super) fn next_link(path: &str, limit: usize, last: &str, more: &str) -> String {
    let last = utf8_percent_encode(last, NON_ALPHANUMERIC);
    format!("<{path}?n={limit}&last={last}{more}>; rel=\"next\"")
}
