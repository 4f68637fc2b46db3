//! A layout in a tar archive as target: written in one go, entries by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::StreamExt as _;
use oci::Index;

use super::{INDEX, Label, MARK, MARK_CONTENT, blob_name, entries};
use crate::blocking;
use crate::copy::{Copied, Job};
use crate::error::{Error, ErrorKind};
use crate::plan::Needed;
use crate::progress::How;
use crate::tape::TapeWriter;

/// Is what an entry is made of.
enum Content<'a> {
    Bytes(Bytes),
    Blob(&'a Needed),
}

/// Writes an image into an archive. The file gets its name when it is whole.
pub(crate) async fn archive(job: Job, file: &Path, label: &Label) -> Result<Copied, Error> {
    let mut copied = job.begin()?;
    let (digest, top) = job.plan.top()?;
    let index = Index::new(entries::entries(digest, top, label));
    let mut contents = BTreeMap::from([
        (MARK.to_owned(), Content::Bytes(MARK_CONTENT.into())),
        (INDEX.to_owned(), Content::Bytes(index.to_bytes())),
    ]);
    for needed in &job.plan.blobs {
        contents.insert(blob_name(&needed.descriptor.digest), Content::Blob(needed));
    }
    for (digest, manifest) in &job.plan.manifests {
        let bytes = manifest.bytes().clone();
        contents.insert(blob_name(digest), Content::Bytes(bytes));
    }
    let mut tape = Writing::create(file).await?;
    for (name, content) in contents {
        tape = match content {
            Content::Bytes(bytes) => tape.step(move |tape| tape.entry(&name, &bytes)).await?,
            Content::Blob(needed) => {
                let feed = job.start(&needed.descriptor);
                if job.lacks(needed).await? {
                    job.finished(&mut copied, &needed.descriptor, How::Absent);
                    continue;
                }
                let mut pieces = feed.checked().await?;
                tape = tape.step(move |tape| tape.begin(&name)).await?;
                while let Some(piece) = pieces.next().await {
                    let piece = piece?;
                    tape = tape.step(move |tape| tape.write(&piece)).await?;
                }
                job.finished(&mut copied, &needed.descriptor, How::Copied);
                tape.step(TapeWriter::end).await?
            }
        };
    }
    tape.finish().await?;
    Ok(copied)
}

/// Is an archive that is being written, off the reactor.
pub(crate) struct Writing {
    tape: TapeWriter,
    target: PathBuf,
}

impl Writing {
    /// Begins an archive beside its place.
    pub(crate) async fn create(target: &Path) -> Result<Self, Error> {
        let target = target.to_owned();
        blocking::run(move || match TapeWriter::create(&target) {
            Ok(tape) => Ok(Self { tape, target }),
            Err(error) => Err(write_failed(&target, error)),
        })
        .await
    }

    /// Does a part of the work.
    pub(crate) async fn step(
        mut self,
        work: impl FnOnce(&mut TapeWriter) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Self, Error> {
        blocking::run(move || match work(&mut self.tape) {
            Ok(()) => Ok(self),
            Err(error) => Err(write_failed(&self.target, error)),
        })
        .await
    }

    /// Gives the archive to work that blocks by itself.
    pub(crate) fn tape(&mut self) -> &mut TapeWriter {
        &mut self.tape
    }

    /// Says where the archive will be.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Ends the archive and gives it its name.
    pub(crate) async fn finish(self) -> Result<(), Error> {
        blocking::run(move || {
            let finished = self.tape.finish();
            finished.map_err(|error| write_failed(&self.target, error))
        })
        .await
    }
}

pub(crate) fn write_failed(target: &Path, error: std::io::Error) -> Error {
    Error::caused(
        ErrorKind::Storage,
        format!("can not write the archive `{}`", target.display()),
        error,
    )
}
