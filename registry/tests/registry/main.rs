//! The registry through a socket: for each URL the exact answer, and for the
//! main verbs the exact keys that they leave.

mod auth;
mod blobs;
mod catalog;
mod crowd;
mod cuts;
mod errors;
mod hosts;
mod manifests;
mod mounts;
mod observe;
mod ping;
mod referrers;
mod scene;
mod still;
mod stop;
mod tags;
mod uploads;
mod wire;
