//! Uploads: bytes are gathered until they fill a part, and sent part by part.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::bucket::{self, Bucket};
use super::content;
use super::place::{self, Note};
use super::pointer::{Data, Pointer, SEGMENTS, Segment, resembles_pointer};
use super::scratch::Spool;
use crate::backend::{Saved, Upload};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// The size of every part but the last, in bytes. S3 permits 10,000 parts, so
/// this bounds a blob at 156 GiB; some stores want all parts of one size.
const PART: u64 = 16 * 1024 * 1024;

/// The most parts of one multipart upload, as on S3.
const PARTS: usize = 10_000;

/// Receives a blob.
#[derive(Debug)]
pub(super) struct ObjectUpload {
    bucket: Arc<Bucket>,
    place: Key,
    state: State,
    /// What came after the last full part, below [`PART`] bytes.
    spool: Spool,
    /// The tails of states before the one that was resumed: nobody needs them.
    outdated: Vec<u64>,
    /// The state as it was saved last, until more is appended.
    unchanged: Option<Saved>,
    /// Whether there may be anything below the place.
    has_traces: bool,
    /// Whether an operation failed or was dropped half way.
    is_spent: bool,
}

/// Says how far an upload has come.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct State {
    /// All bytes.
    length: u64,
    /// The number of the object that holds the tail.
    tail: u64,
    /// Tails of earlier states, which may still be the ones that count.
    earlier: Vec<u64>,
    /// Data objects that are complete.
    segments: Vec<Segment>,
    /// The one that is being sent.
    open: Option<Open>,
}

/// Names a multipart upload and what was sent of it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Open {
    data: Data,
    upload: String,
    parts: Vec<String>,
}

impl Open {
    /// Counts the bytes that were sent.
    fn length(&self) -> u64 {
        self.parts.len() as u64 * PART
    }
}

impl State {
    /// Counts the bytes of the tail; `None` where the numbers contradict each
    /// other.
    fn tail_length(&self) -> Option<u64> {
        let sent = self.open.as_ref().map_or(0, Open::length);
        let tail = self
            .segments
            .iter()
            .try_fold(sent, |sum, segment| sum.checked_add(segment.length))
            .and_then(|sum| self.length.checked_sub(sum))?;
        (tail < PART).then_some(tail)
    }
}

impl ObjectUpload {
    pub(super) fn begin(bucket: Arc<Bucket>, place: Key) -> Self {
        let spool = bucket.scratch().spool();
        Self {
            bucket,
            place,
            state: State::default(),
            spool,
            outdated: Vec::new(),
            unchanged: None,
            has_traces: false,
            is_spent: false,
        }
    }

    pub(super) async fn resume(
        bucket: Arc<Bucket>,
        place: Key,
        saved: &Saved,
    ) -> Result<Option<Self>, Error> {
        let unreadable = || format!("the saved state of `{place}` can not be read");
        let mut state: State = serde_json::from_value(saved.0.clone())
            .map_err(|error| Error::caused(ErrorKind::Corrupt, unreadable(), error))?;
        let length = state
            .tail_length()
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, unreadable()))?;
        let Some(tail) = place::read_tail(&bucket, &place, state.tail, PART).await? else {
            return Ok(None);
        };
        if tail.len() as u64 != length {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "`{place}` has {} bytes of the {length} that were saved",
                    tail.len()
                ),
            ));
        }
        if !find_data(&bucket, &place, &mut state).await? {
            return Ok(None);
        }
        let mut upload = Self::begin(bucket, place);
        upload.spool.append(tail).await?;
        upload.outdated = std::mem::take(&mut state.earlier);
        upload.state = state;
        upload.has_traces = true;
        Ok(Some(upload))
    }

    /// Marks the upload as spent until the operation is through.
    fn start(&mut self) -> Result<(), Error> {
        if self.is_spent {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!("the upload `{}` failed before", self.place),
            ));
        }
        self.is_spent = true;
        Ok(())
    }

    /// Sends what was gathered as the next part.
    async fn send(&mut self) -> Result<(), Error> {
        let mut open = match self.state.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        if open.parts.len() >= PARTS {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("`{}` has more than {PARTS} parts", self.place),
            ));
        }
        let path = open.data.path();
        let _turn = self.bucket.turn_to_send().await;
        let part = self.spool.take().await?;
        let sent = self
            .bucket
            .put_part(&path, &open.upload, open.parts.len(), part)
            .await?;
        open.parts.push(sent);
        self.state.open = Some(open);
        Ok(())
    }

    async fn open(&mut self) -> Result<Open, Error> {
        let data = Data::fresh();
        let upload = self.bucket.start_parts(&data.path()).await?;
        let open = Open {
            data,
            upload,
            parts: Vec::new(),
        };
        self.has_traces = true;
        self.note(&open.data, &open.upload, None).await?;
        Ok(open)
    }

    async fn note(&self, data: &Data, upload: &str, key: Option<&Key>) -> Result<(), Error> {
        let note = Note {
            upload: upload.to_owned(),
            key: key.map(Key::to_string),
        };
        place::write_note(&self.bucket, &self.place, data, &note).await
    }

    /// Completes the multipart upload, if one is open, to a segment of
    /// `length` bytes.
    async fn complete(&mut self, length: u64) -> Result<(), Error> {
        let Some(open) = self.state.open.take() else {
            return Ok(());
        };
        self.bucket
            .complete_parts(&open.data.path(), &open.upload, &open.parts, length)
            .await?;
        self.state.segments.push(Segment {
            data: open.data,
            length,
        });
        Ok(())
    }

    /// Puts a blob that is below one part directly under its key.
    async fn publish_whole(&mut self, key: &Key) -> Result<bool, Error> {
        if !self.state.segments.is_empty() || self.state.open.is_some() || self.spool.length() == 0
        {
            return Ok(false);
        }
        let _turn = self.bucket.turn_to_send().await;
        let content = self.spool.read().await?;
        if resembles_pointer(&content) {
            return Ok(false);
        }
        content::replace(&self.bucket, key, content, &[]).await?;
        Ok(true)
    }

    /// Makes data objects of all bytes and puts a pointer to them.
    async fn publish_segments(&mut self, key: &Key) -> Result<(), Error> {
        // First the notes, so that a sweep can find out whether it was done.
        for segment in &self.state.segments {
            self.note(&segment.data, "", Some(key)).await?;
        }
        if let Some(open) = &self.state.open {
            let (data, upload) = (open.data.clone(), open.upload.clone());
            self.note(&data, &upload, Some(key)).await?;
            let tail = self.spool.length();
            let length = open.length() + tail;
            if tail > 0 {
                self.send().await?;
            }
            self.complete(length).await?;
        } else if self.spool.length() > 0 {
            let _turn = self.bucket.turn_to_send().await;
            let segment = Segment {
                data: Data::fresh(),
                length: self.spool.length(),
            };
            self.has_traces = true;
            self.note(&segment.data, "", Some(key)).await?;
            let tail = self.spool.take().await?;
            self.bucket.write(&segment.data.path(), tail).await?;
            self.state.segments.push(segment);
        }
        let pointer = Pointer {
            segments: self.state.segments.clone(),
        };
        content::replace(&self.bucket, key, pointer.encode()?, &pointer.segments).await
    }
}

#[async_trait]
impl Upload for ObjectUpload {
    fn length(&self) -> u64 {
        self.state.length
    }

    async fn append(&mut self, mut piece: Bytes) -> Result<(), Error> {
        self.start()?;
        while !piece.is_empty() {
            self.unchanged = None;
            let room = usize::try_from(PART - self.spool.length()).unwrap_or(usize::MAX);
            let next = piece.split_to(room.min(piece.len()));
            self.state.length += next.len() as u64;
            self.spool.append(next).await?;
            if self.spool.length() == PART {
                self.send().await?;
            }
        }
        self.is_spent = false;
        Ok(())
    }

    async fn save(&mut self) -> Result<Saved, Error> {
        self.start()?;
        if let Some(saved) = &self.unchanged {
            self.is_spent = false;
            return Ok(saved.clone());
        }
        let mut state = self.state.clone();
        if state.tail > 0 {
            state.earlier.push(state.tail);
        }
        state.tail += 1;
        self.has_traces = true;
        {
            let _turn = self.bucket.turn_to_send().await;
            let tail = self.spool.read().await?;
            place::write_tail(&self.bucket, &self.place, state.tail, &tail).await?;
        }
        for number in self.outdated.drain(..) {
            // What stays goes with the place.
            let _ = place::remove_tail(&self.bucket, &self.place, number).await;
        }
        let text = serde_json::to_value(&state).map_err(|error| {
            Error::caused(
                ErrorKind::Corrupt,
                format!("the state of `{}` can not be written", self.place),
                error,
            )
        })?;
        self.state = state;
        self.unchanged = Some(Saved(text.clone()));
        self.is_spent = false;
        Ok(Saved(text))
    }

    async fn read_back(&mut self) -> Result<ByteStream, Error> {
        self.start()?;
        if let Some(open) = &self.state.open {
            // One more is needed for what may still come.
            if self.state.segments.len() + 2 > SEGMENTS {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("`{}` was read back too often", self.place),
                ));
            }
            let length = open.length();
            self.unchanged = None;
            self.complete(length).await?;
        }
        let pointer = Pointer {
            segments: self.state.segments.clone(),
        };
        let range = ByteRange::whole(pointer.size());
        let sent = content::follow(&self.bucket, &pointer, range)
            .await?
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("the data of `{}` is gone", self.place),
                )
            })?;
        let tail = ByteStream::of(self.spool.read().await?);
        self.is_spent = false;
        Ok(ByteStream::new(self.state.length, sent.chain(tail)))
    }

    async fn publish(mut self: Box<Self>, key: &Key) -> Result<(), Error> {
        self.start()?;
        bucket::path(key)?;
        if !self.publish_whole(key).await? {
            self.publish_segments(key).await?;
        }
        if self.has_traces {
            // The blob is published, whether or not this succeeds; what stays
            // is discarded with the place.
            let _ = place::sweep(&self.bucket, &self.place).await;
        }
        Ok(())
    }
}

/// Finds out whether the data of a saved state is still there, unpublished,
/// and whether the multipart upload was completed since: it was if the upload
/// was read back.
async fn find_data(bucket: &Bucket, place: &Key, state: &mut State) -> Result<bool, Error> {
    let open = state.open.iter().map(|open| &open.data);
    let names: Vec<Data> = state
        .segments
        .iter()
        .map(|segment| &segment.data)
        .chain(open)
        .cloned()
        .collect();
    for data in names {
        match place::read_note(bucket, place, &data).await? {
            Some(note) if !place::is_published(bucket, &data, &note).await? => {}
            _ => return Ok(false),
        }
    }
    let Some(open) = &state.open else {
        return Ok(true);
    };
    let length = open.length();
    if let Some(meta) = bucket.head(&open.data.path()).await? {
        if meta.size < length {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the data of `{place}` has {} bytes of the {length} that were sent",
                    meta.size
                ),
            ));
        }
        state.segments.push(Segment {
            data: open.data.clone(),
            length,
        });
        state.open = None;
    }
    Ok(true)
}
