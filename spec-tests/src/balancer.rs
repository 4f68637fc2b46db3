//! A TCP balancer without stickiness: every connection goes to the next server.
//!
//! It reads no HTTP. A server that refuses connections is passed over, as any balancer
//! does; one that dies takes its connections with it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Bytes passed on at once.
const PIECE: usize = 64 * 1024;

/// Stands for "let all of it through".
const NEVER: u64 = u64::MAX;

/// A balancer that takes connections; it stops with this value.
pub struct Balancer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    servers: Mutex<Vec<SocketAddr>>,
    /// How many connections each server of the list was given.
    given: Mutex<Vec<u64>>,
    next: AtomicUsize,
    cut: AtomicU64,
    stopped: AtomicBool,
}

impl Balancer {
    /// Starts a balancer over these servers on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is no free port.
    #[must_use]
    pub fn start(servers: &[SocketAddr]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            given: Mutex::new(vec![0; servers.len()]),
            servers: Mutex::new(servers.to_vec()),
            next: AtomicUsize::new(0),
            cut: AtomicU64::new(NEVER),
            stopped: AtomicBool::new(false),
        });
        let table = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if table.stopped.load(Ordering::Acquire) {
                    return;
                }
                let table = Arc::clone(&table);
                thread::spawn(move || table.carry(client));
            }
        });
        Self { address, shared }
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts another server into a place of the list.
    pub fn replace(&self, place: usize, server: SocketAddr) {
        let mut servers = lock(&self.shared.servers);
        if let Some(slot) = servers.get_mut(place) {
            *slot = server;
        }
    }

    /// Cuts the next connection once so many bytes of it have come from the client.
    pub fn cut_next_after(&self, bytes: u64) {
        self.shared.cut.store(bytes, Ordering::Release);
    }

    /// Returns how many connections each server of the list was given.
    #[must_use]
    pub fn given(&self) -> Vec<u64> {
        lock(&self.shared.given).clone()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Carries one connection to its end.
    fn carry(&self, client: TcpStream) {
        let limit = self.cut.swap(NEVER, Ordering::AcqRel);
        let Some(server) = self.connect() else {
            let _ = client.shutdown(Shutdown::Both);
            return;
        };
        let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let back = thread::spawn(move || pass(from_server, client, NEVER));
        pass(from_client, server, limit);
        let _ = back.join();
    }

    /// Connects to the server whose turn it is, or to the next one that runs.
    fn connect(&self) -> Option<TcpStream> {
        let servers = lock(&self.servers).clone();
        let turn = self.next.fetch_add(1, Ordering::AcqRel);
        (0..servers.len()).find_map(|step| {
            let place = (turn + step) % servers.len();
            let stream = TcpStream::connect(servers[place]).ok()?;
            let _ = stream.set_nodelay(true);
            lock(&self.given)[place] += 1;
            Some(stream)
        })
    }
}

/// Passes bytes on until the sender ends or `limit` of them came, which cuts both ways.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: u64) {
    let _ = from.set_nodelay(true);
    let mut left = limit;
    let mut piece = vec![0; PIECE];
    loop {
        let wanted = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        if wanted == 0 {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
        match from.read(&mut piece[..wanted]) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) if to.write_all(&piece[..count]).is_ok() => left -= count as u64,
            _ => {
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
