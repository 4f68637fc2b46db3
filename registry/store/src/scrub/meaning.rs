//! What a key means: the tree that [`crate::keys`] draws, read backwards.
//!
//! Everything here is a function of text. Whether there is anything under a
//! key is asked elsewhere.

use blob::Key;
use oci::{Digest, RepositoryName, Tag};

use crate::keys;
use crate::uploads::UploadId;

/// Says what lies under a key, if anything does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// More keys.
    Directory,
    /// Bytes by their digest.
    Blob(Digest),
    /// That there is a repository.
    Catalog,
    /// What a manifest is.
    Manifest(RepositoryName, Digest),
    /// What a tag means.
    Tag(RepositoryName, Tag),
    /// Maybe a tag of a manifest.
    Tagged(RepositoryName, Digest, Tag),
    /// Maybe a referrer of a subject.
    Referrer {
        repository: RepositoryName,
        subject: Digest,
        manifest: Digest,
    },
    /// That a blob is visible in a repository.
    Link(RepositoryName, Digest),
    /// Maybe a manifest that references a blob.
    Reference {
        repository: RepositoryName,
        blob: Digest,
        manifest: Digest,
    },
    /// Maybe a repository that has a digest.
    Holder(Digest, RepositoryName),
    /// The state of an upload.
    Upload,
    /// The bytes of an upload; the name is that of the upload, or one that the
    /// bytes of a manifest had on their way in.
    Data(String),
    /// What the collector has to look at.
    Due,
    /// What a round of collection removes.
    Plan,
    /// Nothing that this program has written.
    Unknown,
}

/// The keys at the top that others lie below, in the order in which they are
/// walked: bytes come last, when everything by which they are found was looked
/// at. Single records at the top, and what was put aside, are not looked at.
pub(crate) const TOPS: [&str; 8] = [
    "catalog",
    "data",
    "due",
    "links",
    "repositories",
    "rounds",
    "uploads",
    "blobs",
];

/// Reads what a key means.
pub(crate) fn meaning(key: &Key) -> Meaning {
    let segments: Vec<&str> = key.as_str().split('/').collect();
    read(&segments).unwrap_or(Meaning::Unknown)
}

fn read(segments: &[&str]) -> Option<Meaning> {
    Some(match segments {
        [top] => TOPS.contains(top).then_some(Meaning::Directory)?,
        ["blobs", algorithm] | ["links", algorithm] => directory_of(algorithm)?,
        ["blobs", algorithm, hex] => Meaning::Blob(digest(algorithm, hex)?),
        ["catalog", repository] => {
            name(repository)?;
            Meaning::Catalog
        }
        ["links", algorithm, hex] => {
            digest(algorithm, hex)?;
            Meaning::Directory
        }
        ["links", algorithm, hex, repository] => {
            Meaning::Holder(digest(algorithm, hex)?, name(repository)?)
        }
        ["uploads", id] => {
            id.parse::<UploadId>().ok()?;
            Meaning::Upload
        }
        ["data", id] => Meaning::Data((*id).to_owned()),
        ["due", id] => is_plain(id).then_some(Meaning::Due)?,
        ["rounds", nonce] => is_plain(nonce).then_some(Meaning::Plan)?,
        ["repositories", repository] => {
            name(repository)?;
            Meaning::Directory
        }
        ["repositories", repository, rest @ ..] => in_repository(name(repository)?, rest)?,
        _ => return None,
    })
}

fn in_repository(repository: RepositoryName, rest: &[&str]) -> Option<Meaning> {
    Some(match rest {
        ["manifests" | "tags" | "tagged" | "referrers" | "blobs"] => Meaning::Directory,
        ["manifests" | "blobs", algorithm] => directory_of(algorithm)?,
        ["manifests", algorithm, hex] => Meaning::Manifest(repository, digest(algorithm, hex)?),
        ["tags", tag] => Meaning::Tag(repository, tag.parse().ok()?),
        ["tagged" | "referrers", digest] => {
            flat(digest)?;
            Meaning::Directory
        }
        ["tagged", digest, tag] => Meaning::Tagged(repository, flat(digest)?, tag.parse().ok()?),
        ["referrers", subject, manifest] => Meaning::Referrer {
            repository,
            subject: flat(subject)?,
            manifest: flat(manifest)?,
        },
        ["blobs", algorithm, hex] => {
            digest(algorithm, hex)?;
            Meaning::Directory
        }
        ["blobs", algorithm, hex, "link"] => Meaning::Link(repository, digest(algorithm, hex)?),
        ["blobs", algorithm, hex, manifest] => Meaning::Reference {
            repository,
            blob: digest(algorithm, hex)?,
            manifest: flat(manifest)?,
        },
        _ => return None,
    })
}

fn directory_of(algorithm: &str) -> Option<Meaning> {
    let known = algorithm.parse::<oci::Algorithm>().ok()?;
    (known.as_str() == algorithm).then_some(Meaning::Directory)
}

fn digest(algorithm: &str, hex: &str) -> Option<Digest> {
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    (digest.hex() == hex).then_some(digest)
}

fn flat(text: &str) -> Option<Digest> {
    let digest = keys::decode_digest(text)?;
    (keys::flat(&digest) == text).then_some(digest)
}

fn name(encoded: &str) -> Option<RepositoryName> {
    let name = keys::decode_repository(encoded)?;
    (keys::encode_repository(name.as_str()) == encoded).then_some(name)
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte) || byte == b'-';
    !text.is_empty() && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::RepositoryKeys;

    #[test]
    fn what_is_written_is_read() {
        let name: RepositoryName = "a/b".parse().expect("a name");
        let keys = RepositoryKeys::new(&name).expect("short");
        let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
        let tag: Tag = "v1.0".parse().expect("a tag");
        let id = UploadId::new(1, 2);
        let referrer = Meaning::Referrer {
            repository: name.clone(),
            subject: one,
            manifest: two,
        };
        let reference = Meaning::Reference {
            repository: name.clone(),
            blob: one,
            manifest: two,
        };
        for (key, expected) in [
            (blob::blob_key(&one), Meaning::Blob(one)),
            (keys.catalog_entry(), Meaning::Catalog),
            (keys.manifest(&one), Meaning::Manifest(name.clone(), one)),
            (keys.tag(&tag), Meaning::Tag(name.clone(), tag.clone())),
            (
                keys.tagged_as(&one, &tag),
                Meaning::Tagged(name.clone(), one, tag.clone()),
            ),
            (keys.referrer(&one, &two), referrer),
            (keys.blob_link(&one), Meaning::Link(name.clone(), one)),
            (keys.reference(&one, &two), reference),
            (keys.holder(&one), Meaning::Holder(one, name.clone())),
            (keys::upload(&id), Meaning::Upload),
            (
                keys::upload_data(&id),
                Meaning::Data(id.as_str().to_owned()),
            ),
            (keys::due(id.as_str()), Meaning::Due),
            (keys::plan("00ff-1"), Meaning::Plan),
        ] {
            assert_eq!(meaning(&key), expected, "{key}");
            let mut above = key.parent();
            while let Some(key) = above {
                assert_eq!(meaning(&key), Meaning::Directory, "{key}");
                above = key.parent();
            }
        }
    }

    #[test]
    fn what_nobody_writes_is_unknown() {
        let hex = Digest::sha256(b"").hex();
        let top = |text: &str| Key::try_from(text.to_owned()).expect("a key");
        for text in [
            "elsewhere",
            "scrub",
            "blobs/md5",
            "blobs/SHA256",
            &format!("blobs/sha256/{}", hex.to_uppercase()),
            "blobs/sha256/backup",
            &format!("blobs/sha256/{hex}/x"),
            "catalog/A",
            "catalog/a.~",
            "repositories/a/notes",
            "repositories/a/tags/-x",
            "repositories/a/tags/x/y",
            "repositories/a/tagged/sha256%3A00",
            "uploads/x",
            "due/X",
        ] {
            assert_eq!(meaning(&top(text)), Meaning::Unknown, "{text}");
        }
    }
}
