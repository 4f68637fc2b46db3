//! The supervisor of a command that has one user number alone: what it asks
//! of owners and devices is recorded, and shown to it as done.
//!
//! In a user namespace with one number the kernel refuses every other owner,
//! every device and every other user. A filter ([`install`]) has the calls
//! about them wait, and the process beside the command ([`supervise`]) answers
//! them: with records in attributes of the files, and with numbers that it
//! keeps for each thread.
//!
//! Where there are many numbers, the kernel refuses devices alone, and those
//! alone are recorded ([`Subject::Devices`]). They are not shown to the command
//! then, which sees empty files: see `device`. A filter that somebody listens to
//! is then no longer to be had inside.
//!
//! It is deliberately no protection: what a command may read or write, the
//! kernel alone decides, and to the kernel all of it is one user. Not done are:
//! permissions of the user that a command believes to be; opening of recorded
//! devices; `/proc` and directory listings (`d_type`); access(2); credentials
//! over sockets; what capget(2) tells, and what files and securebits(7) give of
//! capabilities; files that openat2(2) makes with conditions on the path, and
//! sockets and further names of symbolic links (link(2)), which are root's when
//! others make them; programs of 32 bits.

mod answer;
mod attribute;
mod credential;
mod device;
mod family;
mod filter;
mod identity;
mod make;
mod notify;
mod owner;
mod ownership;
mod records;
mod rename;
mod sight;
mod supervisor;
mod target;

pub(crate) use supervisor::{
    Before, Faked, Kept, Subject, Supervision, install, install_plain, supervise,
};
