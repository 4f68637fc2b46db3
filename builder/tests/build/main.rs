//! Builds through the library, with a home of their own and no network: exact
//! digests, and what is written when.

mod digests;
mod parents;
mod scene;
mod sources;
mod writes;
