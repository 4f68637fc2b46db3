//! The patterns of `--exclude` and `--parents`. Both are those of
//! `.dockerignore` (Dockerfile reference, "COPY --exclude", "COPY --parents"):
//! `**` stands for any number of directories, and what is in a directory that
//! is matched is matched too.

use dockerfile::{Ignore, IgnoreState, Severity};

use crate::error::{Error, ErrorKind};
use crate::plan::excerpt;

/// Knows what `--exclude` leaves out of directories, by paths from each of
/// them, and of files by their names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excluded {
    ignore: Option<Ignore>,
}

impl Excluded {
    /// Says whether nothing is left out.
    pub(super) fn is_empty(&self) -> bool {
        self.ignore.is_none()
    }

    /// Reads the values of all flags, of which a later one may begin with `!`
    /// to take back what earlier ones say.
    pub(crate) fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut lines = String::new();
        for pattern in patterns {
            let line = line(pattern, &['#'])?;
            read(pattern, &line)?;
            lines.push_str(&line);
            lines.push('\n');
        }
        let (ignore, _) = Ignore::parse(lines.as_bytes());
        Ok(Self {
            ignore: (!lines.is_empty()).then_some(ignore),
        })
    }

    /// Says whether a file that is copied by itself is left out.
    pub(super) fn leaves_out(&self, name: &[u8]) -> bool {
        let ignore = self.ignore.as_ref();
        ignore.is_some_and(|ignore| ignore.root().enter(name).1)
    }

    /// Starts a walk through a directory.
    pub(super) fn walk(&self) -> Walk {
        Walk(self.ignore.as_ref().map(Ignore::root))
    }
}

/// Is a place in a directory of which something may be left out.
#[derive(Debug, Clone)]
pub(super) struct Walk(Option<IgnoreState>);

/// Says what becomes of something in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is copied.
    Taken,
    /// It is not, but something in it may be.
    Open,
    /// Neither it nor anything in it is.
    LeftOut,
}

impl Walk {
    /// Goes to a name in this directory.
    pub(super) fn enter(&self, name: &[u8]) -> (Self, Fate) {
        let Some(state) = &self.0 else {
            return (Self(None), Fate::Taken);
        };
        let (state, is_out) = state.enter(name);
        let fate = match is_out {
            false => Fate::Taken,
            true if state.may_hold_included() => Fate::Open,
            true => Fate::LeftOut,
        };
        (Self(Some(state)), fate)
    }
}

/// Says what of a directory `--parents` copies.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// Everything.
    All,
    /// What has these names, one in the other; and then what is left to a
    /// pattern, if anything is.
    Named {
        /// The names still to come, the next one last.
        names: Vec<Box<[u8]>>,
        rest: Option<IgnoreState>,
    },
    /// What a pattern matches.
    Matching(IgnoreState),
}

impl Wanted {
    /// Reads the part of a source that stands behind the pivot, without `.` and
    /// `..` in it.
    pub(super) fn new(parts: &[&[u8]], is_pattern: impl Fn(&[u8]) -> bool) -> Result<Self, Error> {
        if parts.is_empty() {
            return Ok(Self::All);
        }
        let literal = parts.iter().take_while(|part| !is_pattern(part));
        let mut names: Vec<Box<[u8]>> = literal.map(|part| Box::from(*part)).collect();
        let rest = match names.len() == parts.len() {
            true => None,
            false => Some(compile(parts)?.root()),
        };
        names.reverse();
        Ok(match (names.is_empty(), rest) {
            (true, Some(state)) => Self::Matching(state),
            (_, rest) => Self::Named { names, rest },
        })
    }

    /// Goes to a name in this directory: what is wanted of it, and whether it
    /// is wanted itself.
    pub(super) fn enter(&self, name: &[u8]) -> Option<(Self, bool)> {
        match self {
            Self::All => Some((Self::All, true)),
            Self::Named { names, rest } => {
                let (next, names) = names.split_last()?;
                if **next != *name {
                    return None;
                }
                let rest = rest.as_ref().map(|state| state.enter(name).0);
                Some(match (names.is_empty(), rest) {
                    (true, None) => (Self::All, true),
                    (true, Some(state)) => (Self::Matching(state), false),
                    (false, rest) => {
                        let names = names.to_vec();
                        (Self::Named { names, rest }, false)
                    }
                })
            }
            Self::Matching(state) => {
                let (state, is_matched) = state.enter(name);
                Some(match is_matched {
                    true => (Self::All, true),
                    false => (Self::Matching(state), false),
                })
            }
        }
    }
}

/// Reads a pattern for what is to be copied.
fn compile(parts: &[&[u8]]) -> Result<Ignore, Error> {
    let pattern = String::from_utf8_lossy(&parts.join(&b'/')).into_owned();
    let line = line(&pattern, &['#', '!'])?;
    read(&pattern, &line)
}

/// Gives the line of an ignore file that says what a pattern says.
fn line(pattern: &str, special: &[char]) -> Result<String, Error> {
    if pattern.contains(['\n', '\r', '\0']) {
        return Err(no_pattern(pattern, "it has a line break or a NUL"));
    }
    Ok(match pattern.starts_with(special) {
        true => format!("\\{pattern}"),
        false => pattern.to_owned(),
    })
}

fn read(pattern: &str, line: &str) -> Result<Ignore, Error> {
    let (ignore, said) = Ignore::parse(line.as_bytes());
    let mut errors = said.iter();
    match errors.find(|said| said.severity == Severity::Error) {
        Some(said) => Err(no_pattern(pattern, &said.message)),
        None => Ok(ignore),
    }
}

fn no_pattern(pattern: &str, reason: &str) -> Error {
    let message = format!("`{}` is no pattern: {reason}", excerpt(pattern));
    Error::new(ErrorKind::Step, message)
        .with_hint("`*` and `?` stand for letters, `**` for directories; `[` needs its `]`, and `\\` something to escape")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(patterns: &[&str], path: &str) -> bool {
        let excluded = Excluded::parse(patterns.iter().copied()).expect("patterns");
        let mut walk = excluded.walk();
        let mut fate = Fate::Taken;
        for name in path.split('/') {
            (walk, fate) = walk.enter(name.as_bytes());
            if fate == Fate::LeftOut {
                return true;
            }
        }
        fate != Fate::Taken
    }

    #[test]
    fn excluded_paths_count_from_the_source() {
        for (patterns, path, expected) in [
            (&["*.txt"][..], "a.txt", true),
            (&["*.txt"], "d/a.txt", false),
            (&["**/*.txt"], "d/e/a.txt", true),
            (&["**/*.txt"], "a.txt", true),
            (&["/a.txt"], "a.txt", true),
            (&["d"], "d/e/f", true),
            (&["d", "!d/e"], "d/e/f", false),
            (&["d", "!d/e"], "d/x", true),
            (&["#a"], "#a", true),
            (&["\\!a"], "!a", true),
            (&["*.md", "*.txt"], "b.txt", true),
            (&[], "a", false),
        ] {
            assert_eq!(left_out(patterns, path), expected, "{patterns:?} {path}");
        }
        let excluded = Excluded::parse(["*.txt"]).expect("a pattern");
        assert!(excluded.leaves_out(b"a.txt"));
        assert!(!excluded.leaves_out(b"a.md"));
        for bad in ["[a", "a\nb", "!"] {
            assert!(Excluded::parse([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn wanted_is_what_matches_and_what_is_in_it() {
        let is_pattern = |part: &[u8]| part.contains(&b'*');
        for (pattern, path, expected) in [
            (&[&b"a"[..]][..], "a", true),
            (&[b"a"], "a/b/c", true),
            (&[b"a"], "b", false),
            (&[b"a", b"b"], "a", false),
            (&[b"a", b"b"], "a/b/c", true),
            (&[b"a", b"*.c"], "a/x.c", true),
            (&[b"a", b"*.c"], "a/b/x.c", false),
            (&[b"a", b"**", b"*.c"], "a/x.c", true),
            (&[b"a", b"**", b"*.c"], "a/b/d/x.c", true),
            (&[b"**"], "a", true),
            (&[b"*"], "a/b", true),
            (&[b"!a*"], "!ab", true),
            (&[], "a", true),
        ] {
            let mut wanted = Some((Wanted::new(pattern, is_pattern).expect("one"), true));
            for name in path.split('/') {
                wanted = wanted.and_then(|(wanted, _)| wanted.enter(name.as_bytes()));
            }
            let found = wanted.is_some_and(|(_, is_wanted)| is_wanted);
            assert_eq!(found, expected, "{pattern:?} {path}");
        }
    }
}
