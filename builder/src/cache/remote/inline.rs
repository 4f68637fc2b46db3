//! The cache that goes with an image: it refers to the image, in the image's
//! own repository, and changes nothing of it.

use ::image::{Images, Place};
use oci::{Descriptor, ImageName};

use super::export::{CacheSent, ExportedStep, choose, deliver};
use super::{CacheExtent, CacheFailure};
use crate::error::Error;

/// Is a cache of the steps of an image, for whoever pushes that.
#[derive(Debug, Clone)]
pub struct InlineCache {
    steps: Vec<ExportedStep>,
    image: Descriptor,
    failure: CacheFailure,
}

impl InlineCache {
    /// Makes the cache of an image.
    pub(crate) fn new(steps: &[ExportedStep], image: &Descriptor, failure: CacheFailure) -> Self {
        let chosen = choose(steps, CacheExtent::Result);
        Self {
            steps: chosen.into_iter().cloned().collect(),
            image: image.clone(),
            failure,
        }
    }

    /// Says what it means that it can not be pushed.
    #[must_use]
    pub fn failure(&self) -> CacheFailure {
        self.failure
    }

    /// Pushes it to the repository that the image was pushed to under this
    /// name (distribution-spec, "Pushing Manifests with Subject").
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::Image`](crate::ErrorKind::Image) when the
    /// registry does.
    pub async fn push(&self, images: &Images, name: &ImageName) -> Result<CacheSent, Error> {
        let failed = |error| Error::image(format!("can not push the cache of `{name}`"), error);
        let place = Place::Registry(name.clone());
        let delivery = images.delivery(&place).await.map_err(failed)?;
        let steps: Vec<&ExportedStep> = self.steps.iter().collect();
        let (written, mut sent) = deliver(&delivery, &steps, Some(&self.image)).await?;
        sent.digest = delivery.keep(&written.manifest).await.map_err(failed)?;
        Ok(sent)
    }
}
