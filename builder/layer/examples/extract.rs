//! Measures how fast a layer becomes a directory: reads an uncompressed
//! archive, and does what it says in a directory, in the form of an overlay or
//! of all of a file system.
//!
//! `cargo run --release -p layer --example extract -- ARCHIVE INTO [plain]`

use std::io::{BufReader, Write};
use std::path::Path;
use std::time::Instant;

use layer::{Directory, Error, Form, Given, LayerIndex, Marks, Rights, Tree};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let archive = arguments.next().ok_or("say an archive")?;
    let into = arguments.next().ok_or("say a directory")?;
    let form = match arguments.next() {
        Some(_) => Form::Plain,
        None => Form::Overlay {
            marks: Marks::Trusted,
        },
    };
    let given = if rustix::process::geteuid().is_root() {
        Given::Really
    } else {
        Given::Recorded
    };
    let rights = Rights {
        owners: given,
        devices: given,
        attributes: given,
    };
    let file = fs_err::File::open(Path::new(&archive))?;
    let start = Instant::now();
    let index = LayerIndex::read(&mut BufReader::new(&file))?;
    let read = start.elapsed();
    let start = Instant::now();
    let operations = layer::operations(&Tree::new(), &index)?;
    let decided = start.elapsed();
    let start = Instant::now();
    let directory = Directory::open(Path::new(&into))?;
    let performed = layer::perform(&operations, file.file(), &directory, (form, rights))?;
    let report = format!(
        "index {:.3} s, operations {:.3} s, perform {:.3} s: {performed:?}\n",
        read.as_secs_f64(),
        decided.as_secs_f64(),
        start.elapsed().as_secs_f64(),
    );
    let printed = std::io::stdout().write_all(report.as_bytes());
    printed.map_err(|error| Error::io("can not print", error))?;
    Ok(())
}
