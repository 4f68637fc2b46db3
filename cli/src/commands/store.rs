//! What builds keep for each other: how much it is, and its end.

pub(crate) mod df;
pub(crate) mod prune;
