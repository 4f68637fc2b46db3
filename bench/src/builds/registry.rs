//! The registry that results are pushed to: Debian's, behind a relay that counts what
//! clients send.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;

use super::stopwatch::run;
use crate::error::Error;
use crate::registry::peer::{Kind, Peer, Place};

/// Bytes that are relayed at a time.
const PIECE: usize = 256 << 10;

/// A running registry. Its address stays the same when it is started again.
#[derive(Debug)]
pub(super) struct Registry {
    place: Place,
    peer: Option<Peer>,
    relay: Relay,
}

/// Passes bytes on, and counts those that go one way.
#[derive(Debug)]
struct Relay {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    sent: Arc<AtomicU64>,
}

impl Registry {
    /// Starts an empty one that keeps its files below a directory.
    ///
    /// # Errors
    /// Says that it is missing or does not start.
    pub(super) fn start(directory: &Path) -> Result<Self, Error> {
        let place = Place {
            wharf: PathBuf::new(),
            directory: directory.join("registry"),
            environment: Vec::new(),
            image: PathBuf::new(),
        };
        fs_err::create_dir_all(place.storage(Kind::DockerRegistry))?;
        let peer = Peer::start(Kind::DockerRegistry, &place)?;
        let relay = Relay::start(peer.address())?;
        let peer = Some(peer);
        Ok(Self { place, peer, relay })
    }

    /// Returns what stands before the names of repositories.
    pub(super) fn address(&self) -> String {
        self.relay.address.to_string()
    }

    /// Returns the bytes that clients have sent to it, with what HTTP needs.
    pub(super) fn sent(&self) -> u64 {
        self.relay.sent.load(Ordering::SeqCst)
    }

    /// Keeps what it has, for [`Self::restore`].
    ///
    /// # Errors
    /// Fails when the disk is full.
    pub(super) fn keep(&self) -> Result<(), Error> {
        let storage = self.place.storage(Kind::DockerRegistry);
        run(Command::new("cp").arg("-a").args([storage, self.kept()]))?;
        Ok(())
    }

    /// Has it keep what it had then, and nothing else.
    ///
    /// # Errors
    /// Says that it does not start.
    pub(super) fn restore(&mut self) -> Result<(), Error> {
        self.peer = None;
        let storage = self.place.storage(Kind::DockerRegistry);
        fs_err::remove_dir_all(&storage)?;
        run(Command::new("cp").arg("-a").args([self.kept(), storage]))?;
        let peer = Peer::start(Kind::DockerRegistry, &self.place)?;
        *lock(&self.relay.target) = peer.address();
        self.peer = Some(peer);
        Ok(())
    }

    /// Returns the file of a blob.
    ///
    /// # Errors
    /// Fails when the digest is none.
    pub(super) fn blob(&self, digest: &str) -> Result<PathBuf, Error> {
        let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
        let hex = hex.ok_or_else(|| Error::new(format!("`{digest}` is no digest")))?;
        let blobs = "docker/registry/v2/blobs/sha256";
        let storage = self.place.storage(Kind::DockerRegistry);
        let path = storage.join(blobs).join(&hex[..2]).join(hex).join("data");
        Ok(path)
    }

    /// Returns the digest of a manifest, by the name of its image below the address.
    ///
    /// # Errors
    /// Fails when it is not there.
    pub(super) fn digest(&self, repository: &str, tag: &str) -> Result<String, Error> {
        let storage = self.place.storage(Kind::DockerRegistry);
        let tags = format!("docker/registry/v2/repositories/{repository}/_manifests/tags");
        let link = storage.join(tags).join(tag).join("current/link");
        Ok(fs_err::read_to_string(link)?.trim().to_owned())
    }

    fn kept(&self) -> PathBuf {
        self.place.directory.join("kept")
    }
}

impl Relay {
    fn start(target: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let relay = Self {
            address: listener.local_addr()?,
            target: Arc::new(Mutex::new(target)),
            sent: Arc::default(),
        };
        let (target, sent) = (Arc::clone(&relay.target), Arc::clone(&relay.sent));
        spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(*lock(&target));
                // A client whose server is gone finds its connection closed.
                if let Ok(server) = server {
                    let _ = join(client, server, &sent);
                }
            }
        });
        Ok(relay)
    }
}

/// Passes on what both sides send, each in a thread of its own.
fn join(client: TcpStream, server: TcpStream, sent: &Arc<AtomicU64>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (to_client, from_server) = (client.try_clone()?, server.try_clone()?);
    let sent = Arc::clone(sent);
    spawn(move || pass(client, server, &sent));
    spawn(move || pass(from_server, to_client, &AtomicU64::new(0)));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut piece = vec![0; PIECE];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        count.fetch_add(length as u64, Ordering::SeqCst);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

fn lock(target: &Mutex<SocketAddr>) -> std::sync::MutexGuard<'_, SocketAddr> {
    target.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_counted_and_passed_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::start(listener.local_addr().unwrap()).unwrap();
        let server = spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut said = [0; 5];
            client.read_exact(&mut said).unwrap();
            client.write_all(b"and an answer").unwrap();
            said
        });
        let mut client = TcpStream::connect(relay.address).unwrap();
        client.write_all(b"hello").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "and an answer");
        assert_eq!(&server.join().unwrap(), b"hello");
        assert_eq!(relay.sent.load(Ordering::SeqCst), 5);
    }
}
