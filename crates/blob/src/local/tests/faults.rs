//! Every system call of every change fails once: nothing is torn, nothing
//! that was acknowledged is lost, and a later try succeeds.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustix::io::Errno;

use super::MARK;
use crate::backend::{Backend as _, Expected, Saved, Swapped, Upload};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::local::{Local, Sharing, Sync};
use crate::stream::ByteRange;

/// Fails one system call, by its number.
#[derive(Debug, Default)]
pub(in crate::local) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    order: Option<(usize, Errno)>,
}

impl Faults {
    /// Fails the call of this number, once. Counting starts now, from 0.
    fn fail_at(&self, number: usize, error: Errno) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.clear();
        state.order = Some((number, error));
    }

    /// Fails nothing more, and gives the calls since [`Faults::fail_at`].
    fn heal(&self) -> Vec<&'static str> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.order = None;
        std::mem::take(&mut state.calls)
    }

    pub(in crate::local) fn step(&self, call: &'static str) -> rustix::io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.calls.len();
        state.calls.push(call);
        match state.order {
            Some((wanted, error)) if wanted == number => Err(error),
            _ => Ok(()),
        }
    }
}

/// What may go wrong with a disk, and what it is told as.
const ERRORS: [(Errno, ErrorKind); 3] = [
    (Errno::NOSPC, ErrorKind::Full),
    (Errno::DQUOT, ErrorKind::Full),
    (Errno::IO, ErrorKind::Unavailable),
];

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Create,
    Swap,
    SwapVersion,
    Delete,
    DeleteIf,
    DeleteBlobIf,
    Publish,
    PublishAgain,
    Save,
    SaveMore,
    Finish,
    Discard,
}

const ACTS: [Act; 12] = [
    Act::Create,
    Act::Swap,
    Act::SwapVersion,
    Act::Delete,
    Act::DeleteIf,
    Act::DeleteBlobIf,
    Act::Publish,
    Act::PublishAgain,
    Act::Save,
    Act::SaveMore,
    Act::Finish,
    Act::Discard,
];

const OLD: Bytes = Bytes::from_static(b"old");
const NEW: Bytes = Bytes::from_static(b"the new value");

/// The keys whose content is looked at: of a record, of a blob.
fn keys() -> [Key; 2] {
    [
        Key::top("a").child("record"),
        Key::top("b").child("x").child("blob"),
    ]
}

fn place() -> Key {
    Key::top("data").child("upload")
}

impl Act {
    /// Says what lies under the record's and the blob's key before and after.
    fn states(self) -> [[Option<Bytes>; 2]; 2] {
        let (record, blob) = (0, 1);
        let mut states: [[Option<Bytes>; 2]; 2] = Default::default();
        let [before, after] = &mut states;
        match self {
            Self::Create => after[record] = Some(NEW),
            Self::Swap | Self::SwapVersion => {
                (before[record], after[record]) = (Some(OLD), Some(NEW));
            }
            Self::Delete | Self::DeleteIf => before[record] = Some(OLD),
            Self::DeleteBlobIf => before[blob] = Some(OLD),
            Self::Publish | Self::Finish => after[blob] = Some(NEW),
            Self::PublishAgain => (before[blob], after[blob]) = (Some(NEW), Some(NEW)),
            Self::Save | Self::SaveMore | Self::Discard => {}
        }
        states
    }
}

/// Whether what was done before is still known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Warm,
    Cold,
}

/// A directory, and what was saved of an upload.
struct Scene {
    local: Local,
    saved: Option<Saved>,
}

impl Scene {
    fn open(root: &Path) -> Local {
        Local::open(root, &MARK, Sharing::Exclusive, Sync::Never).expect("opens")
    }

    async fn new(root: &Path, act: Act) -> Self {
        let local = Self::open(root);
        let [record, blob] = keys();
        let mut saved = None;
        if act.states()[0][0].is_some() {
            let created = local.create(&record, OLD).await.expect("created");
            assert_eq!(created, Swapped::Done);
        }
        if let Some(content) = act.states()[0][1].clone() {
            let upload = upload(&local, content).await.expect("written");
            upload.publish(&blob).await.expect("published");
        }
        if matches!(act, Act::SaveMore | Act::Finish | Act::Discard) {
            let half = NEW.slice(..NEW.len() / 2);
            let mut upload = upload(&local, half).await.expect("written");
            saved = Some(upload.save().await.expect("saved"));
        }
        Self { local, saved }
    }

    async fn act(&mut self, act: Act) -> Result<Swapped, Error> {
        let local = &self.local;
        let [record, blob] = keys();
        match act {
            Act::Create => return local.create(&record, NEW).await,
            Act::Swap => return local.swap(&record, Expected::Anything, NEW).await,
            Act::SwapVersion => {
                let Some(found) = local.read(&record).await? else {
                    return Ok(Swapped::Lost);
                };
                let expected = Expected::Version(found.version);
                return local.swap(&record, expected, NEW).await;
            }
            Act::Delete => local.delete(&record).await?,
            Act::DeleteIf => {
                let Some(found) = local.read(&record).await? else {
                    return Ok(Swapped::Lost);
                };
                return local.delete_if(&record, &found.version).await;
            }
            Act::DeleteBlobIf => {
                let Some(version) = local.version(&blob).await? else {
                    return Ok(Swapped::Lost);
                };
                return local.delete_if(&blob, &version).await;
            }
            Act::Publish | Act::PublishAgain => {
                upload(local, NEW).await?.publish(&blob).await?;
            }
            Act::Save => {
                let mut upload = upload(local, NEW).await?;
                self.saved = Some(upload.save().await?);
            }
            Act::SaveMore => {
                let mut upload = self.resume().await?;
                self.saved = Some(upload.save().await?);
            }
            Act::Finish => match self.resume().await {
                Ok(upload) => upload.publish(&blob).await?,
                // It was published, and only the answer lost.
                Err(error) if error.kind() == ErrorKind::Busy => {}
                Err(error) => return Err(error),
            },
            Act::Discard => {
                let saved = self.saved.clone().expect("saved before");
                local.discard(&place(), &saved).await?;
            }
        }
        Ok(Swapped::Done)
    }

    /// Continues the upload, up to the end of the content.
    async fn resume(&self) -> Result<Box<dyn Upload>, Error> {
        let saved = self.saved.as_ref().expect("saved before");
        let upload = self.local.resume(&place(), saved).await?;
        let mut upload = upload.ok_or_else(|| Error::new(ErrorKind::Busy, "gone"))?;
        let written = usize::try_from(upload.length()).expect("short");
        upload.append(NEW.slice(written..)).await?;
        Ok(upload)
    }

    /// Reads what lies under the keys.
    async fn look(&self) -> [Option<Bytes>; 2] {
        let [record, blob] = keys();
        let value = self.local.read(&record).await.expect("read");
        let size = self.local.head(&blob).await.expect("looked at");
        let mut content = None;
        if let Some(size) = size {
            let stream = self.local.open(&blob, ByteRange::whole(size)).await;
            let stream = stream.expect("opened").expect("there");
            content = Some(stream.collect(size).await.expect("read"));
        }
        [value.map(|record| record.value), content]
    }
}

async fn upload(local: &Local, content: Bytes) -> Result<Box<dyn Upload>, Error> {
    let mut upload = local.begin(&place()).await?;
    upload.append(content).await?;
    Ok(upload)
}

/// Fails one call of an act; says which, and nothing once there are no more.
async fn fail(
    (act, start): (Act, Start),
    number: usize,
    (errno, kind): (Errno, ErrorKind),
) -> Option<&'static str> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut scene = Scene::new(folder.path(), act).await;
    let [before, after] = act.states();
    if start == Start::Cold {
        let Scene { local, saved } = scene;
        drop(local);
        let local = Scene::open(folder.path());
        scene = Scene { local, saved };
    }
    let faults = |scene: &Scene| Arc::clone(&scene.local.directory);
    faults(&scene).calls().faults.fail_at(number, errno);
    let outcome = scene.act(act).await;
    let calls = faults(&scene).calls().faults.heal();
    let failed = calls.get(number).copied();
    let story = format!("{start:?} {act:?} with {errno} at {number} of {calls:?}");
    let seen = scene.look().await;
    match (&outcome, failed) {
        (Ok(done), None) => {
            assert_eq!(*done, Swapped::Done, "{story}");
            assert_eq!(seen, after, "{story}");
        }
        // To look whether there is anything may fail; then it is written.
        (Ok(_), Some("stat")) => assert_eq!(seen, after, "{story}"),
        (Ok(_), Some(_)) => panic!("{story} was not told"),
        (Err(error), Some(_)) => {
            assert_eq!(error.kind(), kind, "{story}");
            assert!(seen == before || seen == after, "{story} left {seen:?}");
        }
        (Err(error), None) => panic!("{story}: {error}"),
    }
    // What is on the disk is what was seen.
    let Scene { local, saved } = scene;
    drop(local);
    let local = Scene::open(folder.path());
    let mut scene = Scene { local, saved };
    assert_eq!(scene.look().await, seen, "{story}");
    let _done_before = scene.act(act).await.expect("succeeds later");
    assert_eq!(scene.look().await, after, "{story}");
    let left = fs_err::read_dir(folder.path().join("tmp")).expect("there");
    assert_eq!(left.count(), 0, "{story}");
    failed
}

#[tokio::test]
async fn any_call_may_fail() {
    let mut failed = std::collections::BTreeSet::new();
    for act in ACTS {
        for (start, error) in [Start::Warm, Start::Cold]
            .into_iter()
            .flat_map(|start| ERRORS.map(|error| (start, error)))
        {
            let mut number = 0;
            while let Some(call) = fail((act, start), number, error).await {
                failed.insert(call);
                number += 1;
            }
            assert!(number > 0, "{act:?} makes calls");
        }
    }
    let all = [
        "mkdir",
        "open",
        "read",
        "rename",
        "stamp",
        "stat",
        "sync of a directory",
        "sync of a file",
        "truncate",
        "unlink",
        "write",
    ];
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), all);
}

/// Does something and undoes it, twice; then does it again, while the last call of
/// this name fails.
async fn fail_last<T>(
    local: &Local,
    call: &str,
    work: impl AsyncFn() -> Result<T, Error>,
    undo: impl AsyncFn(),
) {
    let faults = &local.directory.calls().faults;
    assert!(work().await.is_ok());
    undo().await;
    faults.fail_at(usize::MAX, Errno::IO);
    assert!(work().await.is_ok());
    let calls = faults.heal();
    undo().await;
    let number = calls.iter().rposition(|made| *made == call);
    faults.fail_at(number.expect("made"), Errno::IO);
    assert!(work().await.is_err(), "{call} fails");
    faults.heal();
}

#[tokio::test]
async fn a_name_that_could_not_be_synced_is_synced_before_it_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Scene::open(folder.path());
    let [record, _] = keys();
    let faults = &local.directory.calls().faults;
    let undo = async || local.delete(&record).await.expect("deleted");
    let create = async || local.create(&record, NEW).await;
    fail_last(&local, "sync of a directory", create, undo).await;
    // It is there, and nobody is told so before it is durable.
    for _ in 0..2 {
        faults.fail_at(1, Errno::IO);
        assert!(local.create(&record, NEW).await.is_err());
        assert_eq!(faults.heal(), ["stat", "sync of a directory"]);
        faults.fail_at(7, Errno::IO);
        let swapped = local.swap(&record, Expected::Absent, NEW).await;
        let calls = faults.heal();
        assert!(swapped.is_err(), "{calls:?}");
        faults.fail_at(1, Errno::IO);
        assert!(local.head(&record).await.is_err());
        assert_eq!(faults.heal(), ["stat", "sync of a directory"]);
        faults.fail_at(2, Errno::IO);
        assert!(local.read(&record).await.is_err());
        assert_eq!(faults.heal(), ["open", "read", "sync of a directory"]);
    }
    let lost = local.create(&record, NEW).await.expect("synced");
    assert_eq!(lost, Swapped::Lost);
    // The same with a name that went.
    let undo = async || {
        let _ = local.create(&record, NEW).await.expect("created");
    };
    let delete = async || local.delete(&record).await;
    fail_last(&local, "sync of a directory", delete, undo).await;
    faults.fail_at(2, Errno::IO);
    assert!(local.delete(&record).await.is_err());
    assert_eq!(faults.heal(), ["stat", "unlink", "sync of a directory"]);
    local.delete(&record).await.expect("synced");
}

#[tokio::test]
async fn after_a_failed_sync_no_second_one_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Scene::open(folder.path());
    let faults = &local.directory.calls().faults;
    let [_, blob] = keys();
    let mut upload = upload(&local, NEW).await.expect("written");
    faults.fail_at(0, Errno::IO);
    assert!(upload.save().await.is_err());
    faults.heal();
    for _ in 0..2 {
        assert!(upload.save().await.is_err());
        assert!(upload.append(NEW).await.is_err());
    }
    assert!(upload.publish(&blob).await.is_err());
    assert_eq!(local.head(&blob).await.expect("looked"), None);
    // A sync that runs beside counts as well.
    let mut upload = local.begin(&place()).await.expect("begins");
    let piece = Bytes::from(vec![1; 8 * 1024 * 1024]);
    faults.fail_at(1, Errno::IO);
    upload.append(piece).await.expect("written");
    let saved = upload.save().await;
    assert_eq!(faults.heal(), ["write", "sync of a file"]);
    assert!(saved.is_err());
    assert!(upload.publish(&blob).await.is_err());
    // After a write that failed, what was appended before is saved.
    let mut upload = self::upload(&local, OLD).await.expect("written");
    faults.fail_at(0, Errno::NOSPC);
    assert!(upload.append(NEW).await.is_err());
    faults.heal();
    let saved = upload.save().await.expect("saved");
    let resumed = local.resume(&place(), &saved).await.expect("resumed");
    assert_eq!(resumed.expect("there").length(), OLD.len() as u64);
}
