//! What S3 does and `object_store`'s memory does not: listings that stop and
//! go on, and multipart uploads that keep to the list of parts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Error, ListResult, MultipartId, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutPayload,
    PutResult, Result,
};

/// Adds to a store in memory what it lacks.
#[derive(Debug)]
pub(super) struct Memory {
    objects: Arc<InMemory>,
    uploads: Mutex<Uploads>,
}

#[derive(Debug, Default)]
struct Uploads {
    started: u64,
    sent: u64,
    running: HashMap<MultipartId, BTreeMap<usize, Part>>,
}

#[derive(Debug, Clone)]
struct Part {
    id: String,
    bytes: Bytes,
}

/// The most entries that are listed at once, as on S3.
const MOST: usize = 1000;

/// The least bytes of each part but the last, as on S3.
const LEAST_PART: usize = 5 * 1024 * 1024;

impl Memory {
    pub(super) fn new(objects: Arc<InMemory>) -> Self {
        Self {
            objects,
            uploads: Mutex::default(),
        }
    }

    /// Counts the multipart uploads that were neither completed nor aborted.
    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        self.uploads().running.len()
    }

    fn uploads(&self) -> MutexGuard<'_, Uploads> {
        // Every change is one insertion or removal: a panic breaks nothing.
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the content of an upload, if the parts are what was sent.
    fn content(&self, path: &Path, id: &MultipartId, parts: &[PartId]) -> Result<Bytes> {
        let uploads = self.uploads();
        let sent = uploads.running.get(id).ok_or_else(|| gone(path))?;
        let mut content = BytesMut::new();
        let mut first = None;
        for (index, named) in parts.iter().enumerate() {
            let part = sent
                .get(&index)
                .filter(|part| part.id == named.content_id)
                .ok_or_else(|| refused("a part was not sent"))?;
            let uniform = *first.get_or_insert(part.bytes.len());
            let is_last = index + 1 == parts.len();
            if part.bytes.len() > uniform
                || (!is_last && (part.bytes.len() < uniform || uniform < LEAST_PART))
            {
                return Err(refused("the parts are not uniform or too small"));
            }
            content.extend_from_slice(&part.bytes);
        }
        if parts.is_empty() {
            return Err(refused("there are no parts"));
        }
        Ok(content.freeze())
    }
}

#[async_trait]
impl MultipartStore for Memory {
    async fn create_multipart(&self, _path: &Path) -> Result<MultipartId> {
        let mut uploads = self.uploads();
        uploads.started += 1;
        let id = uploads.started.to_string();
        uploads.running.insert(id.clone(), BTreeMap::new());
        Ok(id)
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        data: PutPayload,
    ) -> Result<PartId> {
        let mut uploads = self.uploads();
        uploads.sent += 1;
        let content_id = uploads.sent.to_string();
        let part = Part {
            id: content_id.clone(),
            bytes: data.into(),
        };
        let running = uploads.running.get_mut(id).ok_or_else(|| gone(path))?;
        running.insert(index, part);
        Ok(PartId { content_id })
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        let content = self.content(path, id, &parts)?;
        let put = self.objects.put(path, content.into()).await?;
        self.uploads().running.remove(id);
        Ok(put)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        match self.uploads().running.remove(id) {
            Some(_) => Ok(()),
            None => Err(gone(path)),
        }
    }
}

#[async_trait]
impl PaginatedListStore for Memory {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        let prefix = prefix.unwrap_or_default();
        let below = Path::parse(prefix)?;
        let mut objects: Vec<ObjectMeta> = self.objects.list(Some(&below)).try_collect().await?;
        objects.sort_by(|one, other| one.location.cmp(&other.location));
        Ok(cut(objects, prefix, &options))
    }
}

/// Gives what S3 would list of these objects, which are in order.
fn cut(
    objects: Vec<ObjectMeta>,
    prefix: &str,
    options: &PaginatedListOptions,
) -> PaginatedListResult {
    let most = options.max_keys.unwrap_or(MOST).min(MOST);
    let mut result = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
        extensions: object_store::Extensions::new(),
    };
    // The token is the last entry; it counts instead of the offset.
    let mut last = options.page_token.clone();
    let mut listed = 0;
    for object in objects {
        let key = object.location.as_ref();
        let Some(name) = key.strip_prefix(prefix) else {
            continue;
        };
        let is_listed = match &last {
            Some(last) => key <= last.as_str() || (last.ends_with('/') && key.starts_with(last)),
            None => options
                .offset
                .as_deref()
                .is_some_and(|offset| key <= offset),
        };
        if is_listed {
            continue;
        }
        if listed == most {
            return PaginatedListResult {
                result,
                page_token: last,
            };
        }
        listed += 1;
        let directory = options
            .delimiter
            .as_deref()
            .and_then(|delimiter| name.find(delimiter).map(|at| at + delimiter.len()));
        match directory {
            Some(end) => {
                let entry = &key[..prefix.len() + end];
                last = Some(entry.to_owned());
                // Every part of a path is a path.
                result.common_prefixes.extend(Path::parse(entry));
            }
            None => {
                last = Some(key.to_owned());
                result.objects.push(object);
            }
        }
    }
    PaginatedListResult {
        result,
        page_token: None,
    }
}

fn gone(path: &Path) -> Error {
    Error::NotFound {
        path: path.to_string(),
        source: "no such multipart upload".into(),
    }
}

fn refused(why: &'static str) -> Error {
    Error::Generic {
        store: "memory",
        source: why.into(),
    }
}
