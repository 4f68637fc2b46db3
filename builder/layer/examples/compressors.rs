//! Measures the candidates of `docs/adr/0008-layer-format.md`: compresses each
//! file by every one of them, and tells the speed by the time of the processor,
//! which other work on the machine disturbs least, and the size beside that of
//! `gzip -6`.
//!
//! `cargo run --release -p layer --example compressors -- FILE...`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use flate2::{Compress, Compression, FlushCompress, Status};
use libdeflater::{CompressionLvl, Compressor};

/// How often each candidate runs; the best time counts.
const RUNS: usize = 3;

/// The distance that deflate can look back, in bytes.
const WINDOW: usize = 32 * 1024;

/// What a member has beside its content, in bytes.
const FRAME: usize = 18;

/// The time that this thread was on a processor, in nanoseconds, is the first
/// number in here.
const THREAD_TIME: &str = "/proc/thread-self/schedstat";

/// Is one way to compress a block.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A member on its own, by libdeflate.
    Member { level: i32 },
    /// A part of one member up to a sync flush, by zlib-rs.
    Part { level: u32, dictionary: usize },
}

fn main() -> Result<(), Box<dyn Error>> {
    for path in std::env::args().skip(1) {
        let content = fs_err::read(&path)?;
        let megabytes = content.len() as f64 / 1e6;
        let baseline = gzip(&content)? as f64;
        let ratio = baseline / content.len() as f64;
        println!("{path}: {megabytes:.1} MB, gzip -6 to {ratio:.4}");
        for (way, block) in candidates() {
            let (mut size, mut seconds) = (0, f64::INFINITY);
            for _ in 0..RUNS {
                let start = thread_seconds()?;
                size = compress(&content, way, block)?;
                seconds = seconds.min(thread_seconds()? - start);
            }
            println!(
                "{:<56} {:>6.1} MB/s {:.4} of gzip -6",
                format!("{way:?} of {} KiB", block / 1024),
                megabytes / seconds,
                size as f64 / baseline,
            );
        }
    }
    Ok(())
}

fn candidates() -> Vec<(Way, usize)> {
    let mut candidates = Vec::new();
    for level in 1..=6 {
        candidates.push((Way::Member { level }, 1024 * 1024));
    }
    for block in [256 * 1024, 4 * 1024 * 1024] {
        candidates.push((Way::Member { level: 5 }, block));
    }
    for level in [1, 2, 3, 4, 5, 6] {
        let dictionary = 0;
        candidates.push((Way::Part { level, dictionary }, 1024 * 1024));
    }
    for level in [3, 5, 6] {
        let dictionary = WINDOW;
        candidates.push((Way::Part { level, dictionary }, 128 * 1024));
    }
    candidates
}

/// Gives the size that `gzip -6` makes of it.
fn gzip(content: &[u8]) -> Result<u64, Box<dyn Error>> {
    let mut child = Command::new("gzip")
        .args(["-6", "-n", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    let mut output = child.stdout.take().ok_or("no output")?;
    let size = std::thread::scope(|scope| {
        let writing = scope.spawn(move || input.write_all(content));
        let size = io::copy(&mut output, &mut io::sink());
        writing.join().map_err(|_panic| "writing panicked")??;
        Ok::<_, Box<dyn Error>>(size?)
    })?;
    child.wait()?;
    Ok(size)
}

fn thread_seconds() -> Result<f64, Box<dyn Error>> {
    let text = fs_err::read_to_string(THREAD_TIME)?;
    let nanoseconds = text.split(' ').next().ok_or("no number")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

/// Gives the size of all blocks together.
fn compress(content: &[u8], way: Way, block: usize) -> Result<usize, Box<dyn Error>> {
    let mut out = vec![0; 2 * block];
    let mut size = 0;
    match way {
        Way::Member { level } => {
            let level = CompressionLvl::new(level).map_err(|_none| "no such level")?;
            let mut compressor = Compressor::new(level);
            for piece in content.chunks(block) {
                libdeflater::crc32(piece);
                size += compressor.deflate_compress(piece, &mut out)? + FRAME;
            }
        }
        Way::Part { level, dictionary } => {
            let mut start: usize = 0;
            for piece in content.chunks(block) {
                libdeflater::crc32(piece);
                let mut deflate = Compress::new(Compression::new(level), false);
                let before = content.get(start.saturating_sub(dictionary)..start);
                if let Some(before) = before.filter(|before| !before.is_empty()) {
                    deflate.set_dictionary(before)?;
                }
                let status = deflate.compress(piece, &mut out, FlushCompress::Sync)?;
                if status != Status::Ok || deflate.total_in() != piece.len() as u64 {
                    return Err("it was not compressed whole".into());
                }
                size += usize::try_from(deflate.total_out())?;
                start += piece.len();
            }
        }
    }
    Ok(size)
}
