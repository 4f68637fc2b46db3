//! Progress of builds: each step and what came of it, and a bar for the one
//! that takes its time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use builder::{Event, Outcome, Progress, Source, TierName};
use indicatif::{ProgressBar, ProgressDrawTarget};

use crate::progress::{bytes, fitting, short, style};
use crate::report::{said, sandbox, say};

/// How the work of a step looks.
const BAR: &str = "      {prefix} [{wide_bar}] {binary_bytes:>10} / {binary_total_bytes:<10} {binary_bytes_per_sec:>12} {eta:>4}";

/// The same on a terminal that is too narrow for it.
const NARROW: &str = "      {prefix} [{wide_bar}] {percent:>3}%";

/// The most that is shown of an instruction, in characters.
const TEXT: usize = 100;

/// Of less time than this nothing is said.
const SAID: Duration = Duration::from_millis(50);

/// Shows how a build comes on.
pub(crate) struct Building {
    shown: Option<Mutex<State>>,
}

struct State {
    steps: usize,
    stages: usize,
    began: Instant,
    /// What was asked for last, which may take several attempts.
    fetching: String,
    bar: ProgressBar,
}

/// Says where bars are drawn.
pub(super) enum Bars {
    /// On the terminal.
    Terminal,
    /// Nowhere.
    Hidden,
}

impl Building {
    /// Shows nothing.
    pub(super) fn silent() -> Self {
        Self { shown: None }
    }

    /// Shows steps, and bars where they can be drawn.
    pub(super) fn shown(bars: &Bars) -> Self {
        let target = match bars {
            Bars::Terminal => ProgressDrawTarget::stderr(),
            Bars::Hidden => ProgressDrawTarget::hidden(),
        };
        let bar =
            ProgressBar::with_draw_target(Some(0), target).with_style(style(fitting(BAR, NARROW)));
        // There is none before something takes its time.
        bar.finish_and_clear();
        Self {
            shown: Some(Mutex::new(State {
                steps: 0,
                stages: 0,
                began: Instant::now(),
                fetching: String::new(),
                bar,
            })),
        }
    }

    /// Takes the bar away, after a failure too.
    pub(crate) fn clear(&self) {
        if let Some(shown) = &self.shown {
            shown
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .bar
                .finish_and_clear();
        }
    }
}

impl Progress for Building {
    fn note(&self, event: &Event<'_>) {
        if let Some(shown) = &self.shown {
            shown
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .note(event);
        }
    }
}

impl State {
    fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Planned { stages, steps } => (self.stages, self.steps) = (*stages, *steps),
            Event::Started { step, stage, text } => {
                self.began = Instant::now();
                let line = self.started(*step, stage, text);
                self.line(&line);
            }
            Event::Resolved { digest, source, .. } => {
                let place = match source {
                    Source::Library => "in the library",
                    Source::Registry => "in its registry",
                    Source::Layout => "in the layout",
                };
                self.line(&format!("      {digest} {place}"));
            }
            Event::Indexing {
                digest,
                position,
                size,
                ..
            } => {
                self.advance(&format!("reading {}", short(digest)), *position, *size);
            }
            Event::Fetching {
                url, position: 0, ..
            } => {
                let again = if self.fetching == *url { " again" } else { "" };
                self.line(&format!("      fetching {url}{again}"));
                self.fetching = (*url).to_owned();
            }
            Event::Fetching { position, size, .. } => {
                self.advance("fetching", *position, (*size).max(*position));
            }
            Event::CheckedOut { commit, .. } => self.line(&format!("      commit {commit}")),
            Event::Packing { position, size, .. } => self.advance("packing", *position, *size),
            Event::Verifying => self.line("building once more, to compare"),
            Event::Sandboxed { tier } => self.line(&sandboxed(*tier)),
            Event::Unpacking { digest, .. } => {
                self.bar.finish_and_clear();
                self.line(&format!("      unpacking {}", short(digest)));
            }
            Event::Output { line, .. } => self.line(&said(line)),
            Event::Finished { outcome, .. } => {
                self.bar.finish_and_clear();
                if let Some(line) = finished(*outcome, self.began.elapsed()) {
                    self.line(&line);
                }
            }
            Event::Warned { message, hint } => {
                self.line(&format!("warning: {message}"));
                self.line(&format!("   hint: {hint}"));
            }
            _ => {}
        }
    }

    fn started(&self, step: usize, stage: &str, text: &str) -> String {
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let mut shown: String = text.chars().take(TEXT).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        let width = self.steps.to_string().len();
        let is_number = stage.bytes().all(|byte| byte.is_ascii_digit());
        let stage = match (self.stages, is_number) {
            (0 | 1, _) => String::new(),
            (_, true) => format!("stage {stage}, "),
            (_, false) => format!("{stage}, "),
        };
        format!("[{stage}{step:width$}/{}] {shown}", self.steps)
    }

    fn advance(&mut self, what: &str, position: u64, size: u64) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_length(size);
        // Last, since it draws.
        if self.bar.is_finished() {
            self.bar.reset();
        }
        self.bar.set_position(position);
    }

    fn line(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }
}

/// Says what keeps commands apart from the machine.
fn sandboxed(tier: TierName) -> String {
    let what = sandbox(tier);
    format!("      sandbox `{tier}` (tier {}): {what}", tier.number())
}

/// Says what came of a step.
fn finished(outcome: Outcome, took: Duration) -> Option<String> {
    let time = match took {
        took if took < SAID => String::new(),
        took => format!(" in {:.1} s", took.as_secs_f64()),
    };
    match outcome {
        Outcome::Packed { digest, size } => Some(format!(
            "      packed layer {} of {}{time}",
            short(&digest),
            bytes(size)
        )),
        Outcome::Cached { digest, size } => Some(format!(
            "      cached layer {} of {}",
            short(&digest),
            bytes(size)
        )),
        Outcome::CachedNothing => Some("      cached: it changes no file".to_owned()),
        // Most instructions come to none, and take no time either.
        Outcome::NoLayer if took >= SAID => Some(format!("      no file changed{time}")),
        Outcome::NoLayer | Outcome::Base => None,
    }
}

#[cfg(test)]
mod tests {
    use oci::Digest;

    use super::*;

    #[test]
    fn steps_are_lines() {
        let state = |stages, steps| State {
            steps,
            stages,
            began: Instant::now(),
            fetching: String::new(),
            bar: ProgressBar::hidden(),
        };
        assert_eq!(state(1, 12).started(3, "0", "COPY a b"), "[ 3/12] COPY a b");
        assert_eq!(
            state(2, 5).started(3, "app", "USER\n1"),
            "[app, 3/5] USER 1"
        );
        assert_eq!(
            state(2, 5).started(3, "1", "USER 1"),
            "[stage 1, 3/5] USER 1"
        );
        let long = "x".repeat(200);
        assert!(state(1, 1).started(1, "0", &long).ends_with("xxx..."));
    }

    #[test]
    fn outcomes_are_lines() {
        let digest = Digest::sha256(b"a");
        let packed = Outcome::Packed { digest, size: 2048 };
        assert_eq!(
            finished(packed, Duration::from_secs(2)).as_deref(),
            Some("      packed layer ca978112ca1b of 2.00 KiB in 2.0 s")
        );
        assert_eq!(finished(Outcome::NoLayer, Duration::ZERO), None);
        assert_eq!(
            finished(Outcome::NoLayer, Duration::from_secs(1)).as_deref(),
            Some("      no file changed in 1.0 s")
        );
        assert_eq!(
            finished(Outcome::CachedNothing, Duration::from_secs(1)).as_deref(),
            Some("      cached: it changes no file")
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
    fn the_templates_are_valid() {
        style(BAR);
        style(NARROW);
    }
}
