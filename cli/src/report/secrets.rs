//! Passwords in what is said: URLs may hold them, and are in messages of all
//! kinds. Who may say them is not asked; nobody does.

/// What is said instead.
const REDACTED: &str = "[redacted]";

/// How digests start, whose names precede them with `@` as users do hosts.
const DIGESTS: [&str; 2] = ["sha256:", "sha512:"];

/// The digits from which on hexadecimal is taken for a digest of any kind.
const DIGEST_DIGITS: usize = 32;

/// Takes user names and passwords out of URLs (RFC 3986, section 3.2.1), and
/// out of hosts where a colon tells a password.
pub(crate) fn redact(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character| !is_end(character)) {
        let (between, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(is_end).unwrap_or(word.len()));
        redacted.push_str(between);
        redact_word(word, &mut redacted);
        rest = after;
    }
    redacted.push_str(rest);
    redacted
}

/// Says whether no URL goes on over this.
fn is_end(character: char) -> bool {
    character.is_whitespace() || matches!(character, '`' | '"' | '\'' | '<' | '>' | '(' | ')' | ',')
}

/// Says whether a text starts with the name of a host: what stands before the
/// `@` of `NAME:TAG@$DIGEST` is no password.
fn is_host(text: &str) -> bool {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let host = text.get(..end).unwrap_or_default();
    let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    !name.is_empty() && name.bytes().all(is_name) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn redact_word(word: &str, redacted: &mut String) {
    let (scheme, rest) = match word.find("://") {
        Some(end) => word.split_at(end + 3),
        None => ("", word),
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let secret = last_user(rest, authority).filter(|end| {
        // `ssh://git@host` has a user, and `a@b` may be anything.
        let user = rest.get(..*end).unwrap_or_default();
        user.contains(':') || (!scheme.is_empty() && scheme != "ssh://")
    });
    // A password with a slash is no valid one, and is there all the same.
    let secret = secret.or_else(|| {
        let (_, port) = rest.get(..authority)?.split_once(':')?;
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        let user = last_user(rest, rest.len()).filter(|_| !is_port)?;
        // Nor is `git@host:path` one, where the colon comes after the host.
        rest.get(..user)?.contains(':').then_some(user)
    });
    let is_secret =
        |end: &usize| !scheme.is_empty() || is_host(rest.get(end + 1..).unwrap_or_default());
    let secret = secret.filter(is_secret);
    redacted.push_str(scheme);
    match secret.and_then(|end| rest.get(end..)) {
        Some(host) => redacted.extend([REDACTED, host]),
        None => redacted.push_str(rest),
    }
}

/// Finds the last `@` before an end that no digest follows.
fn last_user(text: &str, end: usize) -> Option<usize> {
    let before = text.get(..end)?;
    let mut users = before.rmatch_indices('@').map(|(at, _)| at);
    users.find(|at| !is_digest(text.get(at + 1..).unwrap_or_default()))
}

fn is_digest(text: &str) -> bool {
    let hex = text.split_once(':').map_or("", |(_, hex)| hex);
    let digits = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
    DIGESTS.iter().any(|start| text.starts_with(start)) || digits >= DIGEST_DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_taken_out() {
        for (text, expected) in [
            ("https://a:b@h.test/x", "https://[redacted]@h.test/x"),
            ("https://token@h.test", "https://[redacted]@h.test"),
            (
                "at `http://a:b@h:1/x@y`, or",
                "at `http://[redacted]@h:1/x@y`, or",
            ),
            ("docker://a:b@h.test/x:1", "docker://[redacted]@h.test/x:1"),
            ("[\"a:b@h.test/c\"]", "[\"[redacted]@h.test/c\"]"),
            ("https://a:b/c@h.test/x", "https://[redacted]@h.test/x"),
            ("a:b@c@h.test", "[redacted]@h.test"),
            ("ssh://git:b@h.test", "ssh://[redacted]@h.test"),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_left() {
        let hex = "0".repeat(DIGEST_DIGITS);
        for text in [
            "",
            "`docker://busybox:1@sha256:00`",
            "oci:dir:1",
            "h.test:5000/x:1@sha512:00",
            &format!("docker://x:1@blake3:{hex}"),
            "git@github.com/a.git",
            "ssh://git@github.com/a.git",
            "`git@github.com:o/r.git`",
            "git@github.com:o/r.git#main:sub",
            "FROM debian:12@${DIGEST}",
            "COPY --from=debian:12@$D a /",
            "debian:12@sha25:0123456789abcdef",
            "https://h.test/@scope/package",
            "https://h.test:5000/@scope/package",
            "somebody@example.com and `é@ü`",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
