//! Bytes that need not be kept to be known again.

use sha2::{Digest as _, Sha256};

use crate::dice::Dice;

/// The content of a blob.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// Noise from a seed.
    Noise {
        /// What the noise is made of.
        seed: u64,
        /// Bytes of it.
        length: usize,
    },
    /// A text.
    Text(String),
}

impl Content {
    /// Returns noise of a random length.
    pub(crate) fn noise(dice: &mut Dice) -> Self {
        Self::Noise {
            seed: dice.next(),
            length: dice.length(),
        }
    }

    /// Returns the config of an image that does not run.
    pub(crate) fn config(dice: &mut Dice) -> Self {
        let number = dice.next();
        Self::Text(format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"{number}\",\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[]}}}}"
        ))
    }

    /// Makes the bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Noise { seed, length } => {
                let mut dice = Dice::new(*seed);
                let mut bytes = Vec::with_capacity(length + 8);
                while bytes.len() < *length {
                    bytes.extend_from_slice(&dice.next().to_le_bytes());
                }
                bytes.truncate(*length);
                bytes
            }
            Self::Text(text) => text.clone().into_bytes(),
        }
    }
}

/// Spells a finished hash as a digest.
pub(crate) fn spell(hash: Sha256) -> String {
    let hash = hash.finalize();
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
