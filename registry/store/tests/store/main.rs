//! The store through its handles: what each verb leaves behind, and what is
//! left when the storage fails in the middle of one.

mod collect;
mod dice;
mod faults;
mod interrupted;
mod keys;
mod paused;
mod promises;
mod races;
mod scene;
mod scrub;
mod uploads;
mod verbs;
