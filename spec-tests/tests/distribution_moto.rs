//! The suite of `distribution`, with the data in a bucket of moto, so that what works on
//! one S3 server does not work on it alone: the name of this binary says so.

#[path = "distribution/main.rs"]
mod suite;
