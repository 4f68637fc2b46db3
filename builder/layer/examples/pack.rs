//! Measures how fast files become a layer, and how small: reads the regular
//! files below a directory, and writes their layer for each number of threads.
//!
//! `cargo run --release -p layer --example pack -- DIRECTORY [THREADS]... [OUT]`

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use layer::{Directory, Entry, EntryPath, Error, Found, FoundKind, Kind, Metadata};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let from = arguments.next().ok_or("say a directory")?;
    let directory = Directory::open(Path::new(&from))?;
    let mut files = Vec::new();
    find(&directory, &EntryPath::root(), &mut files)?;
    let (mut threads, mut out) = (Vec::new(), None);
    for argument in arguments {
        match argument.to_str().and_then(|text| text.parse().ok()) {
            Some(count) => threads.push(count),
            None => out = Some(PathBuf::from(argument)),
        }
    }
    if threads.is_empty() {
        threads.extend([1, 2].map(|count| NonZeroUsize::new(count).expect("not 0")));
    }
    for count in threads {
        let out: Box<dyn Write> = match &out {
            Some(path) => Box::new(fs_err::File::create(path)?),
            None => Box::new(std::io::sink()),
        };
        measure(&directory, &files, count, out)?;
    }
    Ok(())
}

fn find(
    directory: &Directory,
    at: &EntryPath,
    files: &mut Vec<(EntryPath, Found)>,
) -> Result<(), Error> {
    for name in directory.names(at)? {
        let path = at.child(&name);
        let Some(found) = directory.stat(&path)? else {
            continue;
        };
        match found.kind {
            FoundKind::Directory => find(directory, &path, files)?,
            FoundKind::File => files.push((path, found)),
            _ => {}
        }
    }
    Ok(())
}

fn measure(
    directory: &Directory,
    files: &[(EntryPath, Found)],
    threads: NonZeroUsize,
    out: impl Write,
) -> Result<(), Error> {
    let start = Instant::now();
    let (written, ()) = layer::write_layer(threads, out, |writer| {
        files.iter().try_for_each(|(path, found)| {
            let entry = Entry {
                path: path.clone(),
                kind: Kind::File { size: found.size },
                metadata: Metadata {
                    mode: found.mode,
                    ..Metadata::default()
                },
            };
            writer.file(&entry, &mut directory.read(path, found)?)
        })
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let report = format!(
        "{threads} threads: {:.1} MB in {seconds:.2} s, {:.1} MB/s, to {:.4}; {}\n",
        written.uncompressed as f64 / 1e6,
        written.uncompressed as f64 / 1e6 / seconds,
        written.size as f64 / written.uncompressed as f64,
        written.digest,
    );
    let printed = std::io::stdout().write_all(report.as_bytes());
    printed.map_err(|error| Error::io("can not print", error))
}
