//! Measures how long it takes to remember a directory, and to look for what
//! changed in it since.
//!
//! `cargo run --release -p layer --example walk -- DIRECTORY`

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use layer::{Directory, Given, Memory, Rights};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("say a directory")?;
    let directory = Directory::open(Path::new(&path))?;
    let rights = Rights {
        owners: Given::Really,
        devices: Given::Really,
        attributes: Given::Really,
    };
    let mut out = std::io::stdout();
    let start = Instant::now();
    let memory = Memory::of(&directory)?;
    writeln!(out, "remembered in {:?}", start.elapsed())?;
    let start = Instant::now();
    let changed = memory.observe(&directory, rights)?;
    let count = changed.seen.len() + changed.gone.len();
    writeln!(out, "looked at again in {:?}: {count}", start.elapsed())?;
    let start = Instant::now();
    let all = Memory::default().observe(&directory, rights)?;
    let count = all.seen.len();
    writeln!(out, "read all in {:?}: {count}", start.elapsed())?;
    Ok(())
}
