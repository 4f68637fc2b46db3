//! Pushing fixtures in the plainest way, for tests whose subject is something else.

use crate::{Content, Image, Registry, blob, digest};

impl Registry {
    /// Opens an upload and returns its `Location`.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    #[must_use]
    pub fn open_upload(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        self.post(&path).body("").send().expect(202).location()
    }

    /// Pushes a blob with POST and PUT, and returns its sha256 digest.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        self.push_blob_as(repository, bytes, &digest);
        digest
    }

    /// Pushes a blob under a digest of any algorithm.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    pub fn push_blob_as(&self, repository: &str, bytes: &[u8], digest: &str) {
        let location = self.open_upload(repository);
        let target = with_query(&location, &format!("digest={digest}"));
        let request = self
            .put(&target)
            .header("content-type", "application/octet-stream");
        let _ = request.body(bytes).send().expect(201);
    }

    /// Pushes a manifest under a tag or digest, and returns its sha256 digest.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    pub fn push_manifest(&self, repository: &str, reference: &str, manifest: &Content) -> String {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let request = self.put(&path).header("content-type", &manifest.media_type);
        let _ = request.body(&manifest.bytes).send().expect(201);
        manifest.digest()
    }

    /// Pushes an image with a config and two layers under a tag. Images with another
    /// `seed` share no byte.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    pub fn push_image(&self, repository: &str, tag: &str, seed: u64) -> Image {
        let image = Image::new(seed);
        self.push_blob(repository, &image.config);
        for layer in &image.layers {
            self.push_blob(repository, layer);
        }
        self.push_manifest(repository, tag, &image.manifest);
        image
    }

    /// Pushes the config and the layer that small manifests of the fixtures name: the
    /// two bytes `{}` and `blob(1, 64)`.
    ///
    /// # Panics
    /// When the registry refuses.
    #[track_caller]
    pub fn push_parts(&self, repository: &str) {
        self.push_blob(repository, b"{}");
        self.push_blob(repository, &blob(1, 64));
    }
}

/// Adds a query to a location that may have one already.
#[must_use]
pub fn with_query(location: &str, query: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}{query}")
}
