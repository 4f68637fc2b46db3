//! `--verify`: where a second build came to something else, in words.

use std::collections::BTreeMap;

use builder::{Difference, DifferenceKind, Origin, Prepared, Report, StepReport};

use crate::diagnostics;
use crate::progress::bytes;
use crate::report::{Exit, count, ending, hinted, one_line, say};

/// How many files of a step are named; more would hide the first ones.
const FILES: usize = 20;

/// How many pieces of advice are given for a step.
const ADVICE: usize = 10;

/// What became of the image.
const KEPT: &str =
    "the image of the first build is in the library, and was neither pushed nor written elsewhere";

/// Says what came of comparing two builds, and fails where they differ.
pub(super) fn tell(prepared: &Prepared, report: &Report, quiet: bool) -> anyhow::Result<()> {
    if report.is_same() {
        if !quiet {
            let steps = count(report.compared, "step");
            say(&format!("built twice, and to the same: {steps} compared"));
        }
        return Ok(());
    }
    for step in &report.steps {
        say(&head(step));
        say(&diagnostics::excerpt(prepared, step.span));
        for line in lines(step) {
            say(&line);
        }
    }
    for field in &report.config {
        let (first, second) = (said(&field.first), said(&field.second));
        say(&format!(
            "different: `{}` of the config: {first}, then {second}",
            one_line(&field.field)
        ));
    }
    Err(hinted(ending(Exit::Different, sum(report)), KEPT))
}

fn sum(report: &Report) -> String {
    let (steps, all) = (report.steps.len(), report.compared);
    match steps {
        0 => "a second build came to another config".to_owned(),
        _ => format!(
            "a second build came to something else in {steps} of {}",
            count(all, "step")
        ),
    }
}

fn head(step: &StepReport) -> String {
    let why = match step.origin {
        Origin::Itself => "",
        Origin::Follows => ", maybe for what is different before it",
    };
    format!("different: stage {}{why}", one_line(&step.stage))
}

/// Lists the files of a step that differ, and what helps.
fn lines(step: &StepReport) -> Vec<String> {
    let mut lines: Vec<String> = step
        .differences
        .iter()
        .take(FILES)
        .map(|one| format!("      {}: {}", one_line(&one.path.to_string()), kind(one)))
        .collect();
    let more = step.differences.len().saturating_sub(FILES) + step.omitted;
    if more > 0 {
        lines.push(format!("      ... and {more} more"));
    }
    let mut advised: Vec<(&str, &Difference)> = Vec::new();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &step.differences {
        let Some(advice) = one.advice else {
            continue;
        };
        let paths = times.entry(advice).or_default();
        if *paths == 0 {
            advised.push((advice, one));
        }
        *paths += 1;
    }
    for (advice, one) in advised.into_iter().take(ADVICE) {
        let path = one_line(&one.path.to_string());
        let others = match times.get(advice).copied().unwrap_or_default() {
            0 | 1 => String::new(),
            number => format!(" and {} more", number - 1),
        };
        lines.push(format!("   hint: `{path}`{others}: {advice}"));
    }
    lines
}

fn kind(difference: &Difference) -> String {
    use DifferenceKind as Kind;
    let text = |bytes: &[u8]| one_line(&String::from_utf8_lossy(bytes));
    match &difference.kind {
        Kind::Missing => "not there any more".to_owned(),
        Kind::Added => "there the second time alone".to_owned(),
        Kind::Type(first, second) => format!("{first}, then {second}"),
        Kind::Mode(first, second) => format!("mode {first:04o}, then {second:04o}"),
        Kind::Owner(first, second) => format!(
            "owner {}:{}, then {}:{}",
            first.0, first.1, second.0, second.1
        ),
        Kind::Size(first, second) => {
            format!(
                "size {} ({first}), then {} ({second})",
                bytes(*first),
                bytes(*second)
            )
        }
        Kind::Content(..) => "other content of the same size".to_owned(),
        Kind::Time(first, second) => format!("time {first}, then {second}"),
        Kind::Target(first, second) => {
            format!("link to `{}`, then `{}`", text(first), text(second))
        }
        Kind::Device(first, second) => format!(
            "device {}:{}, then {}:{}",
            first.1, first.2, second.1, second.2
        ),
        Kind::Attribute(name) => format!("attribute `{}`", text(name)),
        Kind::Order => "elsewhere in the layer".to_owned(),
        Kind::Form => "the same files, in other bytes".to_owned(),
        _ => "different".to_owned(),
    }
}

/// Shows what a config says; nothing is shown as that.
fn said(value: &str) -> String {
    match value {
        "" => "nothing".to_owned(),
        value => one_line(value),
    }
}

#[cfg(test)]
mod tests {
    use builder::{FieldDifference, Span};

    use super::*;

    fn difference(kind: DifferenceKind, advice: Option<&'static str>) -> Difference {
        Difference {
            path: serde_json::from_slice(b"[120]").expect("a path"),
            kind,
            advice,
        }
    }

    fn step(differences: Vec<Difference>) -> StepReport {
        StepReport {
            stage: "app".to_owned(),
            text: "RUN x".to_owned(),
            span: Span::new(0, 5),
            origin: Origin::Itself,
            differences,
            omitted: 0,
        }
    }

    #[test]
    fn files_come_before_advice_which_is_given_once() {
        let mut step = step(vec![
            difference(DifferenceKind::Mode(0o644, 0o4755), None),
            difference(DifferenceKind::Size(1, 2048), Some("rm it")),
            difference(DifferenceKind::Missing, Some("rm it")),
            difference(
                DifferenceKind::Target((*b"a").into(), (*b"\n").into()),
                None,
            ),
        ]);
        assert_eq!(
            lines(&step),
            [
                "      /x: mode 0644, then 4755",
                "      /x: size 1 B (1), then 2.00 KiB (2048)",
                "      /x: not there any more",
                "      /x: link to `a`, then `\\n`",
                "   hint: `/x` and 1 more: rm it",
            ]
        );
        step.omitted = 7;
        let many = difference(DifferenceKind::Added, None);
        step.differences = vec![many; FILES + 1];
        let lines = lines(&step);
        assert_eq!(lines.len(), FILES + 1);
        assert_eq!(lines[FILES], "      ... and 8 more");
    }

    #[test]
    fn the_sum_says_how_much_differs() {
        let report = Report {
            steps: vec![step(Vec::new())],
            config: Vec::new(),
            compared: 3,
        };
        assert_eq!(
            sum(&report),
            "a second build came to something else in 1 of 3 steps"
        );
        let config = FieldDifference {
            field: "created".to_owned(),
            first: String::new(),
            second: "1".to_owned(),
        };
        let report = Report {
            config: vec![config],
            ..Report::default()
        };
        assert_eq!(sum(&report), "a second build came to another config");
    }
}
