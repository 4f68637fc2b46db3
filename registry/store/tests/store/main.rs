//! The store through its handles: what each verb leaves behind, and what is
//! left when the storage fails in the middle of one.

mod faults;
mod scene;
mod uploads;
mod verbs;
