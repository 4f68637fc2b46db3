//! What a step is made of, as a list of named inputs: their digest is the key,
//! and what differs between two lists says why a step was not found.

use oci::{Algorithm, Digest, Hasher};
use serde::{Deserialize, Serialize};

/// The version of definitions. It is raised where a step comes to something
/// else than before with the same inputs.
pub(crate) const DEFINITION_FORMAT: u32 = 2;

/// Is everything that the result of a step depends on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Definition {
    inputs: Vec<Input>,
}

/// Is one thing that a result depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Input {
    /// What it is.
    pub(crate) kind: InputKind,
    /// Its name among those of its kind, such as that of a variable.
    pub(crate) name: String,
    /// The digest of its value: some values are secrets, against all advice.
    pub(crate) value: Digest,
}

/// Says what an input is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum InputKind {
    /// The instruction, as it is written.
    Instruction,
    /// What it stands on: a base image, or what the steps before came to.
    Base,
    /// The machine that it is for.
    Platform,
    /// An argument of the build (`ARG`).
    Argument,
    /// A variable of the image (`ENV`).
    Environment,
    /// The user (`USER`).
    User,
    /// The directory (`WORKDIR`).
    Directory,
    /// A stage or an image that files are taken from.
    Source,
    /// A file of a context, by its path.
    File,
    /// A mount.
    Mount,
    /// A machine of `--add-host`.
    Host,
    /// An option of the build.
    Option,
}

impl Definition {
    /// Adds an input.
    pub(crate) fn add(
        &mut self,
        kind: InputKind,
        name: impl Into<String>,
        value: impl AsRef<[u8]>,
    ) {
        self.add_digest(kind, name, Digest::sha256(value.as_ref()));
    }

    /// Adds an input whose value has been digested.
    pub(crate) fn add_digest(&mut self, kind: InputKind, name: impl Into<String>, value: Digest) {
        self.inputs.push(Input {
            kind,
            name: name.into(),
            value,
        });
    }

    /// Gives the key of the same step with whatever content of its files.
    pub(crate) fn shape(&self, files: Digest) -> Digest {
        let mut shaped = self.clone();
        shaped
            .inputs
            .retain(|input| input.kind != InputKind::File || !input.name.is_empty());
        shaped.add_digest(InputKind::File, "shape", files);
        shaped.key()
    }

    /// Gives the inputs, in their order.
    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Gives the key: each field stands behind its length, so that no two
    /// lists are the same bytes.
    pub(crate) fn key(&self) -> Digest {
        let mut hasher = Hasher::unbroken(Algorithm::Sha256);
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(b"definition");
        field(&DEFINITION_FORMAT.to_le_bytes());
        field(&layer::LAYER_FORMAT.to_le_bytes());
        field(&(self.inputs.len() as u64).to_le_bytes());
        for Input { kind, name, value } in &self.inputs {
            field(&[*kind as u8]);
            field(name.as_bytes());
            field(value.to_string().as_bytes());
        }
        hasher.finish()
    }
}
