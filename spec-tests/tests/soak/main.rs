//! What a registry must survive: being killed, alone or one of several, a disk that is full
//! or fails, cut connections, a second server on its directory, blobs far larger than its
//! memory, and crowds.
//!
//! A server is a process of the built program, spoken to over a raw connection, so that
//! a request can stop at any byte. Power loss is not tested here: what a killed process
//! has written stays in the kernel's cache.
#![expect(
    clippy::print_stdout,
    reason = "the numbers are what a long run is made for"
)]

mod content;
mod crowds;
mod cuts;
mod dice;
mod failing_disk;
mod fleet;
mod full_disk;
mod http;
mod images;
mod kills;
mod ledger;
mod memory;
mod server;
mod two_servers;
mod uploads;
mod verify;
mod worker;
