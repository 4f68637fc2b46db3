//! A breach of a rule, as every check returns it. It decides nothing.

use std::fmt;

/// Which check found something; also how an exemption names the rule it bends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A dependency between our crates that the list does not hold.
    Edge,
    /// An external crate in the hands of a crate that may not import it.
    Import,
    /// A crate that does not take the workspace's lints.
    Lints,
    /// A file, folder or document above its limit.
    Size,
    /// A file or module name that says nothing.
    Name,
    /// A module without a word on what it is.
    Doc,
    /// A call that only some files may make.
    Call,
    /// A path or host that exists only where somebody worked.
    Place,
    /// An exemption that nothing needs any more.
    Exemption,
}

/// One breach: which rule, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The rule that was broken.
    pub(crate) rule: Rule,
    /// A path from the root of the repository, or the name of a crate.
    pub(crate) place: String,
    /// The line, counted from one; zero when the whole place is meant.
    pub(crate) line: usize,
    /// What is wrong and what the rule wants, in one sentence.
    pub(crate) message: String,
}

impl Finding {
    /// Makes a finding about a whole file, folder or crate.
    pub(crate) fn whole(rule: Rule, place: &str, message: String) -> Self {
        Self {
            rule,
            place: place.to_owned(),
            line: 0,
            message,
        }
    }

    /// Makes a finding about one line, counted from one.
    pub(crate) fn at(rule: Rule, place: &str, line: usize, message: String) -> Self {
        Self {
            line,
            ..Self::whole(rule, place, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            place,
            line,
            message,
        } = self;
        match line {
            0 => write!(formatter, "{place}: {message} [{rule:?}]"),
            line => write!(formatter, "{place}:{line}: {message} [{rule:?}]"),
        }
    }
}
