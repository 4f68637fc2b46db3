//! Secrets in the output of commands: what is one of them is replaced before
//! anybody reads it.
//!
//! It finds secrets as they are. A command that prints one in another form
//! (encoded, or letter by letter) is not stopped by it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Knows what is replaced. It is made once for all streams of a command.
#[derive(Clone)]
pub(crate) struct Mask {
    automaton: Arc<Automaton>,
}

/// Replaces what is secret in one stream of output.
///
/// It holds back what may be the start of a secret, at most as much as the
/// longest one has bytes, until it is known or the stream ends.
pub(crate) struct Masked {
    automaton: Arc<Automaton>,
    state: usize,
    /// What is not given on yet.
    held: VecDeque<u8>,
    /// Where `held` starts in the stream.
    start: u64,
    /// The parts that are secret, in order and apart from each other. They end
    /// behind `start`.
    hidden: VecDeque<(u64, u64)>,
    /// What was given on last was hidden.
    hiding: bool,
}

/// Stands in the place of a secret, or of several that touch each other.
pub(crate) const REPLACEMENT: &[u8] = b"***";

/// The shortest value that is replaced, in bytes. What is shorter stands in
/// any output by chance: to replace it there would tell more than it hides,
/// and make the output useless.
pub(crate) const SHORTEST: usize = 4;

/// The shortest line of a value of several lines that is replaced by itself,
/// in bytes: programs show such a value line by line, each behind something
/// else.
const SHORTEST_LINE: usize = 8;

/// Says whether a secret is long enough to be replaced.
pub(crate) fn can_hide(value: &[u8]) -> bool {
    value.trim_ascii_end().len() >= SHORTEST
}

impl Mask {
    /// Makes a mask of the values of secrets, without the blanks and line ends
    /// behind them. Values that are too short are left out ([`can_hide`]).
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut automaton = Automaton::new();
        for value in values {
            let value = value.trim_ascii_end();
            if value.len() >= SHORTEST {
                automaton.add(value);
            }
            if value.contains(&b'\n') {
                let lines = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                lines
                    .filter(|line| line.len() >= SHORTEST_LINE)
                    .for_each(|line| automaton.add(line));
            }
        }
        automaton.connect();
        Self {
            automaton: Arc::new(automaton),
        }
    }

    /// Starts a stream.
    pub(crate) fn stream(&self) -> Masked {
        Masked {
            automaton: Arc::clone(&self.automaton),
            state: ROOT,
            held: VecDeque::new(),
            start: 0,
            hidden: VecDeque::new(),
            hiding: false,
        }
    }

    /// Replaces in a text that is whole.
    #[cfg(test)]
    pub(crate) fn apply(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut masked = Vec::with_capacity(text.len());
        stream.push(text, &mut masked);
        stream.finish(&mut masked);
        masked
    }
}

impl Masked {
    /// Takes a part of the stream, and appends what is known of it.
    pub(crate) fn push(&mut self, chunk: &[u8], output: &mut Vec<u8>) {
        if self.automaton.is_empty() {
            output.extend_from_slice(chunk);
            return;
        }
        for byte in chunk {
            self.held.push_back(*byte);
            self.state = self.automaton.next(self.state, *byte);
            let node = self.automaton.node(self.state);
            let end = self.start + self.held.len() as u64;
            if node.longest > 0 {
                self.hide(end - node.longest as u64, end);
            }
            // What is before the deepest start can not become part of one.
            self.release(end - node.depth as u64, output);
        }
    }

    /// Gives all that is held back: nothing comes behind it. The stream may go
    /// on afterwards, as another one.
    pub(crate) fn finish(&mut self, output: &mut Vec<u8>) {
        self.release(self.start + self.held.len() as u64, output);
        self.state = ROOT;
        self.hiding = false;
    }

    /// Takes note of a secret, which ends behind all that were found before.
    fn hide(&mut self, mut from: u64, to: u64) {
        while let Some((before, end)) = self.hidden.back().copied() {
            if end < from {
                break;
            }
            from = from.min(before);
            self.hidden.pop_back();
        }
        self.hidden.push_back((from, to));
    }

    /// Gives on what is before a place in the stream.
    fn release(&mut self, until: u64, output: &mut Vec<u8>) {
        while self.start < until {
            let (from, to) = self.hidden.front().copied().unwrap_or((until, until));
            if self.start < from {
                let count = from.min(until) - self.start;
                self.drop_front(count, Some(output));
                self.hiding = false;
                continue;
            }
            if !self.hiding {
                output.extend_from_slice(REPLACEMENT);
                self.hiding = true;
            }
            let count = to.min(until) - self.start;
            self.drop_front(count, None);
            if self.start >= to {
                self.hidden.pop_front();
            }
        }
    }

    fn drop_front(&mut self, count: u64, output: Option<&mut Vec<u8>>) {
        let count =
            usize::try_from(count).map_or(self.held.len(), |count| count.min(self.held.len()));
        let bytes = self.held.drain(..count);
        if let Some(output) = output {
            output.extend(bytes);
        }
        self.start += count as u64;
    }
}

/// Where an automaton starts.
const ROOT: usize = 0;

/// Finds values in a stream, all at a time: a state is the longest end of
/// what was read that a value starts with.
struct Automaton {
    nodes: Vec<Node>,
    /// Where a byte leads from a state. It is only ever asked for one pair.
    edges: HashMap<(usize, u8), usize>,
    /// The same of the start, which most bytes are read at.
    first: [usize; 256],
}

#[derive(Clone, Copy, Default)]
struct Node {
    /// How many bytes the state stands for.
    depth: usize,
    /// How many bytes the longest value has that ends here; 0 is none.
    longest: usize,
    /// The next shorter end of them that a value starts with.
    shorter: usize,
    /// The state before, and the byte that leads here from it.
    before: (usize, u8),
}

impl Automaton {
    fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
            edges: HashMap::new(),
            first: [ROOT; 256],
        }
    }

    fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    fn node(&self, state: usize) -> Node {
        self.nodes.get(state).copied().unwrap_or_default()
    }

    fn add(&mut self, value: &[u8]) {
        let mut state = ROOT;
        for byte in value {
            let fresh = self.nodes.len();
            let next = *self.edges.entry((state, *byte)).or_insert(fresh);
            if next == fresh {
                self.nodes.push(Node {
                    depth: self.node(state).depth + 1,
                    before: (state, *byte),
                    ..Node::default()
                });
                if state == ROOT {
                    self.first[usize::from(*byte)] = fresh;
                }
            }
            state = next;
        }
        if let Some(node) = self.nodes.get_mut(state) {
            node.longest = node.depth;
        }
    }

    /// Works out the shorter states, once all values are added.
    fn connect(&mut self) {
        let mut order: Vec<usize> = (1..self.nodes.len()).collect();
        order.sort_by_key(|state| self.node(*state).depth);
        for state in order {
            let (before, byte) = self.node(state).before;
            let shorter = match before {
                ROOT => ROOT,
                before => self.next(self.node(before).shorter, byte),
            };
            let ended = self.node(shorter).longest;
            if let Some(node) = self.nodes.get_mut(state) {
                node.shorter = shorter;
                node.longest = node.longest.max(ended);
            }
        }
    }

    /// Gives the state behind one more byte.
    fn next(&self, mut state: usize, byte: u8) -> usize {
        while state != ROOT {
            if let Some(next) = self.edges.get(&(state, byte)) {
                return *next;
            }
            state = self.node(state).shorter;
        }
        self.first[usize::from(byte)]
    }
}

/// Prints nothing of what is secret.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl std::fmt::Debug for Masked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
