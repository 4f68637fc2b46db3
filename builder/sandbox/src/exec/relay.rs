//! Connections of a command to an agent of this machine, passed on by the
//! keeper: the agent sees whoever builds, and the command sees nothing of the
//! agent but its answers. It ends with the keeper.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use crate::error::Error;

/// How many connections there may be to one agent at a time.
const CONNECTION_LIMIT: usize = 64;

/// Passes the connections of a listening socket on, until this process ends.
pub(crate) fn start(listener: OwnedFd, agent: PathBuf) -> Result<(), Error> {
    let listener = UnixListener::from(listener);
    Builder::new()
        .name("agent".to_owned())
        .spawn(move || accept(&listener, &agent))
        .map(drop)
        .map_err(|source| Error::system("cannot pass connections to an agent on", source))
}

fn accept(listener: &UnixListener, agent: &Path) {
    let open = Arc::new(AtomicUsize::new(0));
    while let Ok((inside, _)) = listener.accept() {
        if open.load(Ordering::Relaxed) >= CONNECTION_LIMIT {
            continue;
        }
        // An agent that is not there is a connection that ends at once.
        let Ok(outside) = UnixStream::connect(agent) else {
            continue;
        };
        open.fetch_add(1, Ordering::Relaxed);
        let ours = Arc::clone(&open);
        let started = Builder::new().name("agent".to_owned()).spawn(move || {
            connect(&inside, &outside);
            ours.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Copies both ways until both ends are done.
fn connect(inside: &UnixStream, outside: &UnixStream) {
    std::thread::scope(|scope| {
        let back = Builder::new().spawn_scoped(scope, || copy(outside, inside));
        if back.is_ok() {
            copy(inside, outside);
        }
    });
}

fn copy(mut from: &UnixStream, mut to: &UnixStream) {
    // What fails is the end of a connection, whatever the reason.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.flush();
    let _ = to.shutdown(Shutdown::Write);
}
