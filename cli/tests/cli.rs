//! The built program, run as a person runs it: with a home of its own, no
//! environment, and a registry that it serves itself.

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/build.rs"]
mod build;
#[path = "cli/build_words.rs"]
mod build_words;
#[path = "cli/cache_mounts.rs"]
mod cache_mounts;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/copy.rs"]
mod copy;
#[path = "cli/dockerfile.rs"]
mod dockerfile;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/inspect.rs"]
mod inspect;
#[path = "cli/library.rs"]
mod library;
#[path = "cli/login.rs"]
mod login;
#[path = "cli/outputs.rs"]
mod outputs;
#[path = "cli/remote.rs"]
mod remote;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/storage.rs"]
mod storage;
#[path = "cli/tls.rs"]
mod tls;
