//! How long it takes to remember a directory, and to look for what changed.

use std::path::Path;
use std::time::Instant;

use layer::{Directory, Given, Memory, Rights};

fn main() {
    let path = std::env::args().nth(1).expect("a directory");
    let directory = Directory::open(Path::new(&path)).expect("a directory");
    let rights = Rights {
        owners: Given::Really,
        devices: Given::Really,
        attributes: Given::Really,
    };
    let start = Instant::now();
    let all = Memory::default()
        .observe(&directory, rights)
        .expect("readable");
    println!("all {}: {:?}", all.seen.len(), start.elapsed());
    let start = Instant::now();
    let memory = Memory::of(&directory).expect("readable");
    println!("remembered: {:?}", start.elapsed());
    let start = Instant::now();
    let changed = memory.observe(&directory, rights).expect("readable");
    println!(
        "looked at again: {:?}, {} seen",
        start.elapsed(),
        changed.seen.len()
    );
}
