//! The programs that people already have, each against a registry of its own:
//! docker, podman, buildah, skopeo, containerd's `ctr`, and `wharf` as a client.
//!
//! Every test runs in a [`cage`]: its own mounts, network and processes, so that a
//! daemon can be started beside one that is already there and nothing is left
//! behind. These tests say nothing of the protocol's corners, only that real
//! programs get what they sent.
#![expect(
    clippy::print_stdout,
    reason = "a test's progress is read by people when it fails"
)]

mod build;
mod buildah;
mod cage;
mod cases;
mod ctr;
mod docker;
mod fixtures;
mod layout;
mod podman;
mod replicas;
mod run;
mod site;
mod skopeo;
mod tool;
mod wharf;
