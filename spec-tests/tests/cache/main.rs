//! The cache of `wharf build`, seen from outside: which steps a build does again after
//! one thing has changed, and that what comes of it is what a build without a cache makes.
//!
//! [`cases`] are tables of changes; [`kills`] and [`together`] are builds that are cut off
//! and builds at the same time.

mod base;
mod case;
mod cases;
mod change;
mod kills;
mod progress;
mod scene;
mod together;
