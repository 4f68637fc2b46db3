//! Password files as `htpasswd -B` writes them.

use std::collections::BTreeMap;
use std::fmt;

/// Holds users and the bcrypt hashes of their passwords.
#[derive(Clone)]
pub struct Htpasswd {
    users: BTreeMap<String, String>,
}

impl Htpasswd {
    /// Reads the text of a password file: a line `user:hash` for each user;
    /// empty lines and lines that start with `#` are skipped.
    ///
    /// # Errors
    ///
    /// Fails, naming the line, when a hash is no bcrypt hash: the older ones
    /// that `htpasswd` writes without `-B` are too weak to be accepted.
    pub fn parse(text: &str) -> Result<Self, HtpasswdError> {
        let mut users = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (user, hash) = line
                .split_once(':')
                .ok_or(HtpasswdError::Shape { line: number })?;
            if user.is_empty() {
                return Err(HtpasswdError::Shape { line: number });
            }
            let is_bcrypt = ["$2y$", "$2b$", "$2a$", "$2x$"]
                .iter()
                .any(|prefix| hash.starts_with(prefix))
                && hash.parse::<bcrypt::HashParts>().is_ok();
            if !is_bcrypt {
                return Err(HtpasswdError::Hash {
                    line: number,
                    user: user.to_owned(),
                });
            }
            if users.insert(user.to_owned(), hash.to_owned()).is_some() {
                return Err(HtpasswdError::Twice {
                    line: number,
                    user: user.to_owned(),
                });
            }
        }
        if users.is_empty() {
            return Err(HtpasswdError::Empty);
        }
        Ok(Self { users })
    }

    /// Gives a user's hash.
    pub(crate) fn hash(&self, user: &str) -> Option<&str> {
        self.users.get(user).map(String::as_str)
    }

    /// Gives the hash that a wrong user name is checked against, so that it
    /// takes as long as a wrong password.
    pub(crate) fn any_hash(&self) -> Option<&str> {
        self.users.values().next().map(String::as_str)
    }
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.users.keys().map(|user| (user, "[redacted]")))
            .finish()
    }
}

/// Reports a password file that can not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HtpasswdError {
    /// A line is not `user:hash`.
    #[error("line {line} is not of the form `user:hash`")]
    Shape {
        /// The number of the line, from 1.
        line: usize,
    },
    /// A hash is not bcrypt's.
    #[error("line {line}: the password of `{user}` is no bcrypt hash; `htpasswd -B` makes one")]
    Hash {
        /// The number of the line, from 1.
        line: usize,
        /// Whose line it is.
        user: String,
    },
    /// A user has two lines.
    #[error("line {line}: the user `{user}` was there before")]
    Twice {
        /// The number of the line, from 1.
        line: usize,
        /// Whose line it is.
        user: String,
    },
    /// There is no user, so that nobody could do anything.
    #[error("there is no user in it")]
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuD5zJqYvOZq3bQyLxV6n5e6VJ0jXKv7e";

    #[test]
    fn files_are_read_and_refused() {
        let good = format!("# staff\n\nalice:{HASH}\r\nbob:{HASH}\n");
        assert_eq!(Htpasswd::parse(&good).map(|h| h.users.len()), Ok(2));
        for (text, expected) in [
            (String::new(), HtpasswdError::Empty),
            ("alice".into(), HtpasswdError::Shape { line: 1 }),
            (format!(":{HASH}"), HtpasswdError::Shape { line: 1 }),
            (
                "\nalice:$apr1$x$y".into(),
                HtpasswdError::Hash {
                    line: 2,
                    user: "alice".into(),
                },
            ),
            (
                "alice:{SHA}abc".into(),
                HtpasswdError::Hash {
                    line: 1,
                    user: "alice".into(),
                },
            ),
            (
                format!("a:{HASH}\na:{HASH}"),
                HtpasswdError::Twice {
                    line: 2,
                    user: "a".into(),
                },
            ),
        ] {
            assert_eq!(Htpasswd::parse(&text).map(|_| ()), Err(expected), "{text}");
        }
    }

    #[test]
    fn hashes_are_not_shown() {
        let file = Htpasswd::parse(&format!("alice:{HASH}")).expect("valid");
        assert_eq!(format!("{file:?}"), r#"{"alice": "[redacted]"}"#);
    }
}
