//! Uploads: bytes are gathered until they fill a part, and sent part by part.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::bucket::{self, Bucket};
use super::content;
use super::frame::{Id, SEGMENTS, Segment, Segments};
use super::place;
use super::publish::{self, Published};
use super::scratch::Spool;
use crate::backend::{Saved, Upload};
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::stream::{ByteRange, ByteStream};

/// The size of every part but the last, in bytes. S3 permits 10,000 parts, so
/// a data object has at most 156 GiB; some stores want all parts of one size.
const PART: u64 = 16 * 1024 * 1024;

/// The most parts of one multipart upload, as on S3.
const PARTS: usize = 10_000;

/// Receives a blob.
#[derive(Debug)]
pub(super) struct ObjectUpload {
    bucket: Arc<Bucket>,
    place: Key,
    state: State,
    /// The data object that this turn is sending, and nobody else.
    open: Option<Open>,
    /// What came after the last full part, below [`PART`] bytes.
    spool: Spool,
    /// The tails of states before the one that was resumed: nobody needs them.
    outdated: Vec<Id>,
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
    /// The object that holds the bytes after the last data object; none where
    /// there are no such bytes and the notes say that the upload is there.
    tail: Option<Id>,
    /// Tails of earlier states, which may still be the ones that count.
    earlier: Vec<Id>,
    /// Data objects that are complete.
    segments: Vec<Segment>,
}

/// Names a multipart upload and what was sent of it.
#[derive(Debug)]
struct Open {
    data: Id,
    upload: String,
    parts: Vec<String>,
    length: u64,
}

impl State {
    /// Counts the bytes of the tail; `None` where the numbers contradict each
    /// other.
    fn tail_length(&self) -> Option<u64> {
        let tail = self
            .segments
            .iter()
            .try_fold(0_u64, |sum, segment| sum.checked_add(segment.length))
            .and_then(|sum| self.length.checked_sub(sum))?;
        let is_held = self.tail.is_some() || (tail == 0 && !self.segments.is_empty());
        (tail < PART && is_held).then_some(tail)
    }
}

impl ObjectUpload {
    pub(super) fn begin(bucket: Arc<Bucket>, place: Key) -> Self {
        let spool = bucket.scratch().spool();
        Self {
            bucket,
            place,
            state: State::default(),
            open: None,
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
        // All data is discarded together, and each is asked for when it is
        // published: here the last one tells enough.
        if let Some(segment) = state.segments.last()
            && !place::is_held(&bucket, &place, &segment.data).await?
        {
            return Ok(None);
        }
        let mut upload = Self::begin(bucket, place);
        if let Some(name) = &state.tail {
            let Some(tail) = place::read_tail(&upload.bucket, &upload.place, name).await? else {
                return Ok(None);
            };
            upload.gather(tail, length).await?;
        }
        upload.outdated = std::mem::take(&mut state.earlier);
        upload.state = state;
        upload.has_traces = true;
        Ok(Some(upload))
    }

    /// Takes a tail back into scratch space, piece by piece.
    async fn gather(&mut self, mut tail: ByteStream, length: u64) -> Result<(), Error> {
        if tail.length() != length {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "`{}` has {} bytes of the {length} that were saved",
                    self.place,
                    tail.length()
                ),
            ));
        }
        while let Some(piece) = tail.next().await {
            self.spool.append(piece?).await?;
        }
        Ok(())
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
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let path = open.data.data_path();
        {
            let _turn = self.bucket.turn_to_send().await;
            let part = self.spool.take().await?;
            open.length += part.len() as u64;
            let sent = self
                .bucket
                .put_part(&path, &open.upload, open.parts.len(), part)
                .await?;
            open.parts.push(sent);
        }
        let is_full = open.parts.len() == PARTS;
        self.open = Some(open);
        if is_full {
            self.complete().await?;
        }
        Ok(())
    }

    async fn open(&mut self) -> Result<Open, Error> {
        let data = self.name_data()?;
        let upload = self.bucket.start_parts(&data.data_path()).await?;
        place::note(&self.bucket, &self.place, &data, &upload).await?;
        Ok(Open {
            data,
            upload,
            parts: Vec::new(),
            length: 0,
        })
    }

    fn name_data(&mut self) -> Result<Id, Error> {
        if self.state.segments.len() >= SEGMENTS {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("`{}` has more than {SEGMENTS} segments", self.place),
            ));
        }
        self.has_traces = true;
        Ok(Id::fresh())
    }

    /// Makes a data object of what was sent.
    async fn complete(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        self.bucket
            .complete_parts(
                &open.data.data_path(),
                &open.upload,
                &open.parts,
                open.length,
            )
            .await?;
        self.state.segments.push(Segment {
            data: open.data,
            length: open.length,
        });
        Ok(())
    }

    /// Makes a data object of what was sent and what was gathered since, so
    /// that no other turn ever sends to the same multipart upload.
    async fn seal(&mut self) -> Result<(), Error> {
        if self.open.is_some() && self.spool.length() > 0 {
            self.send().await?;
        }
        self.complete().await
    }

    /// Puts a blob that is below one part directly under its key.
    async fn publish_inline(&mut self, key: &Key) -> Result<(), Error> {
        let _turn = self.bucket.turn_to_send().await;
        let content = self.spool.take().await?;
        publish::inline(&self.bucket, key, &content).await
    }

    /// Makes data objects of all bytes and puts a pointer to them.
    async fn publish_pointer(&mut self, key: &Key) -> Result<(), Error> {
        // Also the last bytes are a multipart upload: whoever discards can
        // abort it, so that nothing appears after that.
        if self.spool.length() > 0 {
            self.send().await?;
        }
        self.complete().await?;
        let segments = Segments::new(std::mem::take(&mut self.state.segments))?;
        match publish::pointer(&self.bucket, &self.place, key, &segments).await? {
            Published::Other => Ok(()),
            Published::Own => {
                for segment in segments.as_slice() {
                    // What stays goes with the place.
                    let _ = place::forget(&self.bucket, &self.place, &segment.data).await;
                }
                Ok(())
            }
            Published::Discarded => {
                // Whoever discarded may have come before the last of it.
                let _ = place::sweep(&self.bucket, &self.place).await;
                Err(Error::new(
                    ErrorKind::Unavailable,
                    format!("the upload `{}` was discarded", self.place),
                ))
            }
        }
    }

    async fn write_tail(&mut self, state: &mut State) -> Result<(), Error> {
        state.earlier.extend(state.tail.take());
        if self.spool.length() == 0 && !state.segments.is_empty() {
            return Ok(());
        }
        let name = Id::fresh();
        self.has_traces = true;
        let _turn = self.bucket.turn_to_send().await;
        let tail = self.spool.read().await?;
        place::write_tail(&self.bucket, &self.place, &name, &tail).await?;
        state.tail = Some(name);
        Ok(())
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
        self.seal().await?;
        let mut state = self.state.clone();
        self.write_tail(&mut state).await?;
        for name in self.outdated.drain(..) {
            // What stays goes with the place.
            let _ = place::remove_tail(&self.bucket, &self.place, &name).await;
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
        if self.open.is_some() {
            self.unchanged = None;
            self.seal().await?;
        }
        let segments = Segments::new(self.state.segments.clone())?;
        let range = ByteRange::whole(segments.size());
        let sent = content::follow(&self.bucket, &segments, range)
            .await?
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("the data of `{}` is gone", self.place),
                )
            })?;
        let tail = self.spool.stream();
        self.is_spent = false;
        Ok(ByteStream::new(self.state.length, sent.chain(tail)))
    }

    async fn publish(mut self: Box<Self>, key: &Key) -> Result<(), Error> {
        self.start()?;
        bucket::path(key)?;
        match self.open.is_none() && self.state.segments.is_empty() {
            true => self.publish_inline(key).await?,
            false => self.publish_pointer(key).await?,
        }
        if self.has_traces {
            // The blob is published, whether or not this succeeds; what stays
            // is discarded with the place.
            let _ = place::sweep(&self.bucket, &self.place).await;
        }
        Ok(())
    }
}
