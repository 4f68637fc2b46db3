//! The registry through a socket: for each URL the exact answer, and for the
//! main verbs the exact keys that they leave.

mod access_log;
mod auth;
mod blobs;
mod catalog;
mod crowd;
mod cuts;
mod errors;
mod hosts;
mod load;
mod manifests;
mod mounts;
mod observe;
mod ping;
mod redirects;
mod referrers;
mod scene;
mod still;
mod stop;
mod tags;
mod uploads;
mod wire;
