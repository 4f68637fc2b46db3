//! Measures the candidates of `docs/adr/0008-layer-format.md`: compresses each
//! file by every one of them, beside `gzip -6`.
//!
//! `cargo run --release -p layer --example compressors -- FILE...`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use flate2::{Compress, Compression, FlushCompress, Status};
use libdeflater::{CompressionLvl, Compressor};

/// How often each candidate runs; the best time counts.
const RUNS: usize = 3;

/// The distance that deflate can look back, in bytes.
const WINDOW: usize = 32 * 1024;

/// Is one way to compress a block.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A member on its own, by libdeflate.
    Member { level: i32 },
    /// A part of one member up to a sync flush, by zlib-rs.
    Part { level: u32, dictionary: usize },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let content = fs_err::read(&path)?;
        let megabytes = content.len() as f64 / 1e6;
        let (baseline, seconds) = gzip(&content)?;
        let ratio = baseline as f64 / content.len() as f64;
        println!(
            "{path}: {megabytes:.1} MB; gzip -6: {:.1} MB/s, ratio {ratio:.4}",
            megabytes / seconds
        );
        for (way, block) in candidates() {
            let (size, one) = best(&content, way, block, 1);
            let (_, two) = best(&content, way, block, 2);
            println!(
                "{:<58} {:>6.1} MB/s {:>6.1} MB/s by two {:>7.4} of gzip -6",
                format!("{way:?} blocks of {} KiB", block / 1024),
                megabytes / one,
                megabytes / two,
                size as f64 / baseline as f64,
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
    for block in [256 * 1024, 512 * 1024, 2 * 1024 * 1024] {
        candidates.push((Way::Member { level: 5 }, block));
    }
    for level in 1..=6 {
        candidates.push((
            Way::Part {
                level,
                dictionary: 0,
            },
            1024 * 1024,
        ));
    }
    for level in [3, 5, 6] {
        candidates.push((
            Way::Part {
                level,
                dictionary: WINDOW,
            },
            128 * 1024,
        ));
    }
    candidates
}

/// Gives the size and the seconds of `gzip -6`.
fn gzip(content: &[u8]) -> Result<(usize, f64), Box<dyn std::error::Error>> {
    let start = Instant::now();
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
        Ok::<_, Box<dyn std::error::Error>>(size?)
    })?;
    child.wait()?;
    Ok((usize::try_from(size)?, start.elapsed().as_secs_f64()))
}

/// Gives the size and the best time of several runs, in seconds.
fn best(content: &[u8], way: Way, block: usize, threads: usize) -> (usize, f64) {
    let mut best = (0, f64::INFINITY);
    for _ in 0..RUNS {
        let start = Instant::now();
        let size = compress(content, way, block, threads);
        best = (size, start.elapsed().as_secs_f64().min(best.1));
    }
    best
}

fn compress(content: &[u8], way: Way, block: usize, threads: usize) -> usize {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut size = 0;
        let mut member = match way {
            Way::Member { level } => CompressionLvl::new(level).ok().map(Compressor::new),
            Way::Part { .. } => None,
        };
        let mut out = vec![0; 2 * block];
        loop {
            let start = next.fetch_add(1, Ordering::Relaxed) * block;
            let Some(rest) = content.get(start..).filter(|rest| !rest.is_empty()) else {
                break size;
            };
            let piece = rest.get(..block).unwrap_or(rest);
            libdeflater::crc32(piece);
            size += match way {
                // The header and the trailer of a member have 18 bytes.
                Way::Member { .. } => member
                    .as_mut()
                    .and_then(|member| member.deflate_compress(piece, &mut out).ok())
                    .map_or(0, |length| length + 18),
                Way::Part { level, dictionary } => {
                    let before = content.get(start.saturating_sub(dictionary)..start);
                    part(before.unwrap_or_default(), piece, level, &mut out)
                }
            };
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or(0))
            .sum()
    })
}

fn part(before: &[u8], piece: &[u8], level: u32, out: &mut [u8]) -> usize {
    let mut deflate = Compress::new(Compression::new(level), false);
    if !before.is_empty() {
        deflate
            .set_dictionary(before)
            .expect("deflate takes dictionaries");
    }
    let status = deflate.compress(piece, out, FlushCompress::Sync);
    assert!(
        matches!(status, Ok(Status::Ok)),
        "there is room for all of it"
    );
    deflate.total_out() as usize
}
