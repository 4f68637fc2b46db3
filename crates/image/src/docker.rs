//! Docker archives, as `docker save` writes them and `docker load` reads
//! them, as source.
//!
//! ```text
//! manifest.json     [{"Config": NAME, "RepoTags": [..], "Layers": [NAME, ..]}]
//! <any name>        a config, or a layer, most often uncompressed
//! ```
//!
//! The format has no manifests, so one is made: a Docker schema 2 manifest
//! over the config and the layers as they lie there. The same archive yields
//! the same manifest wherever it is read. The names in `manifest.json` are
//! looked up in the archive and nowhere else.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use oci::{Config, Descriptor, Digest, ImageName, Manifest, ManifestKind, MediaType};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::images::member;
use crate::platform::listed;
use crate::source::{Child, Part, Pieces, Source};
use crate::tape::{Tape, show};

mod layer;
mod save;

pub(crate) use save::save;

/// The file that lists the images.
const LIST: &str = "manifest.json";
/// The largest list that is read, in bytes: as for any manifest.
const LIST_LIMIT: u64 = oci::MANIFEST_LIMIT;
/// How many layers an image may have. Docker stops at 127.
const LAYERS_LIMIT: usize = 1000;
/// How many names a message lists.
const LISTED_LIMIT: usize = 20;

/// Is an image as the list has it.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// Has an image in a docker archive.
pub(crate) struct DockerSource {
    digest: Digest,
    manifest: Manifest,
    config: Bytes,
    config_digest: Digest,
    layers: HashMap<Digest, Part>,
}

impl DockerSource {
    /// Finds an image by its name, or the only one. Layers that are not
    /// compressed are read later, and checked then; those that are have to be
    /// read for their digests.
    pub(crate) async fn open(
        tape: Arc<Tape>,
        name: Option<ImageName>,
        limit: u64,
    ) -> Result<Self, Error> {
        blocking::run(move || read(&tape, name.as_ref(), limit)).await
    }
}

#[async_trait]
impl Source for DockerSource {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        Ok((self.digest, self.manifest.clone()))
    }

    async fn child(&self, _descriptor: &Descriptor) -> Result<Child, Error> {
        Ok(Child::Absent)
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        if descriptor.digest == self.config_digest {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let rest = self.config.slice(start.min(self.config.len())..);
            return Ok(Some(Box::pin(futures_util::stream::iter([Ok(rest)]))));
        }
        let Some(part) = self.layers.get(&descriptor.digest) else {
            return Ok(None);
        };
        part.promised(descriptor)?;
        Ok(Some(part.clone().stream(offset)))
    }
}

fn read(tape: &Tape, name: Option<&ImageName>, limit: u64) -> Result<DockerSource, Error> {
    let bytes = tape
        .read(LIST, LIST_LIMIT)?
        .ok_or_else(|| tape.invalid(format!("there is no `{LIST}`, so it is no docker archive")))?;
    let images: Vec<Listed> = serde_json::from_slice(&bytes).map_err(|error| {
        Error::caused(
            ErrorKind::Invalid,
            format!(
                "in the archive `{}`: `{LIST}` does not list images",
                tape.shown()
            ),
            error,
        )
    })?;
    let image = pick(&images, name, tape)?;
    let bytes = tape
        .read(&image.config, Config::LIMIT)?
        .ok_or_else(|| missing(tape, "config", &image.config))?;
    let config = Config::parse(bytes).map_err(|error| {
        Error::caused(
            ErrorKind::Invalid,
            format!(
                "in the archive `{}`: `{}` is no config of an image",
                tape.shown(),
                show(&image.config)
            ),
            error,
        )
    })?;
    let names = image.layers.as_deref().unwrap_or_default();
    if names.len() != config.diff_ids().len() || names.len() > LAYERS_LIMIT {
        return Err(tape.invalid(format!(
            "`{LIST}` lists {} layers and the config {}; they have to be as many, and at most \
             {LAYERS_LIMIT}",
            names.len(),
            config.diff_ids().len()
        )));
    }
    let config_digest = Digest::sha256(config.bytes());
    let config_size = config.bytes().len() as u64;
    let mut layers = HashMap::new();
    let mut described = Vec::new();
    for (name, diff_id) in names.iter().zip(config.diff_ids()) {
        let part = tape
            .part(name)?
            .ok_or_else(|| missing(tape, "layer", name))?;
        let layer = layer::describe(tape, name, &part, diff_id, limit)?;
        layers.insert(layer.digest, part);
        described.push(layer);
    }
    let config_described = Descriptor::new(MediaType::DOCKER_CONFIG, config_digest, config_size);
    let manifest = compose(config_described, described).map_err(|error| {
        Error::caused(
            ErrorKind::Invalid,
            format!("in the archive `{}`: no manifest can be made", tape.shown()),
            error,
        )
    })?;
    Ok(DockerSource {
        digest: Digest::sha256(manifest.bytes()),
        manifest,
        config: config.bytes().clone(),
        config_digest,
        layers,
    })
}

fn missing(tape: &Tape, what: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "in the archive `{}`: the {what} `{}` is missing",
            tape.shown(),
            show(name)
        ),
    )
}

fn pick<'a>(
    images: &'a [Listed],
    name: Option<&ImageName>,
    tape: &Tape,
) -> Result<&'a Listed, Error> {
    let has = |image: &Listed, name: &ImageName| {
        let tags = image.repo_tags.iter().flatten();
        tags.filter_map(|tag| tag.parse::<ImageName>().ok())
            .any(|tag| tag == *name)
    };
    let shown = tape.shown();
    match (images, name) {
        (images, Some(name)) => images.iter().find(|image| has(image, name)).ok_or_else(|| {
            let names = names(images);
            Error::new(
                ErrorKind::NotFound,
                format!("the archive `{shown}` has no image `{name}`, only {names}"),
            )
        }),
        ([image], None) => Ok(image),
        ([], None) => Err(Error::new(
            ErrorKind::NotFound,
            format!("the archive `{shown}` has no image"),
        )),
        (images, None) => Err(Error::new(
            ErrorKind::Ambiguous,
            format!(
                "the archive `{shown}` has {} images, choose one: {}",
                images.len(),
                names(images)
            ),
        )),
    }
}

fn names(images: &[Listed]) -> String {
    let mut names: Vec<String> = images
        .iter()
        .flat_map(|image| image.repo_tags.iter().flatten())
        .map(|name| format!("`{}`", show(name)))
        .take(LISTED_LIMIT + 1)
        .collect();
    if names.len() > LISTED_LIMIT {
        names.truncate(LISTED_LIMIT);
        names.push("others".to_owned());
    }
    if names.is_empty() {
        return "images without a name".to_owned();
    }
    names.join(", ")
}

/// Makes the manifest of an image that has none.
fn compose(config: Descriptor, layers: Vec<Descriptor>) -> Result<Manifest, oci::ManifestError> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Composed {
        schema_version: u8,
        media_type: MediaType,
        config: Descriptor,
        layers: Vec<Descriptor>,
    }
    let composed = Composed {
        schema_version: 2,
        media_type: MediaType::DOCKER_MANIFEST,
        config,
        layers,
    };
    // Strings, numbers and maps with string keys always serialise.
    let bytes = serde_json::to_vec(&composed).unwrap_or_default();
    Manifest::parse(bytes.into(), &MediaType::DOCKER_MANIFEST)
}

/// Finds the one image of what may be an index: a docker archive holds no
/// indexes. Attestations, which are for no machine, do not count.
pub(crate) async fn only_image(
    source: &dyn Source,
    digest: Digest,
    manifest: Manifest,
) -> Result<(Digest, Manifest), Error> {
    if manifest.kind() != ManifestKind::Index {
        return Ok((digest, manifest));
    }
    let is_image = |child: &&Descriptor| {
        child
            .platform
            .as_ref()
            .is_none_or(|platform| platform.os != "unknown")
    };
    let images: Vec<&Descriptor> = manifest.children().iter().filter(is_image).collect();
    match images[..] {
        [image] => Ok((image.digest, member(source, image).await?)),
        _ => Err(Error::new(
            ErrorKind::Ambiguous,
            format!(
                "a docker archive holds one platform, and the index has {}: {}",
                images.len(),
                listed(manifest.children())
            ),
        )),
    }
}
