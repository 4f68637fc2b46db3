//! How long wharf needs to understand a long Dockerfile: the parser and the checks by
//! themselves, and the program's `check`, which plans the whole file as a build would,
//! less its start.

mod arguments;
mod lines;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dockerfile::{Facts, Severity, check, parse};

use crate::error::Error;
use crate::table::{cell, median};

pub(crate) use self::arguments::Arguments;

/// How often the parser runs in one round.
const REPEATS: u32 = 50;
/// How often the program runs in one round.
const STARTS: usize = 20;
/// Stands at the top of what the program checks: what is said is no part of the time.
const SILENT: &str = "# check=skip=all\n";

/// One thing that is measured, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Parse,
    Check,
    Start,
    Program,
}

impl Measure {
    const ALL: [Self; 4] = [Self::Parse, Self::Check, Self::Start, Self::Program];

    fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Check => "parse and check",
            Self::Start => "`wharf check` of 1 line",
            Self::Program => "`wharf check` of all lines",
        }
    }
}

/// Measures, and returns what is to be printed.
///
/// # Errors
/// Says which program is missing or fails, or what is wrong with the lines.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Error> {
    let target = crate::target()?;
    let wharf = target.join("release/wharf");
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)?;
    let text = lines::make(arguments.lines)?;
    let (file, said) = parse(text.as_bytes());
    if let Some(error) = said.iter().find(|said| said.severity == Severity::Error) {
        return Err(Error::new(format!("the lines are wrong: {error}")));
    }
    let steps: usize = file.stages.iter().map(|one| one.instructions.len()).sum();
    let long = Check::make(&wharf, directory.path(), "long", &text)?;
    let short = Check::make(&wharf, directory.path(), "short", "FROM scratch\n")?;
    let mut values: Vec<(Measure, f64)> = Vec::new();
    for round in 0..arguments.rounds {
        eprintln!("round {}", round + 1);
        values.push((Measure::Parse, parsing(&text)));
        values.push((Measure::Check, checking(&text)));
        for _ in 0..STARTS {
            values.push((Measure::Start, short.time()?));
            values.push((Measure::Program, long.time()?));
        }
    }
    let of = |measure: Measure| {
        let own = values.iter().filter(|(of, _)| *of == measure);
        median(own.map(|(_, value)| *value).collect())
    };
    let mut table = format!(
        "{} lines, {} bytes, {} stages, {steps} instructions; median of {} rounds\n\n\
         | | ms |\n|---|---:|",
        arguments.lines,
        text.len(),
        file.stages.len(),
        arguments.rounds
    );
    for measure in Measure::ALL {
        table += &format!("\n| {} | {} |", measure.name(), cell(of(measure), 2));
    }
    let planned = of(Measure::Program).zip(of(Measure::Start));
    let planned = planned.map(|(program, start)| program - start);
    table += &format!(
        "\n| read, parse and plan: the difference | {} |",
        cell(planned, 2)
    );
    Ok(table)
}

/// Returns the milliseconds of one parse.
fn parsing(text: &str) -> f64 {
    let start = Instant::now();
    for _ in 0..REPEATS {
        black_box(parse(black_box(text.as_bytes())));
    }
    milliseconds(start.elapsed() / REPEATS)
}

/// Returns the milliseconds of one parse and what the rules find.
fn checking(text: &str) -> f64 {
    let facts = Facts {
        target_platform: "linux/amd64".to_owned(),
        ..Facts::default()
    };
    let start = Instant::now();
    for _ in 0..REPEATS {
        let (file, said) = parse(black_box(text.as_bytes()));
        black_box(check(&file, text.as_bytes(), said, &facts));
    }
    milliseconds(start.elapsed() / REPEATS)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A file for the program to check, in a context that is empty.
#[derive(Debug)]
struct Check {
    wharf: PathBuf,
    file: PathBuf,
    context: PathBuf,
    home: PathBuf,
}

impl Check {
    fn make(wharf: &Path, directory: &Path, name: &str, text: &str) -> Result<Self, Error> {
        let check = Self {
            wharf: wharf.to_path_buf(),
            file: directory.join(name),
            context: directory.join("context"),
            home: directory.join("home"),
        };
        fs_err::create_dir_all(&check.context)?;
        fs_err::create_dir_all(&check.home)?;
        fs_err::write(&check.file, format!("{SILENT}{text}"))?;
        Ok(check)
    }

    /// Runs the program, and returns its milliseconds.
    fn time(&self) -> Result<f64, Error> {
        let mut command = Command::new(&self.wharf);
        command.arg("check").arg("-f").arg(&self.file);
        command.arg(&self.context);
        command.env_clear().env("HOME", &self.home);
        command.stdin(Stdio::null());
        let start = Instant::now();
        let output = command.output().map_err(|error| {
            let wharf = self.wharf.display();
            Error::new(format!("`{wharf}` can not be run: {error}"))
        })?;
        let time = start.elapsed();
        if output.status.success() {
            return Ok(milliseconds(time));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().take(5).collect();
        Err(Error::new(format!(
            "`wharf check` fails: {}",
            said.join(" ")
        )))
    }
}
