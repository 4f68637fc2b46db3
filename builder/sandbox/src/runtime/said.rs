//! What a runtime says when it could not start a command.

use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, ErrorKind};

/// Where it says it, in the bundle.
pub(super) const LOG: &str = "log";

/// How many bytes of it are read.
const LOG_LIMIT: u64 = 64 * 1024;

/// Reads what went wrong, if anything did: a command that failed leaves
/// nothing in there.
pub(super) fn error(bundle: &Path) -> Option<Error> {
    let mut text = Vec::new();
    let file = fs_err::File::open(bundle.join(LOG)).ok()?;
    file.take(LOG_LIMIT).read_to_end(&mut text).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

fn parse(text: &str) -> Option<Error> {
    let message = text.lines().rev().find_map(message)?;
    let (kind, code) = match of_command(&message) {
        Some(code) => (ErrorKind::Command, format!(" (exit code {code})")),
        None => (ErrorKind::System, String::new()),
    };
    let context = format!("the OCI runtime says: {message}{code}");
    Some(Error::new(kind, context))
}

/// Gives the message of a line that tells of an error: runc's and crun's, and
/// youki's form of it.
fn message(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let level = line.get("level")?.as_str()?;
    if !level.eq_ignore_ascii_case("error") && !level.eq_ignore_ascii_case("fatal") {
        return None;
    }
    let found = line.get("msg").or_else(|| line.pointer("/fields/message"));
    Some(found?.as_str()?.to_owned())
}

/// Says with which code a shell would have ended, where the program is what was
/// wrong.
fn of_command(message: &str) -> Option<u8> {
    let of_program = ["exec: \"", "executable file", "open executable", ": exec "];
    if !of_program.iter().any(|words| message.contains(words)) {
        return None;
    }
    let small = message.to_ascii_lowercase();
    let is_missing = small.contains("not found") || small.contains("no such file");
    Some(if is_missing { 127 } else { 126 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> (ErrorKind, String) {
        let line = serde_json::json!({ "level": "error", "msg": message }).to_string();
        let text = format!("{{\"level\":\"warning\",\"msg\":\"slow\"}}\nno json\n{line}\n");
        let error = parse(&text).unwrap();
        (error.kind(), error.to_string())
    }

    #[test]
    fn programs_and_the_rest() {
        let (kind, text) = said("unable to start: exec: \"nope\": executable file not found");
        assert_eq!(kind, ErrorKind::Command);
        assert!(text.ends_with("(exit code 127)"), "{text}");
        let (kind, text) = said("exec: \"/etc\": permission denied");
        assert_eq!(kind, ErrorKind::Command);
        assert!(text.ends_with("(exit code 126)"), "{text}");
        let (kind, text) = said("cannot mount `/x`: no such file or directory");
        assert_eq!(kind, ErrorKind::System);
        assert_eq!(
            text,
            "the OCI runtime says: cannot mount `/x`: no such file or directory"
        );
    }

    #[test]
    fn nothing_said() {
        assert_eq!(parse(""), None);
        assert_eq!(
            parse("{\"level\":\"warning\",\"msg\":\"slow\"}\n[]\n{\"level\":3}"),
            None
        );
        let youki = "{\"level\":\"ERROR\",\"fields\":{\"message\":\"broken\"}}";
        let found = parse(youki).map(|error| error.to_string());
        assert_eq!(found.as_deref(), Some("the OCI runtime says: broken"));
    }
}
