//! All patterns of a file as one machine that goes over a path letter by
//! letter. It holds every way a pattern could match at once, so that no
//! pattern takes longer than its own length for each letter.

use std::sync::Arc;

use crate::ignore::class::Class;
use crate::ignore::pattern::Pattern;
use crate::ignore::symbol::{Symbol, symbols};

/// Is a part of a pattern. Behind a part that matched comes the next one; the
/// last is [`State::Accept`].
#[derive(Debug, Clone)]
pub(super) enum State {
    /// One letter.
    One(Set),
    /// Any count of letters.
    Many(Set),
    /// This and the next part can be left out.
    Maybe,
    /// Whatever ends with `/`.
    Directories(LineBreaks),
    /// Nothing, at the very front.
    Start,
    /// The pattern has matched.
    Accept,
}

/// Says whether line breaks are letters as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineBreaks {
    Match,
    End,
}

/// Is a set of letters.
#[derive(Debug, Clone)]
pub(super) enum Set {
    /// This one.
    Only(Symbol),
    /// All.
    Anything,
    /// All but a line break.
    Line,
    /// All that a class says.
    Class(Class),
}

impl Set {
    fn has(&self, symbol: Symbol) -> bool {
        match self {
            Self::Only(own) => *own == symbol,
            Self::Anything => true,
            Self::Line => symbol.as_letter() != '\n',
            Self::Class(class) => class.has(symbol.as_letter()),
        }
    }
}

/// Is the machine.
#[derive(Debug, Clone, Default)]
pub(super) struct Program(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    states: Vec<State>,
    rules: Vec<Rule>,
    /// Which of the rules each state is of.
    owners: Vec<usize>,
}

#[derive(Debug)]
struct Rule {
    exception: bool,
    start: usize,
}

impl Program {
    /// Makes the machine of some patterns.
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        let mut parts = Parts::default();
        for (rule, pattern) in patterns.iter().enumerate() {
            parts.rules.push(Rule {
                exception: pattern.exception,
                start: parts.states.len(),
            });
            parts.states.extend(pattern.states.iter().cloned());
            parts.states.push(State::Accept);
            parts.owners.resize(parts.states.len(), rule);
        }
        Self(Arc::new(parts))
    }
}

/// Is a place in a walk over a context: a path, and what is known of it.
#[derive(Debug, Clone)]
pub struct IgnoreState {
    program: Program,
    /// The states the machine is in behind the path.
    active: Arc<[usize]>,
    /// Which of the patterns match the path or one above it.
    matched: Arc<[bool]>,
    is_root: bool,
    excluded: bool,
}

impl IgnoreState {
    /// Starts at the root of the context.
    pub(super) fn root(program: &Program) -> Self {
        let parts = &program.0;
        let mut active = Active::new(parts.states.len());
        for rule in &parts.rules {
            active.add(&parts.states, rule.start, Place::Front);
        }
        Self {
            active: active.list.into(),
            matched: vec![false; parts.rules.len()].into(),
            program: program.clone(),
            is_root: true,
            excluded: false,
        }
    }

    /// Goes to a name in this directory, and says whether it is left out.
    ///
    /// That a directory is left out does not mean that all in it is:
    /// [`IgnoreState::may_hold_included`] knows.
    #[must_use]
    pub fn enter(&self, name: &[u8]) -> (Self, bool) {
        let parts = &self.program.0;
        let slash = (!self.is_root).then_some(Symbol::SLASH);
        let letters = slash
            .into_iter()
            .chain(symbols(name).map(|(_, symbol)| symbol));
        let active = self.after(letters);
        let mut accepted = vec![false; parts.rules.len()];
        for state in &active {
            let accepts = matches!(parts.states.get(*state), Some(State::Accept));
            let owner = parts
                .owners
                .get(*state)
                .and_then(|rule| accepted.get_mut(*rule));
            if let (true, Some(accepted)) = (accepts, owner) {
                *accepted = true;
            }
        }
        let mut excluded = false;
        let mut matched = vec![false; parts.rules.len()];
        let known = self.matched.iter().zip(accepted);
        for ((matched, rule), (above, accepted)) in matched.iter_mut().zip(&parts.rules).zip(known)
        {
            // A pattern that would change nothing here is not looked at, and
            // then does not count for what is below either.
            *matched = *above || (accepted && rule.exception == excluded);
            if *matched {
                excluded = !rule.exception;
            }
        }
        let state = Self {
            program: self.program.clone(),
            active: active.into(),
            matched: matched.into(),
            is_root: false,
            excluded,
        };
        (state, excluded)
    }

    /// Says whether something in this directory could be kept: always for one
    /// that is not left out itself, and else if a later `!` pattern can match
    /// below it.
    #[must_use]
    pub fn may_hold_included(&self) -> bool {
        if !self.excluded {
            return true;
        }
        let parts = &self.program.0;
        let decided = self.matched.iter().rposition(|matched| *matched);
        self.after([Symbol::SLASH]).iter().any(|state| {
            let rule = parts.owners.get(*state).copied();
            let exception = rule
                .and_then(|rule| parts.rules.get(rule))
                .is_some_and(|rule| rule.exception);
            exception && rule > decided
        })
    }

    /// Gives the states behind some more letters.
    fn after(&self, letters: impl IntoIterator<Item = Symbol>) -> Vec<usize> {
        let states = &self.program.0.states;
        let mut now = self.active.to_vec();
        let mut next = Active::new(states.len());
        for letter in letters {
            if now.is_empty() {
                break;
            }
            for state in &now {
                next.step(states, *state, letter);
            }
            now = next.take(now);
        }
        now
    }
}

/// Says where in a path the machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Front,
    Inside,
}

/// Is a set of states.
#[derive(Debug)]
struct Active {
    list: Vec<usize>,
    present: Vec<bool>,
}

impl Active {
    fn new(states: usize) -> Self {
        Self {
            list: Vec::new(),
            present: vec![false; states],
        }
    }

    /// Adds a state and those that need no letter from it on.
    fn add(&mut self, states: &[State], state: usize, place: Place) {
        let mut looked_at = self.list.len();
        self.push(state);
        while let Some(state) = self.list.get(looked_at).copied() {
            looked_at += 1;
            match states.get(state) {
                Some(State::Many(_)) => self.push(state + 1),
                Some(State::Maybe) => {
                    self.push(state + 1);
                    self.push(state + 2);
                }
                Some(State::Start) if place == Place::Front => self.push(state + 1),
                _ => {}
            }
        }
    }

    fn push(&mut self, state: usize) {
        if let Some(present @ false) = self.present.get_mut(state) {
            *present = true;
            self.list.push(state);
        }
    }

    /// Adds what a state becomes with a letter.
    fn step(&mut self, states: &[State], state: usize, letter: Symbol) {
        match states.get(state) {
            Some(State::One(set)) if set.has(letter) => self.add(states, state + 1, Place::Inside),
            Some(State::Many(set)) if set.has(letter) => self.add(states, state, Place::Inside),
            Some(State::Directories(breaks)) => {
                if *breaks == LineBreaks::Match || letter != Symbol::letter('\n') {
                    self.add(states, state, Place::Inside);
                }
                if letter == Symbol::SLASH {
                    self.add(states, state + 1, Place::Inside);
                }
            }
            _ => {}
        }
    }

    /// Gives the states and starts anew, with the room of an older list.
    fn take(&mut self, mut room: Vec<usize>) -> Vec<usize> {
        for state in &self.list {
            if let Some(present) = self.present.get_mut(*state) {
                *present = false;
            }
        }
        room.clear();
        std::mem::replace(&mut self.list, room)
    }
}
