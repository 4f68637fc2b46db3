//! Prints the file system that layers make, and how fast they were read.
//!
//! `cargo run --release -p layer --example merge -- LAYER...`

use std::io::{BufWriter, Write as _};
use std::time::Instant;

use layer::{EntryPath, LayerIndex, NodeKind, Tree, decompress};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tree = Tree::new();
    for (origin, name) in (0..).zip(std::env::args_os().skip(1)) {
        let file = fs_err::File::open(&name)?;
        let length = file.metadata()?.len();
        let start = Instant::now();
        let index = LayerIndex::read(&mut decompress(file)?)?;
        let seconds = start.elapsed().as_secs_f64();
        tree.apply(origin, &index)?;
        let encoded = index.encode();
        writeln!(
            std::io::stderr(),
            "{}: {} entries, {:.1} MB/s of the layer, an index of {} bytes",
            name.display(),
            index.records().len(),
            length as f64 / seconds / 1e6,
            encoded.len(),
        )?;
        if LayerIndex::decode(&encoded)? != index {
            return Err("the index does not come back".into());
        }
    }
    let mut out = BufWriter::new(std::io::stdout().lock());
    for (path, node) in tree.walk(&EntryPath::root()) {
        let metadata = &node.metadata;
        let what = match &node.kind {
            NodeKind::Directory(_) => String::from("directory"),
            NodeKind::File(file) => file
                .digest
                .map(|digest| digest.to_string())
                .unwrap_or_default(),
            NodeKind::Symlink { target } => target.escape_ascii().to_string(),
            NodeKind::Fifo => String::from("fifo"),
            NodeKind::Device { major, minor, .. } => format!("{major}:{minor}"),
        };
        writeln!(
            out,
            "{path} {:o} {}:{} {} {what}",
            metadata.mode, metadata.uid, metadata.gid, metadata.mtime,
        )?;
    }
    Ok(out.flush()?)
}
