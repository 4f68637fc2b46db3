//! The ports of `EXPOSE`.

use crate::check::finding::Findings;
use crate::check::rules;
use crate::diagnostic::excerpt;
use crate::text::Text;

/// The protocols that a port can have.
const PROTOCOLS: [&str; 3] = ["sctp", "tcp", "udp"];

/// Checks a port; `value` is the text once it is expanded.
pub(super) fn check(text: &Text, value: &str, findings: &mut Findings<'_>) {
    let (mapping, port) = match value.rsplit_once(':') {
        Some((mapping, port)) => (Some(mapping), port),
        None => (None, value),
    };
    let (number, protocol) = port.split_once('/').unwrap_or((port, ""));
    let lower = protocol.to_ascii_lowercase();
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '-';
    // What is no port is a mistake, and said elsewhere.
    if number.is_empty() || !number.chars().all(is_number) {
        return;
    }
    let is_known = lower.is_empty() || PROTOCOLS.contains(&lower.as_str());
    if is_known && protocol != lower {
        let written = text.as_str().rfind(protocol);
        let span = written.map_or(text.span(), |at| text.span_of(at..at + protocol.len()));
        let message = format!("the protocol `{protocol}` has capital letters");
        let hint = format!("write `{number}/{lower}`");
        findings.say(rules::EXPOSE_PROTO_CASING, span, message, hint);
    }
    if is_known && mapping.is_some_and(|mapping| !mapping.is_empty()) {
        let message = format!("`{}` names an address or port of the host", excerpt(value));
        let suffix = if lower.is_empty() { "" } else { "/" };
        let hint =
            format!("write `{number}{suffix}{lower}`, and map it where the container is started");
        findings.say(rules::EXPOSE_INVALID_FORMAT, text.span(), message, hint);
    }
}
