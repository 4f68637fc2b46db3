//! Progress of builds: each step and what came of it. Steps of several stages
//! run at a time, so that whatever is shown is kept by the number of the step.

mod json;
mod lines;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};

use builder::{Event, Progress};
use image::How;
use serde_json::Value;

use self::json::Json;
use self::lines::Lines;
use self::tally::Tally;
pub(crate) use self::tally::Way;
use super::Form;
use crate::environment::Environment;
use crate::report::say;

/// Shows how a build comes on, and counts what it does.
pub(crate) struct Building {
    form: Form,
    state: Mutex<State>,
}

struct State {
    tally: Tally,
    shown: Shown,
}

/// Is who shows it.
enum Shown {
    Nobody,
    Lines(Lines),
    Json(Json),
}

impl Building {
    /// Shows a build in this form.
    pub(crate) fn new(environment: &Environment, form: Form) -> Self {
        let shown = match form {
            Form::Quiet | Form::None => Shown::Nobody,
            Form::Lines => Shown::Lines(Lines::alone()),
            Form::Bars => {
                Shown::Lines(Lines::over_bars(environment.variable("NO_COLOR").is_none()))
            }
            Form::Json => Shown::Json(Json::default()),
        };
        Self {
            form,
            state: Mutex::new(State {
                tally: Tally::new(),
                shown,
            }),
        }
    }

    /// Says of each step that is done why that is.
    pub(crate) fn explaining(self) -> Self {
        if let Shown::Lines(lines) = &mut self.locked().shown {
            lines.explain();
        }
        self
    }

    /// Gives the form in which it shows.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Counts bytes that went somewhere.
    pub(crate) fn moved(&self, way: Way, bytes: u64) {
        self.locked().tally.moved(way, bytes);
    }

    /// Takes what changes away, after a failure too.
    pub(crate) fn clear(&self) {
        if let Shown::Lines(lines) = &mut self.locked().shown {
            lines.clear();
        }
    }

    /// Tells programs of something that is no event of the build: a kind, and
    /// an object of what there is to say of it.
    pub(crate) fn tell(&self, kind: &str, said: &Value) {
        if let Shown::Json(json) = &mut self.locked().shown {
            json.write(kind, said);
        }
    }

    /// Sums up, when all is done.
    pub(crate) fn sum_up(&self) {
        let mut state = self.locked();
        let summary = state.tally.summary();
        if let Shown::Json(json) = &mut state.shown {
            json.write("summary", &summary.to_json());
        }
        if self.form == Form::Lines || self.form == Form::Bars {
            for line in summary.lines() {
                say(&line);
            }
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Building {
    fn note(&self, event: &Event<'_>) {
        let state = &mut *self.locked();
        state.tally.note(event);
        match &mut state.shown {
            Shown::Nobody => {}
            Shown::Lines(lines) => lines.note(event),
            Shown::Json(json) => json.note(event),
        }
    }
}

/// Counts what a copy of the image moves, while another shows it.
pub(crate) struct Moving {
    /// Who counts.
    pub(crate) building: Arc<Building>,
    /// Where the bytes go.
    pub(crate) way: Way,
    /// Who shows it.
    pub(crate) shown: Arc<dyn image::Progress>,
}

impl image::Progress for Moving {
    fn note(&self, event: &image::Event<'_>) {
        self.shown.note(event);
        match event {
            image::Event::Advanced { bytes, .. } => {
                self.building.moved(self.way, *bytes);
            }
            image::Event::Finished { digest, how } => {
                let how = match how {
                    How::Copied => "copied",
                    How::Present => "present",
                    How::Mounted => "mounted",
                    How::Absent => "absent",
                };
                let said = serde_json::json!({ "digest": digest.to_string(), "how": how });
                self.building.tell("blob", &said);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
