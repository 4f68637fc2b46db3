//! The suite of `distribution`, with the data in a bucket of the S3 server in
//! `spec-tests/s3`: the name of this binary says so.

#[path = "distribution/main.rs"]
mod suite;
