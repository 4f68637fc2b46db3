//! `wharf delete`.

use image::Bare;

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment::Environment;
use crate::places::{self, Need, Reached};
use crate::registries::Reach;
use crate::report::{Failures, say};

/// Deletes names of images.
///
/// Names are of the library; docker://REF names an image in a registry: with a
/// tag, the tag is deleted, and with a digest, the image with all its tags.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    #[command(flatten)]
    reach: Reach,
}

/// Deletes in order, also after one that fails.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let names = arguments.names.iter();
    let places = names.map(|name| places::parse(name, Bare::Library));
    let places = places.collect::<anyhow::Result<Vec<_>>>()?;
    let need = Need::of(&places.iter().collect::<Vec<_>>());
    let mut reached = Reached::new(environment, global, &arguments.reach, need)?;
    for place in &places {
        reached = reached.blaming(place);
    }
    wait(async {
        let mut failures = Failures::of(places.len());
        for place in &places {
            match reached.images.remove(place).await {
                Ok(()) if global.quiet => {}
                Ok(()) => say(&format!("deleted `{place}`")),
                Err(error) => failures.add(reached.advise_at(error.into(), place))?,
            }
        }
        failures.end("could not be deleted")
    })
}
