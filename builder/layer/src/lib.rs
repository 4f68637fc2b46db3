//! Layers as a pure function of content.

mod compression;
mod directory;
mod entry;
mod error;
mod gzip;
mod index;
mod live;
mod pass;
mod path;
mod read;
#[cfg(test)]
mod sample;
mod time;
mod tree;
mod unpack;
mod write;
mod zstd_frames;

pub use compression::{Compression, Method};
pub use directory::{Attributes, Directory, Found, FoundKind, Held, Listing};
pub use entry::{DeviceKind, Entry, Kind, Metadata};
pub use error::{Error, ErrorKind};
pub use index::{LayerIndex, Record, Stored};
pub use live::{
    Changed, Clamp, Diff, Form, Given, LINK_OWNERS, Marks, Memory, Observation, Operation,
    Performed, RECORDED_NODE, RECORDED_OWNER, Rights, Seen, SeenKind, Settlement, Skipped,
    Source as ChangeSource, diff, observe, operations, perform, remove, settle,
};
pub use pass::{
    Framing, LAYER_FORMAT, Packing, Plain, THREADS_LIMIT, Written, write_archive, write_layer,
    write_layer_and,
};
pub use path::{EntryPath, PathError};
pub use read::{decompress, decompress_archive};
pub use time::Time;
pub use tree::{
    ContentPlace, Contents, File, Follow, Node, NodeKind, ResolveError, Resolved, Tree, Walk,
};
pub use unpack::{Unpacked, unpack};
pub use write::Writer;
