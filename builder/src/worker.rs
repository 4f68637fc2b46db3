//! This program again, in the namespaces of a sandbox: it does there what has
//! to be done to the files of mapped users, and decides nothing.

mod answer;
mod handle;
mod message;

use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) use handle::Handle;
pub(crate) use message::Overlay;

/// Does what this program was started for by itself, and gives `None` where
/// somebody else started it. `arguments` are all of the program, its name
/// first. It has to be called before there is any other thread.
pub fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    sandbox::dispatch(arguments, |channel, tier| {
        answer::Answering::new(channel, tier).all()
    })
}
