//! From a pattern to the states that match it.
//!
//! A pattern has a meaning only through the regular expression that it is
//! rewritten to where these rules come from, letter by letter and in classes
//! too; four shapes of patterns never are one, and differ from what it would
//! match. Both are done here as there, with four exceptions: `|`, `{` and `}`
//! are always letters; an escape for the end of a word or of the text makes a
//! pattern match nothing; one for quoting or for the letters of a script is an
//! error; and what is malformed is one also where it is not noticed there.

use crate::ignore::class::{Invalid, Source};
use crate::ignore::program::{LineBreaks, Set, State};
use crate::ignore::symbol::Symbol;

/// Are the letters that mean something to an expression and not to a pattern.
const PLAIN: &str = ".+()|{}$";

/// Is what a pattern matches.
#[derive(Debug)]
pub(super) struct Translated {
    /// The states; `None` matches nothing.
    pub(super) states: Option<Vec<State>>,
    /// An escape that does not stand for the letter behind it.
    pub(super) escape: Option<String>,
}

/// Is what a pattern is compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Its letters.
    Exact,
    /// Its letters before the `**` at its end.
    Prefix,
    /// Its letters behind the `**` at its front.
    Suffix,
    /// A regular expression.
    Expression,
}

/// Finds what a pattern matches.
///
/// # Errors
///
/// Fails for a range that is empty and for an escape or a class that is not
/// known.
pub(super) fn translate(pattern: &[Symbol]) -> Result<Translated, Invalid> {
    let (shape, expression) = rewrite(pattern);
    if shape == Shape::Expression {
        return Source::new(&expression).read();
    }
    let exactly = |letters: &[Symbol]| -> Vec<State> {
        letters
            .iter()
            .map(|letter| State::One(Set::Only(*letter)))
            .collect()
    };
    let states = match shape {
        Shape::Prefix => {
            let before = pattern.len().saturating_sub(2);
            let mut states = exactly(pattern.get(..before).unwrap_or_default());
            states.push(State::Many(Set::Anything));
            states
        }
        Shape::Suffix => suffix(pattern.get(2..).unwrap_or_default(), exactly),
        Shape::Exact | Shape::Expression => exactly(pattern),
    };
    Ok(Translated {
        states: Some(states),
        escape: None,
    })
}

/// Gives the states for what stands behind `**`: the end of a path, or whole
/// names at it.
fn suffix(letters: &[Symbol], exactly: impl Fn(&[Symbol]) -> Vec<State>) -> Vec<State> {
    let (mut states, rest) = match letters.split_first() {
        Some((first, rest)) if *first == Symbol::SLASH => (
            vec![State::Maybe, State::Directories(LineBreaks::Match)],
            rest,
        ),
        _ => (vec![State::Many(Set::Anything)], letters),
    };
    states.extend(exactly(rest));
    states
}

/// Writes a pattern as a regular expression, and says what it is compared by.
fn rewrite(pattern: &[Symbol]) -> (Shape, Vec<char>) {
    let mut shape = Shape::Exact;
    let mut expression = Vec::new();
    let mut letters = pattern.iter().map(|symbol| symbol.as_letter()).peekable();
    let mut is_first = true;
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                letters.next_if_eq(&'/');
                if letters.peek().is_some() {
                    expression.extend("(.*/)?".chars());
                    shape = Shape::Expression;
                } else if shape == Shape::Exact {
                    shape = Shape::Prefix;
                } else {
                    expression.extend(".*".chars());
                    shape = Shape::Expression;
                }
                if is_first {
                    shape = Shape::Suffix;
                }
            }
            '*' => {
                expression.extend("[^/]*".chars());
                shape = Shape::Expression;
            }
            '?' => {
                expression.extend("[^/]".chars());
                shape = Shape::Expression;
            }
            '[' | ']' => {
                expression.push(letter);
                shape = Shape::Expression;
            }
            '\\' => {
                expression.push(letter);
                expression.extend(letters.next());
                shape = Shape::Expression;
            }
            _ if PLAIN.contains(letter) => expression.extend(['\\', letter]),
            _ => expression.push(letter),
        }
        is_first = false;
    }
    (shape, expression)
}
