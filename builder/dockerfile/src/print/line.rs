//! Instructions as lines, which can not be of any length or end in anything.

use crate::ast::Escape;
use crate::parse::MAX_LINE;

/// Ends an escape character at the end of a line: it is a blank that is cut
/// off, but not before one that continues the line is looked for.
const FORM_FEED: char = '\u{c}';

/// Adds an instruction, on as many lines as it needs.
pub(crate) fn push(out: &mut String, line: &str, escape: Escape) {
    let mark = escape.character();
    let mut rest = line;
    while rest.len() > MAX_LINE {
        let Some(end) = last_break(rest, mark) else {
            break;
        };
        let (head, tail) = rest.split_at(end);
        out.push_str(head);
        out.push(mark);
        out.push('\n');
        rest = tail;
    }
    out.push_str(rest);
    if ends_in_mark(rest, mark) {
        out.push(FORM_FEED);
    }
    out.push('\n');
}

/// Finds the last place of a line where it can be broken: not behind an
/// escape character, nor before what would be a comment or an empty line.
fn last_break(line: &str, mark: char) -> Option<usize> {
    let mut places = line.char_indices().rev();
    places.find_map(|(at, next)| {
        let before = line.get(..at)?.chars().next_back()?;
        let is_inside = at < MAX_LINE && at > 0 && before != mark;
        (is_inside && !next.is_whitespace() && next != '#').then_some(at)
    })
}

fn ends_in_mark(line: &str, mark: char) -> bool {
    let before = line.strip_suffix(mark);
    before.is_some_and(|before| !before.ends_with(mark))
}
