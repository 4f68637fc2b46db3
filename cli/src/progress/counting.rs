//! Progress of work whose end nobody knows before: a line that changes on a
//! terminal, and one now and then elsewhere.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget};

use super::style;
use crate::arguments::Global;
use crate::environment::{self, Environment};
use crate::report::say;

/// How the line looks on a terminal.
const LINE: &str = "{spinner} {wide_msg} {elapsed:>6}";

/// How often something is said where nobody sees a line change.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows how far something has come.
pub(crate) enum Counting {
    /// To nobody.
    Silent,
    /// On a terminal.
    Line(ProgressBar),
    /// In lines, the last of which was said then.
    Lines(Mutex<Instant>),
}

impl Counting {
    /// Chooses how progress is shown.
    pub(crate) fn choose(environment: &Environment, global: &Global) -> Self {
        let smart =
            environment::stderr_is_terminal() && environment.variable("TERM") != Some("dumb");
        match (global.quiet, smart) {
            (true, _) => Self::Silent,
            (false, true) => {
                let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                Self::Line(bar.with_style(style(LINE)))
            }
            (false, false) => Self::Lines(Mutex::new(Instant::now())),
        }
    }

    /// Shows how far it has come.
    pub(crate) fn note(&self, told: &str) {
        match self {
            Self::Silent => {}
            Self::Line(bar) => {
                bar.set_message(told.to_owned());
                bar.tick();
            }
            Self::Lines(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= PAUSE {
                    *last = Instant::now();
                    say(told);
                }
            }
        }
    }

    /// Takes the line away, after a failure too.
    pub(crate) fn clear(&self) {
        if let Self::Line(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_valid() {
        style(LINE);
    }
}
