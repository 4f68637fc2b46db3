//! Images that were built: composed of what stages have become, and kept in the
//! library under their names.

use ::image::{ErrorKind as ImageErrorKind, Library};
use bytes::Bytes;
use oci::{Config, Descriptor, Digest, ImageName, Manifest, Platform};

use crate::error::{Error, ErrorKind};
use crate::image::{LayerOf, compose};
use crate::request::Request;
use crate::solve::stage::StageState;
use crate::solve::{Built, BuiltImage, BuiltLayer, BuiltStep, created, untagged};

/// Is an image that is not kept yet.
pub(super) struct Image {
    platform: Platform,
    pub(super) config: Bytes,
    manifest: Bytes,
    descriptor: Descriptor,
    layers: Vec<BuiltLayer>,
}

/// Composes the image of a stage.
pub(super) fn compose_image(request: &Request, stage: StageState) -> Result<Image, Error> {
    let mut config = stage.configured.config;
    config.created = Some(created(request.epoch)?);
    let platform = config.platform.clone();
    config.rootfs.diff_ids = stage
        .layers
        .iter()
        .map(|placed| placed.layer.diff_id)
        .collect();
    config.config.labels.extend(request.labels.clone());
    let config = config.to_bytes();
    if config.len() as u64 > Config::LIMIT {
        let message = format!(
            "the config of the image has {} bytes, more than the {} that are read of one",
            config.len(),
            Config::LIMIT
        );
        return Err(Error::new(ErrorKind::Image, message)
            .with_hint("labels, variables and history are in the config: make them shorter"));
    }
    let layers: Vec<LayerOf> = stage
        .layers
        .into_iter()
        .map(|placed| placed.layer)
        .collect();
    let noted = request.annotations.of_manifest(&platform);
    let bytes = compose(request.format, &config, &layers, noted)?;
    let manifest = Manifest::parse(bytes.clone(), &request.format.manifest()).map_err(|error| {
        Error::caused(
            ErrorKind::Image,
            "the image has more than a manifest can say",
            error,
        )
    })?;
    Ok(Image {
        platform,
        config,
        manifest: bytes,
        descriptor: manifest.descriptor(),
        layers: layers.iter().map(BuiltLayer::of).collect(),
    })
}

/// Keeps images in the library under their names: one as it is, and more in an
/// index.
pub(super) async fn keep(
    request: &Request,
    library: &Library,
    all: Vec<(Image, Vec<BuiltStep>)>,
) -> Result<Built, Error> {
    let (mut images, mut written) = (Vec::with_capacity(all.len()), 0);
    for (image, steps) in all {
        let config = Digest::sha256(&image.config);
        written += keep_once(library, image.config).await?;
        written += keep_once(library, image.manifest).await?;
        images.push(BuiltImage {
            platform: image.platform,
            descriptor: image.descriptor,
            config,
            layers: image.layers,
            steps,
        });
    }
    let annotations = match images.as_slice() {
        [image] => request.annotations.of_descriptor(&image.platform),
        _ => request.annotations.index_descriptor.clone(),
    };
    let descriptor = match images.as_slice() {
        [image] => image.descriptor.clone(),
        images => {
            let index = compose_index(request, images)?;
            let descriptor = Descriptor::new(
                request.format.index(),
                Digest::sha256(&index),
                index.len() as u64,
            );
            written += keep_once(library, index).await?;
            descriptor
        }
    };
    let mut names = request.names.clone();
    if names.is_empty() {
        names.push(untagged(&descriptor.digest));
    }
    for name in &names {
        written += name_once(library, name, &descriptor).await?;
    }
    Ok(Built {
        descriptor,
        annotations,
        images,
        written,
        cache_mounts: Vec::new(),
        caches: Vec::new(),
        inline: None,
        warnings: Vec::new(),
        ignore_warnings: Vec::new(),
        names,
    })
}

/// Composes the index of some images.
fn compose_index(request: &Request, images: &[BuiltImage]) -> Result<Bytes, Error> {
    let described = images.iter().map(|image| {
        let mut descriptor = image.descriptor.clone();
        descriptor.platform = Some(image.platform.clone());
        descriptor.annotations = request.annotations.of_descriptor(&image.platform);
        descriptor
    });
    let annotations = request.annotations.index.clone();
    crate::image::compose_index(request.format, described.collect(), annotations)
}

/// Keeps bytes that the library does not have, and counts them.
async fn keep_once(library: &Library, bytes: Bytes) -> Result<usize, Error> {
    let digest = Digest::sha256(&bytes);
    // What is damaged is written anew.
    if let Ok(Some(_)) = library.read(&digest, bytes.len() as u64).await {
        return Ok(0);
    }
    let kept = library.keep(bytes).await;
    kept.map_err(|error| Error::image("can not keep the image", error))?;
    Ok(1)
}

/// Gives an image a name, unless it has it, and counts it.
async fn name_once(
    library: &Library,
    name: &ImageName,
    image: &Descriptor,
) -> Result<usize, Error> {
    match library.resolve(name).await {
        Ok(named) if named.descriptor == *image => return Ok(0),
        Err(error) if error.kind() != ImageErrorKind::NotFound => {
            return Err(Error::image(
                format!("can not name the image `{name}`"),
                error,
            ));
        }
        _ => {}
    }
    let named = library.set(name, image).await;
    named.map_err(|error| Error::image(format!("can not name the image `{name}`"), error))?;
    Ok(1)
}
