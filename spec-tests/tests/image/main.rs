//! The image specification, asked of what `wharf copy` writes and reads: layouts,
//! descriptors, manifests and indexes. `requirements.toml` names the requirements.

mod bench;
mod content;
mod layout;
mod refused;
