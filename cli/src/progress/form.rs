//! `--progress`: how a build shows how it comes on.

use std::sync::Arc;

use clap::ValueEnum as _;
use image::{Progress, Silent};

use super::Shown;
use crate::arguments::Global;
use crate::environment::{self, Environment};
use crate::report::{WithHint as _, usage};

/// The variable that chooses where no flag does.
const VARIABLE: &str = "BUILDKIT_PROGRESS";

/// Is what can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// tty on a terminal, and plain elsewhere
    Auto,
    /// A line for all that happens
    Plain,
    /// The same, and a line for each step that runs, which changes
    Tty,
    /// Nothing but the result, as -q
    Quiet,
    /// One JSON object a line
    Rawjson,
    /// No steps, but all else
    None,
}

/// Is how progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not at all, and nothing else is said.
    Quiet,
    /// Not at all.
    None,
    /// In lines.
    Lines,
    /// In lines, above some that change.
    Bars,
    /// In JSON, and nothing else is said.
    Json,
}

impl Form {
    /// Chooses how a build shows its progress.
    pub(crate) fn choose(
        environment: &Environment,
        global: &Global,
        given: Option<Mode>,
    ) -> anyhow::Result<Self> {
        if global.quiet {
            return Ok(Self::Quiet);
        }
        let smart = is_smart(environment);
        let mode = match (given, environment.variable(VARIABLE)) {
            (Some(Mode::Tty), _) if !smart => {
                let error = usage("`--progress=tty` needs a terminal on standard error");
                return Err(error).hint("`--progress=auto` takes one where there is one");
            }
            (Some(given), _) => given,
            (None, Some(text)) => Mode::from_str(text, false)
                .map_err(|_names_none| {
                    usage(format!(
                        "`{VARIABLE}` is `{text}`, which is no way to show progress"
                    ))
                })
                .hint("it is `auto`, `plain`, `tty`, `quiet`, `rawjson` or `none`")?,
            (None, None) => Mode::Auto,
        };
        Ok(match mode {
            Mode::Auto | Mode::Tty if smart => Self::Bars,
            Mode::Auto | Mode::Tty | Mode::Plain => Self::Lines,
            Mode::Quiet => Self::Quiet,
            Mode::Rawjson => Self::Json,
            Mode::None => Self::None,
        })
    }

    /// Says whether sentences are said beside the progress.
    pub(crate) fn is_silent(self) -> bool {
        matches!(self, Self::Quiet | Self::Json)
    }

    /// Chooses how a copy shows its progress.
    pub(crate) fn copying(self, environment: &Environment) -> Arc<dyn Progress> {
        let coloured = environment.variable("NO_COLOR").is_none();
        match self {
            Self::Quiet | Self::None | Self::Json => Arc::new(Silent),
            Self::Lines => Arc::new(Shown::lines()),
            Self::Bars => Arc::new(Shown::bars(coloured)),
        }
    }
}

/// Says whether standard error is a terminal that can do more than lines.
pub(super) fn is_smart(environment: &Environment) -> bool {
    environment::stderr_is_terminal() && environment.variable("TERM") != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variable: &str, given: Option<Mode>, quiet: bool) -> Result<Form, String> {
        let environment = Environment::of(&[("TERM", "dumb"), (VARIABLE, variable)]);
        let global = Global {
            config: None,
            quiet,
        };
        let chosen = Form::choose(&environment, &global, given);
        chosen.map_err(|error| error.root_cause().to_string())
    }

    #[test]
    fn the_flag_counts_before_the_variable() {
        for (variable, given, expected) in [
            ("", None, Form::Lines),
            ("", Some(Mode::Auto), Form::Lines),
            ("rawjson", None, Form::Json),
            ("rawjson", Some(Mode::Plain), Form::Lines),
            ("quiet", None, Form::Quiet),
            ("none", None, Form::None),
            ("auto", Some(Mode::None), Form::None),
            // A pipeline that sets it has no terminal.
            ("tty", None, Form::Lines),
        ] {
            assert_eq!(chosen(variable, given, false), Ok(expected), "{variable}");
            assert_eq!(chosen(variable, given, true), Ok(Form::Quiet));
        }
        assert_eq!(
            chosen("", Some(Mode::Tty), false),
            Err("`--progress=tty` needs a terminal on standard error".to_owned())
        );
        assert_eq!(
            chosen("fancy", None, false),
            Err("`BUILDKIT_PROGRESS` is `fancy`, which is no way to show progress".to_owned())
        );
    }
}
