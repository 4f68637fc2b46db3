//! Looks at what a round judges. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blob::{ErrorKind, Key, blob_key};
use oci::{Digest, MANIFEST_LIMIT, Manifest, RepositoryName, Tag};

use super::judge::{self, Age, Bytes, Content, Fact, Life, Place, References};
use crate::error::Error;
use crate::keys::{self, RepositoryKeys};
use crate::records::{self, DueRecord, FactRecord, ManifestRecord, TagRecord};
use crate::store::Store;

/// The references or tags that are listed at once. Most digests have fewer.
const PAGE: usize = 64;

/// The leftover references of a digest in one repository that one round
/// removes.
const STALE_LIMIT: usize = 1024;

/// Names a repository and its keys.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) name: RepositoryName,
    pub(crate) keys: RepositoryKeys,
}

/// Says what to look at of a digest in one repository.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    pub(crate) home: Arc<Home>,
    /// The manifests that reference it, and are gone.
    pub(crate) of: BTreeSet<Digest>,
    /// Whether it was a manifest, and what that referred to.
    pub(crate) remains: Option<Option<Digest>>,
}

/// Looks at a digest wherever it has to be judged, and whether anybody else
/// may have it.
pub(crate) async fn content(
    store: &Store,
    digest: &Digest,
    spots: &[Spot],
    age: Age,
) -> Result<Content, Error> {
    let mut seen = Content::default();
    let mut over = true;
    for spot in spots {
        let place = place(store, digest, spot).await?;
        over &= place.life(age) == Life::Over;
        seen.places.push(place);
    }
    if !over {
        return Ok(seen);
    }
    let backend = store.backend();
    let page = backend
        .page(&keys::links(digest), "", spots.len().saturating_add(1))
        .await?;
    seen.elsewhere = page.names.iter().any(|name| {
        !spots
            .iter()
            .any(|spot| spot.home.keys.holder(digest).name() == name)
    });
    if !seen.elsewhere {
        seen.bytes = bytes(store, digest).await?;
    }
    Ok(seen)
}

async fn bytes(store: &Store, digest: &Digest) -> Result<Option<Bytes>, Error> {
    let key = blob_key(digest);
    let backend = store.backend();
    let (version, size) = tokio::try_join!(backend.version(&key), backend.head(&key))?;
    Ok(version.map(|version| Bytes {
        key,
        version,
        size: size.unwrap_or_default(),
    }))
}

async fn place(store: &Store, digest: &Digest, spot: &Spot) -> Result<Place, Error> {
    let keys = &spot.home.keys;
    let mut place = Place {
        manifest: store.is_fact(&keys.manifest(digest)).await?,
        ..Place::default()
    };
    let mut stale = BTreeMap::new();
    for manifest in &spot.of {
        if !store.is_fact(&keys.manifest(manifest)).await?
            && let Some(fact) = fact(store, keys.reference(digest, manifest)).await?
        {
            stale.insert(fact.key.clone(), fact);
        }
    }
    if place.manifest {
        place.references.stale = stale.into_values().collect();
        return Ok(place);
    }
    let (link, holder) = tokio::try_join!(
        fact(store, keys.blob_link(digest)),
        fact(store, keys.holder(digest)),
    )?;
    place.link = link;
    place.holder = holder;
    place.references = references(store, keys, digest, stale).await?;
    if let Some(subject) = &spot.remains {
        remains(store, keys, (digest, subject.as_ref()), &mut place).await?;
    }
    Ok(place)
}

/// Reads a fact; `None` where it is not so.
async fn fact(store: &Store, key: Key) -> Result<Option<Fact>, Error> {
    let found = records::read::<FactRecord>(store.backend(), &key).await?;
    Ok(found.map(|(record, version)| Fact {
        key,
        version,
        since: record.since,
    }))
}

/// Looks at the manifests that reference a digest, up to the first that is
/// there.
async fn references(
    store: &Store,
    keys: &RepositoryKeys,
    digest: &Digest,
    mut stale: BTreeMap<Key, Fact>,
) -> Result<References, Error> {
    let mut seen = References::default();
    let mut after = String::new();
    'pages: loop {
        let page = store
            .backend()
            .page(&keys.blob(digest), &after, PAGE)
            .await?;
        for name in &page.names {
            let Some(manifest) = keys::decode_digest(name) else {
                continue;
            };
            if store.is_fact(&keys.manifest(&manifest)).await? {
                seen.live = true;
                break 'pages;
            }
            let key = keys.reference(digest, &manifest);
            if !stale.contains_key(&key)
                && let Some(fact) = fact(store, key.clone()).await?
            {
                stale.insert(key, fact);
            }
        }
        if stale.len() >= STALE_LIMIT && page.more {
            seen.more = true;
            break;
        }
        match page.names.into_iter().next_back() {
            Some(last) if page.more => after = last,
            _ => break,
        }
    }
    seen.stale = stale.into_values().collect();
    Ok(seen)
}

/// Looks at what a manifest has left that is not there.
async fn remains(
    store: &Store,
    keys: &RepositoryKeys,
    (digest, subject): (&Digest, Option<&Digest>),
    place: &mut Place,
) -> Result<(), Error> {
    let backend = store.backend();
    let page = backend.page(&keys.tagged(digest), "", STALE_LIMIT).await?;
    place.references.more |= page.more;
    for tag in page.names.iter().filter_map(|name| name.parse().ok()) {
        if let Some(tag) = tag_of(store, keys, &tag, digest).await? {
            place.remains.push(tag);
        }
        let tagged = fact(store, keys.tagged_as(digest, &tag)).await?;
        place.remains.extend(tagged);
    }
    if let Some(subject) = subject {
        let key = keys.referrer(subject, digest);
        let found = backend.read(&key).await?;
        place.remains.extend(found.map(|record| Fact {
            key,
            version: record.version,
            since: 0,
        }));
    }
    Ok(())
}

/// Reads a tag if it means this manifest.
async fn tag_of(
    store: &Store,
    keys: &RepositoryKeys,
    tag: &Tag,
    digest: &Digest,
) -> Result<Option<Fact>, Error> {
    let key = keys.tag(tag);
    let found = records::read::<TagRecord>(store.backend(), &key).await?;
    Ok(found
        .filter(|(record, _)| record.digest == *digest)
        .map(|(record, version)| Fact {
            key,
            version,
            since: record.moved,
        }))
}

/// Looks at a manifest that may go by itself; `None` where it is not there.
pub(crate) async fn manifest(
    store: &Store,
    home: &Home,
    digest: &Digest,
) -> Result<Option<judge::Manifest>, Error> {
    let keys = &home.keys;
    let key = keys.manifest(digest);
    let found = records::read::<ManifestRecord>(store.backend(), &key).await?;
    let Some((record, version)) = found else {
        return Ok(None);
    };
    let mut seen = judge::Manifest {
        record: Fact {
            key,
            version,
            since: record.pushed,
        },
        tagged: is_tagged(store, keys, digest).await?,
        child: false,
        refers: false,
    };
    if seen.tagged {
        return Ok(Some(seen));
    }
    seen.child = references(store, keys, digest, BTreeMap::new()).await?.live;
    if let Some(subject) = &record.subject {
        seen.refers = store.is_fact(&keys.manifest(subject)).await?;
    }
    Ok(Some(seen))
}

async fn is_tagged(store: &Store, keys: &RepositoryKeys, digest: &Digest) -> Result<bool, Error> {
    let mut after = String::new();
    loop {
        let tagged = keys.tagged(digest);
        let page = store.backend().page(&tagged, &after, PAGE).await?;
        for tag in page.names.iter().filter_map(|name| name.parse().ok()) {
            if tag_of(store, keys, &tag, digest).await?.is_some() {
                return Ok(true);
            }
        }
        match page.names.into_iter().next_back() {
            Some(last) if page.more => after = last,
            _ => return Ok(false),
        }
    }
}

/// Says what a manifest leaves that goes.
pub(crate) async fn left_by(
    store: &Store,
    home: &Home,
    digest: &Digest,
) -> Result<DueRecord, Error> {
    let bytes = match store.blobs().read(digest, MANIFEST_LIMIT).await {
        // What it referenced can not be told, and is kept.
        Err(error) if error.kind() == ErrorKind::Corrupt => None,
        bytes => bytes?,
    };
    let manifest = bytes.and_then(|bytes| Manifest::detect(bytes).ok());
    let references = manifest.iter().flat_map(Manifest::references);
    Ok(DueRecord::Manifest {
        repository: home.name.clone(),
        digest: *digest,
        since: store.now(),
        references: references.map(|blob| blob.digest).collect(),
        subject: manifest
            .as_ref()
            .and_then(Manifest::subject)
            .map(|subject| subject.digest),
    })
}
