//! Connections that stand still, and how they are told from slow ones.
//!
//! A connection is let go when its client has not asked in time, and later
//! when neither a request is worked on nor enough bytes are sent any more:
//! the client has nothing to ask, or does not read what it asked for. While
//! it sends a body, whoever reads that body looks at the clock. A client that
//! moves, however slowly, is never cut.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long a client may take to shake hands, or to send the head of its
/// first request.
pub(crate) const HEAD_PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection may stand still once its client has asked.
const STILL_PATIENCE: Duration = Duration::from_secs(120);

/// The bytes sent in that time, from which on it moves. HTTP/2 answers pings
/// by itself, so a few bytes say nothing.
const MOVING_BYTES: usize = 1024;

/// Feels whether a connection moves.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    opened: Instant,
    asked: bool,
    /// The requests whose answer has no head yet.
    working: usize,
    /// The bytes sent since it last moved.
    sent: usize,
    moved: Instant,
}

/// Holds that a request is worked on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Working(Pulse);

impl Pulse {
    /// Feels a connection that was just opened.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(State {
            opened: now,
            asked: false,
            working: 0,
            sent: 0,
            moved: now,
        })))
    }

    /// Says that the client has asked.
    pub(crate) fn begin(&self) -> Working {
        let mut state = self.lock();
        state.asked = true;
        state.working += 1;
        drop(state);
        Working(self.clone())
    }

    /// Waits until the connection stands still for too long.
    pub(crate) async fn stops(&self) {
        loop {
            let end = self.lock().end();
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    fn sent(&self, bytes: usize) {
        let mut state = self.lock();
        state.sent = state.sent.saturating_add(bytes);
        if state.sent >= MOVING_BYTES {
            state.moves();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A few numbers are whole whatever their holder panicked on.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn moves(&mut self) {
        self.sent = 0;
        self.moved = Instant::now();
    }

    /// Says when the connection will have stood still for too long, if
    /// nothing happens.
    fn end(&self) -> Instant {
        match (self.asked, self.working) {
            (false, _) => self.opened + HEAD_PATIENCE,
            (true, 0) => self.moved + STILL_PATIENCE,
            (true, _) => Instant::now() + STILL_PATIENCE,
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.working = state.working.saturating_sub(1);
        state.moves();
    }
}

/// Is a socket whose sent bytes are counted.
#[derive(Debug)]
pub(crate) struct Felt<S> {
    socket: S,
    pulse: Pulse,
}

impl<S> Felt<S> {
    pub(crate) fn new(socket: S, pulse: Pulse) -> Self {
        Self { socket, pulse }
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.pulse.sent(*bytes);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Felt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Felt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    fn felt() -> (Pulse, Felt<DuplexStream>, DuplexStream) {
        let pulse = Pulse::new();
        let (ours, theirs) = tokio::io::duplex(8 * MOVING_BYTES);
        (pulse.clone(), Felt::new(ours, pulse), theirs)
    }

    /// Measures how long it takes until the connection stands still for too
    /// long; a day is for ever.
    async fn end(pulse: &Pulse) -> Duration {
        let before = Instant::now();
        let _for_ever = tokio::time::timeout(Duration::from_hours(24), pulse.stops()).await;
        before.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asks_is_let_go_whatever_is_sent() {
        let (pulse, mut ours, _theirs) = felt();
        tokio::time::sleep(Duration::from_secs(20)).await;
        ours.write_all(&[0; 2 * MOVING_BYTES]).await.expect("sent");
        assert_eq!(end(&pulse).await, HEAD_PATIENCE - Duration::from_secs(20));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_an_answer_is_not() {
        let (pulse, _ours, _theirs) = felt();
        let (first, second) = (pulse.begin(), pulse.begin());
        assert_eq!(end(&pulse).await, Duration::from_hours(24));
        drop(first);
        assert_eq!(end(&pulse).await, Duration::from_hours(24));
        drop(second);
        assert_eq!(end(&pulse).await, STILL_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_is_not() {
        let (pulse, mut ours, mut theirs) = felt();
        drop(pulse.begin());
        let still = pulse.stops();
        let slow = async {
            let mut buffer = [0; MOVING_BYTES];
            for _ in 0..50 {
                tokio::time::sleep(STILL_PATIENCE - Duration::from_secs(1)).await;
                ours.write_all(&buffer).await.expect("sent");
                theirs.read_exact(&mut buffer).await.expect("read");
            }
        };
        tokio::select! {
            () = still => panic!("it was cut"),
            () = slow => {}
        }
        assert_eq!(end(&pulse).await, STILL_PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_pings_is_let_go() {
        let (pulse, mut ours, _theirs) = felt();
        drop(pulse.begin());
        let before = Instant::now();
        let pings = async {
            loop {
                tokio::time::sleep(Duration::from_secs(10)).await;
                ours.write_all(&[0; 17]).await.expect("sent");
            }
        };
        tokio::select! {
            () = pulse.stops() => {}
            () = pings => {}
        }
        assert_eq!(before.elapsed(), STILL_PATIENCE);
    }
}
