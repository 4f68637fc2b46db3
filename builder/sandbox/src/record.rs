//! The supervisor of a command that has one user number alone: what it asks
//! of owners and devices is recorded, and shown to it as done.
