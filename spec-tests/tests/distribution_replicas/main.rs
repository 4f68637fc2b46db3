//! The suite of `distribution`, asked of three processes over one bucket behind a balancer
//! that gives every request to another one: the name of this binary says so. And what can
//! be asked of several processes only.

mod crossing;
mod races;

#[path = "../distribution/main.rs"]
mod suite;
