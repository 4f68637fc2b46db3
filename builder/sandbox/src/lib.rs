//! Commands of a build, apart from the machine that runs them.
//!
//! A build that runs commands has a *worker*: this program again
//! (`__worker`), in the namespaces that the [`Tier`] gives, where it handles
//! the files of mapped users and mounts. Each command then has a process of
//! its own below the worker, which makes its namespaces, mounts and filters
//! and ends with everything that the command left running.
//!
//! The crate knows nothing of images, layers or Dockerfiles.

#![allow(
    unsafe_code,
    reason = "this is the crate that may: forks, filters and their notifications have no other way (ADR 0009)"
)]
#![deny(unsafe_op_in_unsafe_fn, reason = "each call has a proof of its own")]

mod channel;
mod error;
mod exec;
mod probe;
mod record;
mod runtime;
mod tier;
mod worker;

pub use channel::{Channel, DESCRIPTOR_LIMIT, MESSAGE_LIMIT, Message};
pub use error::{Error, ErrorKind};
pub use exec::{Ended, Kept, Limits, Mount, MountKind, Network, Stdio, Step, run, run_with};
pub use probe::{Check, Facts, Finding, Given, Marks, Probe};
pub use tier::{IdRange, Ids, Isolation, Tier, TierName, UnknownTier};
pub use worker::{Killer, Launch, Worker, dispatch};
