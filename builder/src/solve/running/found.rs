//! What commands came to before, by what they depend on.

use bytes::Bytes;
use image::Topic;
use oci::Digest;

use crate::error::Error;
use crate::events::Outcome;
use crate::image::LayerOf;
use crate::request::Cache;
use crate::solve::here;
use crate::solve::run::Run;
use crate::solve::stage::{Placed, StageState};

/// What the library notes of a command: the layer, if it made one.
#[derive(serde::Serialize, serde::Deserialize)]
struct Noted {
    layer: Option<NotedLayer>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct NotedLayer {
    digest: Digest,
    size: u64,
    diff_id: Digest,
}

impl Run<'_> {
    /// Looks for what a command came to before; then it is done.
    pub(super) async fn found(
        &mut self,
        stage: &mut StageState,
        key: &Digest,
    ) -> Result<Option<Outcome>, Error> {
        if self.layers.cache != Cache::Use {
            return Ok(None);
        }
        let failed = |error| Error::image("can not look up what a command came to", error);
        let library = &self.layers.library;
        let noted = library.noted(Topic::Steps, key).await.map_err(failed)?;
        let Some(noted) = noted.and_then(|noted| serde_json::from_slice::<Noted>(&noted).ok())
        else {
            return Ok(None);
        };
        let Some(noted) = noted.layer else {
            return Ok(Some(Outcome::CachedNothing));
        };
        let descriptor =
            oci::Descriptor::new(self.request.format.layer(), noted.digest, noted.size);
        if !library.has(&descriptor).await.map_err(failed)? {
            return Ok(None);
        }
        let (digest, size) = (noted.digest, noted.size);
        let layer = LayerOf {
            descriptor,
            diff_id: noted.diff_id,
        };
        self.put_on(stage, layer).await?;
        Ok(Some(Outcome::Cached { digest, size }))
    }

    /// Puts a layer onto a stage, as everybody does who unpacks it.
    pub(super) async fn put_on(
        &mut self,
        stage: &mut StageState,
        layer: LayerOf,
    ) -> Result<(), Error> {
        let digest = layer.descriptor.digest;
        let placed = Placed {
            layer,
            place: here(&digest),
        };
        let index = self
            .layers
            .index(self.step, &placed.place, &placed.layer)
            .await?;
        let origin = self.origin(&placed)?;
        if let Some(tree) = &mut stage.tree {
            tree.apply(origin, &index).map_err(|error| {
                Error::layer(format!("the layer `{digest}` does not fit"), error)
            })?;
        }
        stage.layers.push(placed);
        Ok(())
    }

    /// Notes what a command came to.
    pub(super) async fn note_found(
        &self,
        key: &Digest,
        layer: Option<&LayerOf>,
    ) -> Result<(), Error> {
        if self.layers.cache == Cache::Apart {
            return Ok(());
        }
        let noted = Noted {
            layer: layer.map(|layer| NotedLayer {
                digest: layer.descriptor.digest,
                size: layer.descriptor.size,
                diff_id: layer.diff_id,
            }),
        };
        let noted = Bytes::from(serde_json::to_vec(&noted).unwrap_or_default());
        let noted = self.layers.library.note(Topic::Steps, key, noted).await;
        noted.map_err(|error| Error::image("can not note what a command came to", error))
    }
}
