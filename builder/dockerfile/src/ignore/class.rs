//! The part of regular expressions that patterns are rewritten to: letters,
//! classes, escapes, `*` and `(.*/)?`. No alternatives, no other groups.

use crate::ignore::program::{LineBreaks, Set, State};
use crate::ignore::symbol::Symbol;
use crate::ignore::translate::Translated;

/// Says what is wrong with a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// A `\` that nothing follows.
    LastEscape,
    /// A class that has no end, no start or nothing in it.
    Class,
    /// A range that goes down.
    Range(String),
    /// A name that no class has.
    NamedClass(String),
    /// An escape that is not known.
    Escape(String),
}

/// Is a set of letters, or of all others.
#[derive(Debug, Clone, Default)]
pub(super) struct Class {
    negated: bool,
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Says whether a letter is in it.
    pub(super) fn has(&self, letter: char) -> bool {
        let inside = self
            .ranges
            .iter()
            .any(|(low, high)| (*low..=*high).contains(&letter));
        inside != self.negated
    }

    /// Adds what another class has.
    fn extend(&mut self, ranges: &[(char, char)], negated: bool) {
        if !negated {
            self.ranges.extend(ranges);
            return;
        }
        // What lies between the ranges, which are in order.
        let mut low = Some('\0');
        for (start, end) in ranges {
            if let Some(from) = low {
                self.ranges
                    .extend(before(*start).filter(|to| from <= *to).map(|to| (from, to)));
            }
            low = (*end..=char::MAX).nth(1);
        }
        self.ranges.extend(low.map(|from| (from, char::MAX)));
    }
}

/// Gives the letter before one.
fn before(letter: char) -> Option<char> {
    ('\0'..letter).next_back()
}

const DIGIT: &[(char, char)] = &[('0', '9')];
const SPACE: &[(char, char)] = &[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')];
const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// The classes with names; the ranges of each are in order.
const NAMED: &[(&str, &[(char, char)])] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\u{7f}')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// Is an expression that is being read.
#[derive(Debug)]
pub(super) struct Source<'a> {
    rest: &'a [char],
    /// An escape that does not stand for the letter behind it.
    escape: Option<String>,
}

impl<'a> Source<'a> {
    /// Starts at the front of an expression.
    pub(super) fn new(expression: &'a [char]) -> Self {
        Self {
            rest: expression,
            escape: None,
        }
    }

    /// Reads all of it.
    ///
    /// # Errors
    ///
    /// Fails for what no regular expression can have.
    pub(super) fn read(mut self) -> Result<Translated, Invalid> {
        let mut states = Vec::new();
        let mut possible = true;
        while let Some(letter) = self.next() {
            let set = match letter {
                // It is always `(.*/)?`.
                '(' => {
                    self.rest = self.rest.get(5..).unwrap_or_default();
                    states.extend([State::Maybe, State::Directories(LineBreaks::End)]);
                    continue;
                }
                '^' => {
                    states.push(State::Start);
                    continue;
                }
                '\\' if self.next_if('A') => {
                    self.note('A');
                    states.push(State::Start);
                    continue;
                }
                '.' => Set::Line,
                '[' => Set::Class(self.class()?),
                '\\' => match self.escape()? {
                    Some(class) => Set::Class(class),
                    None => {
                        possible = false;
                        continue;
                    }
                },
                _ => only(letter),
            };
            let many = self.next_if('*');
            states.push(if many {
                State::Many(set)
            } else {
                State::One(set)
            });
        }
        Ok(Translated {
            states: possible.then_some(states),
            escape: self.escape,
        })
    }

    fn next(&mut self) -> Option<char> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn next_if(&mut self, letter: char) -> bool {
        let is = self.rest.first() == Some(&letter);
        if is {
            self.next();
        }
        is
    }

    /// Reads a class behind its `[`.
    fn class(&mut self) -> Result<Class, Invalid> {
        let mut class = Class {
            negated: self.next_if('^'),
            ..Class::default()
        };
        let mut first = true;
        loop {
            match self.rest {
                [] => return Err(Invalid::Class),
                [']', ..] if !first => {
                    self.next();
                    return Ok(class);
                }
                ['[', ':', inside @ ..] if name_end(inside).is_some() => self.named(&mut class)?,
                ['\\', letter, ..] if perl(*letter).is_some() => {
                    self.rest = self.rest.get(2..).unwrap_or_default();
                    self.note(*letter);
                    let (ranges, negated) = perl(*letter).unwrap_or_default();
                    class.extend(ranges, negated);
                }
                _ => {
                    let range = self.range()?;
                    class.ranges.push(range);
                }
            }
            first = false;
        }
    }

    /// Reads `[:name:]`.
    fn named(&mut self, class: &mut Class) -> Result<(), Invalid> {
        let inside = self.rest.get(2..).unwrap_or_default();
        let end = name_end(inside).unwrap_or_default();
        let name: String = inside.iter().take(end).collect();
        let (plain, negated) = match name.strip_prefix('^') {
            Some(plain) => (plain, true),
            None => (name.as_str(), false),
        };
        let Some((_, ranges)) = NAMED.iter().find(|(known, _)| *known == plain) else {
            return Err(Invalid::NamedClass(format!("[:{name}:]")));
        };
        class.extend(ranges, negated);
        self.rest = inside.get(end + 2..).unwrap_or_default();
        Ok(())
    }

    /// Reads one letter of a class, or a range.
    fn range(&mut self) -> Result<(char, char), Invalid> {
        let low = self.letter()?;
        let is_range = matches!(self.rest, ['-', next, ..] if *next != ']');
        if !is_range {
            return Ok((low, low));
        }
        self.next();
        let high = self.letter()?;
        if high < low {
            return Err(Invalid::Range(format!("{low}-{high}")));
        }
        Ok((low, high))
    }

    fn letter(&mut self) -> Result<char, Invalid> {
        match self.next() {
            None => Err(Invalid::Class),
            Some('\\') => match self.next() {
                Some(letter) => self.escaped(letter),
                None => Err(Invalid::LastEscape),
            },
            Some(letter) => Ok(letter),
        }
    }

    /// Reads an escape outside of a class; `None` is a place that no path has.
    fn escape(&mut self) -> Result<Option<Class>, Invalid> {
        let Some(letter) = self.next() else {
            return Err(Invalid::LastEscape);
        };
        if let Some((ranges, negated)) = perl(letter) {
            self.note(letter);
            return Ok(Some(Class {
                negated,
                ranges: ranges.to_vec(),
            }));
        }
        // Ends of words and of the text: between letters no path has them.
        if matches!(letter, 'b' | 'B' | 'z') {
            self.note(letter);
            return Ok(None);
        }
        // Quoting and classes of scripts are refused: a pattern that matches
        // nothing would keep what is to be left out.
        let letter = self.escaped(letter)?;
        Ok(Some(Class {
            negated: false,
            ranges: vec![(letter, letter)],
        }))
    }

    fn note(&mut self, letter: char) {
        self.escape.get_or_insert_with(|| format!("\\{letter}"));
    }

    /// Gives the one letter that an escape stands for.
    fn escaped(&mut self, letter: char) -> Result<char, Invalid> {
        let found = match letter {
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            'x' => self.number(0, 16, 2),
            '0' => self.number(0, 8, 0),
            '1'..='7' => self.number(u32::from(letter) - u32::from('0'), 8, 1),
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => return Ok(letter),
            _ => None,
        };
        self.note(letter);
        found.ok_or_else(|| Invalid::Escape(format!("\\{letter}")))
    }

    /// Reads at least `least` and up to two digits of a number behind its
    /// first one.
    fn number(&mut self, first: u32, radix: u32, least: usize) -> Option<char> {
        let mut number = first;
        for count in 0..2 {
            match self.rest.first().and_then(|letter| letter.to_digit(radix)) {
                Some(digit) => number = number * radix + digit,
                None if count < least => return None,
                None => break,
            }
            self.next();
        }
        char::from_u32(number)
    }
}

/// Finds the end of a name in `[:name:]`.
fn name_end(inside: &[char]) -> Option<usize> {
    inside.windows(2).position(|pair| pair == [':', ']'])
}

/// Gives the set of one letter. U+FFFD is any byte that is no letter as well.
fn only(letter: char) -> Set {
    if letter == char::REPLACEMENT_CHARACTER {
        return Set::Class(Class {
            negated: false,
            ranges: vec![(letter, letter)],
        });
    }
    Set::Only(Symbol::letter(letter))
}

/// Gives the ranges of a class that is one letter, and whether they are what
/// it has not.
fn perl(letter: char) -> Option<(&'static [(char, char)], bool)> {
    match letter {
        'd' => Some((DIGIT, false)),
        'D' => Some((DIGIT, true)),
        's' => Some((SPACE, false)),
        'S' => Some((SPACE, true)),
        'w' => Some((WORD, false)),
        'W' => Some((WORD, true)),
        _ => None,
    }
}
