//! Permissions as `--chmod` says them: in octal, or in letters as chmod(1)
//! reads them (Dockerfile reference, "COPY --chown --chmod").
//!
//! No mask of any process is looked at: letters without a class mean all
//! three.

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// Is what `--chmod` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// These bits, whatever a file has.
    Bits(u16),
    /// Changes to the bits that a file has, one after the other.
    Changes(Vec<Change>),
}

/// Is one change: `go-w` is one, `u=rw+x` are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    operator: Operator,
    /// The bits that it may touch.
    touched: u16,
    /// The bits that it names.
    named: u16,
    /// The bits of `X`, which counts for directories and for what somebody may
    /// execute.
    conditional: u16,
    /// The classes whose permissions it takes over, as their read, write and
    /// execute bits.
    copied: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

/// The bits of reading, writing and executing, class by class.
const USER: u16 = 0o700;
const GROUP: u16 = 0o070;
const OTHERS: u16 = 0o007;
const READ: u16 = 0o444;
const WRITE: u16 = 0o222;
const EXECUTE: u16 = 0o111;
/// The bits beside them.
const SET_UID: u16 = 0o4000;
const SET_GID: u16 = 0o2000;
const STICKY: u16 = 0o1000;
/// What letters without a class touch; the sticky bit only where it is named.
const ALL: u16 = USER | GROUP | OTHERS | SET_UID | SET_GID;

impl Mode {
    /// Gives the permissions of a file that has these.
    pub(crate) fn apply(&self, mode: u16, is_directory: bool) -> u16 {
        match self {
            Self::Bits(bits) => *bits,
            Self::Changes(changes) => {
                let executes = is_directory || mode & EXECUTE != 0;
                let changed = |now, change: &Change| change.apply(now, executes);
                changes.iter().fold(mode, changed)
            }
        }
    }
}

impl Change {
    fn apply(&self, mode: u16, executes: bool) -> u16 {
        let mut bits = self.named;
        if executes {
            bits |= self.conditional;
        }
        for (class, shift) in [(USER, 6), (GROUP, 3), (OTHERS, 0)] {
            if self.copied & class != 0 {
                let permissions = (mode & class) >> shift;
                bits |= permissions << 6 | permissions << 3 | permissions;
            }
        }
        bits &= self.touched;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            // What is taken over from a class says nothing of set-id bits.
            Operator::Set if self.copied != 0 => {
                mode & !(self.touched & (USER | GROUP | OTHERS)) | bits
            }
            Operator::Set => mode & !self.touched | bits,
        }
    }
}

/// Reads a mode.
pub(crate) fn parse(text: &str) -> Result<Mode, Error> {
    if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        let mode = u16::from_str_radix(text, 8).ok();
        let mode = mode.filter(|mode| *mode <= 0o7777);
        return mode.map(Mode::Bits).ok_or_else(|| {
            let message = format!("`{}` is no octal number up to 7777", excerpt(text));
            Error::new(ErrorKind::Step, message).with_hint("write permissions as in `--chmod=755`")
        });
    }
    if text.is_empty() {
        let message = "`--chmod` is empty once it is expanded";
        return Err(Error::new(ErrorKind::Step, message).with_hint("give its variable a value"));
    }
    let mut changes = Vec::new();
    for clause in text.split(',') {
        read(clause, &mut changes).map_err(|reason| {
            let message = format!("`{}` is no mode: {reason}", excerpt(text));
            let hint = "a mode is as in `755`, `u=rwX,go=rX`, `a+x` or `g-w`";
            Error::new(ErrorKind::Step, message).with_hint(hint)
        })?;
    }
    Ok(Mode::Changes(changes))
}

/// Reads what stands between commas: classes, and then operators with what
/// each is about.
fn read(clause: &str, changes: &mut Vec<Change>) -> Result<(), String> {
    let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    let classes = clause.strip_suffix(rest).unwrap_or_default();
    let touched = classes.chars().fold(0, |touched, class| {
        touched
            | match class {
                'u' => USER | SET_UID,
                'g' => GROUP | SET_GID,
                'o' => OTHERS,
                _ => ALL,
            }
    });
    let mut letters = rest.chars().peekable();
    if letters.peek().is_none() {
        return Err(match clause {
            "" => "nothing stands before or behind a comma".to_owned(),
            _ => format!("behind `{clause}` one of `+`, `-` and `=` is missing"),
        });
    }
    while let Some(letter) = letters.next() {
        let operator = match letter {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            other => return Err(format!("`{}` is none of its letters", other.escape_debug())),
        };
        let mut change = Change {
            operator,
            touched: if touched == 0 { ALL } else { touched },
            named: 0,
            conditional: 0,
            copied: 0,
        };
        // Others alone have neither set-id bits nor the sticky one.
        let has_special = touched != OTHERS;
        while let Some(letter) = letters.next_if(|letter| !matches!(letter, '+' | '-' | '=')) {
            match letter {
                'r' => change.named |= READ,
                'w' => change.named |= WRITE,
                'x' => change.named |= EXECUTE,
                'X' => change.conditional |= EXECUTE,
                's' if has_special => change.named |= SET_UID | SET_GID,
                't' if has_special => {
                    change.touched |= STICKY;
                    change.named |= STICKY;
                }
                's' | 't' => {}
                'u' => change.copied |= USER,
                'g' => change.copied |= GROUP,
                'o' => change.copied |= OTHERS,
                other => return Err(format!("`{}` is none of its letters", other.escape_debug())),
            }
        }
        changes.push(change);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_numbers() {
        for (text, mode) in [
            ("0", 0),
            ("755", 0o755),
            ("0644", 0o644),
            ("7777", 0o7777),
            ("0007777", 0o7777),
        ] {
            assert_eq!(parse(text).expect("valid"), Mode::Bits(mode), "{text}");
        }
        for text in ["8", "0o755", "10000", "99999999999", "7 ", "7,u+x"] {
            let error = parse(text).expect_err(text);
            assert!(error.to_string().contains("no octal number"), "{error}");
        }
    }

    #[test]
    fn letters_change_what_a_file_has() {
        for (text, mode, file, directory) in [
            ("u=rwX,go=rX", 0o600, 0o644, 0o755),
            ("u=rwX,go=rX", 0o700, 0o755, 0o755),
            ("a+x", 0o644, 0o755, 0o755),
            ("+x", 0o640, 0o751, 0o751),
            ("g-w", 0o664, 0o644, 0o644),
            ("go=", 0o755, 0o700, 0o700),
            ("a=r,u+w", 0o777, 0o644, 0o644),
            ("u=rw+x-w", 0o000, 0o500, 0o500),
            ("a-x,a+X", 0o755, 0o755, 0o755),
            ("a-x,a+X", 0o644, 0o644, 0o755),
            ("-X", 0o755, 0o644, 0o644),
            ("g=u", 0o4750, 0o4770, 0o4770),
            ("go=u-w", 0o755, 0o755, 0o755),
            ("u=g,g=o", 0o751, 0o511, 0o511),
            ("o+gw", 0o750, 0o757, 0o757),
            ("u+s", 0o755, 0o4755, 0o4755),
            ("+s", 0o755, 0o6755, 0o6755),
            ("g=rxs", 0o700, 0o2750, 0o2750),
            ("o+s,o+t", 0o755, 0o755, 0o755),
            ("+t", 0o777, 0o1777, 0o1777),
            ("a=rwx", 0o1000, 0o1777, 0o1777),
            ("u=rwx", 0o4000, 0o700, 0o700),
            ("a-st", 0o7777, 0o777, 0o777),
            ("ug+", 0o644, 0o644, 0o644),
        ] {
            let parsed = parse(text).expect(text);
            assert_eq!(parsed.apply(mode, false), file, "{text} of {mode:o}");
            assert_eq!(
                parsed.apply(mode, true),
                directory,
                "{text} of a directory {mode:o}"
            );
        }
    }

    #[test]
    fn as_chmod_has_it() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (file, inner) = (directory.path().join("f"), directory.path().join("d"));
        fs_err::write(&file, "").expect("writable");
        fs_err::create_dir(&inner).expect("writable");
        let script = "umask 0; chmod $1 \"$3\" && chmod \"$2\" \"$3\" && stat -c %a \"$3\"";
        // Not `=rw,+X`: there `X` is of what a file had before, as POSIX and
        // BuildKit have it, and for GNU of what is left.
        for text in [
            "u=rwX,go=rX",
            "+x",
            "go=u-w",
            "g=u,o=",
            "a-x,u+xs",
            "ug+w-r",
            "o=g,g=,u-w",
            "u=rw+x,g+s",
        ] {
            for mode in ["600", "755", "640", "711", "444"] {
                for (path, is_directory) in [(&file, false), (&inner, true)] {
                    let output = std::process::Command::new("sh")
                        .args(["-c", script, "sh", mode, text])
                        .arg(path)
                        .output()
                        .expect("a shell is there");
                    let found = String::from_utf8(output.stdout).expect("digits");
                    // chmod has directories keep set-id bits that are not named.
                    let old = u16::from_str_radix(mode, 8).expect("octal");
                    let own = parse(text).expect(text).apply(old, is_directory);
                    assert_eq!(format!("{own:o}"), found.trim(), "{text} of {mode}");
                    let reset = std::process::Command::new("chmod")
                        .args(["00755"])
                        .arg(path)
                        .status();
                    assert!(reset.expect("chmod is there").success());
                }
            }
        }
    }

    #[test]
    fn what_is_no_mode_says_why() {
        for (text, reason) in [
            ("", "is empty"),
            ("u+x,", "nothing stands"),
            (",u+x", "nothing stands"),
            ("u", "behind `u` one of"),
            ("rwx", "`r` is none"),
            ("u+y", "`y` is none"),
            ("u+7", "`7` is none"),
            (" u+x", "` ` is none"),
            ("u+x ", "` ` is none"),
            ("u+x;g+x", "`;` is none"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        assert!(parse("-1").is_err());
        assert!(parse("+7").is_err());
    }
}
