//! Patterns in the sources of `COPY` and `ADD`: Go's `filepath.Match`, which
//! the Dockerfile reference names as their rule, for one part of a path.

/// Reports a pattern that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPattern;

/// Says whether a part of a path has anything that is not taken literally.
pub(crate) fn is_pattern(part: &[u8]) -> bool {
    part.iter().any(|byte| b"*?[\\".contains(byte))
}

/// One thing that a pattern asks for.
enum Token {
    /// Any run of characters.
    Star,
    /// One character of these.
    One(Class),
}

/// A set of characters.
enum Class {
    Any,
    Literal(char),
    Ranges {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Is a pattern for names.
pub(crate) struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// Reads a pattern.
    pub(crate) fn parse(pattern: &[u8]) -> Result<Self, BadPattern> {
        let characters = decode(pattern);
        let mut rest = characters.as_slice();
        let mut tokens = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            tokens.push(match first {
                '*' => Token::Star,
                '?' => Token::One(Class::Any),
                '[' => {
                    let (class, after) = class(rest)?;
                    rest = after;
                    Token::One(class)
                }
                '\\' => {
                    let (literal, after) = rest.split_first().ok_or(BadPattern)?;
                    rest = after;
                    Token::One(Class::Literal(*literal))
                }
                literal => Token::One(Class::Literal(*literal)),
            });
        }
        Ok(Self { tokens })
    }

    /// Says whether a name is of the pattern. It takes at most the product of
    /// both lengths.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let name = decode(name);
        let (mut token, mut at) = (0, 0);
        // Where the last star stood, and how far it reached: a star that comes
        // later never needs an earlier one to take more.
        let mut star: Option<(usize, usize)> = None;
        while at < name.len() || token < self.tokens.len() {
            match (self.tokens.get(token), name.get(at)) {
                (Some(Token::Star), _) => {
                    star = Some((token, at));
                    token += 1;
                    continue;
                }
                (Some(Token::One(class)), Some(character)) if class.holds(*character) => {
                    token += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match star {
                Some((stood, reached)) if reached < name.len() => {
                    star = Some((stood, reached + 1));
                    token = stood + 1;
                    at = reached + 1;
                }
                _ => return false,
            }
        }
        true
    }
}

impl Class {
    fn holds(&self, character: char) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(literal) => *literal == character,
            Self::Ranges { negated, ranges } => {
                let within = ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&character));
                within != *negated
            }
        }
    }
}

/// Reads what follows a `[`.
fn class(mut rest: &[char]) -> Result<(Class, &[char]), BadPattern> {
    let negated = rest.first() == Some(&'^');
    if negated {
        rest = rest.get(1..).unwrap_or_default();
    }
    let mut ranges = Vec::new();
    loop {
        if rest.first() == Some(&']') && !ranges.is_empty() {
            let rest = rest.get(1..).unwrap_or_default();
            return Ok((Class::Ranges { negated, ranges }, rest));
        }
        let (low, after) = member(rest)?;
        rest = after;
        let mut high = low;
        if rest.first() == Some(&'-') {
            (high, rest) = member(rest.get(1..).unwrap_or_default())?;
        }
        ranges.push((low, high));
    }
}

/// Reads one character of a set.
fn member(rest: &[char]) -> Result<(char, &[char]), BadPattern> {
    let (first, after) = rest.split_first().ok_or(BadPattern)?;
    match first {
        '-' | ']' => Err(BadPattern),
        '\\' => {
            let (literal, after) = after.split_first().ok_or(BadPattern)?;
            Ok((*literal, after))
        }
        literal => Ok((*literal, after)),
    }
}

/// Gives the characters of a name. A byte that is no text becomes a character
/// that no text has (of the area that Unicode leaves to private use), so that
/// it is one character and like itself alone.
fn decode(name: &[u8]) -> Vec<char> {
    let mut characters = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        characters.extend(chunk.valid().chars());
        let lone = chunk.invalid().iter();
        characters.extend(lone.filter_map(|byte| char::from_u32(0x0010_FF00 + u32::from(*byte))));
    }
    characters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_go_has_it() {
        // Of the table in the tests of Go's path/filepath, what concerns one
        // part of a path.
        for (pattern, name, expected) in [
            ("abc", "abc", Ok(true)),
            ("*", "abc", Ok(true)),
            ("*c", "abc", Ok(true)),
            ("a*", "a", Ok(true)),
            ("a*", "abc", Ok(true)),
            ("a*b*c*d*e*", "axbxcxdxe", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzx", Ok(true)),
            ("a*b?c*x", "abxbbxdbxebxczzy", Ok(false)),
            ("ab[c]", "abc", Ok(true)),
            ("ab[b-d]", "abc", Ok(true)),
            ("ab[e-g]", "abc", Ok(false)),
            ("ab[^c]", "abc", Ok(false)),
            ("ab[^b-d]", "abc", Ok(false)),
            ("ab[^e-g]", "abc", Ok(true)),
            ("a\\*b", "a*b", Ok(true)),
            ("a\\*b", "ab", Ok(false)),
            ("a?b", "a☺b", Ok(true)),
            ("a[^a]b", "a☺b", Ok(true)),
            ("a???b", "a☺b", Ok(false)),
            ("[a-ζ]*", "α", Ok(true)),
            ("*[a-ζ]", "A", Ok(false)),
            ("[\\]a]", "]", Ok(true)),
            ("[\\-]", "-", Ok(true)),
            ("[x\\-]", "x", Ok(true)),
            ("[x\\-]", "z", Ok(false)),
            ("[\\-x]", "-", Ok(true)),
            ("[]a]", "]", Err(BadPattern)),
            ("[-]", "-", Err(BadPattern)),
            ("[x-]", "x", Err(BadPattern)),
            ("[-x]", "x", Err(BadPattern)),
            ("\\", "a", Err(BadPattern)),
            ("[a-b-c]", "a", Err(BadPattern)),
            ("[", "a", Err(BadPattern)),
            ("[^", "a", Err(BadPattern)),
            ("[^bc", "a", Err(BadPattern)),
            ("a[", "ab", Err(BadPattern)),
            ("*x", "xxx", Ok(true)),
            ("", "", Ok(true)),
            ("?", "", Ok(false)),
        ] {
            let glob = Glob::parse(pattern.as_bytes());
            let found = glob.map(|glob| glob.matches(name.as_bytes()));
            assert_eq!(found, expected, "`{pattern}` and `{name}`");
        }
        let any = Glob::parse(b"a?b").expect("valid");
        assert!(any.matches(b"a\xffb"));
        assert!(Glob::parse(b"\xff").expect("valid").matches(b"\xff"));
        assert!(!Glob::parse(b"\xff").expect("valid").matches(b"\xfe"));
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(1000) + "b";
        assert!(
            !Glob::parse(pattern.as_bytes())
                .expect("valid")
                .matches(&[b'a'; 4000])
        );
    }

    /// Matches by trying everything.
    fn slow(tokens: &[Token], name: &[char]) -> bool {
        match (tokens.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((Token::Star, rest)), after) => {
                slow(rest, name) || after.is_some_and(|(_, after)| slow(tokens, after))
            }
            (Some((Token::One(class), rest)), Some((first, after))) => {
                class.holds(*first) && slow(rest, after)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(pattern in "[ab*?]{0,7}", name in "[abc]{0,8}") {
            let glob = Glob::parse(pattern.as_bytes()).expect("no classes");
            let expected = slow(&glob.tokens, &decode(name.as_bytes()));
            prop_assert_eq!(glob.matches(name.as_bytes()), expected);
        }

        #[test]
        fn any_bytes_have_an_answer(pattern: Vec<u8>, name: Vec<u8>) {
            if let Ok(glob) = Glob::parse(&pattern) {
                glob.matches(&name);
            }
        }
    }
}
