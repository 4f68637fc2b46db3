//! Time grows with what changed.
