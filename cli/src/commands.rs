//! The commands: one file each, the doc comment of its arguments is its help.

pub(crate) mod serve;

use crate::arguments::{Arguments, Command};
use crate::environment::Environment;

/// Runs the command that was typed.
pub(crate) fn run(environment: &Environment, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Serve(arguments) => serve::run(environment, &global, &arguments),
    }
}
