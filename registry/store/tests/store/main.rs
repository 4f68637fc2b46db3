//! The store through its handles: what each verb leaves behind, and what is
//! left when the storage fails in the middle of one.

mod faults;
mod keys;
mod promises;
mod races;
mod scene;
mod shuffled;
mod uploads;
mod verbs;
