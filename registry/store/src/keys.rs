//! Every key that the store writes.
//!
//! ```text
//! format                                               the version of this tree
//! blobs/<alg>/<hex>                                    bytes: layers, configs, manifests
//! catalog/<repo>                                       there is such a repository
//! repositories/<repo>/manifests/<alg>/<hex>            there is such a manifest, and what it is
//! repositories/<repo>/tags/<tag>                       what the tag means
//! repositories/<repo>/tagged/<alg>-<hex>/<tag>         maybe a tag of this manifest
//! repositories/<repo>/referrers/<alg>-<hex>/<alg>-<hex>   maybe a referrer of this subject
//! repositories/<repo>/blobs/<alg>/<hex>/link           the blob is visible here
//! repositories/<repo>/blobs/<alg>/<hex>/<alg>-<hex>    maybe this manifest references it
//! links/<alg>/<hex>/<repo>                             maybe the repository has it
//! uploads/<id>                                         the state of an upload, and its end
//! data/<id>                                            the bytes of an upload
//! due/<id>                                             something to look at when its time has come
//! round                                                what is being collected
//! rounds/<nonce>                                       what a round of collection removes
//! ```
//!
//! The `<id>` of uploads and of what is due begins with its time, so that
//! byte order is the order in which the collector looks at them.
//!
//! *Maybe* keys are written before what they point at, and once more after it,
//! where somebody may have removed them meanwhile; they are removed after it,
//! and written again if it came back. So they may be left over but are never
//! missing; who reads one looks at the thing itself. `<repo>` is the repository's name with `.~` for each `/`:
//! names sort the same either way, since a dot is otherwise followed by a
//! letter or digit, which are smaller than `~`, and a slash is followed by one
//! as well.

use blob::Key;
use oci::{Digest, RepositoryName, Tag};

use crate::error::Error;
use crate::uploads::UploadId;

/// The longest encoded name, in bytes: the longest file name on Linux.
const ENCODED_LIMIT: usize = 255;

pub(crate) fn format() -> Key {
    Key::top("format")
}

pub(crate) fn catalog() -> Key {
    Key::top("catalog")
}

/// Lists the repositories that may have a blob or manifest.
pub(crate) fn links(digest: &Digest) -> Key {
    Key::top("links")
        .child(digest.algorithm().as_str())
        .child(&digest.hex())
}

/// Names the state of the collection.
pub(crate) fn round() -> Key {
    Key::top("round")
}

pub(crate) fn plans() -> Key {
    Key::top("rounds")
}

/// Names what a round removes.
pub(crate) fn plan(nonce: &str) -> Key {
    plans().child(nonce)
}

pub(crate) fn dues() -> Key {
    Key::top("due")
}

pub(crate) fn due(id: &str) -> Key {
    dues().child(id)
}

pub(crate) fn uploads() -> Key {
    Key::top("uploads")
}

pub(crate) fn upload(id: &UploadId) -> Key {
    uploads().child(id.as_str())
}

pub(crate) fn upload_data(id: &UploadId) -> Key {
    Key::top("data").child(id.as_str())
}

/// Names a place for the bytes of a manifest on their way in.
pub(crate) fn manifest_data(nonce: &str) -> Key {
    Key::top("data").child(nonce)
}

/// Names the keys of one repository.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryKeys {
    encoded: String,
    root: Key,
}

impl RepositoryKeys {
    pub(crate) fn new(name: &RepositoryName) -> Result<Self, Error> {
        let encoded = name.as_str().replace('/', ".~");
        if encoded.len() > ENCODED_LIMIT {
            return Err(Error::NameTooLong {
                name: name.clone(),
                limit: ENCODED_LIMIT,
            });
        }
        let root = Key::top("repositories").child(&encoded);
        Ok(Self { encoded, root })
    }

    pub(crate) fn catalog_entry(&self) -> Key {
        catalog().child(&self.encoded)
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Key {
        self.root
            .child("manifests")
            .child(digest.algorithm().as_str())
            .child(&digest.hex())
    }

    pub(crate) fn tags(&self) -> Key {
        self.root.child("tags")
    }

    pub(crate) fn tag(&self, tag: &Tag) -> Key {
        self.tags().child(tag.as_str())
    }

    pub(crate) fn tagged(&self, digest: &Digest) -> Key {
        self.root.child("tagged").child(&flat(digest))
    }

    pub(crate) fn tagged_as(&self, digest: &Digest, tag: &Tag) -> Key {
        self.tagged(digest).child(tag.as_str())
    }

    pub(crate) fn referrers(&self, subject: &Digest) -> Key {
        self.root.child("referrers").child(&flat(subject))
    }

    pub(crate) fn referrer(&self, subject: &Digest, manifest: &Digest) -> Key {
        self.referrers(subject).child(&flat(manifest))
    }

    /// Lists what has to do with a blob here.
    pub(crate) fn blob(&self, digest: &Digest) -> Key {
        self.root
            .child("blobs")
            .child(digest.algorithm().as_str())
            .child(&digest.hex())
    }

    pub(crate) fn blob_link(&self, digest: &Digest) -> Key {
        self.blob(digest).child("link")
    }

    pub(crate) fn reference(&self, blob: &Digest, manifest: &Digest) -> Key {
        self.blob(blob).child(&flat(manifest))
    }

    pub(crate) fn holder(&self, digest: &Digest) -> Key {
        links(digest).child(&self.encoded)
    }
}

/// Reads back the name of a repository from a key.
pub(crate) fn decode_repository(encoded: &str) -> Option<RepositoryName> {
    encoded.replace(".~", "/").parse().ok()
}

/// Gives the last name of a page in the spelling of the keys.
pub(crate) fn encode_repository(name: &str) -> String {
    name.replace('/', ".~")
}

/// Spells a digest as one segment.
pub(crate) fn flat(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

/// Reads back a digest from a segment.
pub(crate) fn decode_digest(flat: &str) -> Option<Digest> {
    flat.replacen('-', ":", 1).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "[a-z0-9]{1,3}([._/-][a-z0-9]{1,3}){0,4}";

    proptest! {
        #[test]
        fn encoding_keeps_names_and_their_order(a in NAME, b in NAME) {
            let (a, b): (RepositoryName, RepositoryName) = (a.parse().expect("a"), b.parse().expect("b"));
            let encoded = |name: &RepositoryName| RepositoryKeys::new(name).expect("short").encoded;
            prop_assert_eq!(encoded(&a).cmp(&encoded(&b)), a.cmp(&b));
            prop_assert_eq!(decode_repository(&encoded(&a)), Some(a));
        }
    }

    #[test]
    fn digests_come_back() {
        let digest = Digest::sha256(b"x");
        assert_eq!(decode_digest(&flat(&digest)), Some(digest));
    }
}
