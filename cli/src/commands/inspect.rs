//! `wharf inspect`.

use bytes::Bytes;
use image::{Bare, ErrorKind, Inspected, Place, PlatformChoice};
use serde_json::Value;

use crate::arguments::Global;
use crate::commands::{copy, wait};
use crate::environment::Environment;
use crate::places::{self, Need, Reached};
use crate::registries::Reach;
use crate::report::{self, WithHint as _, missing, say};

mod summary;

/// Shows what an image is, without fetching its layers.
///
/// A name is looked for in the library, then in its registry; docker://REF,
/// local:NAME, oci:DIR[:TAG], oci-archive:FILE[:TAG] and docker-archive:FILE
/// say where it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The image
    #[arg(value_name = "REF")]
    reference: String,

    /// Print a JSON object: reference, digest, mediaType, manifest and config
    #[arg(long)]
    json: bool,

    /// Print the exact bytes of one document
    #[arg(long, value_name = "WHICH", conflicts_with = "json")]
    raw: Option<Raw>,

    /// Show the image for one platform of several, as in linux/arm64
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,

    #[command(flatten)]
    reach: Reach,
}

/// Says which document is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Raw {
    /// What its digest is of
    Manifest,
    /// How it is run
    Config,
}

/// Looks the image up and prints it.
pub(crate) fn run(
    environment: &Environment,
    global: &Global,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let place = places::parse(&arguments.reference, Bare::Library)?;
    let platform = copy::platform(arguments.platform.as_deref())?;
    let elsewhere = elsewhere(&arguments.reference, &place);
    let need = match &elsewhere {
        Some(_) => Need::LibraryIfThere,
        None => Need::of(&[&place]),
    };
    let reached = Reached::new(environment, global, &arguments.reach, need)?
        .blaming(elsewhere.as_ref().unwrap_or(&place));
    let inspected = wait(async {
        match elsewhere {
            Some(elsewhere) => in_either(&reached, (&place, &elsewhere), &platform).await,
            None => reached.images.inspect(&place, &platform).await,
        }
        .map_err(|error| reached.advise(error))
    })?;
    match arguments.raw {
        Some(Raw::Manifest) => report::result_bytes(inspected.manifest.bytes()),
        Some(Raw::Config) => report::result_bytes(&config(&inspected)?),
        None if arguments.json => {
            report::result(&serde_json::to_string_pretty(&json(&inspected)?)?)
        }
        None if global.quiet => report::result(&inspected.digest.to_string()),
        None => report::result(summary::of(&inspected)?.trim_end()),
    }
}

/// Names where a name is looked for when the library has no such name: in its
/// registry, where nothing says that it is the library's.
fn elsewhere(text: &str, place: &Place) -> Option<Place> {
    match place {
        Place::Library(name) if !text.starts_with("local:") => Some(Place::Registry(name.clone())),
        _ => None,
    }
}

async fn in_either(
    reached: &Reached,
    (place, elsewhere): (&Place, &Place),
    platform: &PlatformChoice,
) -> Result<Inspected, image::Error> {
    if reached.images.library().is_some() {
        match reached.images.inspect(place, platform).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found,
        }
    }
    say(&format!(
        "`{place}` is not in the library; asking for `{elsewhere}`"
    ));
    reached.images.inspect(elsewhere, platform).await
}

fn config(inspected: &Inspected) -> anyhow::Result<Bytes> {
    let config = inspected.config.clone();
    config
        .ok_or_else(|| missing(format!("`{}` has no config of its own", inspected.place)))
        .hint("it is an index of several images; choose one by `--platform`")
}

fn json(inspected: &Inspected) -> anyhow::Result<Value> {
    let config: Value = match &inspected.config {
        // The config of an artifact may be anything.
        Some(bytes) => serde_json::from_slice(bytes).unwrap_or(Value::Null),
        None => Value::Null,
    };
    let manifest: Value = serde_json::from_slice(inspected.manifest.bytes())?;
    Ok(serde_json::json!({
        "reference": reference(&inspected.place),
        "digest": inspected.digest,
        "mediaType": inspected.media_type,
        "manifest": manifest,
        "config": config,
    }))
}

/// Names the image without the word for its place, where a name is unique.
fn reference(place: &Place) -> String {
    match place {
        Place::Registry(name) | Place::Library(name) => name.to_string(),
        other => other.to_string(),
    }
}
