//! `wharf copy`, and the copying that `push` and `pull` are.

pub(crate) mod pull;
pub(crate) mod push;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image::{Bare, CopyOptions, End, Place, PlatformChoice};

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment::{self, Environment};
use crate::places::{self, Need, Reached};
use crate::progress;
use crate::registries::Reach;
use crate::report::{self, WithHint as _, say, usage};

/// Copies an image from one place to another, byte for byte.
///
/// A place is docker://REF in a registry, local:NAME in the library of this
/// machine, oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE. A
/// name without such a word is in a registry. The FILE of a source may be -, for
/// standard input. The digest is printed last.
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
    let from = places::parse_source(&arguments.source, Bare::Registry)?;
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
        ..CopyOptions::default()
    };
    let spooled = spooled(from, &environment.temporary_directory())?;
    let source = spooled.as_ref().unwrap_or(from);
    let copied = wait(async {
        // Moved in, so that the bars are gone before anything else is said.
        let options = options;
        let copied = reached.images.copy(source, to, &options).await;
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

/// The largest archive that is taken from standard input, in bytes: 256 GiB.
const SPOOL_LIMIT: u64 = 256 << 30;

/// The name of standard input as a file.
const STANDARD_INPUT: &str = "/dev/stdin";

/// Has standard input read to its end, if a place is that, and gives the place
/// to read it at: archives are not read from their start to their end. The file
/// has no name, so that nobody else reads it and nothing is left of it.
fn spooled(place: &Place, scratch: &Path) -> anyhow::Result<Option<Place>> {
    if !places::archive_of(place).is_some_and(places::is_standard) {
        return Ok(None);
    }
    if environment::stdin_is_terminal() {
        return Err(usage(format!("`{place}` would be read from a terminal")))
            .hint("pipe an archive to it, as in `docker save NAME | wharf copy ...`");
    }
    let kept = || {
        let scratch = scratch.display();
        format!("can not keep what is on standard input in `{scratch}`")
    };
    let mut spool = tempfile::tempfile_in(scratch).with_context(kept)?;
    let mut incoming = std::io::stdin().lock().take(SPOOL_LIMIT + 1);
    let size = std::io::copy(&mut incoming, &mut spool).with_context(kept)?;
    if size > SPOOL_LIMIT {
        return Err(usage(format!(
            "`{place}` has more than {SPOOL_LIMIT} bytes"
        )))
        .hint("write it to a file, and name that");
    }
    drop(incoming);
    // It takes the place of what was read.
    rustix::stdio::dup2_stdin(&spool).with_context(kept)?;
    let file = PathBuf::from(STANDARD_INPUT);
    Ok(Some(match place.clone() {
        Place::OciArchive { tag, .. } => Place::OciArchive { file, tag },
        Place::DockerArchive { name, .. } => Place::DockerArchive { file, name },
        other => other,
    }))
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
