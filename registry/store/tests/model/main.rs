//! An executable model of the collection of garbage (ADR 0010), of which a
//! model checker visits every state: all orders in which the operations of
//! several replicas can reach the storage, with each of them stopping anywhere
//! for as long as it likes, or for ever.
//!
//! The storage has two repositories, one blob, and two manifests that need it
//! ([`world`]). Processes push, mount, put, delete and collect; each of their
//! steps is one operation on one key ([`process`], [`writer`], [`collector`],
//! [`judge`]). What is promised with a 201 must be so in every state after it
//! ([`state`]). No age protects anything here: what is due is due at once, and
//! the owner of a round may be taken for dead at any time.
//!
//! The model leaves out what the proof does not need: tags, referrers,
//! policies (each is a removal like any other, whose writers hold the same
//! fence), and lists that change while they are paged. The store itself is run
//! under a scheduler in `tests/store`.

mod collector;
mod judge;
mod process;
mod runs;
mod state;
mod system;
mod world;
mod writer;
