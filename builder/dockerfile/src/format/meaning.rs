//! Whether two texts of an instruction mean the same.

use crate::ast::{Dockerfile, Escape, Instruction, Kind, Pair};
use crate::diagnostic::Severity;
use crate::expand::{Variables, expand_word};
use crate::parse::parse;
use crate::print::to_dockerfile;

/// Are values that show where a text uses variables.
const PROBES: [Option<&str>; 4] = [None, Some(""), Some("a  b"), Some("\"'\\`$x")];

/// Says whether an instruction means the same in two forms. `below` are the
/// heredocs of both.
pub(super) fn means_same(one: &str, other: &str, below: &str, escape: Escape) -> bool {
    let (Some(one), Some(other)) = (read(one, below, escape), read(other, below, escape)) else {
        return false;
    };
    if to_dockerfile(&one) == to_dockerfile(&other) {
        return true;
    }
    match (single_pair(&one), single_pair(&other)) {
        (Some((name, one)), Some((other_name, other))) => {
            name == other_name
                && one.key.as_str() == other.key.as_str()
                && same_value(one.value.as_str(), other.value.as_str(), escape)
        }
        _ => false,
    }
}

/// Says whether two values of variables expand to the same.
pub(super) fn same_value(one: &str, other: &str, escape: Escape) -> bool {
    let mut is_read = false;
    for probe in PROBES {
        let expand = |text| expand_word(text, escape, &Probe(probe)).ok();
        let (one, other) = (expand(one), expand(other));
        if one != other {
            return false;
        }
        is_read |= one.is_some();
    }
    is_read
}

/// Gives one value to all variables.
struct Probe(Option<&'static str>);

impl Variables for Probe {
    fn value(&self, _name: &str) -> Option<&str> {
        self.0
    }
}

/// Reads an instruction as if it were the only one.
fn read(text: &str, below: &str, escape: Escape) -> Option<Dockerfile> {
    let directive = match escape {
        Escape::Backslash => "",
        Escape::Backtick => "# escape=`\n",
    };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    // A `FROM` begins a stage of its own.
    let text = format!("{directive}FROM scratch\n{text}{end}{below}");
    let (file, said) = parse(text.as_bytes());
    let is_wrong = said.iter().any(|said| said.severity == Severity::Error);
    (!is_wrong).then_some(file)
}

/// Gives the only pair of the only instruction, and what it belongs to.
fn single_pair(file: &Dockerfile) -> Option<(&'static str, &Pair)> {
    let [stage] = file.stages.as_slice() else {
        return None;
    };
    let [instruction] = stage.instructions.as_slice() else {
        return None;
    };
    pair_of(instruction)
}

fn pair_of(instruction: &Instruction) -> Option<(&'static str, &Pair)> {
    match &instruction.kind {
        Kind::Env(pairs) => Some(("ENV", pairs.first()?)).filter(|_| pairs.len() == 1),
        Kind::Label(pairs) => Some(("LABEL", pairs.first()?)).filter(|_| pairs.len() == 1),
        Kind::Onbuild(inner) => pair_of(inner),
        _ => None,
    }
}
