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
    name: &dyn Fn(usize) -> String,
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
                let stages = path.iter().map(|(stage, _)| *stage);
                let circle = stages.skip_while(|stage| *stage != need.stage);
                diagnostics.push(in_a_circle(circle.chain([need.stage]).map(name), need.span));
                return None;
            }
            Some(Visit::Done) | None => {}
        }
    }
    Some(order)
}

/// How many stages of a circle are named.
const NAMED: usize = 8;

/// Says which stages need each other, from one of them around to itself.
fn in_a_circle(names: impl Iterator<Item = String>, span: Span) -> Diagnostic {
    let mut names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > NAMED {
        names.splice(NAMED - 1..names.len() - 1, ["...".to_owned()]);
    }
    let message = match names.as_slice() {
        [stage, _] => format!("the stage {stage} needs itself"),
        _ => format!(
            "stages need each other in a circle: {}",
            names.join(" needs ")
        ),
    };
    let hint = "a stage can only take files of stages that do not need it themselves";
    Diagnostic::error(code::CIRCLE, span, message).hint(hint)
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

    fn name(stage: usize) -> String {
        format!("s{stage}")
    }

    #[test]
    fn only_what_is_needed_and_that_first() {
        let graph = needs(&[&[], &[0], &[], &[1, 4], &[0]]);
        let mut diagnostics = Vec::new();
        assert_eq!(
            order(&graph, 3, &name, &mut diagnostics),
            Some(vec![0, 1, 4, 3])
        );
        assert_eq!(order(&graph, 2, &name, &mut diagnostics), Some(vec![2]));
        assert_eq!(diagnostics, []);
    }

    #[test]
    fn a_circle_is_named() {
        let mut diagnostics = Vec::new();
        let circle = needs(&[&[], &[2], &[3], &[0, 1]]);
        assert_eq!(order(&circle, 1, &name, &mut diagnostics), None);
        assert_eq!(order(&needs(&[&[0]]), 0, &name, &mut diagnostics), None);
        let long: Vec<Vec<usize>> = (0..20).map(|stage| vec![(stage + 1) % 20]).collect();
        let long: Vec<&[usize]> = long.iter().map(Vec::as_slice).collect();
        assert_eq!(order(&needs(&long), 0, &name, &mut diagnostics), None);
        let said: Vec<&str> = diagnostics
            .iter()
            .map(|said| said.message.as_str())
            .collect();
        assert_eq!(
            said,
            [
                "stages need each other in a circle: `s1` needs `s2` needs `s3` needs `s1`",
                "the stage `s0` needs itself",
                "stages need each other in a circle: `s0` needs `s1` needs `s2` needs `s3` needs \
                 `s4` needs `s5` needs `s6` needs ... needs `s0`",
            ]
        );
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
        let order = order(&graph, 99_999, &name, &mut Vec::new()).expect("no circle");
        assert_eq!(order.len(), 100_000);
    }
}
