use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

/// Fails one system call, by its number.
#[derive(Debug, Default)]
pub(in crate::local) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    order: Option<(usize, Errno)>,
}

impl Faults {
    /// Fails the call of this number from now on, which counts from 0, once.
    pub(in crate::local) fn fail_at(&self, number: usize, error: Errno) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls.clear();
        state.order = Some((number, error));
    }

    /// Fails nothing more, and gives the calls since [`Faults::fail_at`].
    pub(in crate::local) fn heal(&self) -> Vec<&'static str> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.order = None;
        std::mem::take(&mut state.calls)
    }

    pub(in crate::local) fn step(&self, call: &'static str) -> rustix::io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.calls.len();
        state.calls.push(call);
        match state.order {
            Some((wanted, error)) if wanted == number => Err(error),
            _ => Ok(()),
        }
    }
}
