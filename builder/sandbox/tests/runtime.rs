//! Commands by OCI runtimes.

fn main() {}
