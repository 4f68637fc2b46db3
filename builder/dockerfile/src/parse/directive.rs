//! The lines such as `# escape=` at the top of a file. What `syntax` and
//! `check` say is kept and not looked at.

use crate::ast::{Directive, Dockerfile, Escape};
use crate::diagnostic::excerpt;
use crate::parse::code;
use crate::parse::lines::Line;
use crate::parse::report::Report;
use crate::text::Text;

/// The names that directives have.
const NAMES: [&str; 3] = ["check", "escape", "syntax"];

/// Knows whether directives may still come.
#[derive(Debug, Default)]
pub(super) struct Directives {
    /// A line stood above that ends them.
    closed: bool,
    /// The first line was `#!`, which ends `escape` and no other.
    shebang: bool,
    /// An instruction stood above; whatever follows is meant as a comment.
    silent: bool,
}

impl Directives {
    /// Takes note of a line that is an instruction or empty.
    pub(super) fn close(&mut self, instruction: bool) {
        self.closed = true;
        self.silent |= instruction;
    }

    /// Reads a comment, which may be a directive.
    pub(super) fn read(&mut self, line: Line<'_>, file: &mut Dockerfile, report: &mut Report) {
        if self.silent {
            return;
        }
        if file.directives.is_empty() && !self.closed && line.text.starts_with("#!") {
            self.closed |= self.shebang;
            self.shebang = true;
            return;
        }
        let Some(directive) = directive(line) else {
            self.closed = true;
            return;
        };
        let name = directive.name.as_str();
        let span = directive.name.span();
        if self.closed || (self.shebang && name == "escape") {
            let message = format!("`{name}` is only a comment here");
            report
                .warning(code::LATE_DIRECTIVE, span, message)
                .hint("directives stand above every other line of the file");
            return;
        }
        if file
            .directives
            .iter()
            .any(|other| other.name.as_str() == name)
        {
            let message = format!("the directive `{name}` is given a second time");
            report
                .error(code::DUPLICATE_DIRECTIVE, span, message)
                .hint("delete one of the two");
            return;
        }
        if name == "escape" {
            match directive.value.as_str() {
                "\\" => file.escape = Escape::Backslash,
                "`" => file.escape = Escape::Backtick,
                other => {
                    let message = match other {
                        "" => "the escape character is missing".to_owned(),
                        _ => format!("`{}` is not an escape character", excerpt(other)),
                    };
                    report
                        .error(code::INVALID_ESCAPE, directive.value.span(), message)
                        .hint("it is a backslash or a backtick");
                }
            }
        }
        file.directives.push(directive);
    }
}

/// Reads a directive from a line of the form `# NAME = VALUE`.
fn directive(line: Line<'_>) -> Option<Directive> {
    let text = Text::new(line.text, line.start);
    let (head, tail) = line.text.split_once('=')?;
    let comment = head.len() - head.trim_start().strip_prefix('#')?.len();
    let name = text.slice(comment..head.len()).trim().to_lowercase();
    // Blanks alone are a value, and the wrong one.
    if !NAMES.contains(&name.as_str()) || tail.is_empty() {
        return None;
    }
    let value = text.slice(head.len() + 1..line.text.len()).trim();
    Some(Directive { name, value })
}

/// Says whether a line would be a directive at the top of a file.
pub(crate) fn is_directive(text: &str) -> bool {
    let line = Line {
        text,
        raw: text,
        start: 0,
    };
    directive(line).is_some()
}
