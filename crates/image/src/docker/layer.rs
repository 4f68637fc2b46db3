//! Layers of docker archives: compressed or not, told apart by their first
//! bytes, since their names and types do not always say.

use std::io::Write;

use oci::{Descriptor, Digest, Hasher, MediaType};

use crate::error::{Error, ErrorKind};
use crate::source::Part;
use crate::tape::{Tape, show};

/// Says how a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    /// With something that is not supported yet.
    Other(&'static str),
}

impl Packing {
    /// Tells by the first bytes.
    pub(super) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Other("zstd"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Other("xz"),
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// How many first bytes tell.
const MAGIC: u64 = 6;

/// Describes a layer as it lies in an archive. One that is not compressed is
/// named by its diff ID, and found wrong when it is read; one that is gets
/// read here, for its own digest and to check the diff ID. It blocks.
pub(super) fn describe(
    tape: &Tape,
    name: &str,
    part: &Part,
    diff_id: &Digest,
    limit: u64,
) -> Result<Descriptor, Error> {
    let start = part.read(0, MAGIC.min(part.size))?;
    match Packing::of(&start) {
        Packing::Plain => Ok(Descriptor::new(
            MediaType::DOCKER_LAYER,
            *diff_id,
            part.size,
        )),
        Packing::Gzip => {
            let mut packed = Hasher::unbroken(oci::Algorithm::Sha256);
            let mut plain = Unpacking::new(diff_id, limit);
            let mut position = 0;
            while position < part.size {
                let length = (blob::Intake::PIECE as u64).min(part.size - position);
                let piece = part.read(position, length)?;
                packed.update(&piece);
                let unpacked = plain.push(&piece, &mut std::io::sink());
                unpacked.map_err(|error| broken(tape.shown(), name, error))?;
                position += length;
            }
            let finished = plain.finish(&mut std::io::sink());
            finished.map_err(|error| broken(tape.shown(), name, error))?;
            let digest = packed.finish();
            Ok(Descriptor::new(
                MediaType::DOCKER_LAYER_GZIP,
                digest,
                part.size,
            ))
        }
        Packing::Other(how) => Err(unsupported(&show(name), how)),
    }
}

pub(super) fn unsupported(name: &str, how: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the layer `{name}` is compressed with {how}, which is not supported yet"),
    )
}

fn broken(shown: &str, name: &str, fault: Fault) -> Error {
    fault.into_error(format!(
        "in the archive `{shown}`: the layer `{}`",
        show(name)
    ))
}

/// Decompresses a gzip stream piece by piece, and checks what comes out.
pub(super) struct Unpacking {
    decoder: flate2::write::MultiGzDecoder<Vec<u8>>,
    hasher: Hasher,
    diff_id: Digest,
    limit: u64,
}

/// Says what is wrong with a layer.
pub(super) enum Fault {
    Gzip(std::io::Error),
    TooLarge(u64),
    DiffId { expected: Digest, actual: Digest },
    Write(std::io::Error),
}

impl Fault {
    /// Reports the fault of a layer.
    pub(super) fn into_error(self, layer: String) -> Error {
        match self {
            Self::Gzip(error) => Error::caused(
                ErrorKind::Invalid,
                format!("{layer} is no whole gzip stream"),
                error,
            ),
            Self::TooLarge(limit) => Error::new(
                ErrorKind::Invalid,
                format!("{layer} has more than {limit} bytes when decompressed"),
            ),
            Self::DiffId { expected, actual } => Error::caused(
                ErrorKind::Mismatch,
                format!("{layer} is not what its diff ID says"),
                oci::Mismatch::Digest { expected, actual },
            ),
            Self::Write(error) => Error::caused(
                ErrorKind::Storage,
                format!("{layer} can not be written"),
                error,
            ),
        }
    }
}

impl Unpacking {
    /// The compressed bytes that are decompressed at once: gzip makes at most
    /// some thousand times as many of them, which have to fit into memory.
    const STEP: usize = 8 * 1024;

    pub(super) fn new(diff_id: &Digest, limit: u64) -> Self {
        Self {
            decoder: flate2::write::MultiGzDecoder::new(Vec::new()),
            hasher: Hasher::unbroken(diff_id.algorithm()),
            diff_id: *diff_id,
            limit,
        }
    }

    /// Takes compressed bytes, and writes what they are.
    pub(super) fn push(&mut self, packed: &[u8], target: &mut dyn Write) -> Result<(), Fault> {
        for step in packed.chunks(Self::STEP) {
            self.decoder.write_all(step).map_err(Fault::Gzip)?;
            self.drain(target)?;
        }
        Ok(())
    }

    /// Says that there are no more bytes, and checks them.
    pub(super) fn finish(mut self, target: &mut dyn Write) -> Result<(), Fault> {
        self.decoder.try_finish().map_err(Fault::Gzip)?;
        self.drain(target)?;
        let (expected, actual) = (self.diff_id, self.hasher.finish());
        if expected == actual {
            return Ok(());
        }
        Err(Fault::DiffId { expected, actual })
    }

    fn drain(&mut self, target: &mut dyn Write) -> Result<(), Fault> {
        let plain = std::mem::take(self.decoder.get_mut());
        self.hasher.update(&plain);
        if self.hasher.length() > self.limit {
            return Err(Fault::TooLarge(self.limit));
        }
        target.write_all(&plain).map_err(Fault::Write)
    }
}
