//! What commands say, made fit to stand among our own lines: one line, without
//! colours, and without what moves the cursor.

use std::iter::Peekable;
use std::str::Chars;

use super::one_line;

/// Stands before each line of a command, so that none looks like one of ours.
const MARGIN: &str = "      | ";

/// The columns from one tab stop to the next.
const TAB: usize = 8;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';

/// Gives a line of a command as it is shown.
pub(crate) fn said(line: &str) -> String {
    let plain = without_escapes(line);
    // What a terminal shows in the end of a line that was written anew.
    let shown = plain.split('\r').rfind(|part| !part.is_empty());
    let mut spaced = String::with_capacity(plain.len());
    let mut column = 0;
    for character in shown.unwrap_or_default().chars() {
        match character {
            '\t' => {
                let width = TAB - column % TAB;
                spaced.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            character => {
                spaced.push(character);
                column += 1;
            }
        }
    }
    let line = format!("{MARGIN}{}", one_line(&spaced));
    line.trim_end().to_owned()
}

/// Leaves out what terminals take for commands (ECMA-48, 5.4 and 5.6).
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            (ESCAPE, Some('[')) => {
                rest.next();
                skip_sequence(&mut rest);
            }
            (ESCAPE, Some(']' | 'P' | 'X' | '^' | '_')) => skip_string(&mut rest),
            (ESCAPE, _) => skip_short(&mut rest),
            ('\u{9b}', _) => skip_sequence(&mut rest),
            (character, _) => plain.push(character),
        }
    }
    plain
}

/// Skips to the final byte of a control sequence. What can be no part of one
/// ends it, and is kept.
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {}
    rest.next_if(|c| matches!(c, '@'..='~'));
}

/// Skips to the end of a string that is for the terminal.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    while let Some(character) = rest.next() {
        if character == BELL || character == '\u{9c}' {
            return;
        }
        if character == ESCAPE {
            rest.next_if_eq(&'\\');
            return;
        }
    }
}

/// Skips the one or few characters behind an escape.
fn skip_short(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| matches!(c, ' '..='/')).is_some() {}
    rest.next_if(|c| matches!(c, '0'..='~'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_without_what_is_for_the_terminal() {
        for (line, expected) in [
            ("", "      |"),
            ("plain", "      | plain"),
            ("\u{1b}[1;31mred\u{1b}[0m!", "      | red!"),
            ("\u{1b}[2J\u{1b}[Hat home", "      | at home"),
            ("\u{1b}]0;title\u{7}text", "      | text"),
            ("\u{1b}]8;;http://h.test\u{1b}\\link", "      | link"),
            ("\u{1b}(Bx\u{1b}cy", "      | xy"),
            ("10%\r20%\r100%", "      | 100%"),
            ("done\r", "      | done"),
            ("a\tb", "      | a       b"),
            ("bell\u{7}\u{8}", "      | bell\\u{7}\\u{8}"),
            ("\u{9b}31mx", "      | x"),
            ("\u{1b}[31", "      |"),
            ("\u{1b}", "      |"),
            ("error: \u{202e}x", "      | error: \\u{202e}x"),
        ] {
            assert_eq!(said(line), expected, "{line:?}");
        }
    }

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        proptest::proptest!(|(line in "([ -~]|\\p{Cc}|\\PC){0,40}")| {
            let shown = said(&line);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(shown.starts_with(MARGIN.trim_end()));
        });
    }
}
