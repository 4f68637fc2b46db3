//! What one command costs: time on the wall, time on processors, memory at most.
//!
//! `/usr/bin/time` asks the kernel for it, since the standard library can not.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::error::Error;

/// The program that reports what its child used.
const TIMER: &str = "/usr/bin/time";

/// What a command, or several in a row, used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cost {
    /// Seconds on the wall.
    pub(super) wall: f64,
    /// Seconds on processors, of all threads and children.
    pub(super) processor: f64,
    /// The largest resident set of any one process, in KiB.
    pub(super) peak: u64,
}

impl Cost {
    /// Adds a command that ran after the others.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            wall: self.wall + next.wall,
            processor: self.processor + next.processor,
            peak: self.peak.max(next.peak),
        }
    }
}

/// Runs a command, and returns what it used and what it wrote. What else the disk has to
/// do is done before.
///
/// # Errors
/// Fails when the command does, with what it wrote.
pub(super) fn time(command: &Command, directory: &Path) -> Result<(Cost, String), Error> {
    run(&mut Command::new("sync"))?;
    let report = directory.join("time.txt");
    let mut timed = Command::new(TIMER);
    timed.args(["-f", "%U %S %M", "-o"]).arg(&report);
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    let start = Instant::now();
    let (output, errors) = speak(&mut timed)?;
    let wall = start.elapsed().as_secs_f64();
    let text = fs_err::read_to_string(&report)?;
    let cost = read(&text, wall);
    let cost = cost.ok_or_else(|| Error::new(format!("`{TIMER}` said `{}`", text.trim())));
    Ok((cost?, output + &errors))
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// Fails when it does not start or does not end well, with what it wrote.
pub(super) fn run(command: &mut Command) -> Result<String, Error> {
    Ok(speak(command)?.0)
}

/// Returns both streams.
fn speak(command: &mut Command) -> Result<(String, String), Error> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| {
        let program = command.get_program().display();
        Error::new(format!("`{program}` does not start: {error}"))
    })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok((String::from_utf8_lossy(&output.stdout).into_owned(), said));
    }
    Err(Error::new(format!("{command:?} failed:\n{said}")))
}

fn read(text: &str, wall: f64) -> Option<Cost> {
    let mut words = text.lines().last()?.split_whitespace();
    let user: f64 = words.next()?.parse().ok()?;
    let system: f64 = words.next()?.parse().ok()?;
    let peak = words.next()?.parse().ok()?;
    Some(Cost {
        wall,
        processor: user + system,
        peak,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let cost = read("1.50 0.25 2048\n", 3.0).unwrap();
        assert_eq!((cost.processor, cost.peak), (1.75, 2048));
        assert_eq!(read("Command terminated by signal 9\n", 1.0), None);
    }

    #[test]
    fn times_add_up_and_memory_does_not() {
        let one = read("1 1 10", 2.0).unwrap();
        let both = one.then(read("1 0 7", 1.0).unwrap());
        assert_eq!((both.wall, both.processor, both.peak), (3.0, 3.0, 10));
    }

    #[test]
    fn a_failure_is_told() {
        let words = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert!(words.to_string().contains("why"), "{words}");
    }
}
