//! The memory that blobs are read into.
//!
//! Large pieces go back to where they came from once they were sent, since
//! fresh memory costs more than the copy into it. All readers together keep
//! within a budget: while few read they have large pieces and one ahead; when
//! many do, or are slow to take theirs, pieces become small and none is read
//! ahead.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// A large piece, in bytes: large enough that the hand-over between threads
/// does not count, small enough to stay in the processor's cache.
pub(super) const LARGE: usize = 256 * 1024;

/// A small piece, in bytes: what a socket takes at once.
const SMALL: usize = 64 * 1024;

/// Pieces in use beyond which nobody reads ahead, in bytes.
const AHEAD_BELOW: usize = 48 * 1024 * 1024;

/// Pieces in use beyond which new ones are small, in bytes. A thousand
/// readers that take nothing have another 64 MiB.
const LARGE_BELOW: usize = 64 * 1024 * 1024;

/// Large pieces that wait to be used again.
const WAITING: usize = 32;

/// Gives memory for pieces.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// Bytes that are in use.
    used: AtomicUsize,
    waiting: Mutex<Vec<Vec<u8>>>,
}

impl Pieces {
    /// Says how many bytes to read at once now.
    pub(super) fn size(&self) -> usize {
        if self.used.load(Ordering::Relaxed) < LARGE_BELOW {
            LARGE
        } else {
            SMALL
        }
    }

    /// Says whether there is memory to read what nobody asks for yet.
    pub(super) fn may_read_ahead(&self) -> bool {
        self.used.load(Ordering::Relaxed) < AHEAD_BELOW
    }

    /// Gives room for a piece of this many bytes.
    pub(super) fn take(self: &Arc<Self>, length: usize) -> Piece {
        let is_large = length > SMALL && length <= LARGE;
        let memory = if is_large {
            self.lock().pop().unwrap_or_else(|| vec![0; LARGE])
        } else {
            vec![0; length]
        };
        self.used.fetch_add(memory.len(), Ordering::Relaxed);
        Piece {
            memory,
            length,
            home: Arc::clone(self),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        // A list of pieces is whole whatever its holder panicked on.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds memory for a piece until it was sent.
#[derive(Debug)]
pub(super) struct Piece {
    /// At least as long as the piece.
    memory: Vec<u8>,
    length: usize,
    home: Arc<Pieces>,
}

impl Piece {
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.memory.get_mut(..self.length).unwrap_or_default()
    }

    /// Gives what was read into it.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.home.used.fetch_sub(memory.len(), Ordering::Relaxed);
        if memory.len() == LARGE {
            let mut waiting = self.home.lock();
            if waiting.len() < WAITING {
                waiting.push(memory);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_memory_is_used_again() {
        let pieces = Arc::new(Pieces::default());
        let mut piece = pieces.take(LARGE - 5);
        piece.room().fill(7);
        let memory = piece.as_ref().as_ptr();
        let bytes = piece.into_bytes();
        assert_eq!(bytes, vec![7; LARGE - 5]);
        let part = bytes.slice(5..10);
        drop(bytes);
        assert_ne!(pieces.take(LARGE).as_ref().as_ptr(), memory, "in use");
        drop(part);
        assert_eq!(pieces.take(LARGE).as_ref().as_ptr(), memory);
        assert_eq!(pieces.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn many_readers_have_small_pieces() {
        let pieces = Arc::new(Pieces::default());
        let mut taken = Vec::new();
        while pieces.size() == LARGE {
            assert_eq!(pieces.may_read_ahead(), taken.len() < AHEAD_BELOW / LARGE);
            taken.push(pieces.take(LARGE));
        }
        assert_eq!(taken.len(), LARGE_BELOW / LARGE);
        for _ in 0..1000 {
            taken.push(pieces.take(pieces.size()));
        }
        let used = pieces.used.load(Ordering::Relaxed);
        assert_eq!(used, LARGE_BELOW + 1000 * SMALL);
        drop(taken);
        assert_eq!(pieces.size(), LARGE);
        assert_eq!(pieces.lock().len(), WAITING);
    }
}
