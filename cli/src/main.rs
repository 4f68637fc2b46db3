//! `wharf`: builds container images and keeps them.
//!
//! The program is a thin edge: it reads arguments, configuration, environment,
//! clock and terminal, hands values to the libraries, and turns what comes
//! back into words and an exit code. No rule of images or registries is here.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "doc comments of arguments are help texts, where brackets mean what may be left out"
)]

mod arguments;
mod commands;
mod config;
mod credentials;
mod diagnostics;
#[cfg(test)]
mod documents;
mod environment;
mod places;
mod progress;
mod registries;
mod report;
mod storage;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::environment::Environment;

fn main() -> ExitCode {
    // The program starts itself again to run commands: before there is any
    // other thread, and before anything is read.
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(code) = builder::dispatch(&words) {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => match commands::build::explain(&error) {
            Some(error) => return report::failure(&error),
            None => error.exit(),
        },
    };
    let environment = Environment::of_this_process();
    match commands::run(&environment, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error),
    }
}
