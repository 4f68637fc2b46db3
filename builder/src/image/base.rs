//! Bases: what `FROM` and `COPY --from` name that is not built here.

use futures_util::StreamExt as _;
use image::{Images, Library, Origin, Place, PlatformChoice};
use oci::{Descriptor, Digest, Hasher, Platform};

use crate::error::{Error, ErrorKind};
use crate::image::{ImageConfig, LayerOf};
use crate::plan::ImageName;

/// Is an image to build on.
#[derive(Debug, Clone)]
pub(crate) struct BaseImage {
    /// Where its layers are.
    pub(crate) place: Place,
    /// The digest of its manifest.
    pub(crate) digest: Digest,
    /// Without what it has for the images on it.
    pub(crate) config: ImageConfig,
    /// What it has for the images on it: instructions, one each.
    pub(crate) triggers: Vec<String>,
    pub(crate) layers: Vec<LayerOf>,
}

/// Finds an image: in the library where somebody put it there, else in its
/// registry; or in the layout that is named.
pub(crate) async fn find(
    images: &Images,
    library: &Library,
    name: &ImageName,
    platform: &Platform,
) -> Result<BaseImage, Error> {
    let choice = PlatformChoice::One(platform.clone());
    let failed = |error| Error::image(format!("can not find the image `{name}`"), error);
    let named = match name {
        ImageName::Named(named) => named,
        ImageName::Layout { .. } => {
            let place = name
                .layout()
                .ok_or_else(|| Error::new(ErrorKind::Image, "no layout"))?;
            let inspected = images.inspect(&place, &choice).await.map_err(failed)?;
            let base = read(name, inspected)?;
            for layer in &base.layers {
                take_in(images, library, &base.place, &layer.descriptor).await?;
            }
            return Ok(base);
        }
    };
    let local = Place::Library(named.clone());
    match images.inspect(&local, &choice).await {
        Ok(inspected) => return read(name, inspected),
        Err(error) if error.kind() == image::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let remote = Place::Registry(named.clone());
    let inspected = match images.inspect(&remote, &choice).await {
        Ok(inspected) => inspected,
        Err(error) => {
            let error = failed(error).of_base(named);
            return Err(match library.resolve(named).await {
                Ok(_) => error.with_hint(format!(
                    "the library has `{named}`, but not for `{platform}`; that is why its registry was asked"
                )),
                Err(_) => error,
            });
        }
    };
    let base = read(name, inspected)?;
    let origin = Origin {
        registry: named.registry().clone(),
        repository: named.repository().clone(),
    };
    for layer in &base.layers {
        let noted = library.add_origin(&layer.descriptor.digest, &origin).await;
        noted.map_err(|error| Error::image("can not note where a layer is", error))?;
    }
    Ok(base)
}

/// Finds an image on this machine; `None` where it is not here.
pub(crate) async fn find_here(
    images: &Images,
    name: &ImageName,
    platform: &Platform,
) -> Result<Option<BaseImage>, Error> {
    let choice = PlatformChoice::One(platform.clone());
    let place = match name {
        ImageName::Named(named) => Place::Library(named.clone()),
        ImageName::Layout { directory, tag } => Place::Layout {
            directory: directory.clone(),
            tag: tag.clone(),
        },
    };
    match images.inspect(&place, &choice).await {
        Ok(inspected) => read(name, inspected).map(Some),
        Err(error) if error.kind() == image::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::image(
            format!("can not find the image `{name}`"),
            error,
        )),
    }
}

/// Reads what there is to know of an image.
fn read(name: &ImageName, inspected: image::Inspected) -> Result<BaseImage, Error> {
    let invalid = |reason: String| {
        Error::new(
            ErrorKind::Image,
            format!("`{name}` can not be built on: {reason}"),
        )
    };
    let Some(bytes) = &inspected.config else {
        return Err(invalid("it has no config of an image".to_owned()));
    };
    let mut config = ImageConfig::parse(bytes).map_err(|error| invalid(error.to_string()))?;
    let layers = inspected.manifest.layers();
    let diff_ids = &config.rootfs.diff_ids;
    if layers.len() != diff_ids.len() {
        return Err(invalid(format!(
            "its manifest has {} layers, and its config {}",
            layers.len(),
            diff_ids.len()
        )));
    }
    if config.platform.os == "windows" {
        return Err(invalid("images for Windows are not supported".to_owned()));
    }
    let triggers = config.config.on_build.take().unwrap_or_default();
    let layers = layers
        .iter()
        .zip(diff_ids)
        .map(|(descriptor, diff_id)| LayerOf {
            descriptor: descriptor.clone(),
            diff_id: *diff_id,
        });
    Ok(BaseImage {
        layers: layers.collect(),
        place: inspected.place,
        digest: inspected.digest,
        config,
        triggers,
    })
}

/// Copies a layer into the library: from a layout nothing could be fetched
/// later.
pub(crate) async fn take_in(
    images: &Images,
    library: &Library,
    place: &Place,
    layer: &Descriptor,
) -> Result<(), Error> {
    let digest = layer.digest;
    let failed = |error| Error::image(format!("can not take over the layer `{digest}`"), error);
    if library.has(layer).await.map_err(failed)? {
        return Ok(());
    }
    let mut stream = images.blob(place, layer).await.map_err(failed)?;
    let hasher = Hasher::unbroken(digest.algorithm());
    let mut incoming = library.begin(hasher).await.map_err(failed)?;
    while let Some(piece) = stream.next().await {
        let pushed = match piece {
            Ok(piece) => incoming.push(piece).await,
            Err(error) => Err(error),
        };
        if let Err(error) = pushed {
            incoming.discard().await;
            return Err(failed(error));
        }
    }
    incoming.publish(&digest).await.map_err(failed)
}
