//! wharf beside docker-registry and nginx: the same requests to all of them in one run.
//!
//! Each part starts programs of its own on new directories and ends them, so that it can
//! run alone. Within a part the programs take turns in every round.

pub(crate) mod arguments;
mod blobs;
mod collect;
mod connection;
mod lists;
mod manifests;
mod memory;
pub(crate) mod peer;
mod push;
mod pushes;
mod table;

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use self::arguments::{Arguments, Part, Scale};
use self::peer::{Peer, Place};
use self::table::Table;
use crate::error::Error;
use crate::sample::noise;

/// Bytes of a file that is written before anything is measured: a virtual machine gets much
/// of its memory from its host when that is written for the first time, which takes longer.
const SETTLING: usize = 1 << 30;

/// Bytes of a file system for a part with many files; what is not written takes no room.
const VAST: u64 = 12 << 30;

/// Files in it, at most.
const VAST_FILES: &str = "4000000";

/// What all parts share.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) scale: Scale,
    pub(crate) table: Table,
    s3: String,
    wharf: PathBuf,
    directory: TempDir,
}

impl Bench {
    /// Makes a directory for a part.
    ///
    /// # Errors
    /// Fails when it cannot be made.
    pub(crate) fn place(&self, name: &str) -> Result<Place, Error> {
        let directory = self.directory.path().join(name);
        fs_err::create_dir_all(&directory)?;
        Ok(Place {
            wharf: self.wharf.clone(),
            directory,
            environment: Vec::new(),
            image: PathBuf::new(),
        })
    }

    /// Makes a directory for a part with millions of files: a file system of its own, in a
    /// file, since removing them one by one takes longer than all the rest. It has to be
    /// root's; for others it is a directory as any other.
    ///
    /// # Errors
    /// Fails when it cannot be made.
    pub(crate) fn vast_place(&self, name: &str) -> Result<Place, Error> {
        let mut place = self.place(name)?;
        let image = self.directory.path().join(format!("{name}.img"));
        fs_err::File::create(&image)?.set_len(VAST)?;
        let made = Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-N", VAST_FILES])
            .arg(&image)
            .status();
        let mounted = Command::new("mount")
            .args(["-o", "loop"])
            .arg(&image)
            .arg(&place.directory)
            .status();
        if [made, mounted]
            .iter()
            .all(|status| matches!(status, Ok(status) if status.success()))
        {
            place.image = image;
        } else {
            fs_err::remove_file(&image)?;
        }
        Ok(place)
    }
}

/// Measures what was asked for, and returns the report.
///
/// # Errors
/// Says which program is missing, or what was answered wrongly; what was measured before is
/// on standard error then.
#[expect(clippy::print_stderr, reason = "what was measured is not lost")]
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(crate::target()?)?;
    let own = std::env::current_exe()?;
    let built = own.with_file_name("wharf");
    let wharf = directory.path().join("wharf.copy");
    fs_err::copy(built, &wharf)?;
    let mut bench = Bench {
        scale: arguments.scale,
        table: Table::default(),
        s3: arguments.s3.clone(),
        wharf,
        directory,
    };
    let before = load()?;
    let settling = bench.directory.path().join("settling");
    fs_err::write(&settling, noise(0, SETTLING.min(bench.scale.pulled)))?;
    fs_err::remove_file(settling)?;
    for part in arguments.parts() {
        if let Err(error) = measure(part, &mut bench) {
            eprintln!("so far:\n{}", bench.table);
            return Err(error);
        }
    }
    let after = load()?;
    Ok(format!(
        "{}, commit {}; docker-registry {}; {}; {}; load {before} to {after}; rounds: {}\n\n{}",
        said(Command::new(&bench.wharf).arg("--version")),
        said(Command::new("git").args(["rev-parse", "--short", "HEAD"])),
        said(Command::new("docker-registry").arg("--version")),
        said(Command::new("nginx").arg("-v")),
        machine()?,
        bench.scale.rounds,
        bench.table
    ))
}

fn measure(part: Part, bench: &mut Bench) -> Result<(), Error> {
    match part {
        Part::Manifests => manifests::run(bench),
        Part::Blobs => blobs::run(bench),
        Part::Pushes => pushes::run(bench),
        Part::Lists => lists::run(bench),
        Part::Memory => memory::run(bench),
        Part::Collect => collect::run(bench),
    }
}

/// Waits until what was written is on the disk, so that nobody waits for what another has
/// written.
///
/// # Errors
/// Fails when there is no `sync`.
pub(crate) fn settle() -> Result<(), Error> {
    Command::new("sync").status()?;
    Ok(())
}

/// Lets programs take turns in every round; another one begins each time, since whoever
/// comes first finds the disk idle.
pub(crate) fn each_round(
    rounds: usize,
    peers: &[Peer],
    mut measure: impl FnMut(&Peer) -> Result<(), Error>,
) -> Result<(), Error> {
    for round in 0..rounds {
        for turn in 0..peers.len() {
            measure(&peers[(turn + round) % peers.len()])?;
        }
    }
    Ok(())
}

/// Returns the first line that a program says about itself.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return "?".to_owned();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("?");
    let line = line.strip_prefix("docker-registry ").unwrap_or(line);
    line.trim_start_matches("nginx version: ").to_owned()
}

/// Returns the mean of the processes that wanted a processor in the last minute.
fn load() -> Result<String, Error> {
    let text = fs_err::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or("?").to_owned())
}

fn machine() -> Result<String, Error> {
    let text = fs_err::read_to_string("/proc/cpuinfo")?;
    let processors = text.lines().filter(|line| line.starts_with("processor"));
    let count = processors.count();
    let sha = if text.contains("sha_ni") {
        "with"
    } else {
        "without"
    };
    Ok(format!("{count} processors {sha} SHA instructions"))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size in a table, not an offset"
)]
pub(crate) fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}
