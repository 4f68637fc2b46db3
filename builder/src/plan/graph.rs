//! The order of stages: each after those that it needs.

use dockerfile::{Diagnostic, Span};

use super::code;

/// Says that a stage needs another, and where in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) stage: usize,
    pub(crate) span: Span,
}

/// How far the visit of a stage has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    Begun,
    Done,
}

/// Lists the stages that a target needs, each after its needs, the target
/// last; `None` where stages need each other in a circle.
pub(crate) fn order(
    needs: &[Vec<Need>],
    target: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<usize>> {
    let mut visits = vec![Visit::Not; needs.len()];
    let mut order = Vec::new();
    // Stages and how many of their needs were looked at; a stack of our own,
    // because a file may have thousands of stages.
    let mut path = vec![(target, 0)];
    *visits.get_mut(target)? = Visit::Begun;
    while let Some((stage, next)) = path.last_mut() {
        let Some(need) = needs.get(*stage).and_then(|needs| needs.get(*next)) else {
            if let Some(visit) = visits.get_mut(*stage) {
                *visit = Visit::Done;
            }
            order.push(*stage);
            path.pop();
            continue;
        };
        *next += 1;
        match visits.get_mut(need.stage) {
            Some(visit @ Visit::Not) => {
                *visit = Visit::Begun;
                path.push((need.stage, 0));
            }
            Some(Visit::Begun) => {
                let message = "stages need each other in a circle";
                let hint = "a stage can only copy from stages that do not need it themselves";
                diagnostics.push(Diagnostic::error(code::CIRCLE, need.span, message).hint(hint));
                return None;
            }
            Some(Visit::Done) | None => {}
        }
    }
    Some(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(lists: &[&[usize]]) -> Vec<Vec<Need>> {
        let span = Span::default();
        let need = |stage: &usize| Need {
            stage: *stage,
            span,
        };
        lists
            .iter()
            .map(|list| list.iter().map(need).collect())
            .collect()
    }

    #[test]
    fn only_what_is_needed_and_that_first() {
        let graph = needs(&[&[], &[0], &[], &[1, 4], &[0]]);
        let mut diagnostics = Vec::new();
        assert_eq!(order(&graph, 3, &mut diagnostics), Some(vec![0, 1, 4, 3]));
        assert_eq!(order(&graph, 2, &mut diagnostics), Some(vec![2]));
        assert_eq!(diagnostics, []);
    }

    #[test]
    fn a_circle_is_named() {
        let mut diagnostics = Vec::new();
        assert_eq!(order(&needs(&[&[1], &[0]]), 0, &mut diagnostics), None);
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(order(&needs(&[&[0]]), 0, &mut diagnostics), None);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let graph: Vec<Vec<Need>> = (0..100_000usize)
            .map(|stage| {
                let span = Span::default();
                stage
                    .checked_sub(1)
                    .map(|stage| Need { stage, span })
                    .into_iter()
                    .collect()
            })
            .collect();
        let order = order(&graph, 99_999, &mut Vec::new()).expect("no circle");
        assert_eq!(order.len(), 100_000);
    }
}
