//! Tables of changes. What an image can not depend on makes no step run; what it can
//! depend on makes exactly those run that can see it.
//!
//! A note of a row names the mistake of another builder that it would find, by the number
//! under which that builder's users reported it.

mod arguments;
mod bases;
mod calls;
mod commands;
mod files;
mod known;
mod mounts;
mod placing;
mod stages;
