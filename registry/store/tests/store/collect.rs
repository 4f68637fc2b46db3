//! What collection takes and what it leaves, whatever comes in between.

mod contents;
mod crowd;
mod interrupted;
mod killed;
mod manifests;
mod uploads;
mod yard;
