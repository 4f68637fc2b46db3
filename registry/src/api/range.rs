//! Byte ranges: which part of a blob is wanted, and which part of an upload
//! is coming.

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, IF_RANGE, RANGE};
use blob::ByteRange;
use oci::Digest;

use super::error::{ApiError, Code};
use super::respond::etag;

/// Says what of a blob to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// This part.
    Part(ByteRange),
    /// A part that it does not have.
    Outside,
}

/// Reads which part of a blob is wanted (RFC 9110, section 14.2). Several
/// parts at once, other units, and a part of another version mean the whole.
pub(super) fn wanted(headers: &HeaderMap, digest: &Digest, size: u64) -> Wanted {
    let other_version = headers
        .get(IF_RANGE)
        .is_some_and(|tag| tag.as_bytes() != etag(digest).as_bytes());
    let Some(value) = headers.get(RANGE).filter(|_| !other_version) else {
        return Wanted::Whole;
    };
    let Some(text) = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().strip_prefix("bytes="))
    else {
        return Wanted::Whole;
    };
    if text.contains(',') {
        return Wanted::Whole;
    }
    match part(text.trim(), size) {
        Some(range) if range.start < range.end => Wanted::Part(range),
        _ => Wanted::Outside,
    }
}

fn part(text: &str, size: u64) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    if first.is_empty() {
        let length = number(last)?;
        return Some(ByteRange {
            start: size.saturating_sub(length),
            end: size,
        });
    }
    let start = number(first)?;
    let end = if last.is_empty() {
        size
    } else {
        number(last)?.saturating_add(1).min(size)
    };
    Some(ByteRange { start, end })
}

/// Reads a number of digits alone: `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Reads which part of an upload is coming, if the client counts its bytes
/// (distribution-spec, "Pushing a blob in chunks": `<start>-<end>`, both
/// inclusive).
pub(super) fn coming(headers: &HeaderMap) -> Result<Option<ByteRange>, ApiError> {
    let Some(value) = headers.get(CONTENT_RANGE) else {
        return Ok(None);
    };
    let invalid = || {
        ApiError::new(
            400,
            Code::BlobUploadInvalid,
            "`Content-Range` is not `<first byte>-<last byte>`",
        )
    };
    let text = value.to_str().map_err(|_not_text| invalid())?.trim();
    // Some clients write it as RFC 9110 does.
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let text = text.split('/').next().unwrap_or(text);
    let (first, last) = text.split_once('-').ok_or_else(invalid)?;
    let start = number(first)
        .filter(|_| !first.is_empty())
        .ok_or_else(invalid)?;
    let last = number(last)
        .filter(|_| !last.is_empty())
        .ok_or_else(invalid)?;
    let end = last
        .checked_add(1)
        .filter(|end| *end > start)
        .ok_or_else(invalid)?;
    let range = ByteRange { start, end };
    match content_length(headers) {
        Some(length) if length != range.length() => Err(ApiError::new(
            400,
            Code::SizeInvalid,
            format!(
                "`Content-Range` names {} bytes, `Content-Length` {length}",
                range.length()
            ),
        )),
        _ => Ok(Some(range)),
    }
}

/// Reads how many bytes a body says it has.
pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok().and_then(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_blob() {
        let digest = Digest::sha256(b"x");
        let part = |start, end| Wanted::Part(ByteRange { start, end });
        for (text, expected) in [
            ("bytes=500-1499", part(500, 1500)),
            ("bytes=500-", part(500, 2048)),
            ("bytes=-500", part(1548, 2048)),
            ("bytes=-5000", part(0, 2048)),
            ("bytes=2000-5000", part(2000, 2048)),
            ("bytes=0-0", part(0, 1)),
            ("bytes=500-0", Wanted::Outside),
            ("bytes=5000-10000", Wanted::Outside),
            ("bytes=2048-", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=-", Wanted::Outside),
            ("bytes=a-b", Wanted::Outside),
            ("bytes=+1-2", Wanted::Outside),
            ("bytes=0-99999999999999999999", Wanted::Outside),
            ("bytes=0-18446744073709551615", part(0, 2048)),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, text.parse().expect("a header"));
            assert_eq!(wanted(&headers, &digest, 2048), expected, "{text}");
            headers.insert(IF_RANGE, "\"another\"".parse().expect("a header"));
            assert_eq!(wanted(&headers, &digest, 2048), Wanted::Whole, "{text}");
        }
    }

    #[test]
    fn parts_of_an_upload() {
        for (text, length, expected) in [
            ("0-9", Some(10), Some((0, 10))),
            ("bytes 5-9/*", None, Some((5, 10))),
            ("0-9", Some(9), None),
            ("9-0", None, None),
            ("-9", None, None),
            ("9-", None, None),
            ("x-y", None, None),
            ("0-18446744073709551615", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().expect("a header"));
            if let Some(length) = length {
                headers.insert(CONTENT_LENGTH, u64::into(length));
            }
            let range = coming(&headers)
                .ok()
                .flatten()
                .map(|range| (range.start, range.end));
            assert_eq!(range, expected, "{text}");
        }
    }
}
