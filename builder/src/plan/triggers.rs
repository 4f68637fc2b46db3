//! `ONBUILD`: instructions that a base has for the stages on it (Dockerfile
//! reference, "ONBUILD"). They come first in such a stage, as if they stood
//! behind its `FROM`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use dockerfile::{Dockerfile, Instruction, Kind};

use super::Base;
use super::names::Names;

/// Puts the instructions of bases into the stages on them. What images have
/// for those is handed in by the number of the stage; what stages of this file
/// have is in the file. A stage that a context takes the place of has none.
pub(super) fn insert<'a>(
    file: &'a Dockerfile,
    names: &Names<'_>,
    bases: &[Option<Base>],
    of_images: &BTreeMap<usize, Vec<Instruction>>,
) -> Cow<'a, Dockerfile> {
    let mut grown = Cow::Borrowed(file);
    for (number, stage) in file.stages.iter().enumerate() {
        let name = stage.from.name.as_ref();
        let is_replaced = name.is_some_and(|name| names.is_replaced(name.as_str()));
        let base = bases.get(number).and_then(Option::as_ref);
        let triggers = match base {
            Some(Base::Stage(base)) => of_stage(file, *base),
            Some(Base::Image(_)) => of_images.get(&number).cloned().unwrap_or_default(),
            Some(Base::Scratch | Base::Files(_)) | None => Vec::new(),
        };
        if !is_replaced && triggers.is_empty() {
            continue;
        }
        if let Some(stage) = grown.to_mut().stages.get_mut(number) {
            if is_replaced {
                stage.instructions.clear();
            }
            stage.instructions.splice(0..0, triggers);
        }
    }
    grown
}

/// Lists what a stage has for those on it.
fn of_stage(file: &Dockerfile, number: usize) -> Vec<Instruction> {
    let stage = file.stages.get(number);
    let instructions = stage.map(|stage| stage.instructions.as_slice());
    let triggers = instructions.unwrap_or_default().iter();
    triggers
        .filter_map(|instruction| match &instruction.kind {
            Kind::Onbuild(trigger) => Some(Instruction::clone(trigger)),
            _ => None,
        })
        .collect()
}
