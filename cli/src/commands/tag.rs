//! `wharf tag`.

use image::{Bare, CopyOptions, Place};

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment::Environment;
use crate::places::{self, Need, Reached};
use crate::registries::Reach;
use crate::report::{self, WithHint as _, say, usage};

/// Gives an image another name.
///
/// Names are of the library; docker://REF names an image in a registry, which
/// gets another tag there. The digest is printed last.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The image
    #[arg(value_name = "NAME")]
    name: String,

    /// Its other name
    #[arg(value_name = "NEW_NAME")]
    new_name: String,

    #[command(flatten)]
    reach: Reach,
}

/// Names an image.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let from = places::parse(&arguments.name, Bare::Library)?;
    let to = places::parse(&arguments.new_name, Bare::Library)?;
    let need = Need::of(&[&from, &to]);
    let reached = Reached::new(environment, global, &arguments.reach, need)?.blaming(&from);
    let digest = wait(async {
        match (&from, &to) {
            (Place::Library(name), Place::Library(new_name)) => {
                let tagged = reached.images.tag(name, new_name).await;
                tagged.map_err(|error| reached.advise(error))?;
                let inspected = reached.images.inspect(&to, &Default::default()).await?;
                Ok(inspected.digest)
            }
            (Place::Registry(a), Place::Registry(b))
                if a.registry() == b.registry() && a.repository() == b.repository() =>
            {
                let options = CopyOptions::default();
                let copied = reached.images.copy(&from, &to, &options).await;
                Ok(copied.map_err(|error| reached.advise(error))?.digest)
            }
            _ => Err(usage(format!(
                "`{from}` and `{to}` are not in the same place"
            )))
            .hint("`wharf copy` copies between all places"),
        }
    })?;
    if !global.quiet {
        say(&format!("`{to}` is `{from}`"));
    }
    report::result(&digest.to_string())
}
