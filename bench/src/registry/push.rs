//! Pushes as clients make them: of a blob, and of a small image.

use std::net::SocketAddr;
use std::thread;

use super::connection::{Body, Connection, OCTETS};
use crate::error::Error;
use crate::sample::{IMAGE, digest_of, noise};

/// Layers of an image.
const LAYERS: u64 = 3;

/// Bytes of each of them.
const LAYER: usize = 64 << 10;

/// Bytes that a blob has and its digest.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    pub(crate) fn of(bytes: Vec<u8>) -> Self {
        let digest = digest_of(&bytes);
        Self { digest, bytes }
    }

    /// Makes one of noise.
    pub(crate) fn noise(seed: u64, length: usize) -> Self {
        Self::of(noise(seed, length))
    }

    /// Returns the path of the blob in a repository.
    pub(crate) fn path(&self, repository: &str) -> String {
        format!("/v2/{repository}/blobs/{}", self.digest)
    }
}

/// A config, some layers and their manifest.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) config: Blob,
    pub(crate) layers: Vec<Blob>,
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    /// Makes a small one, of content that no other has.
    pub(crate) fn small(seed: u64) -> Self {
        let layers = (0..LAYERS).map(|layer| Blob::noise((seed << 8) | layer, LAYER));
        Self::of(seed, layers.collect())
    }

    /// Makes one of these layers.
    pub(crate) fn of(seed: u64, layers: Vec<Blob>) -> Self {
        let config = format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"{seed}\",\
             \"rootfs\":{{\"type\":\"layers\"}}}}"
        );
        let config = Blob::of(config.into_bytes());
        let described: Vec<String> = layers
            .iter()
            .map(|layer| descriptor("layer.v1.tar+gzip", layer))
            .collect();
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{IMAGE}\",\"config\":{},\"layers\":[{}]}}",
            descriptor("config.v1+json", &config),
            described.join(",")
        );
        Self {
            config,
            layers,
            manifest: manifest.into_bytes(),
        }
    }
}

fn descriptor(kind: &str, blob: &Blob) -> String {
    format!(
        "{{\"mediaType\":\"application/vnd.oci.image.{kind}\",\"digest\":\"{}\",\"size\":{}}}",
        blob.digest,
        blob.bytes.len()
    )
}

/// Pushes a blob as docker and podman do: HEAD, POST, a streamed PATCH, an empty PUT.
///
/// # Errors
/// Says what was refused.
pub(crate) fn push(
    connection: &mut Connection,
    repository: &str,
    blob: &Blob,
) -> Result<(), Error> {
    let nothing = Body::Whole(b"");
    connection.head(&blob.path(repository), 404)?;
    let line = format!("POST /v2/{repository}/blobs/uploads/");
    let begun = connection.ask(&line, OCTETS, nothing, 202)?;
    let line = format!("PATCH {}", begun.location);
    let sent = connection.ask(&line, OCTETS, Body::Streamed(&blob.bytes), 202)?;
    let line = format!("PUT {}", with_digest(&sent.location, &blob.digest));
    connection.ask(&line, OCTETS, nothing, 201)?;
    Ok(())
}

/// Pushes a blob as containerd does: POST, one PUT with everything.
///
/// # Errors
/// Says what was refused.
pub(crate) fn push_at_once(
    connection: &mut Connection,
    repository: &str,
    blob: &Blob,
) -> Result<(), Error> {
    let line = format!("POST /v2/{repository}/blobs/uploads/");
    let begun = connection.ask(&line, OCTETS, Body::Whole(b""), 202)?;
    let line = format!("PUT {}", with_digest(&begun.location, &blob.digest));
    connection.ask(&line, OCTETS, Body::Whole(&blob.bytes), 201)?;
    Ok(())
}

/// Publishes a manifest under a tag.
///
/// # Errors
/// Says what was refused.
pub(crate) fn put_manifest(
    connection: &mut Connection,
    (repository, tag): (&str, &str),
    manifest: &[u8],
) -> Result<(), Error> {
    let line = format!("PUT /v2/{repository}/manifests/{tag}");
    connection.ask(&line, IMAGE, Body::Whole(manifest), 201)?;
    Ok(())
}

/// The connections of one client that pushes images: one for each layer.
#[derive(Debug)]
pub(crate) struct Pusher(Vec<Connection>);

impl Pusher {
    pub(crate) fn open(address: SocketAddr) -> Result<Self, Error> {
        let connections = (0..LAYERS).map(|_| Connection::open(address));
        Ok(Self(connections.collect::<Result<_, _>>()?))
    }

    /// Pushes an image as docker does: its layers side by side, the config, the manifest.
    ///
    /// # Errors
    /// Says what was refused.
    pub(crate) fn push(
        &mut self,
        (repository, tag): (&str, &str),
        image: &Image,
    ) -> Result<(), Error> {
        thread::scope(|scope| {
            let pairs = self.0.iter_mut().zip(&image.layers);
            let threads: Vec<_> = pairs
                .map(|(connection, layer)| scope.spawn(move || push(connection, repository, layer)))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(died())))
        })?;
        let connection = self.0.first_mut().ok_or_else(died)?;
        push(connection, repository, &image.config)?;
        put_manifest(connection, (repository, tag), &image.manifest)
    }
}

/// Says that a thread of the bench has ended before its time.
pub(crate) fn died() -> Error {
    Error::new("a client died")
}

fn with_digest(location: &str, digest: &str) -> String {
    let joint = if location.contains('?') { '&' } else { '?' };
    format!("{location}{joint}digest={digest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_differ_by_seed() {
        let (one, other) = (Image::small(1), Image::small(2));
        assert_ne!(one.config.digest, other.config.digest);
        assert!(
            one.layers
                .iter()
                .all(|a| other.layers.iter().all(|b| a.digest != b.digest))
        );
    }

    #[test]
    fn manifests_are_json() {
        let image = Image::small(1);
        let manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], image.config.digest);
        assert_eq!(manifest["layers"][2]["size"], LAYER);
    }

    #[test]
    fn digests_join_what_is_there() {
        assert_eq!(with_digest("/a", "d"), "/a?digest=d");
        assert_eq!(with_digest("/a?b=c", "d"), "/a?b=c&digest=d");
    }
}
