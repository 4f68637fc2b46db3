//! Who calls, and what they may do.
//!
//! Passwords come by Basic authentication with every request, so a password
//! that was right is remembered for a minute: as a keyed hash, never as
//! itself. Tokens come with the access issue.

mod htpasswd;
mod passwords;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::Clock;

use self::passwords::Passwords;
use crate::api::ApiError;
use crate::settings::{Access, Anonymous, Random};

pub use self::htpasswd::{Htpasswd, HtpasswdError};

/// Says what a request wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// Read manifests, blobs and lists.
    Read,
    /// Push, mount, move tags and delete.
    Write,
}

/// Names who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Nobody in particular.
    Anonymous,
    /// Whoever has this user's password.
    User(String),
}

/// Tells callers apart.
#[derive(Debug)]
pub(crate) struct Authenticator {
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Passwords(Passwords),
    Anonymous(Anonymous),
}

impl Authenticator {
    pub(crate) fn new(access: &Access, clock: &Clock, random: &Random) -> Self {
        let rule = match access {
            Access::Passwords(htpasswd) => {
                Rule::Passwords(Passwords::new(htpasswd.clone(), clock, random))
            }
            Access::Anonymous(anonymous) => Rule::Anonymous(*anonymous),
        };
        Self { rule }
    }

    /// Finds out who makes a request.
    ///
    /// # Errors
    ///
    /// Fails with a challenge when credentials were given and are wrong.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Rule::Passwords(passwords) = &self.rule else {
            // Where everybody is anonymous nobody's password is asked, and
            // clients that send one all the same are not turned away.
            return Ok(Caller::Anonymous);
        };
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Ok(Caller::Anonymous);
        };
        let Some((user, password)) = value.to_str().ok().and_then(parse_basic) else {
            return Err(ApiError::unauthorized(
                "credentials are not of the form `Basic base64(user:password)`",
            ));
        };
        if passwords.accept(&user, &password).await {
            Ok(Caller::User(user))
        } else {
            Err(ApiError::unauthorized("user name or password is wrong"))
        }
    }

    /// Decides whether a caller has a right.
    pub(crate) fn check(&self, caller: &Caller, right: Right) -> Result<(), ApiError> {
        match (&self.rule, caller, right) {
            (Rule::Passwords(_), Caller::User(_), _)
            | (Rule::Anonymous(Anonymous::Push), _, _)
            | (Rule::Anonymous(Anonymous::Pull), _, Right::Read) => Ok(()),
            (Rule::Passwords(_), Caller::Anonymous, _) => {
                Err(ApiError::unauthorized("credentials are needed"))
            }
            (Rule::Anonymous(Anonymous::Pull), _, Right::Write) => {
                Err(ApiError::denied("this registry is read-only"))
            }
        }
    }
}

/// Reads a Basic `Authorization` header (RFC 7617).
fn parse_basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
