//! An object store that stops at a request: for ever, or until it is let go.

use std::fmt;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartId,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutResult,
    Result,
    multipart::{MultipartStore, PartId},
};

use tokio::sync::Semaphore;

use super::*;

/// Answers so many requests, and then no more.
#[derive(Debug)]
pub(super) struct Mortal {
    pub(super) objects: Arc<InMemory>,
    pub(super) memory: Arc<Memory>,
    pub(super) left: AtomicUsize,
    /// Opened for those that wait instead of failing.
    gate: Option<Semaphore>,
    /// Has a permit once the requests are used up.
    pub(super) reached: Semaphore,
    /// Whether a conditional write is done and its answer lost, so that the
    /// client library asks again and is told of its own write.
    pub(super) loses_answers: AtomicBool,
    itself: Weak<Self>,
}

impl Mortal {
    pub(super) fn new() -> Arc<Self> {
        let objects = Arc::new(InMemory::new());
        let memory = Arc::new(Memory::new(Arc::clone(&objects)));
        Self::over(objects, memory, usize::MAX, None)
    }

    /// Begins another world with the same objects. No upload may be running.
    pub(super) fn fork(&self) -> Arc<Self> {
        let objects = Arc::new(self.objects.fork());
        let memory = Arc::new(Memory::new(Arc::clone(&objects)));
        Self::over(objects, memory, usize::MAX, None)
    }

    /// Sees the same objects as another process, and waits after so many
    /// requests.
    pub(super) fn pausing(&self, left: usize) -> Arc<Self> {
        let (objects, memory) = (Arc::clone(&self.objects), Arc::clone(&self.memory));
        Self::over(objects, memory, left, Some(Semaphore::new(0)))
    }

    fn over(
        objects: Arc<InMemory>,
        memory: Arc<Memory>,
        left: usize,
        gate: Option<Semaphore>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|itself| Self {
            itself: itself.clone(),
            objects,
            memory,
            left: AtomicUsize::new(left),
            gate,
            reached: Semaphore::new(0),
            loses_answers: AtomicBool::new(false),
        })
    }

    /// Lets all requests go on.
    pub(super) fn release(&self) {
        if let Some(gate) = &self.gate {
            gate.add_permits(1_000_000);
        }
    }

    /// Counts data objects.
    pub(super) async fn data(&self) -> usize {
        let below = Path::from(".wharf/data");
        let stored = self.objects.list(Some(&below)).try_collect::<Vec<_>>();
        stored.await.unwrap().len()
    }

    async fn request(&self) -> Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match (left, &self.gate) {
            (Ok(_), _) => Ok(()),
            (Err(_), Some(gate)) => {
                self.reached.add_permits(1);
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
            (Err(_), None) => Err(StoreError::Generic {
                store: "mortal",
                source: "killed".into(),
            }),
        }
    }

    pub(super) fn object(self: &Arc<Self>) -> Object {
        let store = Store {
            objects: Arc::clone(self) as _,
            parts: Arc::clone(self) as _,
            lists: Arc::clone(self) as _,
            signer: None,
            removal: None,
        };
        Object::over(store, "", Scratch::Memory)
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mortal")
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(
        &self,
        path: &Path,
        value: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.request().await?;
        let is_conditional = !matches!(options.mode, PutMode::Overwrite);
        let put = self.objects.put_opts(path, value, options).await?;
        if is_conditional && self.loses_answers.swap(false, Ordering::Relaxed) {
            return Err(StoreError::AlreadyExists {
                path: path.to_string(),
                source: "written by whoever asks".into(),
            });
        }
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.request().await?;
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.request().await?;
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let mut paths = Some(paths);
        let (itself, objects) = (self.itself.clone(), Arc::clone(&self.objects));
        let request = async move {
            let mortal = itself.upgrade().unwrap();
            mortal.request().await
        };
        futures_util::stream::once(request)
            .map_ok(move |()| objects.delete_stream(paths.take().unwrap()))
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Mortal {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.request().await?;
        self.memory.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        part: PutPayload,
    ) -> Result<PartId> {
        self.request().await?;
        self.memory.put_part(path, id, index, part).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.request().await?;
        let done = self
            .memory
            .complete_multipart(path, id, parts.clone())
            .await?;
        if self.loses_answers.load(Ordering::Relaxed) {
            return self.memory.complete_multipart(path, id, parts).await;
        }
        Ok(done)
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        self.request().await?;
        self.memory.abort_multipart(path, id).await
    }
}

#[async_trait]
impl PaginatedListStore for Mortal {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        self.request().await?;
        self.memory.list_paginated(prefix, options).await
    }
}

pub(super) async fn size_of(object: &Object, key: &Key) -> Option<u64> {
    let size = object.head(key).await.unwrap()?;
    let stream = object.open(key, ByteRange::whole(size)).await.unwrap();
    let mut pieces = stream.unwrap();
    let mut read = 0;
    while let Some(piece) = pieces.next().await {
        read += piece.unwrap().len() as u64;
    }
    Some(read)
}
