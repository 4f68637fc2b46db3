//! Patterns of `*` and `?`, as `${name#pattern}` has them. Neither matches a
//! line break. A `\` at the end is an error at either side of a value.
//!
//! All states of a match are held at once, so that no pattern takes longer
//! than its own length times that of the value.

/// Says how much of a value is to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As little as can.
    Shortest,
    /// As much as can.
    Longest,
}

/// Is an escape in a pattern that escapes nothing.
#[derive(Debug)]
pub(super) struct InvalidEscape(pub(super) String);

/// Says that matching was given up.
#[derive(Debug)]
pub(super) struct Exhausted;

/// Is how many steps may still be taken.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Budget {
    /// Makes one of that many steps.
    pub(super) fn new(steps: usize) -> Self {
        Self(steps)
    }

    fn charge(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.0 = self.0.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `?`
    One,
    /// `*`
    Any,
}

impl Token {
    fn takes(self, letter: char) -> bool {
        match self {
            Self::Letter(own) => own == letter,
            Self::One | Self::Any => letter != '\n',
        }
    }
}

/// Is where a pattern matches, in letters from the start of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The first letter.
    pub(super) start: usize,
    /// The letter behind the last one, where as little as can matches.
    pub(super) shortest: usize,
    /// The letter behind the last one, where as much as can matches.
    pub(super) longest: usize,
}

/// Is a pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// Fails for a `\` before something that needs none.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidEscape> {
        let mut tokens = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            tokens.push(match letter {
                // Two in a row match what one does.
                '*' if tokens.last() == Some(&Token::Any) => continue,
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => match letters.next() {
                    // The last two would end the `${}` without it.
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Token::Letter(escaped),
                    other => {
                        return Err(InvalidEscape(
                            other.map_or("\\".to_owned(), |other| format!("\\{other}")),
                        ));
                    }
                },
                _ => Token::Letter(letter),
            });
        }
        Ok(Self { tokens })
    }

    /// Takes what matches from the front of a value.
    pub(super) fn without_prefix<'v>(
        &self,
        value: &'v str,
        reach: Reach,
        steps: &mut Budget,
    ) -> Result<&'v str, Exhausted> {
        let letters: Vec<char> = value.chars().collect();
        let length = anchored(&self.tokens, &letters, reach, steps)?;
        let bytes: usize = letters
            .iter()
            .take(length)
            .map(|letter| letter.len_utf8())
            .sum();
        Ok(value.get(bytes..).unwrap_or_default())
    }

    /// Takes what matches from the back of a value.
    pub(super) fn without_suffix<'v>(
        &self,
        value: &'v str,
        reach: Reach,
        steps: &mut Budget,
    ) -> Result<&'v str, Exhausted> {
        let letters: Vec<char> = value.chars().rev().collect();
        let tokens: Vec<Token> = self.tokens.iter().rev().copied().collect();
        let length = anchored(&tokens, &letters, reach, steps)?;
        let bytes: usize = letters
            .iter()
            .take(length)
            .map(|letter| letter.len_utf8())
            .sum();
        Ok(value.get(..value.len() - bytes).unwrap_or_default())
    }

    /// Finds the first match that starts at a letter or behind it.
    pub(super) fn find(
        &self,
        letters: &[char],
        from: usize,
        steps: &mut Budget,
    ) -> Result<Option<Found>, Exhausted> {
        search(&self.tokens, letters, from..letters.len() + 1, steps)
    }
}

/// Says how many letters match at the very front; 0 if none do.
fn anchored(
    tokens: &[Token],
    letters: &[char],
    reach: Reach,
    steps: &mut Budget,
) -> Result<usize, Exhausted> {
    let found = search(tokens, letters, 0..1, steps)?;
    Ok(found.map_or(0, |found| match reach {
        Reach::Shortest => found.shortest,
        Reach::Longest => found.longest,
    }))
}

/// Finds the first match that starts at one of `starts`.
fn search(
    tokens: &[Token],
    letters: &[char],
    starts: std::ops::Range<usize>,
    steps: &mut Budget,
) -> Result<Option<Found>, Exhausted> {
    // For each count of tokens that matched: the first letter that did.
    let mut states: Vec<Option<usize>> = vec![None; tokens.len() + 1];
    let mut best: Option<Found> = None;
    for at in starts.start..=letters.len() {
        steps.charge(states.len())?;
        if best.is_none() && starts.contains(&at) {
            merge(states.first_mut(), Some(at));
        }
        skip_any(tokens, &mut states);
        if let Some(start) = states.last().copied().flatten() {
            best = match best {
                Some(found) if found.start == start => Some(Found {
                    longest: at,
                    ..found
                }),
                _ => Some(Found {
                    start,
                    shortest: at,
                    longest: at,
                }),
            };
        }
        if let Some(found) = best {
            // Only what starts as early can still be better.
            for state in &mut states {
                *state = state.filter(|start| *start <= found.start);
            }
        }
        let idle = states.iter().all(Option::is_none);
        if idle && (best.is_some() || at + 1 >= starts.end) {
            break;
        }
        let Some(letter) = letters.get(at) else { break };
        step(tokens, &mut states, *letter);
    }
    Ok(best)
}

/// Lets every `*` match nothing more.
fn skip_any(tokens: &[Token], states: &mut [Option<usize>]) {
    for (count, token) in tokens.iter().enumerate() {
        if *token == Token::Any {
            let start = states.get(count).copied().flatten();
            merge(states.get_mut(count + 1), start);
        }
    }
}

/// Goes over one letter.
fn step(tokens: &[Token], states: &mut [Option<usize>], letter: char) {
    // From the back, so that what was moved is not moved again.
    if let Some(last) = states.last_mut() {
        *last = None;
    }
    for (count, token) in tokens.iter().enumerate().rev() {
        let start = states.get_mut(count).and_then(Option::take);
        if start.is_none() || !token.takes(letter) {
            continue;
        }
        let next = if *token == Token::Any {
            count
        } else {
            count + 1
        };
        merge(states.get_mut(next), start);
    }
}

/// Keeps the earlier of two starts.
fn merge(state: Option<&mut Option<usize>>, start: Option<usize>) {
    if let (Some(state), Some(start)) = (state, start) {
        *state = Some(state.map_or(start, |own| own.min(start)));
    }
}
