//! `cargo xtask ci`: everything that a change must pass, part by part and timed.
//!
//! The first part that fails ends the run. It installs nothing: `.ci/run` and
//! `CONTRIBUTING.md` say what must be on the machine.

mod part;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::repository::Metadata;

pub(crate) use part::Part;

/// Runs these parts in order and prints how long each took.
///
/// # Errors
/// [`Error::Part`] names the first part that failed.
pub(crate) fn run(parts: &[Part]) -> Result<(), Error> {
    let program = released_program()?;
    let mut times = Vec::new();
    let mut outcome = Ok(());
    for part in parts {
        say(&format!(
            "part {} ... {}",
            part.name(),
            part.command(&program)
        ));
        let start = Instant::now();
        let result = part.run(&program);
        let time = start.elapsed();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        say(&line(part.name(), word, time));
        times.push((part.name(), word, time));
        if let Err(source) = result {
            outcome = Err(Error::Part {
                part: part.name(),
                source: Box::new(source),
            });
            break;
        }
    }
    say(&table(&times));
    outcome
}

/// Returns where cargo puts the program as it is released; it need not be there.
pub(crate) fn released_program() -> Result<PathBuf, Error> {
    let target = Metadata::read()?.target_directory;
    Ok(target.join("release").join("wharf"))
}

fn line(name: &str, word: &str, time: Duration) -> String {
    format!("part {name} ... {word} {:.1} s", time.as_secs_f64())
}

/// Returns the closing table: a line for each part that ran, and the sum.
fn table(times: &[(&str, &str, Duration)]) -> String {
    let total: Duration = times.iter().map(|(_, _, time)| time).sum();
    let rows = times.iter().copied().chain([("total", "", total)]);
    rows.map(|(name, word, time)| format!("  {name:<9}{word:<7}{:>8.1} s\n", time.as_secs_f64()))
        .collect()
}

/// Prints a line now: the children write to the same stream past our buffer.
fn say(words: &str) {
    println!("{words}");
    // A closed pipe ends the children as well; there is nobody to tell.
    let _ = std::io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_its_time() {
        let time = Duration::from_millis(12_340);
        assert_eq!(line("clippy", "ok", time), "part clippy ... ok 12.3 s");
    }

    #[test]
    fn the_table_sums_up() {
        let second = Duration::from_secs(1);
        let table = table(&[("fmt", "ok", second), ("test", "FAILED", second * 100)]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "  fmt      ok          1.0 s",
                "  test     FAILED    100.0 s",
                "  total              101.0 s",
            ]
        );
    }

    #[test]
    fn the_program_is_where_cargo_puts_it() {
        let program = released_program().expect("cargo is here");
        assert!(program.is_absolute());
        assert!(program.ends_with("release/wharf"));
    }
}
