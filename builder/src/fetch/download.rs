//! Files by HTTP: streamed into a file without a name, hashed on the way.
//! Nothing is used before all of it has come and its checksum is right.

mod answer;
mod sink;

use std::time::Duration;

use layer::Time;
use oci::Digest;
use reqwest::{Client, Response};
use tokio::time::Instant;
use url::Url;

use self::answer::Trouble;
use self::sink::Sink;
use super::{Checksum, Way, name, shown};
use crate::blocking;
use crate::error::{Error, ErrorKind};
use crate::events::Event;

/// The most redirects that are followed.
const REDIRECTS: usize = 10;
/// The fewest bytes that have to come in the time of a stall. Less is next to
/// nothing: a server that drips keeps a build waiting for days.
const DRIP: u64 = 1024;
/// After how many more bytes it is told how many came.
const NOTED: u64 = 1024 * 1024;

/// Is a file that was fetched, whole and with the right checksum.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The content, from its start on. The file has no name, and is gone when
    /// it is closed.
    pub(crate) file: fs_err::File,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its digest.
    pub(crate) digest: Digest,
    /// When the server says that it was changed.
    pub(crate) modified: Option<Time>,
    name: Option<String>,
    source: String,
}

impl Fetched {
    /// Says what the file is called where the destination is a directory.
    ///
    /// # Errors
    ///
    /// Fails where neither the URL nor its server says so.
    pub(crate) fn name(&self) -> Result<&str, Error> {
        self.name.as_deref().ok_or_else(|| {
            let message = format!("what `{}` gives has no name", self.source);
            Error::new(ErrorKind::Step, message)
                .with_hint("name the file in the destination, as in `/directory/file`")
        })
    }
}

/// Fetches a file whose bytes may be any.
pub(crate) async fn url(way: &Way<'_>, address: &Url) -> Result<Fetched, Error> {
    Download::new(way, address, None)?.run().await
}

/// Fetches a file whose bytes have to be these.
pub(crate) async fn url_checked(
    way: &Way<'_>,
    address: &Url,
    checksum: &Checksum,
) -> Result<Fetched, Error> {
    Download::new(way, address, Some(checksum))?.run().await
}

struct Download<'a> {
    way: Way<'a>,
    address: &'a Url,
    checksum: Option<&'a Checksum>,
    client: Client,
    /// The address as it may be shown.
    shown: String,
}

impl<'a> Download<'a> {
    fn new(way: &Way<'a>, address: &'a Url, checksum: Option<&'a Checksum>) -> Result<Self, Error> {
        Ok(Self {
            way: *way,
            address,
            checksum,
            client: way.network.client()?,
            shown: shown(address),
        })
    }

    async fn run(&self) -> Result<Fetched, Error> {
        let limits = &self.way.network.limits;
        let mut wait = limits.first_wait;
        let mut attempt = 1;
        loop {
            let trouble = match self.attempt().await {
                Ok(fetched) => return Ok(fetched),
                Err(trouble) => trouble,
            };
            let asked = match trouble {
                Trouble::Passing { after, .. } if attempt < limits.attempts => after,
                Trouble::Passing { error, .. } if attempt > 1 => {
                    let message = format!("{error}, {attempt} times");
                    return Err(error.saying(message));
                }
                Trouble::Passing { error, .. } | Trouble::Final(error) => return Err(error),
            };
            tokio::time::sleep(asked.max(wait)).await;
            wait = wait.saturating_mul(2);
            attempt += 1;
        }
    }

    async fn attempt(&self) -> Result<Fetched, Trouble> {
        self.note(0, 0);
        let response = self.answer().await?;
        let size = response.content_length().unwrap_or(0);
        self.check_size(size)?;
        let modified = answer::modified(response.headers());
        let name = name::of_url(self.address).or_else(|| answer::name(response.headers()));
        let scratch = self.way.scratch.to_owned();
        let checksum = self.checksum.cloned();
        let sink = blocking::run(move || Sink::create(&scratch, checksum.as_ref())).await;
        let sink = self
            .receive(response, sink.map_err(Trouble::Final)?)
            .await?;
        let received = blocking::run(move || sink.finish()).await;
        let received = received.map_err(Trouble::Final)?;
        if let (Some(wanted), Some(found)) = (self.checksum, received.checksum)
            && *wanted != found
        {
            let message = format!("`{}` is `{found}`, not `{wanted}`", self.shown);
            let error = Error::new(ErrorKind::Mismatch, message)
                .with_hint("see why the file is another one before the checksum is changed");
            return Err(Trouble::Final(error));
        }
        Ok(Fetched {
            file: received.file,
            size: received.size,
            digest: received.digest,
            modified,
            name,
            source: self.shown.clone(),
        })
    }

    /// Asks, and asks on where it is sent.
    async fn answer(&self) -> Result<Response, Trouble> {
        let stall = self.way.network.limits.stall;
        let mut address = self.address.clone();
        address.set_fragment(None);
        for _ in 0..=REDIRECTS {
            let asking = self.client.get(address.clone()).send();
            let response = match tokio::time::timeout(stall, asking).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(self.broken(error)),
                Err(_elapsed) => return Err(self.silent(stall)),
            };
            match answer::redirect(&address, &response)? {
                Some(next) => address = next,
                None => return answer::accept(&address, response),
            }
        }
        let message = format!(
            "`{}` leads from one place to the next, {REDIRECTS} times",
            self.shown
        );
        Err(Trouble::Final(Error::new(ErrorKind::Fetch, message)))
    }

    async fn receive(&self, mut response: Response, mut sink: Sink) -> Result<Sink, Trouble> {
        let stall = self.way.network.limits.stall;
        let size = response.content_length().unwrap_or(0);
        let (mut came, mut noted) = (0_u64, 0_u64);
        let (mut since, mut before) = (Instant::now(), 0_u64);
        loop {
            let piece = match tokio::time::timeout(stall, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(sink),
                Ok(Err(error)) => return Err(self.broken(error)),
                Err(_elapsed) => return Err(self.silent(stall)),
            };
            came = came.saturating_add(piece.len() as u64);
            self.check_size(came)?;
            if since.elapsed() > stall {
                if came.saturating_sub(before) < DRIP {
                    return Err(self.silent(stall));
                }
                (since, before) = (Instant::now(), came);
            }
            if sink.gather(&piece) {
                let writing = blocking::run(move || sink.write().map(|()| sink));
                sink = writing.await.map_err(Trouble::Final)?;
                if came - noted >= NOTED {
                    self.note(came, size);
                    noted = came;
                }
            }
        }
    }

    fn check_size(&self, size: u64) -> Result<(), Trouble> {
        let limit = self.way.network.limits.size;
        if size <= limit {
            return Ok(());
        }
        let message = format!("`{}` is larger than {limit} bytes", self.shown);
        Err(Trouble::Final(Error::new(ErrorKind::Fetch, message)))
    }

    fn note(&self, position: u64, size: u64) {
        self.way.progress.note(&Event::Fetching {
            url: &self.shown,
            position,
            size,
        });
    }

    fn broken(&self, error: reqwest::Error) -> Trouble {
        let message = format!("`{}` can not be fetched", self.shown);
        Trouble::Passing {
            // It would show the URL as it is.
            error: Error::caused(ErrorKind::Fetch, message, error.without_url()),
            after: Duration::ZERO,
        }
    }

    fn silent(&self, stall: Duration) -> Trouble {
        let message = format!(
            "`{}` gave nothing for {} seconds",
            self.shown,
            stall.as_secs_f64()
        );
        Trouble::Passing {
            error: Error::new(ErrorKind::Fetch, message),
            after: Duration::ZERO,
        }
    }
}
