//! Reading what registries and token endpoints say went wrong. The text comes
//! from outside, so it is cut short and made harmless.

use super::Reason;

/// The most reasons that are kept of one answer.
const REASONS: usize = 8;

/// The longest text that is kept of one reason, in characters.
const EXCERPT: usize = 300;

/// Finds the reasons in the body of a refusal: the list of distribution-spec,
/// "Error Codes", what token endpoints answer (RFC 6749, section 5.2, and
/// Docker's `details`), or one line of plain text.
pub(super) fn reasons(body: &[u8]) -> Vec<Reason> {
    match serde_json::from_slice::<Body>(body) {
        Ok(body) => from_json(body),
        Err(_other_json) if is_json(body) => Vec::new(),
        Err(_not_json) => from_text(body),
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Body {
    errors: Vec<Entry>,
    error: String,
    error_description: String,
    details: String,
    message: String,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Entry {
    code: String,
    message: String,
    detail: serde_json::Value,
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn from_json(body: Body) -> Vec<Reason> {
    if body.errors.is_empty() {
        let message = [body.error_description, body.details, body.message]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default();
        let reason = Reason {
            code: harmless(&body.error),
            message: harmless(&message),
        };
        let empty = reason.code.is_empty() && reason.message.is_empty();
        return if empty { Vec::new() } else { vec![reason] };
    }
    body.errors
        .into_iter()
        .take(REASONS)
        .map(|entry| {
            let message = match &entry.detail {
                serde_json::Value::String(detail) if entry.message.is_empty() => detail,
                _ => &entry.message,
            };
            Reason {
                code: harmless(&entry.code),
                message: harmless(message),
            }
        })
        .collect()
}

/// Takes the first line of an answer that is for people; pages of proxies say
/// nothing in their first line.
fn from_text(body: &[u8]) -> Vec<Reason> {
    let text = String::from_utf8_lossy(body);
    let line = text.trim_start().lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.starts_with(['<', '{', '[']) {
        return Vec::new();
    }
    vec![Reason {
        code: String::new(),
        message: harmless(line),
    }]
}

fn harmless(text: &str) -> String {
    let mut shown = String::new();
    for (index, character) in text.trim().chars().enumerate() {
        if index == EXCERPT {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(body: &str) -> Vec<(String, String)> {
        reasons(body.as_bytes())
            .into_iter()
            .map(|reason| (reason.code, reason.message))
            .collect()
    }

    #[test]
    fn the_forms_that_are_met() {
        for (body, code, message) in [
            (
                r#"{"errors":[{"code":"DENIED","message":"no","detail":{"x":1}}]}"#,
                "DENIED",
                "no",
            ),
            (r#"{"errors":[{"code":"X","detail":"why"}]}"#, "X", "why"),
            (r#"{"details":"wrong password"}"#, "", "wrong password"),
            (
                r#"{"error":"invalid_grant","error_description":"old"}"#,
                "invalid_grant",
                "old",
            ),
            ("upstream timed out\nsecond line", "", "upstream timed out"),
        ] {
            assert_eq!(
                shown(body),
                [(code.to_owned(), message.to_owned())],
                "{body}"
            );
        }
        for body in ["", "{}", "[]", "<html>x</html>", "null", r#"{"errors":[]}"#] {
            assert_eq!(shown(body), [], "{body}");
        }
    }

    #[test]
    fn control_characters_do_not_pass() {
        let reasons = shown("{\"errors\":[{\"code\":\"A\\nB\",\"message\":\"\\u001b[31mred\"}]}");
        assert_eq!(reasons, [("A\\nB".to_owned(), "\\u{1b}[31mred".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_body_has_short_harmless_reasons(body: Vec<u8>) {
            let reasons = reasons(&body);
            prop_assert!(reasons.len() <= REASONS);
            for reason in reasons {
                prop_assert!(!reason.message.contains(char::is_control));
                // An escape takes up to 10 characters.
                prop_assert!(reason.message.chars().count() <= 10 * EXCERPT + 1);
            }
        }
    }
}
