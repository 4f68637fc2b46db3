//! `wharf copy`, and the copying that `push` and `pull` are.

use image::{Bare, CopyOptions, End, Place, PlatformChoice};

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment::Environment;
use crate::places::{self, Need, Reached};
use crate::progress;
use crate::registries::Reach;
use crate::report::{self, WithHint as _, say};

/// Copies an image from one place to another, byte for byte.
///
/// A place is docker://REF in a registry, local:NAME in the library of this
/// machine, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE. A
/// name without such a word is in a registry. The digest is printed last.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the image is
    #[arg(value_name = "SOURCE")]
    source: String,

    /// Where it is to be
    #[arg(value_name = "DESTINATION")]
    destination: String,

    #[command(flatten)]
    how: How,
}

/// Says how to copy. The options of every command that copies.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Copy the image for one platform only, as in linux/arm64 [default: all]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,

    /// How many blobs are copied at once
    #[arg(long, value_name = "NUMBER", default_value_t = image::AT_ONCE as u16, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,

    #[command(flatten)]
    reach: Reach,
}

/// Copies.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let from = places::parse(&arguments.source, Bare::Registry)?;
    let to = places::parse(&arguments.destination, Bare::Registry)?;
    let route = Route { from, to };
    perform(environment, global, &route, &arguments.how)
}

/// Says from where to where.
pub(crate) struct Route {
    /// Where the image is.
    pub(crate) from: Place,
    /// Where it is to be.
    pub(crate) to: Place,
}

/// Copies, and prints the digest.
pub(crate) fn perform(
    environment: &Environment,
    global: &Global,
    route: &Route,
    how: &How,
) -> anyhow::Result<()> {
    let Route { from, to } = route;
    let need = Need::of(&[from, to]);
    let reached = Reached::new(environment, global, &how.reach, need)?;
    let options = CopyOptions {
        at_once: usize::from(how.jobs),
        platform: platform(how.platform.as_deref())?,
        progress: progress::choose(environment, global),
    };
    let copied = wait(async {
        // Moved in, so that the bars are gone before anything else is said.
        let options = options;
        let copied = reached.images.copy(from, to, &options).await;
        copied.map_err(|error| {
            let (end, failed) = match error.end() {
                Some(End::Source) => ("source", from),
                Some(End::Target) | None => ("destination", to),
            };
            let copying = format!("can not copy `{from}` to `{to}`: the {end} failed");
            reached.advise_at(anyhow::Error::new(error).context(copying), failed)
        })
    })?;
    if !global.quiet {
        for absent in &copied.absent {
            say(&format!(
                "`{}` is not in `{from}`, and was left out",
                absent.digest
            ));
        }
        say(&format!("copied `{from}` to `{to}`"));
    }
    report::result(&copied.digest.to_string())
}

/// Reads the choice of a platform.
pub(crate) fn platform(text: Option<&str>) -> anyhow::Result<PlatformChoice> {
    let Some(text) = text else {
        return Ok(PlatformChoice::All);
    };
    text.parse()
        .or_usage(|| format!("`--platform {text}` names no platform"))
        .hint("a platform is `OS/ARCHITECTURE[/VARIANT]`, as in `linux/arm64`")
}
