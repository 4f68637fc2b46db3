//! `wharf pull`.

use image::Place;

use crate::arguments::Global;
use crate::commands::copy::{self, How, Route};
use crate::environment::Environment;
use crate::places;

/// Pulls an image from a registry into the library.
///
/// It is kept under the name that it is pulled by. The digest is printed last.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The name in the registry
    #[arg(value_name = "REF")]
    name: String,

    #[command(flatten)]
    how: How,
}

/// Pulls.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let name = places::parse_registry(&arguments.name)?;
    let route = Route {
        from: Place::Registry(name.clone()),
        to: Place::Library(name),
    };
    copy::perform(environment, global, &route, &arguments.how)
}
