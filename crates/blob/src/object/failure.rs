//! What an object store says when it fails, without what is nobody's
//! business: URLs lose their queries, bodies all but their code and message.

use object_store::Error as StoreError;
use object_store::path::Path;

use crate::error::{Error, ErrorKind};

/// Holds what a store said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Answer(String);

/// The most characters of an answer that are passed on.
const MOST: usize = 500;

/// What stores call it when nothing more fits.
const FULL: [&str; 7] = [
    "QuotaExceeded",
    "QuotaExceededException",
    "StorageFull",
    "XMinioStorageFull",
    "XMinioAdminBucketQuotaExceeded",
    "InsufficientStorage",
    "507 Insufficient Storage",
];

/// What stores call it when they have no such operation.
const UNSUPPORTED: [&str; 3] = ["NotImplemented", "MethodNotAllowed", "501 Not Implemented"];

/// What stores call it when a key is too long.
const TOO_LONG: [&str; 1] = ["KeyTooLongError"];

pub(super) fn failed(what: &str, path: &Path, error: StoreError) -> Error {
    caused(format!("can not {what} `{path}`"), &error)
}

pub(super) fn caused(context: String, error: &StoreError) -> Error {
    let said = words(error);
    let answer = Answer(clean(&said));
    let kind = match error {
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => {
            ErrorKind::Unsupported
        }
        _ => kind(&said),
    };
    Error::caused(kind, context, answer)
}

/// Gives what a store said.
pub(super) fn answer(error: &StoreError) -> Answer {
    Answer(clean(&words(error)))
}

/// Puts the chain of causes in one line, each but once.
fn words(error: &StoreError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        cause = error.source();
    }
    said
}

fn kind(said: &str) -> ErrorKind {
    // A status stands before the body, a code within it: nobody else's words
    // are looked at.
    let status = said
        .split_once("status code: ")
        .map_or("", |(_, rest)| rest);
    let code = element(said, "Code").unwrap_or_default();
    let is = |names: &[&str]| {
        names
            .iter()
            .any(|name| code == *name || status.starts_with(name))
    };
    if is(&FULL) {
        ErrorKind::Full
    } else if is(&UNSUPPORTED) {
        ErrorKind::Unsupported
    } else if is(&TOO_LONG) {
        ErrorKind::TooLarge
    } else {
        ErrorKind::Unavailable
    }
}

/// Leaves out what could let somebody in.
fn clean(said: &str) -> String {
    let (before, body) = match said.find('<') {
        Some(at) => said.split_at(at),
        None => (said, ""),
    };
    let words: Vec<&str> = before
        .split_whitespace()
        .map(|word| match word.contains("://") || word.contains('?') {
            true => word.split('?').next().unwrap_or_default(),
            false => word,
        })
        .collect();
    let mut text = words.join(" ");
    for name in ["Code", "Message"] {
        if let Some(value) = element(body, name) {
            text.push_str(" `");
            text.push_str(value);
            text.push('`');
        }
    }
    text.chars().take(MOST).collect()
}

/// Gives the text of an element of an answer in XML.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: &str, code: &str) -> StoreError {
        StoreError::Generic {
            store: "S3",
            source: format!(
                "Error performing PUT https://host/bucket/key?sig=SECRET&x=SECRET in 3ms - \
                 Server returned non-2xx status code: {status}: <?xml version=\"1.0\"?><Error>\
                 <Code>{code}</Code><Message>Some words</Message>\
                 <StringToSign>SECRET</StringToSign></Error>"
            )
            .into(),
        }
    }

    #[test]
    fn secrets_are_left_out() {
        let error = failed(
            "write",
            &Path::from("a"),
            answered("403 Forbidden", "Denied"),
        );
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(!said.contains("SECRET") && !format!("{error:?}").contains("SECRET"));
        assert_eq!(
            said,
            "Generic S3 error: Error performing PUT https://host/bucket/key in 3ms - Server \
             returned non-2xx status code: 403 Forbidden: `Denied` `Some words`"
        );
    }

    #[test]
    fn answers_have_their_kinds() {
        for (status, code, kind) in [
            ("507 Insufficient Storage", "", ErrorKind::Full),
            ("400 Bad Request", "QuotaExceeded", ErrorKind::Full),
            (
                "503 Service Unavailable",
                "SlowDown",
                ErrorKind::Unavailable,
            ),
            ("501 Not Implemented", "", ErrorKind::Unsupported),
            ("400 Bad Request", "KeyTooLongError", ErrorKind::TooLarge),
            ("403 Forbidden", "AccessDenied", ErrorKind::Unavailable),
        ] {
            let error = failed("write", &Path::from("a"), answered(status, code));
            assert_eq!(error.kind(), kind, "{status} {code}");
        }
    }
}
