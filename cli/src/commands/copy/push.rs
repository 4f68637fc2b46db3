//! `wharf push`.

use image::Place;

use crate::arguments::Global;
use crate::commands::copy::{self, How, Route};
use crate::environment::Environment;
use crate::places;

/// Pushes an image from the library to a registry.
///
/// The name says which registry, as in localhost:5000/base:1. The digest is
/// printed last.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The name in the library
    #[arg(value_name = "NAME")]
    name: String,

    /// The name in the registry [default: the same]
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,

    #[command(flatten)]
    how: How,
}

/// Pushes.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let name = places::parse_library(&arguments.name)?;
    let destination = match &arguments.destination {
        Some(text) => places::parse_registry(text)?,
        None => name.clone(),
    };
    let route = Route {
        from: Place::Library(name),
        to: Place::Registry(destination),
    };
    copy::perform(environment, global, &route, &arguments.how)
}
