//! A docker archive as target: config and layers under their digests, layers
//! uncompressed, as `docker load` and everyone who imitates it reads them.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;

use futures_util::StreamExt as _;
use oci::{Config, Descriptor, Digest, Hasher, ImageName, Manifest, ManifestKind, MediaType};

use super::layer::{Fault, Packing, Unpacking, unsupported};
use super::{LIST, Listed};
use crate::blocking;
use crate::copy::{Copied, Job};
use crate::error::{Error, ErrorKind};
use crate::layout::{Writing, write_failed};
use crate::progress::How;
use crate::source::{self, of_source};
use crate::tape::TapeWriter;

/// Writes an image into an archive. The file gets its name when it is whole.
pub(crate) async fn save(
    job: Job,
    file: &Path,
    names: &[ImageName],
    limit: u64,
) -> Result<Copied, Error> {
    let mut copied = job.begin()?;
    let (_, manifest) = job.plan.top()?;
    let described = config_of(manifest)?;
    let config = source::read(job.source.as_ref(), described, Config::LIMIT).await;
    let config = config.map_err(of_source)?;
    let config = config.ok_or_else(|| {
        let digest = described.digest;
        of_source(Error::new(
            ErrorKind::NotFound,
            format!("the source has no blob `{digest}`"),
        ))
    })?;
    let config = Config::parse(config).map_err(|error| {
        Error::caused(
            ErrorKind::Invalid,
            format!("`{}` is no config of an image", described.digest),
            error,
        )
    })?;
    let layers = manifest.layers();
    if layers.len() != config.diff_ids().len() {
        return Err(Error::new(
            ErrorKind::Invalid,
            format!(
                "the manifest has {} layers and the config {}",
                layers.len(),
                config.diff_ids().len()
            ),
        ));
    }
    let mut tape = Writing::create(file).await?;
    job.start(described);
    let config_name = format!("{}.json", described.digest.hex());
    let list = list(&config_name, names, config.diff_ids())?;
    // By name, as everything here; a layer that is there twice is written once.
    let mut entries: BTreeMap<String, Option<(&Descriptor, &Digest)>> = BTreeMap::new();
    for (layer, diff_id) in layers.iter().zip(config.diff_ids()) {
        entries.insert(layer_name(diff_id), Some((layer, diff_id)));
    }
    entries.insert(config_name, None);
    let mut told = HashSet::new();
    for (entry, layer) in entries {
        let Some((layer, diff_id)) = layer else {
            let bytes = config.bytes().clone();
            tape = tape.step(move |tape| tape.entry(&entry, &bytes)).await?;
            job.finished(&mut copied, described, How::Copied);
            continue;
        };
        tape = write_layer(&job, tape, (entry, layer, diff_id), limit).await?;
        if told.insert(layer.digest) {
            job.finished(&mut copied, layer, How::Copied);
        }
    }
    tape = tape.step(move |tape| tape.entry(LIST, &list)).await?;
    tape.finish().await?;
    Ok(copied)
}

/// Gives the config of an image, and refuses what is none.
fn config_of(manifest: &Manifest) -> Result<&Descriptor, Error> {
    let config = manifest
        .config()
        .filter(|_| manifest.kind() == ManifestKind::Image);
    config
        .filter(|config| {
            [MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG].contains(&config.media_type)
        })
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "a docker archive holds images, and this is something else",
            )
        })
}

fn layer_name(diff_id: &Digest) -> String {
    format!("{}.tar", diff_id.hex())
}

fn list(config: &str, names: &[ImageName], diff_ids: &[Digest]) -> Result<Vec<u8>, Error> {
    // Names by digest are nothing that `docker load` could give.
    let mut tags: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let tag = name.tag().cloned();
        let full = tag.map(|tag| name.with_reference(tag.into()).to_string());
        if let Some(full) = full.filter(|full| !tags.contains(full)) {
            tags.push(full);
        }
    }
    let listed = Listed {
        config: config.to_owned(),
        repo_tags: Some(tags),
        layers: Some(diff_ids.iter().map(layer_name).collect()),
    };
    serde_json::to_vec(&[listed]).map_err(|error| {
        Error::caused(ErrorKind::Storage, format!("can not write `{LIST}`"), error)
    })
}

/// Is where the bytes of a layer go through.
enum Through {
    /// Nothing was seen yet.
    Start,
    /// Hashed for the diff ID.
    Plain(Box<Hasher>),
    Gzip(Box<Unpacking>),
}

async fn write_layer(
    job: &Job,
    tape: Writing,
    (entry, layer, diff_id): (String, &Descriptor, &Digest),
    limit: u64,
) -> Result<Writing, Error> {
    let (digest, diff_id) = (layer.digest, *diff_id);
    let feed = job.start(layer);
    let mut pieces = feed.checked().await?;
    let mut tape = tape.step(move |tape| tape.begin(&entry)).await?;
    let mut through = Through::Start;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        if piece.is_empty() {
            continue;
        }
        if let Through::Start = through {
            through = match Packing::of(&piece) {
                Packing::Gzip => Through::Gzip(Box::new(Unpacking::new(&diff_id, limit))),
                Packing::Plain => Through::Plain(Box::new(Hasher::unbroken(diff_id.algorithm()))),
                Packing::Other(how) => return Err(unsupported(&digest.to_string(), how)),
            };
        }
        (tape, through) = blocking::run(move || {
            match &mut through {
                Through::Gzip(unpacking) => unpacking.push(&piece, &mut Entry(tape.tape())),
                Through::Plain(hasher) => {
                    hasher.update(&piece);
                    Entry(tape.tape()).write_all(&piece).map_err(Fault::Write)
                }
                Through::Start => Ok(()),
            }
            .map_err(|fault| fault.into_error(format!("the layer `{digest}`")))?;
            Ok((tape, through))
        })
        .await?;
    }
    blocking::run(move || {
        let fault = |fault: Fault| fault.into_error(format!("the layer `{digest}`"));
        let hasher = match through {
            Through::Gzip(unpacking) => {
                unpacking.finish(&mut Entry(tape.tape())).map_err(fault)?;
                None
            }
            Through::Plain(hasher) => Some(*hasher),
            Through::Start => Some(Hasher::unbroken(diff_id.algorithm())),
        };
        if let Some(actual) = hasher.map(Hasher::finish)
            && actual != diff_id
        {
            let expected = diff_id;
            return Err(fault(Fault::DiffId { expected, actual }));
        }
        match tape.tape().end() {
            Ok(()) => Ok(tape),
            Err(error) => Err(write_failed(tape.target(), error)),
        }
    })
    .await
}

/// Writes into the entry of an archive.
struct Entry<'a>(&'a mut TapeWriter);

impl Write for Entry<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
