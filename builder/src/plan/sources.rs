//! Where the instructions of a stage take files from.

use dockerfile::{Diagnostic, Dockerfile, Instruction, Kind, Span};

use super::names::Names;
use super::{Base, CopyFrom, code, graph};

/// Is where one instruction takes files from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    /// Where a `COPY` does.
    pub(super) from: CopyFrom,
    /// Where each `--mount` of a `RUN` does, in their order.
    pub(super) mounts: Vec<CopyFrom>,
}

/// Finds out where each instruction takes files from, stage by stage.
pub(super) fn all(
    file: &Dockerfile,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Vec<Taken>> {
    let mut all = Vec::with_capacity(file.stages.len());
    for (number, stage) in file.stages.iter().enumerate() {
        let taken = stage.instructions.iter();
        all.push(
            taken
                .map(|instruction| taken_by(instruction, number, names, diagnostics))
                .collect(),
        );
    }
    all
}

fn taken_by(
    instruction: &Instruction,
    number: usize,
    names: &Names<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Taken {
    let mut find = |flag: &str, from: Option<(&str, Span)>| {
        let found = from.map_or(Ok(CopyFrom::Context), |(from, _)| {
            names.source(flag, from, number)
        });
        found.unwrap_or_else(|(message, hint)| {
            let span = from.map_or(instruction.span, |(_, span)| span);
            diagnostics.push(Diagnostic::error(code::INVALID_FROM, span, message).hint(hint));
            CopyFrom::Context
        })
    };
    match &instruction.kind {
        Kind::Copy(copy) => Taken {
            from: find(
                "--from",
                copy.from.as_ref().map(|from| (from.as_str(), from.span())),
            ),
            mounts: Vec::new(),
        },
        Kind::Run(run) => {
            let mounts = run.mounts().map(|value| {
                let from = dockerfile::mount_from(value.as_str());
                find("from", from.as_deref().map(|from| (from, value.span())))
            });
            Taken {
                mounts: mounts.collect(),
                from: CopyFrom::Context,
            }
        }
        _ => Taken {
            from: CopyFrom::Context,
            mounts: Vec::new(),
        },
    }
}

/// Lists the stages that one needs, and where it says so.
pub(super) fn needs_of(
    file: &Dockerfile,
    number: usize,
    bases: &[Option<Base>],
    taken: &[Vec<Taken>],
) -> Vec<graph::Need> {
    let mut needs = Vec::new();
    let Some(stage) = file.stages.get(number) else {
        return needs;
    };
    if let Some(Some(Base::Stage(base))) = bases.get(number) {
        let span = stage.from.base.span();
        needs.push(graph::Need { stage: *base, span });
    }
    let taken = taken.get(number).map(Vec::as_slice).unwrap_or_default();
    for (instruction, taken) in stage.instructions.iter().zip(taken) {
        let need = |(from, span): (&CopyFrom, Span)| match from {
            CopyFrom::Stage(stage) => Some(graph::Need {
                stage: *stage,
                span,
            }),
            _ => None,
        };
        match &instruction.kind {
            Kind::Copy(copy) => {
                let from = copy.from.as_ref().map(dockerfile::Text::span);
                needs.extend(from.and_then(|span| need((&taken.from, span))));
            }
            Kind::Run(run) => {
                let spans = run.mounts().map(dockerfile::Text::span);
                needs.extend(taken.mounts.iter().zip(spans).filter_map(need));
            }
            _ => {}
        }
    }
    needs
}
