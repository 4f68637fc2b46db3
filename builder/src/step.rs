//! What the instructions do, each to the config or to the files of a stage.
//! Nothing here reads or writes: files are trees, and what is to be packed is
//! a recipe.

pub(crate) mod archive;
pub(crate) mod configure;
pub(crate) mod copy;
mod glob;
pub(crate) mod mode;
pub(crate) mod owner;
pub(crate) mod port;
pub(crate) mod remote;
pub(crate) mod run;
pub(crate) mod signal;
pub(crate) mod workdir;

use crate::error::{Error, ErrorKind};

/// Says that an instruction needs a value.
pub(crate) fn not_empty(instruction: &str, value: &str) -> Result<(), Error> {
    match value {
        "" => Err(Error::new(
            ErrorKind::Step,
            format!("`{instruction}` is empty once it is expanded"),
        )),
        _ => Ok(()),
    }
}
