//! A backend that fails on command.
//!
//! It wraps another one and counts every operation on it, including those of
//! its uploads and each piece of its streams. Run something once and look at
//! [`Failing::steps`]; then run it again for every number, with
//! [`Failing::fail_from`] at that number, and see what is left: that is what
//! a kill, a full disk or a lost connection leaves.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use crate::backend::{Backend, Expected, Page, Record, Saved, Swapped, Upload, Version};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// Wraps a backend and fails as it is told. Without orders it only counts.
#[derive(Debug, Clone)]
pub struct Failing {
    inner: Arc<dyn Backend>,
    script: Arc<Script>,
}

/// Says how an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind of the error.
    pub kind: ErrorKind,
    /// Whether the operation is done nevertheless.
    pub moment: Moment,
}

/// Says when an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Instead of being done.
    Before,
    /// After it was done, as when the answer is lost.
    After,
}

/// Names one operation on the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How many came before it.
    pub number: usize,
    /// What was to be done.
    pub operation: Operation,
    /// On what: an upload's place, but the target of [`Operation::Publish`].
    pub key: Key,
}

/// Names what can be done with a backend or an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// [`Backend::read`].
    Read,
    /// [`Backend::head`].
    Head,
    /// [`Backend::open`].
    Open,
    /// One piece of the stream of [`Backend::open`].
    Piece,
    /// [`Backend::create`].
    Create,
    /// [`Backend::swap`].
    Swap,
    /// [`Backend::delete`].
    Delete,
    /// [`Backend::version`].
    Version,
    /// [`Backend::delete_if`].
    DeleteIf,
    /// [`Backend::page`].
    Page,
    /// [`Backend::begin`].
    Begin,
    /// [`Backend::resume`].
    Resume,
    /// [`Backend::discard`].
    Discard,
    /// [`Upload::append`].
    Append,
    /// [`Upload::save`].
    Save,
    /// [`Upload::read_back`].
    ReadBack,
    /// [`Upload::publish`].
    Publish,
}

impl Operation {
    /// Says whether the operation can change what is stored.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(
            self,
            Self::Read
                | Self::Head
                | Self::Open
                | Self::Piece
                | Self::Version
                | Self::Page
                | Self::ReadBack
        )
    }
}

impl Failing {
    /// Wraps a backend that does not fail yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self {
            inner,
            script: Arc::default(),
        }
    }

    /// Gives the backend within, which does not fail.
    #[must_use]
    pub fn inner(&self) -> &Arc<dyn Backend> {
        &self.inner
    }

    /// Fails the step of this number, once. It takes the place of earlier
    /// orders, as all of these do.
    pub fn fail_at(&self, number: usize, fault: Fault) {
        self.fail_when(fault, move |step| step.number == number);
    }

    /// Fails the step of this number, and whatever comes after it before it
    /// is done: nothing more happens to what is stored.
    pub fn fail_from(&self, number: usize, fault: Fault) {
        let later = Fault {
            moment: Moment::Before,
            ..fault
        };
        self.script.order(move |step| {
            (step.number >= number).then_some(if step.number == number { fault } else { later })
        });
    }

    /// Fails every step that is chosen.
    pub fn fail_when(
        &self,
        fault: Fault,
        chosen: impl Fn(&Step) -> bool + Send + std::marker::Sync + 'static,
    ) {
        self.script.order(move |step| chosen(step).then_some(fault));
    }

    /// Fails nothing more.
    pub fn heal(&self) {
        self.script.order(|_| None);
    }

    /// Forgets the steps, so that the next one has number 0, and heals.
    pub fn restart(&self) {
        self.script.lock().steps.clear();
        self.heal();
    }

    /// Gives the steps so far, those that failed included.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        self.script.lock().steps.clone()
    }

    fn upload(&self, place: &Key, inner: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(FailingUpload {
            inner: Some(inner),
            length: 0,
            script: Arc::clone(&self.script),
            place: place.clone(),
        })
    }
}

/// Decides what fails, and writes down what was asked.
#[derive(Default)]
struct Script {
    state: Mutex<State>,
}

type Order = Box<dyn Fn(&Step) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    steps: Vec<Step>,
    order: Option<Order>,
}

impl Script {
    fn lock(&self) -> MutexGuard<'_, State> {
        // An order may panic; what was written down still holds.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: impl Fn(&Step) -> Option<Fault> + Send + 'static) {
        self.lock().order = Some(Box::new(order));
    }

    /// Writes down a step, and gives the fault that it has.
    fn take(&self, operation: Operation, key: &Key) -> Option<Fault> {
        let mut state = self.lock();
        let step = Step {
            number: state.steps.len(),
            operation,
            key: key.clone(),
        };
        let fault = state.order.as_ref().and_then(|order| order(&step));
        state.steps.push(step);
        fault
    }

    /// Does an operation, unless it is to fail before.
    async fn run<T>(
        &self,
        operation: Operation,
        key: &Key,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let fault = self.take(operation, key);
        if let Some(fault) = fault.filter(|fault| fault.moment == Moment::Before) {
            return Err(failed(operation, key, fault));
        }
        let done = work.await?;
        match fault {
            Some(fault) => Err(failed(operation, key, fault)),
            None => Ok(done),
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("steps", &self.lock().steps.len())
            .finish_non_exhaustive()
    }
}

fn failed(operation: Operation, key: &Key, fault: Fault) -> Error {
    Error::new(
        fault.kind,
        format!("`{operation:?}` of `{key}` was told to fail"),
    )
}

#[async_trait]
impl Backend for Failing {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let work = self.inner.read(key);
        self.script.run(Operation::Read, key, work).await
    }

    async fn head(&self, key: &Key) -> Result<Option<u64>, Error> {
        let work = self.inner.head(key);
        self.script.run(Operation::Head, key, work).await
    }

    async fn open(&self, key: &Key, range: ByteRange) -> Result<Option<ByteStream>, Error> {
        let work = self.inner.open(key, range);
        let Some(stream) = self.script.run(Operation::Open, key, work).await? else {
            return Ok(None);
        };
        let (script, key) = (Arc::clone(&self.script), key.clone());
        let pieces = move |piece: Result<Bytes, Error>| match script.take(Operation::Piece, &key) {
            Some(fault) => Err(failed(Operation::Piece, &key, fault)),
            None => piece,
        };
        Ok(Some(ByteStream::new(stream.length(), stream.map(pieces))))
    }

    async fn create(&self, key: &Key, value: Bytes) -> Result<Swapped, Error> {
        let work = self.inner.create(key, value);
        self.script.run(Operation::Create, key, work).await
    }

    async fn swap(&self, key: &Key, expected: Expected, value: Bytes) -> Result<Swapped, Error> {
        let work = self.inner.swap(key, expected, value);
        self.script.run(Operation::Swap, key, work).await
    }

    async fn delete(&self, key: &Key) -> Result<(), Error> {
        let work = self.inner.delete(key);
        self.script.run(Operation::Delete, key, work).await
    }

    async fn version(&self, key: &Key) -> Result<Option<Version>, Error> {
        let work = self.inner.version(key);
        self.script.run(Operation::Version, key, work).await
    }

    async fn delete_if(&self, key: &Key, version: &Version) -> Result<Swapped, Error> {
        let work = self.inner.delete_if(key, version);
        self.script.run(Operation::DeleteIf, key, work).await
    }

    async fn page(&self, key: &Key, after: &str, limit: usize) -> Result<Page, Error> {
        let work = self.inner.page(key, after, limit);
        self.script.run(Operation::Page, key, work).await
    }

    async fn begin(&self, place: &Key) -> Result<Box<dyn Upload>, Error> {
        let work = self.inner.begin(place);
        let upload = self.script.run(Operation::Begin, place, work).await?;
        Ok(self.upload(place, upload))
    }

    async fn resume(&self, place: &Key, saved: &Saved) -> Result<Option<Box<dyn Upload>>, Error> {
        let work = self.inner.resume(place, saved);
        let upload = self.script.run(Operation::Resume, place, work).await?;
        Ok(upload.map(|upload| self.upload(place, upload)))
    }

    async fn discard(&self, place: &Key, saved: &Saved) -> Result<(), Error> {
        let work = self.inner.discard(place, saved);
        self.script.run(Operation::Discard, place, work).await
    }

    async fn create_blob(&self, key: &Key, place: &Key, content: Bytes) -> Result<(), Error> {
        let work = self.inner.create_blob(key, place, content);
        self.script.run(Operation::Create, key, work).await
    }

    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
}

/// Wraps an upload. After an error it is spent, as the trait has it.
#[derive(Debug)]
struct FailingUpload {
    /// Absent once the upload is spent.
    inner: Option<Box<dyn Upload>>,
    /// The length when it was spent.
    length: u64,
    script: Arc<Script>,
    place: Key,
}

impl FailingUpload {
    fn take(&mut self) -> Result<Box<dyn Upload>, Error> {
        let inner = self.inner.take().ok_or_else(|| {
            Error::new(
                ErrorKind::Unavailable,
                format!("the upload `{}` failed before", self.place),
            )
        })?;
        self.length = inner.length();
        Ok(inner)
    }
}

#[async_trait]
impl Upload for FailingUpload {
    fn length(&self) -> u64 {
        self.inner
            .as_ref()
            .map_or(self.length, |inner| inner.length())
    }

    async fn append(&mut self, piece: Bytes) -> Result<(), Error> {
        let mut inner = self.take()?;
        let work = inner.append(piece);
        self.script
            .run(Operation::Append, &self.place, work)
            .await?;
        self.inner = Some(inner);
        Ok(())
    }

    async fn save(&mut self) -> Result<Saved, Error> {
        let mut inner = self.take()?;
        let work = inner.save();
        let saved = self.script.run(Operation::Save, &self.place, work).await?;
        self.inner = Some(inner);
        Ok(saved)
    }

    async fn read_back(&mut self) -> Result<ByteStream, Error> {
        let mut inner = self.take()?;
        let work = inner.read_back();
        let stream = self
            .script
            .run(Operation::ReadBack, &self.place, work)
            .await?;
        self.inner = Some(inner);
        Ok(stream)
    }

    async fn publish(mut self: Box<Self>, key: &Key) -> Result<(), Error> {
        let work = self.take()?.publish(key);
        self.script.run(Operation::Publish, key, work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;

    const LOST: Fault = Fault {
        kind: ErrorKind::Unavailable,
        moment: Moment::After,
    };
    const FULL: Fault = Fault {
        kind: ErrorKind::Full,
        moment: Moment::Before,
    };

    fn failing() -> (Failing, Key) {
        (
            Failing::new(Arc::new(Object::in_memory())),
            Key::top("a").child("b"),
        )
    }

    fn kind<T>(outcome: Result<T, Error>) -> Option<ErrorKind> {
        outcome.err().map(|error| error.kind())
    }

    #[tokio::test]
    async fn a_step_fails_before_or_after_it_is_done() {
        let (failing, key) = failing();
        failing.fail_at(0, FULL);
        let value = Bytes::from_static(b"value");
        assert_eq!(
            kind(failing.create(&key, value.clone()).await),
            Some(ErrorKind::Full)
        );
        assert_eq!(failing.read(&key).await.unwrap(), None);
        failing.fail_at(2, LOST);
        assert_eq!(
            kind(failing.create(&key, value.clone()).await),
            Some(ErrorKind::Unavailable)
        );
        assert_eq!(failing.read(&key).await.unwrap().unwrap().value, value);
        let operations: Vec<Operation> =
            failing.steps().iter().map(|step| step.operation).collect();
        assert_eq!(
            operations,
            [
                Operation::Create,
                Operation::Read,
                Operation::Create,
                Operation::Read
            ]
        );
    }

    #[tokio::test]
    async fn nothing_is_done_after_a_crash() {
        let (failing, key) = failing();
        failing.fail_from(0, LOST);
        for value in ["one", "two"] {
            let swap = failing.swap(&key, Expected::Anything, value.into());
            assert_eq!(kind(swap.await), Some(ErrorKind::Unavailable));
        }
        failing.restart();
        assert_eq!(failing.read(&key).await.unwrap().unwrap().value, "one");
        assert_eq!(failing.steps().len(), 1);
    }

    #[tokio::test]
    async fn uploads_and_streams_fail_as_well() {
        let (failing, key) = failing();
        let place = Key::top("place");
        for operation in [Operation::Append, Operation::Save, Operation::ReadBack] {
            failing.fail_when(FULL, move |step| step.operation == operation);
            let mut upload = failing.begin(&place).await.unwrap();
            let kinds = [
                kind(upload.append("content".into()).await),
                kind(upload.save().await),
                kind(upload.read_back().await),
                kind(upload.append("more".into()).await),
            ];
            let spent = Some(ErrorKind::Unavailable);
            let failed = kinds.iter().position(|kind| *kind == Some(ErrorKind::Full));
            let failed = failed.expect("one of them fails");
            assert!(kinds[..failed].iter().all(Option::is_none));
            assert!(kinds[failed + 1..].iter().all(|kind| *kind == spent));
        }
        failing.fail_when(LOST, |step| step.operation == Operation::Publish);
        let mut upload = failing.begin(&place).await.unwrap();
        upload.append("content".into()).await.unwrap();
        assert_eq!(
            kind(upload.publish(&key).await),
            Some(ErrorKind::Unavailable)
        );
        assert_eq!(failing.head(&key).await.unwrap(), Some(7));
        failing.fail_when(FULL, |step| step.operation == Operation::Piece);
        let stream = failing.open(&key, ByteRange::whole(7)).await.unwrap();
        assert_eq!(
            kind(stream.unwrap().collect(7).await),
            Some(ErrorKind::Full)
        );
    }
}
