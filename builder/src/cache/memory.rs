//! What one build knows of steps that were done before: in this build, in the
//! library, and in the caches that it was told of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use image::{Library, Origin, Place, Topic};
use oci::Digest;
use tokio::sync::OwnedMutexGuard;

use crate::cache::record::Record;
use crate::error::Error;
use crate::image::LayerOf;
use crate::pack::layers::locked;
use crate::request::Cache;
use crate::solve::here;

/// Knows what steps came to.
pub(crate) struct Memory {
    library: Library,
    mode: Cache,
    imported: Vec<Imported>,
    /// The steps that are being looked for or done, each by one at a time.
    flights: Mutex<BTreeMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
    /// What the steps of this build came to.
    own: Mutex<BTreeMap<Digest, Known>>,
}

/// Is what a step came to, and where its layer can be read.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) record: Record,
    pub(crate) place: Place,
    /// Whether another cache says so: then this machine does not keep it, and so
    /// does not believe it in builds that know nothing of that cache.
    pub(crate) is_foreign: bool,
}

/// Is a cache that was read: what steps came to, by their keys.
#[derive(Debug, Clone)]
pub(crate) struct Imported {
    /// Where its blobs are.
    pub(crate) place: Place,
    /// What it knows: each step once, whatever the number of its keys.
    pub(crate) records: BTreeMap<Digest, Arc<Record>>,
}

impl Known {
    /// Is a layer of the library that a step made here, or that it made none.
    pub(crate) fn here(layer: Option<&LayerOf>) -> Self {
        known(Record::of(layer, Vec::new()))
    }
}

impl Memory {
    /// Starts with what caches elsewhere know.
    pub(crate) fn new(library: &Library, mode: Cache, imported: Vec<Imported>) -> Self {
        Self {
            library: library.clone(),
            mode,
            imported,
            flights: Mutex::default(),
            own: Mutex::default(),
        }
    }

    /// Says whether there are caches of other machines.
    pub(crate) fn has_imported(&self) -> bool {
        !self.imported.is_empty()
    }

    /// Waits until nobody else looks for this step or does it, and keeps others
    /// off for as long as the guard lives.
    pub(crate) async fn flight(&self, key: &Digest) -> OwnedMutexGuard<()> {
        let flight = Arc::clone(locked(&self.flights).entry(*key).or_default());
        flight.lock_owned().await
    }

    /// Finds what a step came to, with its layer at hand or where it can be
    /// fetched.
    pub(crate) async fn find(&self, key: &Digest) -> Result<Option<Known>, Error> {
        if let Some(known) = locked(&self.own).get(key) {
            return Ok(Some(known.clone()));
        }
        if self.mode != Cache::Use {
            return Ok(None);
        }
        if let Some(record) = self.noted(key).await? {
            match &record.layer {
                None => return Ok(Some(known(record))),
                Some(layer) if self.has(&layer.layer()).await? => return Ok(Some(known(record))),
                Some(_) => {}
            }
        }
        for imported in &self.imported {
            if let Some(record) = imported.records.get(key) {
                return self.imported(imported, record).await.map(Some);
            }
        }
        Ok(None)
    }

    /// Says whether a step like this was done before, with whatever content of
    /// its files: then it is worth while to read them.
    pub(crate) async fn has_shape(&self, shape: &Digest) -> Result<bool, Error> {
        if locked(&self.own).contains_key(shape) {
            return Ok(true);
        }
        if self.mode != Cache::Use {
            return Ok(false);
        }
        let is_imported = |imported: &Imported| imported.records.contains_key(shape);
        Ok(self.imported.iter().any(is_imported) || self.noted(shape).await?.is_some())
    }

    /// Notes what a step came to, for this build and others.
    pub(crate) async fn note(&self, keys: &[Digest], known: &Known) -> Result<(), Error> {
        let mut known = known.clone();
        known.record.keys = keys.to_vec();
        for key in keys {
            locked(&self.own).insert(*key, known.clone());
            if self.mode == Cache::Apart || known.is_foreign {
                continue;
            }
            let record = known.record.to_bytes().into();
            let noted = self.library.note(Topic::Steps, key, record).await;
            noted.map_err(|error| Error::image("can not note what a step came to", error))?;
        }
        Ok(())
    }

    async fn noted(&self, key: &Digest) -> Result<Option<Record>, Error> {
        let noted = self.library.noted(Topic::Steps, key).await;
        let noted =
            noted.map_err(|error| Error::image("can not look up what a step came to", error))?;
        Ok(noted.and_then(|noted| Record::parse(&noted)))
    }

    async fn has(&self, layer: &LayerOf) -> Result<bool, Error> {
        let has = self.library.has(&layer.descriptor).await;
        has.map_err(|error| Error::image("can not look for a layer", error))
    }

    /// Takes a step over from another cache: its layer stays where it is until
    /// somebody needs it, if that is a registry.
    async fn imported(&self, imported: &Imported, record: &Record) -> Result<Known, Error> {
        let here = Known {
            is_foreign: true,
            ..known(record.clone())
        };
        let Some(layer) = &record.layer else {
            return Ok(here);
        };
        let layer = layer.layer();
        if self.has(&layer).await? {
            return Ok(here);
        }
        if let Place::Registry(name) = &imported.place {
            let origin = Origin {
                registry: name.registry().clone(),
                repository: name.repository().clone(),
            };
            // Behind all that are known: nothing was read there yet. It can not stay
            // away altogether, as an image that has the layer is pushed from there.
            let digest = layer.descriptor.digest;
            let noted = self.library.suggest_origin(&digest, &origin).await;
            noted.map_err(|error| Error::image("can not note where a layer is", error))?;
        }
        Ok(Known {
            record: record.clone(),
            place: imported.place.clone(),
            is_foreign: true,
        })
    }
}

/// Is what a step came to whose layer is in the library.
fn known(record: Record) -> Known {
    let digest = record.layer.as_ref().map(|layer| layer.descriptor.digest);
    Known {
        place: here(&digest.unwrap_or_else(|| Digest::sha256(b""))),
        record,
        is_foreign: false,
    }
}

#[cfg(test)]
mod tests {
    use oci::{Descriptor, MediaType};

    use super::*;
    use crate::cache::record::LayerRecord;

    /// A memory with one cache of a registry, which has one layer.
    fn memory(library: &Library, layer: Digest, registry: &str) -> (Digest, Memory) {
        let record = Record {
            layer: Some(LayerRecord {
                descriptor: Descriptor::new(MediaType::OCI_LAYER_GZIP, layer, 1),
                diff_id: layer,
            }),
            ..Record::default()
        };
        let name = format!("{registry}/shop:cache").parse().expect("a name");
        let key = Digest::sha256(b"key");
        let imported = Imported {
            place: Place::Registry(name),
            records: BTreeMap::from([(key, Arc::new(record))]),
        };
        (key, Memory::new(library, Cache::Use, vec![imported]))
    }

    fn origin(registry: &str) -> Origin {
        Origin {
            registry: registry.parse().expect("a registry"),
            repository: "shop".parse().expect("a repository"),
        }
    }

    #[tokio::test]
    async fn what_a_cache_says_of_a_place_comes_behind_what_is_known() {
        let home = tempfile::tempdir().expect("a directory");
        let library = Library::open(home.path()).expect("a library");
        let layer = Digest::sha256(b"layer");
        let [first, second, foreign] = ["one.test", "two.test", "foreign.test"];
        for known in [second, first] {
            let noted = library.add_origin(&layer, &origin(known)).await;
            noted.expect("noted");
        }
        // Twice, as in two builds.
        for _ in 0..2 {
            let (key, memory) = memory(&library, layer, foreign);
            let found = memory.find(&key).await.expect("readable").expect("there");
            assert!(found.is_foreign);
            let origins = library.origins(&layer).await.expect("readable");
            assert_eq!(origins, [first, second, foreign].map(origin));
        }
        // Where nobody else is known to have it, an image can be pushed from there.
        let lone = Digest::sha256(b"another layer");
        let (key, memory) = memory(&library, lone, foreign);
        memory.find(&key).await.expect("readable").expect("there");
        let origins = library.origins(&lone).await.expect("readable");
        assert_eq!(origins, [origin(foreign)]);
        // Nor is it believed by a build that knows nothing of the cache.
        let alone = Memory::new(&library, Cache::Use, Vec::new());
        assert!(alone.find(&key).await.expect("readable").is_none());
    }

    #[tokio::test]
    async fn what_a_cache_said_is_not_kept() {
        let home = tempfile::tempdir().expect("a directory");
        let library = Library::open(home.path()).expect("a library");
        let layer = library.keep("layer".into()).await.expect("kept");
        let (key, memory) = memory(&library, layer, "foreign.test");
        let found = memory.find(&key).await.expect("readable").expect("there");
        memory.note(&[key], &found).await.expect("noted");
        assert!(memory.find(&key).await.expect("readable").is_some());
        let alone = Memory::new(&library, Cache::Use, Vec::new());
        assert!(alone.find(&key).await.expect("readable").is_none());
    }
}
