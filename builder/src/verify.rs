//! Whether two builds of one plan came to the same, and where they did not.
//!
//! It looks at what the builds say they did: nothing is built or read here.

mod advice;
mod config;
mod files;

use std::collections::BTreeMap;
use std::sync::Arc;

use dockerfile::Span;
use layer::LayerIndex;
use oci::Digest;

use advice::advice;
pub use config::FieldDifference;
pub use files::{Difference, DifferenceKind};

/// The most files of one step that a report names.
pub(crate) const DIFFERENCES_LIMIT: usize = 1000;

/// Is what one of the builds came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// All instructions that were done, in the order of doing.
    pub(crate) steps: Vec<StepEvidence>,
    /// The bytes of the image's config.
    pub(crate) config: Vec<u8>,
}

/// Is what one instruction came to.
#[derive(Debug, Clone)]
pub(crate) struct StepEvidence {
    /// The stage, by its name or its number from 0.
    pub(crate) stage: String,
    /// The instruction as it is written, in one line.
    pub(crate) text: String,
    /// Where it stands in the Dockerfile.
    pub(crate) span: Span,
    /// The layer that it made, if it made one.
    pub(crate) layer: Option<LayerEvidence>,
}

/// Is a layer that an instruction made.
#[derive(Debug, Clone)]
pub(crate) struct LayerEvidence {
    /// The digest of what it holds, uncompressed.
    pub(crate) diff_id: Digest,
    /// What it says.
    pub(crate) index: Arc<LayerIndex>,
}

/// Is what comparing two builds came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The steps that came to something else, in the order of doing. The first
    /// one is where it began.
    pub steps: Vec<StepReport>,
    /// What differs in the configs, but the layers; those are of the steps.
    pub config: Vec<FieldDifference>,
    /// How many steps were compared.
    pub compared: usize,
}

impl Report {
    /// Adds what comparing two other images came to.
    pub(crate) fn add_all(&mut self, other: Self) {
        self.steps.extend(other.steps);
        self.config.extend(other.config);
        self.compared += other.compared;
    }

    /// Says whether both builds came to the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.steps.is_empty() && self.config.is_empty()
    }
}

/// Is one step that came to something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepReport {
    /// The stage, by its name or its number from 0.
    pub stage: String,
    /// The instruction as it is written, in one line.
    pub text: String,
    /// Where it stands in the Dockerfile.
    pub span: Span,
    /// Whether the difference may be of the step itself, or of one before.
    pub origin: Origin,
    /// What differs, in the order of paths, 1,000 at most.
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub omitted: usize,
}

/// Says where a difference may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this step: all that it stands on is the same.
    Itself,
    /// From a step before it, in its stage or another one; or from itself too.
    Follows,
}

/// Compares two builds. Steps are the same by their place in the Dockerfile, so
/// that the order in which stages were built may be another one.
#[must_use]
pub(crate) fn compare(first: &Evidence, second: &Evidence) -> Report {
    let mut others: BTreeMap<Key<'_>, &StepEvidence> = BTreeMap::new();
    for (key, step) in keyed(&second.steps) {
        others.insert(key, step);
    }
    let mut report = Report::default();
    for (key, step) in keyed(&first.steps) {
        let other = others.remove(&key);
        let layers = (
            step.layer.as_ref(),
            other.and_then(|step| step.layer.as_ref()),
        );
        report.add(step, layers);
    }
    // What the first build did not do at all, in the order of the second.
    for (key, step) in keyed(&second.steps) {
        if others.contains_key(&key) {
            report.add(step, (None, step.layer.as_ref()));
        }
    }
    report.config = config::compare(&first.config, &second.config);
    report
}

/// Tells steps apart: by the stage, where they stand, and the how manyth of that
/// place they are (instructions of a base are run where `FROM` stands).
type Key<'a> = (&'a str, usize, &'a str, usize);

fn keyed(steps: &[StepEvidence]) -> Vec<(Key<'_>, &StepEvidence)> {
    let mut met: BTreeMap<(&str, usize, &str), usize> = BTreeMap::new();
    let keys = steps.iter().map(|step| {
        let (stage, text) = (step.stage.as_str(), step.text.as_str());
        let times = met.entry((stage, step.span.start, text)).or_default();
        *times += 1;
        ((stage, step.span.start, text, *times), step)
    });
    keys.collect()
}

impl Report {
    fn add(
        &mut self,
        step: &StepEvidence,
        (first, second): (Option<&LayerEvidence>, Option<&LayerEvidence>),
    ) {
        self.compared += 1;
        let id = |layer: Option<&LayerEvidence>| layer.map(|layer| layer.diff_id);
        if id(first) == id(second) {
            return;
        }
        let empty = LayerIndex::default();
        let first = first.map_or(&empty, |layer| &*layer.index);
        let second = second.map_or(&empty, |layer| &*layer.index);
        let mut differences = files::compare(first, second);
        let omitted = differences.len().saturating_sub(DIFFERENCES_LIMIT);
        differences.truncate(DIFFERENCES_LIMIT);
        // Another stage may have copied from one that differs.
        let origin = if self.steps.is_empty() {
            Origin::Itself
        } else {
            Origin::Follows
        };
        self.steps.push(StepReport {
            stage: step.stage.clone(),
            text: step.text.clone(),
            span: step.span,
            origin,
            differences,
            omitted,
        });
    }
}

#[cfg(test)]
mod tests;
