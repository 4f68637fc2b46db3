//! Builds through the library, with a home of their own and no network: exact
//! digests, and what is written when.

mod adds;
mod caches;
mod compression;
mod copies;
mod digests;
mod language;
mod parents;
mod scene;
mod server;
mod sources;
mod writes;
