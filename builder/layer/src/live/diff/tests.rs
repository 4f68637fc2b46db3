//! Tests of what a command changed.
