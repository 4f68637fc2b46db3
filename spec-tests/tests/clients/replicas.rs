//! Three processes on one bucket: what a client pushes to one it pulls from another, and
//! through the balancer from whichever.

use spec_tests::{Deployment, Registry};

/// Starts them.
pub(crate) fn start() -> Registry {
    let builder = Registry::builder().deployed(Deployment::Replicas);
    builder
        .start()
        .expect("no registry is given to these tests")
}

/// Returns the name of an image on one process, as clients spell it.
pub(crate) fn image(registry: &Registry, replica: usize, name: &str) -> String {
    let url = registry.replica(replica);
    let host = url.strip_prefix("http://").expect("plain HTTP");
    format!("{host}/{name}")
}
