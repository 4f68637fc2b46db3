//! Builds in lines, each with the number of its step, and on a terminal a line
//! below them for each step that runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use builder::{Event, Outcome, Source, TierName};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::progress::{bytes, fitting, short, style};
use crate::report::{one_line, said, sandbox, say};

/// How a step looks that runs.
const RUNNING: &str = "{prefix} {wide_msg} {elapsed:>5}";
const COLOURED_RUNNING: &str = "{prefix:.cyan} {wide_msg:.dim} {elapsed:>5}";

/// How it looks while bytes are counted.
const BAR: &str = "{prefix} {msg} [{wide_bar}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4}";
const COLOURED_BAR: &str = "{prefix:.cyan} {msg} [{wide_bar:.cyan}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12.green} {eta:>4.dim}";

/// The same on a terminal that is too narrow for it.
const NARROW: &str = "{prefix} {msg} [{wide_bar}] {percent:>3}%";

/// The most that is shown of an instruction, in characters.
const TEXT: usize = 100;

/// Of less time than this nothing is said.
const SAID: Duration = Duration::from_millis(50);

/// How often a line is drawn anew, so that its time goes on.
const TICK: Duration = Duration::from_millis(250);

/// Stands before what is of no step.
const MARGIN: &str = "      ";

/// Shows a build in lines.
pub(super) struct Lines {
    steps: usize,
    stages: usize,
    running: BTreeMap<usize, Running>,
    /// What is fetched, which may take several attempts.
    fetching: BTreeMap<String, Option<ProgressBar>>,
    /// In which sandbox commands are run, once it was said.
    tier: Option<TierName>,
    /// Whether it is said why a step is done.
    explains: bool,
    bars: Option<Bars>,
}

/// Is a step that runs.
struct Running {
    began: Instant,
    bar: Option<ProgressBar>,
    counts: bool,
}

/// Draws lines that change.
struct Bars {
    all: MultiProgress,
    coloured: bool,
}

impl Lines {
    /// Shows lines alone.
    pub(super) fn alone() -> Self {
        Self {
            steps: 0,
            stages: 0,
            running: BTreeMap::new(),
            fetching: BTreeMap::new(),
            tier: None,
            explains: false,
            bars: None,
        }
    }

    /// Shows lines, and below them what runs.
    pub(super) fn over_bars(coloured: bool) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        Self {
            bars: Some(Bars { all, coloured }),
            ..Self::alone()
        }
    }

    /// Says why a step is done, from now on.
    pub(super) fn explain(&mut self) {
        self.explains = true;
    }

    /// Takes away what changes.
    pub(super) fn clear(&mut self) {
        for running in self.running.values_mut() {
            if let Some(bar) = running.bar.take() {
                bar.finish_and_clear();
            }
        }
        for bar in std::mem::take(&mut self.fetching).into_values().flatten() {
            bar.finish_and_clear();
        }
    }

    /// Shows an event.
    pub(super) fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { stages, steps } => (self.stages, self.steps) = (*stages, *steps),
            Event::Started { step, stage, text } => self.start(*step, stage, text),
            Event::Resolved {
                step,
                digest,
                source,
            } => {
                let place = match source {
                    Source::Library => "in the library",
                    Source::Registry => "in its registry",
                    Source::Layout => "in the layout",
                };
                self.line(*step, &format!("{digest} {place}"));
            }
            Event::Indexing {
                step,
                digest,
                position,
                size,
            } => {
                let what = format!("reading {}", short(digest));
                self.advance(*step, &what, (*position, *size));
            }
            Event::Fetching {
                url,
                position,
                size,
            } => self.fetch(url, (*position, *size)),
            Event::CheckedOut { commit, .. } => self.say(&format!("{MARGIN}commit {commit}")),
            Event::Packing {
                step,
                position,
                size,
            } => self.advance(*step, "packing", (*position, *size)),
            Event::Verifying => self.say("building once more, to compare"),
            // Each of several has its own, and all are alike.
            Event::Sandboxed { tier } if self.tier != Some(*tier) => {
                self.tier = Some(*tier);
                self.say(&sandboxed(*tier));
            }
            Event::Unpacking { step, digest } => {
                self.line(*step, &format!("unpacking {}", short(digest)));
            }
            Event::Output { step, line, .. } => {
                let line = said(line);
                let line = line.trim_start();
                self.line(*step, line);
                self.message(*step, line.trim_start_matches("| "));
            }
            Event::Imported { name, steps: 0 } => {
                self.say(&format!("{MARGIN}cache `{name}` has nothing yet"));
            }
            Event::Imported { name, steps } => {
                let steps = crate::report::count(*steps, "step");
                self.say(&format!("{MARGIN}cache `{name}` has {steps}"));
            }
            Event::Missed { step, changes } if self.explains => {
                for change in *changes {
                    self.line(*step, &format!("done, since {change}"));
                }
            }
            Event::Finished { step, outcome } => self.finish(*step, *outcome),
            Event::Warned { message, hint } => {
                // A cache of others may say it.
                self.say(&format!("warning: {}", one_line(message)));
                self.say(&format!("   hint: {}", one_line(hint)));
            }
            _ => {}
        }
    }

    fn start(&mut self, step: usize, stage: &str, text: &str) {
        let text = excerpt(text, TEXT);
        let is_number = stage.bytes().all(|byte| byte.is_ascii_digit());
        let stage = match (self.stages, is_number) {
            (0 | 1, _) => String::new(),
            (_, true) => format!("stage {stage}, "),
            (_, false) => format!("{}, ", one_line(stage)),
        };
        let head = format!("[{stage}{step}/{}] {text}", self.steps);
        self.line(step, &head);
        let prefix = self.number(step);
        let bar = self.bars.as_ref().map(|bars| bars.add(&prefix, head));
        let running = Running {
            began: Instant::now(),
            bar,
            counts: false,
        };
        if let Some(bar) = self.running.insert(step, running).and_then(|old| old.bar) {
            bar.finish_and_clear();
        }
    }

    fn finish(&mut self, step: usize, outcome: Outcome) {
        let running = self.running.remove(&step);
        let took = running.as_ref().map(|running| running.began.elapsed());
        if let Some(bar) = running.and_then(|running| running.bar) {
            bar.finish_and_clear();
        }
        if let Some(line) = finished(outcome, took.unwrap_or_default()) {
            self.line(step, &line);
        }
    }

    /// Shows how far something has come in a step.
    fn advance(&mut self, step: usize, what: &str, (position, size): (u64, u64)) {
        let (Some(running), Some(bars)) = (self.running.get_mut(&step), &self.bars) else {
            return;
        };
        let Some(bar) = &running.bar else {
            return;
        };
        if !running.counts {
            running.counts = true;
            bar.set_style(bars.counting());
        }
        bar.set_message(what.to_owned());
        bar.set_length(size);
        // Last, since it draws.
        bar.set_position(position);
    }

    /// Shows what a step says last.
    fn message(&mut self, step: usize, message: &str) {
        let (Some(running), Some(bars)) = (self.running.get_mut(&step), &self.bars) else {
            return;
        };
        let Some(bar) = &running.bar else {
            return;
        };
        if running.counts {
            running.counts = false;
            bar.set_style(bars.running());
        }
        bar.set_message(message.to_owned());
    }

    fn fetch(&mut self, url: &str, (position, size): (u64, u64)) {
        if position == 0 {
            let old = self.fetching.get(url);
            let again = if old.is_some() { " again" } else { "" };
            self.say(&format!("{MARGIN}fetching {url}{again}"));
            let bar = self.bars.as_ref().map(|bars| {
                let bar = bars.add("fetching", one_line(url));
                bar.set_style(bars.counting());
                bar
            });
            if let Some(bar) = self.fetching.insert(url.to_owned(), bar).flatten() {
                bar.finish_and_clear();
            }
        } else if let Some(Some(bar)) = self.fetching.get(url) {
            bar.set_length(size.max(position));
            bar.set_position(position);
            if size == position {
                bar.finish_and_clear();
            }
        }
    }

    /// Names a step: as wide for each.
    fn number(&self, step: usize) -> String {
        let width = self.steps.to_string().len();
        format!("#{step:<width$}")
    }

    fn line(&self, step: usize, line: &str) {
        self.say(&format!("{} {line}", self.number(step)));
    }

    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.all.suspend(|| say(line)),
            None => say(line),
        }
    }
}

impl Bars {
    fn add(&self, prefix: &str, message: String) -> ProgressBar {
        let bar = ProgressBar::new(0)
            .with_style(self.running())
            .with_prefix(prefix.to_owned())
            .with_message(message);
        let bar = self.all.add(bar);
        bar.enable_steady_tick(TICK);
        bar
    }

    fn running(&self) -> indicatif::ProgressStyle {
        style(match self.coloured {
            true => COLOURED_RUNNING,
            false => RUNNING,
        })
    }

    fn counting(&self) -> indicatif::ProgressStyle {
        let wide = if self.coloured { COLOURED_BAR } else { BAR };
        style(fitting(wide, NARROW))
    }
}

/// Shows the start of an instruction in one line.
pub(super) fn excerpt(text: &str, most: usize) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut shown: String = plain.chars().take(most).collect();
    if shown.len() < plain.len() {
        shown.push_str("...");
    }
    shown
}

/// Says what keeps commands apart from the machine.
fn sandboxed(tier: TierName) -> String {
    let what = sandbox(tier);
    format!("{MARGIN}sandbox `{tier}` (tier {}): {what}", tier.number())
}

/// Says what came of a step.
fn finished(outcome: Outcome, took: Duration) -> Option<String> {
    let time = match took {
        took if took < SAID => String::new(),
        took => format!(" in {:.1} s", took.as_secs_f64()),
    };
    match outcome {
        Outcome::Packed { digest, size } => Some(format!(
            "packed layer {} of {}{time}",
            short(&digest),
            bytes(size)
        )),
        Outcome::Cached { digest, size } => Some(format!(
            "cached layer {} of {}",
            short(&digest),
            bytes(size)
        )),
        Outcome::CachedNothing => Some("cached: it changes no file".to_owned()),
        // Most instructions come to none, and take no time either.
        Outcome::NoLayer if took >= SAID => Some(format!("no file changed{time}")),
        Outcome::NoLayer | Outcome::Base => None,
    }
}

#[cfg(test)]
mod tests {
    use oci::Digest;

    use super::*;

    #[test]
    fn instructions_are_lines() {
        assert_eq!(excerpt("USER\n1", TEXT), "USER 1");
        let long = "x".repeat(200);
        assert_eq!(excerpt(&long, 10), "xxxxxxxxxx...");
    }

    #[test]
    fn steps_have_numbers_of_one_width() {
        let mut lines = Lines::alone();
        assert_eq!(lines.number(3), "#3");
        lines.steps = 12;
        assert_eq!(lines.number(3), "#3 ");
        assert_eq!(lines.number(12), "#12");
    }

    #[test]
    fn outcomes_are_lines() {
        let digest = Digest::sha256(b"a");
        let packed = Outcome::Packed { digest, size: 2048 };
        assert_eq!(
            finished(packed, Duration::from_secs(2)).as_deref(),
            Some("packed layer ca978112ca1b of 2.00 KiB in 2.0 s")
        );
        assert_eq!(finished(Outcome::NoLayer, Duration::ZERO), None);
        assert_eq!(
            finished(Outcome::NoLayer, Duration::from_secs(1)).as_deref(),
            Some("no file changed in 1.0 s")
        );
        assert_eq!(
            finished(Outcome::CachedNothing, Duration::from_secs(1)).as_deref(),
            Some("cached: it changes no file")
        );
    }

    #[test]
    fn the_sandbox_has_a_number_and_a_name() {
        assert_eq!(
            sandboxed(TierName::Mapped),
            "      sandbox `mapped` (tier 1): a user namespace with a range of ids"
        );
        for tier in TierName::ALL {
            let number = format!("`{tier}` (tier {}): ", tier.number());
            assert!(sandboxed(tier).contains(&number));
        }
    }

    #[test]
    fn each_step_has_a_line_of_its_own_while_it_runs() {
        let mut lines = Lines::over_bars(false);
        let hidden = ProgressDrawTarget::hidden();
        lines
            .bars
            .as_ref()
            .expect("bars")
            .all
            .set_draw_target(hidden);
        lines.note(&Event::Planned {
            stages: 2,
            steps: 5,
        });
        for (step, stage) in [(2, "a"), (4, "b")] {
            lines.note(&Event::Started {
                step,
                stage,
                text: "RUN make",
            });
        }
        lines.note(&Event::Packing {
            step: 4,
            position: 3,
            size: 7,
        });
        lines.note(&Event::Output {
            step: 2,
            stream: builder::Stream::Output,
            line: "made",
        });
        let bar = |lines: &Lines, step: usize| {
            let bar = lines.running[&step].bar.as_ref().expect("a bar");
            (bar.prefix(), bar.message(), bar.position(), bar.length())
        };
        let (of_2, of_4) = (bar(&lines, 2), bar(&lines, 4));
        assert_eq!(of_2, ("#2".into(), "made".into(), 0, Some(0)));
        assert_eq!(of_4, ("#4".into(), "packing".into(), 3, Some(7)));
        lines.note(&Event::Finished {
            step: 2,
            outcome: Outcome::NoLayer,
        });
        assert_eq!(lines.running.keys().collect::<Vec<_>>(), [&4]);
        lines.clear();
        assert!(lines.running[&4].bar.is_none());
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [RUNNING, COLOURED_RUNNING, BAR, COLOURED_BAR, NARROW] {
            style(template);
        }
    }
}
