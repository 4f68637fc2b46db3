//! The options of a mount as they are written: a line of comma-separated values,
//! where double quotes hold a whole option with commas in it.

use std::ops::Range;

use crate::diagnostic::excerpt;
use crate::mount::MountError;

/// Is one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// What it says, without its quotes.
    pub(super) text: String,
    /// Where it stands, with its quotes.
    pub(super) range: Range<usize>,
    /// Says whether each byte of `text` stands as it is in `range`.
    plain: bool,
}

impl Field {
    /// Gives what is in front of the first `=`, in lower case, and what is behind.
    pub(super) fn split(&self) -> (String, Option<&str>) {
        match self.text.split_once('=') {
            Some((key, value)) => (key.to_ascii_lowercase(), Some(value)),
            None => (self.text.to_ascii_lowercase(), None),
        }
    }

    /// Gives where the part in front of the first `=` stands.
    pub(super) fn key_range(&self) -> Range<usize> {
        match self.text.find('=') {
            Some(at) if self.plain => self.range.start..self.range.start + at,
            _ => self.range.clone(),
        }
    }

    /// Gives where the part behind the first `=` stands.
    pub(super) fn value_range(&self) -> Range<usize> {
        match self.text.find('=') {
            Some(at) if self.plain && at + 1 < self.text.len() => {
                self.range.start + at + 1..self.range.end
            }
            _ => self.range.clone(),
        }
    }
}

/// Divides a text at its commas.
pub(super) fn split(text: &str) -> Result<Vec<Field>, MountError> {
    let mut fields = Vec::new();
    let mut start = 0;
    loop {
        let rest = text.get(start..).unwrap_or_default();
        let field = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside, start)?,
            None => bare(rest, start)?,
        };
        let end = field.range.end;
        fields.push(field);
        if end >= text.len() {
            return Ok(fields);
        }
        // What follows a field is a comma.
        start = end + 1;
    }
}

fn bare(rest: &str, start: usize) -> Result<Field, MountError> {
    let end = rest.find(',').unwrap_or(rest.len());
    let text = rest.get(..end).unwrap_or_default();
    if let Some(at) = text.find('"') {
        return Err(MountError::new(
            start + at..start + at + 1,
            format!("`{}` has a quote inside of it", excerpt(text)),
            "quotes stand around a whole option: `\"target=/a,b\"`",
        ));
    }
    Ok(Field {
        text: text.to_owned(),
        range: start..start + end,
        plain: true,
    })
}

/// Reads what stands behind a quote at `start`; two quotes are one of its letters.
fn quoted(inside: &str, start: usize) -> Result<Field, MountError> {
    let mut text = String::new();
    let mut letters = inside.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter != '"' {
            text.push(letter);
            continue;
        }
        let end = start + 1 + at + 1;
        match letters.peek() {
            Some((_, '"')) => {
                letters.next();
                text.push('"');
            }
            None | Some((_, ',')) => {
                return Ok(Field {
                    text,
                    range: start..end,
                    plain: false,
                });
            }
            Some((_, behind)) => {
                return Err(MountError::new(
                    end..end + behind.len_utf8(),
                    format!("`{}` stands behind a quote", excerpt(&behind.to_string())),
                    "quotes stand around a whole option: `\"target=/a,b\"`",
                ));
            }
        }
    }
    Err(MountError::new(
        start..start + 1 + inside.len(),
        "a quote is not closed",
        "quotes stand around a whole option: `\"target=/a,b\"`",
    ))
}
