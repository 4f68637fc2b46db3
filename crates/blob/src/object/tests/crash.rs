//! A process that is killed at each request to the object store in turn, and
//! one whose answers are lost.

use std::fmt;
use std::sync::atomic::AtomicBool;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartId,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutResult,
    Result,
    multipart::{MultipartStore, PartId},
};

use super::*;

/// Answers so many requests, and then no more.
#[derive(Debug)]
struct Mortal {
    objects: Arc<InMemory>,
    memory: Arc<Memory>,
    left: AtomicUsize,
    /// Whether a conditional write is done and its answer lost, so that the
    /// client library asks again and is told of its own write.
    loses_answers: AtomicBool,
}

impl Mortal {
    fn new() -> Arc<Self> {
        let objects = Arc::new(InMemory::new());
        Arc::new(Self {
            memory: Arc::new(Memory::new(Arc::clone(&objects))),
            objects,
            left: AtomicUsize::new(usize::MAX),
            loses_answers: AtomicBool::new(false),
        })
    }

    fn request(&self) -> Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Generic {
                store: "mortal",
                source: "killed".into(),
            }),
        }
    }

    fn object(self: &Arc<Self>) -> Object {
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
        self.request()?;
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
        self.request()?;
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.request()?;
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.request() {
            Ok(()) => self.objects.delete_stream(paths),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
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
        self.request()?;
        self.memory.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Path,
        id: &MultipartId,
        index: usize,
        part: PutPayload,
    ) -> Result<PartId> {
        self.request()?;
        self.memory.put_part(path, id, index, part).await
    }

    async fn complete_multipart(
        &self,
        path: &Path,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> Result<PutResult> {
        self.request()?;
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
        self.request()?;
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
        self.request()?;
        self.memory.list_paginated(prefix, options).await
    }
}

/// What a process that was killed had been told.
#[derive(Debug, Default)]
struct Told {
    saved: Option<Saved>,
    is_published: bool,
}

/// Pushes a blob in two requests, reading it back in between.
async fn push(object: &Object, place: &Key, key: &Key, told: &mut Told) -> Option<()> {
    let mut upload = object.begin(place).await.ok()?;
    upload.append(content(LARGE)).await.ok()?;
    told.saved = Some(upload.save().await.ok()?);
    upload.read_back().await.ok()?;
    upload.append(content(LARGE)).await.ok()?;
    told.saved = Some(upload.save().await.ok()?);
    let saved = told.saved.clone()?;
    let mut upload = object.resume(place, &saved).await.ok()??;
    upload.append(content(5)).await.ok()?;
    upload.publish(key).await.ok()?;
    told.is_published = true;
    Some(())
}

async fn size_of(object: &Object, key: &Key) -> Option<u64> {
    let size = object.head(key).await.unwrap()?;
    let stream = object.open(key, ByteRange::whole(size)).await.unwrap();
    let read = stream.unwrap().collect(u64::MAX).await.unwrap();
    Some(read.len() as u64)
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_acknowledged() {
    const OLD: u64 = LARGE as u64 + 1;
    const NEW: u64 = 2 * LARGE as u64 + 5;
    let (place, key) = (Key::top("place"), Key::top("blob"));
    for (kill, discard) in (0..).flat_map(|kill| [(kill, false), (kill, true)]) {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("other")).await.unwrap();
        upload.append(content(LARGE + 1)).await.unwrap();
        upload.publish(&key).await.unwrap();

        mortal.left.store(kill, Ordering::Relaxed);
        let mut told = Told::default();
        push(&object, &place, &key, &mut told).await;
        let is_through = mortal.left.swap(usize::MAX, Ordering::Relaxed) > 0;

        let size = size_of(&object, &key).await;
        assert!(size == Some(NEW) || (size == Some(OLD) && !told.is_published));
        let Some(saved) = told.saved else { continue };
        let resumed = match discard {
            true => None,
            false => object.resume(&place, &saved).await.unwrap(),
        };
        if let Some(mut upload) = resumed {
            let missing = NEW - upload.length();
            let missing = content(usize::try_from(missing).unwrap());
            upload.append(missing).await.unwrap();
            upload.publish(&key).await.unwrap();
            assert_eq!(size_of(&object, &key).await, Some(NEW));
        }
        object.discard(&place, &saved).await.unwrap();
        let page = object.page(&place, "", 10).await.unwrap();
        assert_eq!(page, Page::default());
        let size = size_of(&object, &key).await;
        assert!(size == Some(NEW) || size == Some(OLD));
        // The data of the old blob may be left, and an upload without parts.
        let stored: Vec<_> = mortal.objects.list(None).try_collect().await.unwrap();
        let needed = if size == Some(NEW) { 3 } else { 2 };
        assert!(stored.len() <= needed + 1, "{stored:?}");
        assert!(mortal.memory.running() <= 1);
        if is_through {
            assert!(kill > 20, "only {kill} requests");
            assert_eq!((stored.len(), mortal.memory.running()), (needed, 0));
            break;
        }
    }
}

#[tokio::test]
async fn a_kill_deletes_all_or_nothing() {
    let key = Key::top("blob");
    for kill in 0.. {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("place")).await.unwrap();
        upload.append(content(LARGE)).await.unwrap();
        upload.publish(&key).await.unwrap();
        mortal.left.store(kill, Ordering::Relaxed);
        let deleted = object.delete(&key).await;
        mortal.left.store(usize::MAX, Ordering::Relaxed);
        let size = size_of(&object, &key).await;
        if deleted.is_ok() {
            assert_eq!(size, None);
            break;
        }
        assert!(size.is_none() || size == Some(LARGE as u64));
        object.delete(&key).await.unwrap();
        assert_eq!(size_of(&object, &key).await, None);
    }
}

#[tokio::test]
async fn a_lost_answer_loses_no_blob() {
    let key = Key::top("blob");
    for size in [10, 0, LARGE, LARGE, 10] {
        let mortal = Mortal::new();
        let object = mortal.object();
        let mut upload = object.begin(&Key::top("place")).await.unwrap();
        upload.append(content(size)).await.unwrap();
        mortal.loses_answers.store(true, Ordering::Relaxed);
        upload.publish(&key).await.unwrap();
        assert!(!mortal.loses_answers.load(Ordering::Relaxed));
        assert_eq!(size_of(&object, &key).await, Some(size as u64));
    }
}
