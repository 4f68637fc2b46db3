//! Pointers: what lies under the key of a blob whose data lies elsewhere.

use bytes::Bytes;
use object_store::path::Path;

use crate::error::{Error, ErrorKind};

/// Says where the data of a blob lies.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Pointer {
    /// One after the other.
    pub(super) segments: Vec<Segment>,
}

/// Names the first bytes of a data object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Segment {
    /// Which data object.
    pub(super) data: Data,
    /// How many of its bytes.
    pub(super) length: u64,
}

/// Names a data object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Data(String);

/// The size of every pointer, in bytes: whatever has another size needs no
/// second look.
pub(super) const POINTER_SIZE: u64 = 512;

/// The segments that fit into a pointer.
pub(super) const SEGMENTS: usize = 5;

const MAGIC: &[u8] = b"wharf-pointer\n";

impl Pointer {
    /// Counts the bytes of the blob.
    pub(super) fn size(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    pub(super) fn names(&self, data: &Data) -> bool {
        self.segments.iter().any(|segment| segment.data == *data)
    }

    pub(super) fn encode(&self) -> Result<Bytes, Error> {
        let mut text = MAGIC.to_vec();
        let size = usize::try_from(POINTER_SIZE).unwrap_or_default();
        serde_json::to_writer(&mut text, self).map_err(|error| {
            Error::caused(ErrorKind::Corrupt, "a pointer can not be written", error)
        })?;
        if text.len() > size {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "a blob of {} segments can not be stored",
                    self.segments.len()
                ),
            ));
        }
        text.resize(size, b' ');
        Ok(text.into())
    }

    /// Reads a pointer; `None` where the bytes are content.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        if !resembles_pointer(bytes) {
            return Ok(None);
        }
        let pointer: Self = serde_json::from_slice(&bytes[MAGIC.len()..]).map_err(corrupt)?;
        let size = pointer
            .segments
            .iter()
            .try_fold(0_u64, |sum, segment| sum.checked_add(segment.length));
        match size {
            Some(_) => Ok(Some(pointer)),
            None => Err(corrupt("the sizes of its segments are too large")),
        }
    }
}

/// Says whether these bytes would be taken for a pointer.
pub(super) fn resembles_pointer(bytes: &[u8]) -> bool {
    bytes.len() as u64 == POINTER_SIZE && bytes.starts_with(MAGIC)
}

fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::caused(ErrorKind::Corrupt, "a pointer can not be read", error)
}

impl Data {
    /// Hexadecimal digits in the name of a data object.
    const DIGITS: usize = 32;

    /// Names a data object that nobody else has named.
    pub(super) fn fresh() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // Each state is keyed anew from the randomness of the system.
        let half = || RandomState::new().hash_one(());
        Self(format!("{:016x}{:016x}", half(), half()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn path(&self) -> Path {
        // The digits are the only part that varies, and need no escape.
        Path::from_iter([".wharf", "data", self.0.as_str()])
    }
}

impl From<Data> for String {
    fn from(data: Data) -> Self {
        data.0
    }
}

impl TryFrom<String> for Data {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err("the name of a data object is no 32 hexadecimal digits")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(lengths: &[u64]) -> Pointer {
        Pointer {
            segments: lengths
                .iter()
                .map(|&length| Segment {
                    data: Data::fresh(),
                    length,
                })
                .collect(),
        }
    }

    #[test]
    fn pointers_come_back() {
        for lengths in [&[][..], &[1], &[u64::MAX], &[1 << 60; SEGMENTS]] {
            let pointer = pointer(lengths);
            let bytes = pointer.encode().unwrap();
            assert_eq!(bytes.len() as u64, POINTER_SIZE);
            assert_eq!(Pointer::decode(&bytes).unwrap(), Some(pointer));
        }
    }

    #[test]
    fn too_many_segments_are_refused() {
        let error = pointer(&[1 << 60; 9]).encode().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn content_is_no_pointer() {
        let bytes = pointer(&[7]).encode().unwrap();
        assert_eq!(Pointer::decode(&bytes[..511]).unwrap(), None);
        assert_eq!(Pointer::decode(&[0; 512]).unwrap(), None);
        assert_eq!(Pointer::decode(b"").unwrap(), None);
    }

    #[test]
    fn broken_pointers_are_corrupt() {
        let whole = String::from_utf8(pointer(&[u64::MAX, 1]).encode().unwrap().to_vec()).unwrap();
        let elsewhere = "../../../../tmp/0123456789abcdef";
        assert_eq!(elsewhere.len(), Data::DIGITS);
        let mut escaping = pointer(&[1]);
        escaping.segments[0].data = Data(elsewhere.to_owned());
        let escaping = escaping.encode().unwrap();
        for broken in [
            whole.as_bytes(),
            &escaping,
            whole.replace('}', "]").as_bytes(),
        ] {
            let error = Pointer::decode(broken).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn fresh_names_differ() {
        let names: std::collections::BTreeSet<String> =
            (0..1000).map(|_| Data::fresh().0).collect();
        assert_eq!(names.len(), 1000);
    }
}
