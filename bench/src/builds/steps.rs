//! What one `RUN` costs beside what it runs: wharf beside BuildKit's step and `runc run`,
//! on a root of 200 MB; and wharf alone on roots of 1,000 and 1,000,000 files.
//!
//! A step is the difference of two builds of which one has more of them, by their number:
//! what comes before the first and after the last is in neither.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::base::{Base, write_layout};
use super::daemon::Daemon;
use super::stopwatch::run as quietly;
use crate::arguments::number;
use crate::error::Error;
use crate::table::{cell, median};

/// Rounds unless asked otherwise.
const ROUNDS: usize = 5;

/// Steps of the shorter build, and of the longer one.
const STEPS: (usize, usize) = (1, 11);

/// How many files the small root and the large one have.
const SIZES: [usize; 2] = [1_000, 1_000_000];

/// Files in one directory of those.
const EACH: usize = 1_000;

/// Changes one file, to something else in every step.
const WRITE: &str = "dd if=/dev/urandom of=/changed bs=16 count=1";

/// Bytes of a block of a tar.
const BLOCK: usize = 512;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    rounds: usize,
}

impl Arguments {
    /// Reads a command line.
    ///
    /// # Errors
    /// Says which word is not understood, and which there are.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut arguments = Self { rounds: ROUNDS };
        let mut words = words;
        while let Some(word) = words.next() {
            if word != "--rounds" {
                let words = format!("unknown word `{word}`: after `steps` there is `--rounds N`");
                return Err(Error::new(words));
            }
            arguments.rounds = number(words.next(), &word)?;
        }
        Ok(arguments)
    }
}

/// One row, and the milliseconds that were measured for it.
struct Row {
    name: String,
    values: Vec<f64>,
}

/// Measures, and returns what is to be printed.
///
/// # Errors
/// Says which program is missing or fails.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let target = crate::target()?;
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&target)?;
    let base = Base::make(&target)?;
    let wharf = Wharf::make(&target, directory.path())?;
    let docker = Docker::start(directory.path(), &base)?;
    let runc = Runc::make(directory.path(), &base)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |name: &str, value: f64| {
        eprintln!("  {name}: {value:.1} ms");
        match rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.values.push(value),
            None => rows.push(Row {
                name: name.to_owned(),
                values: vec![value],
            }),
        }
    };
    let from = format!("oci-layout://{}:base", base.layout.display());
    let mut large = Vec::new();
    for size in SIZES {
        large.push((size, many(&target, size)?));
    }
    for round in 0..arguments.rounds {
        eprintln!("round {}", round + 1);
        add("wharf, `RUN true`", wharf.step(&from, "true")?);
        add(
            "wharf, 16 bytes written into one file",
            wharf.step(&from, WRITE)?,
        );
        if let Some(docker) = &docker {
            add("BuildKit, `RUN true`", docker.step("true")?);
            add(
                "BuildKit, 16 bytes written into one file",
                docker.step(WRITE)?,
            );
        }
        if let Some(runc) = &runc {
            add("`runc run` of `true`", runc.step()?);
        }
        for (size, layout) in &large {
            let from = format!("oci-layout://{}:base", layout.display());
            let name = format!("wharf, the same on a root of {size} files");
            add(&name, wharf.step(&from, &format!("/bin/busybox {WRITE}"))?);
        }
    }
    Ok(table(&rows, base.name, arguments.rounds))
}

fn table(rows: &[Row], base: &str, rounds: usize) -> String {
    let of = |row: &Row| median(row.values.clone());
    let first = rows.first().and_then(of);
    let mut text = format!(
        "one step, base: {base}; median of {rounds} rounds\n\n| | ms | wharf's `RUN true` / it |\n\
         |---|---:|---:|"
    );
    for row in rows {
        let ratio = first.zip(of(row)).map(|(first, of)| first / of);
        let (value, ratio) = (cell(of(row), 1), cell(ratio, 2));
        text += &format!("\n| {} | {value} | {ratio} |", row.name);
    }
    text
}

/// Returns the milliseconds of one step, from two builds.
fn quotient(mut build: impl FnMut(usize) -> Result<Duration, Error>) -> Result<f64, Error> {
    let (few, many) = STEPS;
    let (short, long) = (build(few)?, build(many)?);
    let steps = u32::try_from(many - few).map_err(|error| Error::new(error.to_string()))?;
    let difference = long.saturating_sub(short) / steps;
    Ok(difference.as_secs_f64() * 1_000.0)
}

fn timed(command: &mut Command) -> Result<Duration, Error> {
    let start = Instant::now();
    quietly(command)?;
    Ok(start.elapsed())
}

/// Writes a Dockerfile with a number of steps.
fn dockerfile(directory: &Path, from: &str, command: &str, steps: usize) -> Result<(), Error> {
    let mut text = format!("FROM {from}\n");
    for _ in 0..steps {
        text += &format!("RUN {command}\n");
    }
    Ok(fs_err::write(directory.join("Dockerfile"), text)?)
}

/// wharf with a library of its own.
struct Wharf {
    program: PathBuf,
    home: PathBuf,
    context: PathBuf,
}

impl Wharf {
    fn make(target: &Path, directory: &Path) -> Result<Self, Error> {
        let wharf = Self {
            program: target.join("release/wharf"),
            home: directory.join("wharf"),
            context: directory.join("context"),
        };
        fs_err::create_dir_all(&wharf.context)?;
        Ok(wharf)
    }

    fn step(&self, from: &str, command: &str) -> Result<f64, Error> {
        // The base is unpacked once for all builds, as it is for the others.
        self.build(from, command, 1)?;
        quotient(|steps| self.build(from, command, steps))
    }

    fn build(&self, from: &str, command: &str, steps: usize) -> Result<Duration, Error> {
        // Words of an array need no shell, of which there is none in every base.
        let words: Vec<String> = command
            .split(' ')
            .map(|word| format!("\"{word}\""))
            .collect();
        dockerfile(
            &self.context,
            from,
            &format!("[{}]", words.join(", ")),
            steps,
        )?;
        let mut build = Command::new(&self.program);
        build.args(["build", "--no-cache"]).arg(&self.context);
        build.env("WHARF_HOME", &self.home);
        timed(build.env_remove("SOURCE_DATE_EPOCH"))
    }
}

/// A daemon of docker's with the base.
struct Docker {
    daemon: Daemon,
    context: PathBuf,
}

impl Docker {
    /// Starts it where there is one.
    fn start(directory: &Path, base: &Base) -> Result<Option<Self>, Error> {
        let Some(daemon) = Daemon::start(&directory.join("dockerd"))? else {
            return Ok(None);
        };
        let context = directory.join("docker-context");
        fs_err::create_dir_all(&context)?;
        let layer = layer(&base.layout)?;
        quietly(daemon.client().arg("import").arg(layer).arg("base:1"))?;
        Ok(Some(Self { daemon, context }))
    }

    fn step(&self, command: &str) -> Result<f64, Error> {
        quotient(|steps| {
            dockerfile(&self.context, "base:1", command, steps)?;
            let mut build = self.daemon.client();
            build.args(["build", "--no-cache", "--network=none", "--tag=result:1"]);
            timed(build.arg(&self.context))
        })
    }
}

/// A bundle with the base's files.
struct Runc {
    bundle: PathBuf,
    state: PathBuf,
}

impl Runc {
    /// Unpacks the base where there is a runc.
    fn make(directory: &Path, base: &Base) -> Result<Option<Self>, Error> {
        let runc = Self {
            bundle: directory.join("bundle"),
            state: directory.join("runc"),
        };
        let root = runc.bundle.join("rootfs");
        fs_err::create_dir_all(&root)?;
        if quietly(Command::new("runc").arg("--version")).is_err() {
            eprintln!("there is no runc: it is left out");
            return Ok(None);
        }
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(root)
            .arg("-xzf")
            .arg(layer(&base.layout)?);
        quietly(&mut tar)?;
        quietly(
            Command::new("runc")
                .args(["spec", "--bundle"])
                .arg(&runc.bundle),
        )?;
        let file = runc.bundle.join("config.json");
        let mut config: serde_json::Value = serde_json::from_slice(&fs_err::read(&file)?)
            .map_err(|error| Error::new(error.to_string()))?;
        config["process"]["terminal"] = false.into();
        config["process"]["args"] = serde_json::json!(["true"]);
        fs_err::write(file, config.to_string())?;
        Ok(Some(runc))
    }

    fn step(&self) -> Result<f64, Error> {
        quotient(|steps| {
            let start = Instant::now();
            for _ in 0..steps {
                let mut run = Command::new("runc");
                run.arg("--root").arg(&self.state);
                quietly(run.args(["run", "--bundle"]).arg(&self.bundle).arg("step"))?;
            }
            Ok(start.elapsed())
        })
    }
}

/// Returns the file of the one layer of a layout.
pub(super) fn layer(layout: &Path) -> Result<PathBuf, Error> {
    let read = |path: &Path| -> Result<serde_json::Value, Error> {
        let bytes = fs_err::read(path)?;
        serde_json::from_slice(&bytes).map_err(|error| Error::new(error.to_string()))
    };
    let blob = |value: &serde_json::Value| {
        let digest = value["digest"].as_str().unwrap_or_default();
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = read(&layout.join("index.json"))?;
    let manifest = read(&blob(&index["manifests"][0]))?;
    Ok(blob(&manifest["layers"][0]))
}

/// Makes a layout with so many files and busybox, unless an earlier run has.
fn many(target: &Path, size: usize) -> Result<PathBuf, Error> {
    let kept = target.join("bench-base");
    let layout = kept.join(format!("files-{size}"));
    if layout.is_dir() {
        return Ok(layout);
    }
    eprintln!("making a root of {size} files");
    let tar = kept.join(format!("files-{size}.tar"));
    let mut out = std::io::BufWriter::new(fs_err::File::create(&tar)?);
    // It makes the file that is changed.
    let tool = fs_err::read("/bin/busybox")?;
    out.write_all(&header("bin/", b'5', 0))?;
    out.write_all(&header("bin/busybox", b'0', tool.len()))?;
    out.write_all(&tool)?;
    out.write_all(&vec![0; tool.len().next_multiple_of(BLOCK) - tool.len()])?;
    for directory in 0..size.div_ceil(EACH) {
        out.write_all(&header(&format!("d{directory}/"), b'5', 0))?;
        for file in 0..EACH {
            out.write_all(&header(&format!("d{directory}/f{file}"), b'0', 0))?;
        }
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()?;
    drop(out);
    write_layout(&tar, &layout)?;
    Ok(layout)
}

/// Returns the header of an entry.
fn header(name: &str, kind: u8, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar\0");
    put(263, "00");
    block[156] = kind;
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_the_difference() {
        let cost = |steps: usize| Ok(Duration::from_millis(500 + 20 * steps as u64));
        let value = quotient(cost).unwrap();
        assert!((value - 20.0).abs() < 0.001, "{value}");
    }

    #[test]
    fn words_are_understood() {
        let parse = |line: &str| Arguments::parse(line.split_whitespace().map(str::to_owned));
        assert_eq!(parse("").unwrap(), Arguments { rounds: ROUNDS });
        assert_eq!(parse("--rounds 7").unwrap(), Arguments { rounds: 7 });
        assert!(parse("cold").unwrap_err().to_string().contains("`cold`"));
    }

    #[test]
    fn tar_reads_a_header() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.tar");
        let mut bytes = header("d/name", b'0', 0).to_vec();
        bytes.extend([0; 2 * BLOCK]);
        fs_err::write(&file, bytes).unwrap();
        let said = quietly(Command::new("tar").arg("-tf").arg(file)).unwrap();
        assert_eq!(said, "d/name\n");
    }

    #[test]
    fn the_table_has_ratios() {
        let row = |name: &str, value| Row {
            name: name.to_owned(),
            values: vec![value],
        };
        let text = table(&[row("own", 10.0), row("other", 40.0)], "none", 1);
        assert!(
            text.ends_with("| own | 10.0 | 1.00 |\n| other | 40.0 | 0.25 |"),
            "{text}"
        );
    }
}
