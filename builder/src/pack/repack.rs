//! Layers of stages that no image had, made layers of an image: the same
//! archive, compressed as it would have been at once.

use std::sync::Arc;

use image::Place;
use layer::Packing;
use oci::{Algorithm, Descriptor, Hasher};

use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::image::LayerOf;
use crate::pack::contents::Range;
use crate::pack::layers::{Layers, PackedAs};

impl Layers {
    /// Compresses a layer in another way, and keeps it.
    pub(crate) async fn repack(
        &self,
        step: usize,
        (layer, place): (&LayerOf, &Place),
        kind: &PackedAs,
    ) -> Result<LayerOf, Error> {
        let failed = |error| Error::image("can not keep the layer", error);
        let unpacked = self.unpack(step, place, layer).await?;
        let mut incoming = self
            .library
            .begin(Hasher::unbroken(Algorithm::Sha256))
            .await
            .map_err(failed)?;
        let (file, digest) = (Arc::clone(&unpacked.file), layer.descriptor.digest);
        let packing = Packing {
            threads: self.packing.threads,
            compression: kind.compression,
        };
        let written = blocking::produce(
            move |outgoing| {
                let unreadable = |error| {
                    let context = format!("the layer `{digest}` can not be read");
                    Error::caused(ErrorKind::Storage, context, error)
                };
                let end = file.metadata().map_err(unreadable)?.len();
                let mut archive = Range {
                    file: &file,
                    position: 0,
                    end,
                };
                layer::write_archive(packing, outgoing, &mut archive)
                    .map_err(|error| Error::layer("can not pack a layer anew".to_owned(), error))
            },
            async |piece| incoming.push(piece).await.map_err(failed),
        )
        .await;
        let written = match written {
            Ok(written) if written.diff_id == layer.diff_id => written,
            Ok(_) => {
                incoming.discard().await;
                let message = format!("the layer `{digest}` is not what it was");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            Err(error) => {
                incoming.discard().await;
                return Err(error);
            }
        };
        incoming.publish(&written.digest).await.map_err(failed)?;
        self.keep_index(&written.digest, &layer.diff_id, &unpacked.index)
            .await?;
        let media_type = kind.media_type.clone();
        Ok(LayerOf {
            descriptor: Descriptor::new(media_type, written.digest, written.size),
            diff_id: layer.diff_id,
        })
    }
}
