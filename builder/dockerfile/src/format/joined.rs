//! The lines of one instruction, joined, with what is lost when they are.

use crate::ast::Escape;
use crate::parse::lines::{Line, Lines, cut_continuation};
use crate::text::Text;

/// Is one instruction in one line.
#[derive(Debug)]
pub(super) struct Joined {
    /// What it says; it stands at 0, so that spans in it are ranges of it.
    pub(super) text: Text,
    /// Where lines ended, in their order.
    pub(super) breaks: Vec<Break>,
    /// The comments below its last line, of a file that ends in a line that is
    /// continued.
    pub(super) below: Vec<String>,
}

/// Is an end of a line that is continued.
#[derive(Debug)]
pub(super) struct Break {
    /// Where it is in the joined text.
    pub(super) at: usize,
    /// The comments between the lines, with the blanks before them.
    pub(super) comments: Vec<String>,
}

impl Joined {
    /// Joins a first line with those it is continued on.
    pub(super) fn read(first: Line<'_>, lines: &mut Lines<'_>, escape: Escape) -> Self {
        let (content, mut continues) = cut_continuation(first.text.trim_start(), escape);
        let mut text = content.to_owned();
        let mut breaks = Vec::new();
        let mut comments = Vec::new();
        while continues {
            let Some(line) = lines.next() else {
                break;
            };
            if line.is_comment() {
                comments.push(line.text.trim_end().to_owned());
                continue;
            }
            if line.text.trim_start().is_empty() {
                continue;
            }
            breaks.push(Break {
                at: text.len(),
                comments: std::mem::take(&mut comments),
            });
            let (content, more) = cut_continuation(line.text, escape);
            text.push_str(content);
            continues = more;
        }
        Self {
            text: Text::new(text, 0),
            breaks,
            below: comments,
        }
    }

    /// Says whether a line ended from one place to another, both included.
    pub(super) fn breaks_in(&self, from: usize, to: usize) -> bool {
        let mut breaks = self.breaks.iter();
        breaks.any(|one| (from..=to).contains(&one.at))
    }
}
