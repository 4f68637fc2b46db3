//! The error of every verb.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use url::Url;

mod body;

/// Is any cause of an error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Says what a caller can do about a failed verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The registry does not have it (404).
    NotFound,
    /// The registry wants other credentials (401) or none of these suffice
    /// (403), or the credentials could not be had.
    Denied,
    /// The registry refused for another reason; the same request will be
    /// refused again.
    Rejected,
    /// The registry could not be reached or failed, also when tried again.
    Unavailable,
    /// No encrypted connection that can be trusted came about.
    Tls,
    /// The answer is not what the specification promises.
    Protocol,
    /// The content is not what its digest and size promise.
    Mismatch,
    /// The bytes to be uploaded could not be read.
    Source,
}

/// Reports a failed verb: what was asked, what was answered, and why.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: String,
    status: Option<StatusCode>,
    reasons: Vec<Reason>,
    retry: Retry,
    source: Option<BoxError>,
}

/// Is one entry of the list of errors that registries answer with
/// (distribution-spec, "Error Codes").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The code, such as `MANIFEST_UNKNOWN`; empty where the registry answered
    /// in another form.
    pub code: String,
    /// The text, cut short, with control characters escaped.
    pub message: String,
}

/// Says whether the same request may do better later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    Soon,
    After(Duration),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<String>) -> Self {
        Self {
            kind,
            context: context.into(),
            status: None,
            reasons: Vec::new(),
            retry: Retry::Never,
            source: None,
        }
    }

    pub(crate) fn caused(
        kind: ErrorKind,
        context: impl Into<String>,
        source: impl Into<BoxError>,
    ) -> Self {
        let mut error = Self::new(kind, context);
        error.source = Some(source.into());
        error
    }

    /// Reports an answer that breaks the specification.
    pub(crate) fn protocol(context: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, context)
    }

    /// Reports a refusal from its status and body.
    pub(crate) fn refusal(asked: &Asked<'_>, status: StatusCode, body: &[u8]) -> Self {
        let kind = match status.as_u16() {
            404 => ErrorKind::NotFound,
            401 | 403 => ErrorKind::Denied,
            408 | 429 | 500..=599 => ErrorKind::Unavailable,
            400..=499 => ErrorKind::Rejected,
            _ => ErrorKind::Protocol,
        };
        let mut error = Self::new(kind, format!("{asked} answered {status}"));
        error.status = Some(status);
        error.reasons = body::reasons(body);
        error
    }

    /// Reports a request that got no answer, or a body that broke off.
    pub(crate) fn network(asked: &Asked<'_>, cause: reqwest::Error) -> Self {
        // The URL in it may hold a signature; ours is shown without query.
        let cause = cause.without_url();
        let tls = is_caused_by::<rustls::Error>(&cause, |_any| true);
        let kind = if tls {
            ErrorKind::Tls
        } else {
            ErrorKind::Unavailable
        };
        let mut error = Self::caused(kind, format!("{asked} failed"), cause);
        if !tls {
            error.retry = Retry::Soon;
        }
        error
    }

    /// Reports a silence that was too long.
    pub(crate) fn silence(asked: &Asked<'_>, limit: Duration) -> Self {
        Self::new(
            ErrorKind::Unavailable,
            format!("{asked} got nothing for {} seconds", limit.as_secs()),
        )
        .retrying(Retry::Soon)
    }

    pub(crate) fn retrying(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Puts what was being done before what failed.
    pub(crate) fn noting(mut self, note: &str) -> Self {
        self.context = format!("{} ({note})", self.context);
        self
    }

    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn retry(&self) -> Retry {
        self.retry
    }

    /// Says what can be done about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Gives the status that the registry answered with, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// Gives the reasons that the registry named.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// Says whether the registry named this code (distribution-spec, "Error
    /// Codes").
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.context)?;
        for (index, reason) in self.reasons.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { "; " })?;
            match (reason.code.as_str(), reason.message.as_str()) {
                ("", message) => f.write_str(message)?,
                (code, "") => f.write_str(code)?,
                (code, message) => write!(f, "{code}: {message}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Names a request in messages: method and URL, without what may be secret.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a http::Method,
    pub(crate) url: &'a Url,
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.method, shown(self.url))
    }
}

/// Shows a URL without user, password, query and fragment, any of which may
/// hold a secret.
pub(crate) fn shown(url: &Url) -> String {
    let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        text.push_str(&format!(":{port}"));
    }
    text.push_str(url.path());
    text
}

/// Says whether an error of this kind is among the causes, the error itself
/// included. An `io::Error` hides the error it wraps from `source`, so it is
/// looked into.
pub(crate) fn is_caused_by<E: std::error::Error + 'static>(
    error: &(dyn std::error::Error + 'static),
    wanted: fn(&E) -> bool,
) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<E>().is_some_and(wanted) {
            return true;
        }
        let wrapped = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped
            && is_caused_by(wrapped, wanted)
        {
            return true;
        }
        next = error.source();
    }
    false
}
