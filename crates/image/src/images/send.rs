//! One blob to one repository: for a push that starts while there is no
//! manifest yet, and for what is no image.
//!
//! Nothing here gives a name to anything; see [`Images::copy`] for images and
//! [`Images::delivery`] for manifests of other things.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use oci::{Descriptor, Digest, ImageName, Manifest};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::error::Error;
use crate::images::Images;
use crate::library::Library;
use crate::place::Place;
use crate::progress::Silent;
use crate::source::{Blamed, Child, Pieces, Source};
use crate::target::{Feed, Target};

/// Says how a blob came to be where it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was there already.
    Present,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// Its bytes were moved.
    Uploaded {
        /// How many.
        bytes: u64,
    },
}

/// Knows which blobs are on their way to which repositories, or there.
#[derive(Default)]
pub(crate) struct Sending(Mutex<BTreeMap<Way, Arc<OnceCell<Instant>>>>);

/// How long a blob is taken to stay where it was found or sent, though no
/// manifest needs it yet: most pushes end by then, and to ask again costs
/// those little that do not.
const LATELY: Duration = Duration::from_secs(60);

/// Names a blob in a repository: registry, repository and digest.
type Way = (String, String, Digest);

impl Sending {
    fn turn(&self, blob: &Digest, to: &ImageName) -> Arc<OnceCell<Instant>> {
        let mut ways = self.ways();
        let turn = ways.entry(way(blob, to)).or_default();
        if turn.get().is_some_and(|done| done.elapsed() >= LATELY) {
            *turn = Arc::default();
        }
        Arc::clone(turn)
    }

    /// Says whether a blob was found in a repository, or sent there, so lately
    /// that it is there still.
    pub(crate) fn is_done(&self, blob: &Digest, to: &ImageName) -> bool {
        let ways = self.ways();
        let done = ways.get(&way(blob, to)).and_then(|turn| turn.get());
        done.is_some_and(|done| done.elapsed() < LATELY)
    }

    fn ways(&self) -> MutexGuard<'_, BTreeMap<Way, Arc<OnceCell<Instant>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn way(blob: &Digest, to: &ImageName) -> Way {
    let (registry, repository) = (to.registry(), to.repository());
    (registry.to_string(), repository.to_string(), *blob)
}

impl Images {
    /// Has a repository get one blob: asks whether it is there, has the
    /// registry take it over from a repository that is known to have it, or
    /// else uploads it from the library, or from `from` where the library
    /// lacks it. Of `to` the registry and the repository count.
    ///
    /// Several may ask for the same at once: one does it, and the others wait
    /// and find it [`Sent::Present`]. What was found or sent is not asked for
    /// again for a minute by the same [`Images`] or its clones.
    ///
    /// # Errors
    ///
    /// Fails with [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) when the
    /// blob has to be uploaded and is nowhere, with
    /// [`ErrorKind::Mismatch`](crate::ErrorKind::Mismatch) when it is not what
    /// its digest says, and when the registry fails. [`Error::end`] says which
    /// end it was.
    pub async fn send(
        &self,
        blob: &Descriptor,
        from: &Place,
        to: &ImageName,
    ) -> Result<Sent, Error> {
        let mut sent = Sent::Present;
        let turn = self.sending().turn(&blob.digest, to);
        turn.get_or_try_init(|| async {
            let target = self.registry_target(to);
            sent = self.send_to(blob, from, &target).await?;
            Ok::<_, Error>(Instant::now())
        })
        .await?;
        Ok(sent)
    }

    /// Has a target get one blob.
    pub(crate) async fn send_to(
        &self,
        blob: &Descriptor,
        from: &Place,
        target: &dyn Target,
    ) -> Result<Sent, Error> {
        if target.has(blob).await? {
            return Ok(Sent::Present);
        }
        let nearest = Nearest {
            images: self.clone(),
            library: self.library().cloned(),
            from: from.clone(),
        };
        let source = Arc::new(Blamed(Arc::new(nearest)));
        if target.mount(blob, source.as_ref()).await? {
            return Ok(Sent::Mounted);
        }
        let feed = Feed {
            source,
            descriptor: blob.clone(),
            progress: Arc::new(Silent),
        };
        target.take(feed).await?;
        Ok(Sent::Uploaded { bytes: blob.size })
    }
}

/// Has blobs of a place, of which the library may have some: no bytes are
/// fetched that are here.
struct Nearest {
    images: Images,
    library: Option<Library>,
    from: Place,
}

#[async_trait]
impl Source for Nearest {
    async fn top(&self) -> Result<(Digest, Manifest), Error> {
        self.images.source(&self.from).await?.top().await
    }

    async fn child(&self, descriptor: &Descriptor) -> Result<Child, Error> {
        self.images
            .source(&self.from)
            .await?
            .child(descriptor)
            .await
    }

    async fn open(&self, descriptor: &Descriptor, offset: u64) -> Result<Option<Pieces>, Error> {
        if let Some(library) = &self.library
            && library.has(descriptor).await?
            && let Some(pieces) = library.open_at(descriptor, offset).await?
        {
            return Ok(Some(pieces));
        }
        let source = self.images.source(&self.from).await?;
        source.open(descriptor, offset).await
    }

    async fn origins(&self, blob: &Descriptor) -> Result<Vec<client::Repository>, Error> {
        let source = self.images.source(&self.from).await?;
        let mut all = source.origins(blob).await?;
        if let Some(library) = &self.library {
            for origin in library.origins(&blob.digest).await? {
                let client = self.images.client();
                let known = client.repository(&origin.registry, &origin.repository);
                let same = |other: &client::Repository| {
                    other.registry() == known.registry() && other.name() == known.name()
                };
                if !all.iter().any(same) {
                    all.push(known);
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_lately_is_known_to_be_there() {
        let sending = Sending::default();
        let blob = Digest::sha256(b"a blob");
        let name = |text: &str| text.parse::<ImageName>().expect("a name");
        let (to, tag) = (name("h.test/shop:1"), name("h.test/shop:2"));
        let turn = sending.turn(&blob, &to);
        assert!(!sending.is_done(&blob, &to), "it is on its way");
        turn.get_or_init(async || Instant::now()).await;
        assert!(sending.is_done(&blob, &to) && sending.is_done(&blob, &tag));
        for other in ["h.test/other:1", "other.test/shop:1"] {
            assert!(!sending.is_done(&blob, &name(other)), "{other}");
        }
        assert!(!sending.is_done(&Digest::sha256(b"another"), &to));
        tokio::time::advance(LATELY).await;
        assert!(!sending.is_done(&blob, &to), "somebody may have removed it");
        assert!(
            !sending.turn(&blob, &to).initialized(),
            "it is asked for again"
        );
    }
}
