//! Frames: what lies under the key of a blob, as bytes.
//!
//! ```text
//! 15  the mark of a frame; no record may begin with it
//!  1  the kind: `i` inline, `p` pointer, `r` reservation, `g` grave
//! 32  an identifier in hexadecimal digits: no two frames have the same
//! 16  the bytes of the blob, in hexadecimal digits
//!  …  inline: these bytes
//!  …  otherwise, for each segment: 32 digits of its data, 16 of its length
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};
use object_store::path::Path;

use crate::error::{Error, ErrorKind};

/// Says what is known of a blob from the first bytes of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The bytes of the blob.
    pub(super) length: u64,
}

/// Says what a frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The blob follows.
    Inline,
    /// The blob lies in these segments.
    Pointer,
    /// There is no blob, and somebody is about to make one of these segments.
    Reservation,
    /// There is no blob any more, and these segments are to be removed.
    Grave,
}

/// Says where the data of a blob lies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Segments(Vec<Segment>);

/// Names the first bytes of a data object.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Segment {
    /// Which data object.
    pub(super) data: Id,
    /// How many of its bytes.
    pub(super) length: u64,
}

/// Names something that nobody else has named: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Id(String);

/// The size of every header, in bytes.
pub(super) const HEADER: usize = MARK.len() + 1 + Id::DIGITS + LENGTH;

/// The segments that fit into a frame. An upload that is continued makes at
/// most one of each 16 MiB, so this bounds it at 64 GiB in the worst case; one
/// that comes in one piece makes one of each 156 GiB.
pub(super) const SEGMENTS: usize = 4096;

/// The largest frame but for inline ones, in bytes.
pub(super) const FRAME_LIMIT: u64 = (HEADER + SEGMENTS * SEGMENT) as u64;

const MARK: &[u8; 15] = b"\0wharf blob v1\0";

/// The digits of a length.
const LENGTH: usize = 16;

/// The bytes of a segment in a frame.
const SEGMENT: usize = Id::DIGITS + LENGTH;

/// Says whether these bytes would be taken for a frame.
pub(super) fn resembles_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK)
}

impl Header {
    /// Reads a header; `None` where the bytes are something else.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, Error> {
        if !resembles_frame(bytes) {
            return Ok(None);
        }
        let fields = bytes.get(MARK.len()..HEADER).ok_or_else(broken)?;
        let (kind, rest) = fields.split_first().ok_or_else(broken)?;
        let kind = Kind::of(*kind).ok_or_else(broken)?;
        let length = rest.get(Id::DIGITS..).ok_or_else(broken)?;
        Ok(Some(Self {
            kind,
            length: number(length)?,
        }))
    }
}

impl Kind {
    const ALL: [Self; 4] = [Self::Inline, Self::Pointer, Self::Reservation, Self::Grave];

    fn byte(self) -> u8 {
        match self {
            Self::Inline => b'i',
            Self::Pointer => b'p',
            Self::Reservation => b'r',
            Self::Grave => b'g',
        }
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.byte() == byte)
    }
}

/// Gives what comes before a blob itself; each header is another.
pub(super) fn inline_header(content: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER);
    put_header(&mut frame, Kind::Inline, content.len() as u64);
    frame.freeze()
}

fn put_header(frame: &mut BytesMut, kind: Kind, length: u64) {
    frame.put_slice(MARK);
    frame.put_u8(kind.byte());
    frame.put_slice(Id::fresh().as_str().as_bytes());
    frame.put_slice(format!("{length:016x}").as_bytes());
}

impl Segments {
    /// Takes segments one after the other.
    pub(super) fn new(segments: Vec<Segment>) -> Result<Self, Error> {
        let sum = segments
            .iter()
            .try_fold(0_u64, |sum, segment| sum.checked_add(segment.length));
        if segments.len() > SEGMENTS || sum.is_none() {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("a blob has at most {SEGMENTS} segments"),
            ));
        }
        Ok(Self(segments))
    }

    pub(super) fn as_slice(&self) -> &[Segment] {
        &self.0
    }

    /// Counts the bytes of the blob.
    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|segment| segment.length).sum()
    }

    pub(super) fn names(&self, data: &Id) -> bool {
        self.0.iter().any(|segment| segment.data == *data)
    }

    /// Frames the segments; each frame is another.
    pub(super) fn encode(&self, kind: Kind) -> Bytes {
        let mut frame = BytesMut::with_capacity(HEADER + self.0.len() * SEGMENT);
        put_header(&mut frame, kind, self.size());
        for segment in &self.0 {
            frame.put_slice(segment.data.as_str().as_bytes());
            frame.put_slice(format!("{:016x}", segment.length).as_bytes());
        }
        frame.freeze()
    }

    /// Reads the segments of a whole frame that is not inline.
    pub(super) fn decode(frame: &[u8], header: Header) -> Result<Self, Error> {
        let rest = frame.get(HEADER..).ok_or_else(broken)?;
        let (entries, odd) = rest.as_chunks::<SEGMENT>();
        if !odd.is_empty() {
            return Err(broken());
        }
        let segments: Vec<Segment> = entries
            .iter()
            .map(|entry| {
                let (data, length) = entry.split_at(Id::DIGITS);
                let data = String::from_utf8_lossy(data).into_owned();
                Ok(Segment {
                    data: Id::try_from(data).map_err(corrupt)?,
                    length: number(length)?,
                })
            })
            .collect::<Result<_, Error>>()?;
        let segments = Self::new(segments).map_err(corrupt)?;
        match segments.size() == header.length {
            true => Ok(segments),
            false => Err(broken()),
        }
    }
}

fn number(digits: &[u8]) -> Result<u64, Error> {
    // A sign would be no digit, and yet be read.
    let text = match digits.iter().all(u8::is_ascii_hexdigit) {
        true => std::str::from_utf8(digits).map_err(corrupt)?,
        false => return Err(broken()),
    };
    u64::from_str_radix(text, 16).map_err(corrupt)
}

fn broken() -> Error {
    Error::new(ErrorKind::Corrupt, "a frame can not be read")
}

fn corrupt(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::caused(ErrorKind::Corrupt, "a frame can not be read", error)
}

impl Id {
    const DIGITS: usize = 32;

    /// Names something that nobody else has named.
    pub(super) fn fresh() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // Each state is keyed anew from the randomness of the system.
        let half = || RandomState::new().hash_one(());
        Self(format!("{:016x}{:016x}", half(), half()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the path of the data object of this name.
    pub(super) fn data_path(&self) -> Path {
        // The digits are the only part that varies, and need no escape.
        Path::from_iter([".wharf", "data", self.0.as_str()])
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err("an identifier is no 32 hexadecimal digits")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(lengths: &[u64]) -> Segments {
        let segment = |&length| Segment {
            data: Id::fresh(),
            length,
        };
        Segments::new(lengths.iter().map(segment).collect()).unwrap()
    }

    fn decode(frame: &[u8]) -> Result<(Kind, Segments), Error> {
        let header = Header::decode(frame)?.expect("it is a frame");
        Ok((header.kind, Segments::decode(frame, header)?))
    }

    #[test]
    fn frames_come_back() {
        for lengths in [&[][..], &[1], &[u64::MAX], &[1 << 50; SEGMENTS]] {
            let segments = segments(lengths);
            for kind in [Kind::Pointer, Kind::Reservation, Kind::Grave] {
                let frame = segments.encode(kind);
                assert!(frame.len() as u64 <= FRAME_LIMIT);
                assert_eq!(decode(&frame).unwrap(), (kind, segments.clone()));
                assert_ne!(segments.encode(kind), frame);
            }
        }
        let frame = inline_header(b"content");
        let header = Header::decode(&frame).unwrap().unwrap();
        assert_eq!((header.kind, header.length), (Kind::Inline, 7));
        assert_eq!(frame.len(), HEADER);
        assert_ne!(inline_header(b"content"), frame);
    }

    #[test]
    fn too_many_segments_are_refused() {
        for lengths in [&[1 << 50; SEGMENTS + 1][..], &[u64::MAX, 1]] {
            let segment = |&length| Segment {
                data: Id::fresh(),
                length,
            };
            let error = Segments::new(lengths.iter().map(segment).collect()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
        }
    }

    #[test]
    fn other_bytes_are_no_frame() {
        for bytes in [&b""[..], b"\0wharf blob v1", b"{}", &[0; 64]] {
            assert_eq!(Header::decode(bytes).unwrap(), None);
        }
    }

    #[test]
    fn broken_frames_are_corrupt() {
        let whole = segments(&[7, 1]).encode(Kind::Pointer);
        let replaced = |at: usize, by: &[u8]| {
            let mut bytes = whole.to_vec();
            bytes[at..at + by.len()].copy_from_slice(by);
            bytes
        };
        let escaping = replaced(HEADER, b"../../../../tmp/0123456789abcdef");
        let signed = replaced(HEADER - LENGTH, b"+");
        let other_sum = replaced(HEADER - 1, b"9");
        let other_kind = replaced(MARK.len(), b"x");
        let cut = whole[..whole.len() - 1].to_vec();
        let short = whole[..HEADER - 1].to_vec();
        for broken in [escaping, signed, other_sum, other_kind, cut, short] {
            let error = decode(&broken).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn fresh_names_differ() {
        let names: std::collections::BTreeSet<String> = (0..1000).map(|_| Id::fresh().0).collect();
        assert_eq!(names.len(), 1000);
    }
}
