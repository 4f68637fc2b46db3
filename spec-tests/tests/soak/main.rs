//! What a registry must survive: being killed, a full disk, cut connections, a second
//! server on its directory, and blobs far larger than its memory.
//!
//! A server is a process of the built program, spoken to over a raw connection, so that
//! a request can stop at any byte. Power loss is not tested here: what a killed process
//! has written stays in the kernel's cache.
#![expect(
    clippy::print_stdout,
    reason = "the numbers are what a long run is made for"
)]

mod content;
mod cuts;
mod dice;
mod fleet;
mod full_disk;
mod http;
mod kills;
mod ledger;
mod memory;
mod server;
mod two_servers;
mod uploads;
mod verify;
mod worker;
