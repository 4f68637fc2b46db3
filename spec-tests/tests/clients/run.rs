//! `RUN` wherever wharf runs: the same bytes from every tier, nothing left behind, no
//! secret in anything that is kept, and no way out.

mod accepted;
mod connected;
mod escapes;
mod places;
mod recipe;
mod secrets;
mod tiers;
mod verified;
