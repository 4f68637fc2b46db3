//! The time that files and image get (reproducible-builds.org,
//! `SOURCE_DATE_EPOCH`).

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::context::is_elsewhere;
use crate::environment::Environment;
use crate::report::{WithHint as _, hinted, say, usage};

/// The variable of the environment, and the build argument, that say it too.
pub(super) const VARIABLE: &str = "SOURCE_DATE_EPOCH";

/// The last second of the year 9999, which is the last that a config can name.
const LIMIT: u64 = 253_402_300_799;

/// Decides on the time: as it is chosen, as the environment says, or 0. The
/// clock and the files of this machine never count.
pub(super) fn choose(
    environment: &Environment,
    chosen: Option<&str>,
    context: &Path,
) -> anyhow::Result<u64> {
    match chosen {
        Some("git") => of_commit(context),
        Some(text) => parse(text, "--source-date-epoch"),
        None => match environment.variable(VARIABLE) {
            Some(text) => parse(text, VARIABLE),
            None => Ok(0),
        },
    }
}

fn parse(text: &str, from: &str) -> anyhow::Result<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(epoch) if digits && epoch <= LIMIT => Ok(epoch),
        _ => Err(usage(format!("`{from}` is `{text}`, which is no time")))
            .hint("it is a number of seconds since 1970, before the year 10000"),
    }
}

/// Asks git when the last commit of the context was made.
fn of_commit(context: &Path) -> anyhow::Result<u64> {
    // What is not there at all is said where it is read.
    let is_none = match fs_err::metadata(context) {
        Ok(there) => !there.is_dir(),
        Err(_) => is_elsewhere(&context.to_string_lossy()),
    };
    if context.as_os_str() == "-" || is_none {
        let error = usage(format!(
            "`--source-date-epoch git` asks for the last commit of a directory here, and the context `{}` is none",
            context.display()
        ));
        return Err(hinted(
            error,
            "give the seconds themselves, as `git log -1 --format=%ct` prints them",
        ));
    }
    let asked = Command::new("git")
        .arg("-C")
        .arg(context)
        .args(["log", "-1", "--format=%ct"])
        .output();
    let output =
        asked.context("can not run `git`, which `--source-date-epoch git` asks for the time")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        return Err(usage(format!(
            "`git` knows no last commit of `{}`: {said}",
            context.display()
        )));
    }
    parse(
        String::from_utf8_lossy(&output.stdout).trim(),
        "the time of the last commit",
    )
}

/// Says which time counts.
pub(super) fn tell(epoch: u64) {
    say(&match epoch {
        0 => {
            "times are 0 (1970); SOURCE_DATE_EPOCH or `--source-date-epoch` sets another".to_owned()
        }
        epoch => format!("times are {epoch}"),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_of_directories() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for context in ["-", "https://h.test/r.git"]
            .map(Path::new)
            .into_iter()
            .chain([file.path()])
        {
            let error = of_commit(context).expect_err("no directory");
            assert!(error.root_cause().to_string().ends_with(" is none"));
        }
    }

    #[test]
    fn what_is_chosen_counts_before_the_environment() {
        let environment = Environment::of(&[(VARIABLE, "7")]);
        let choose = |chosen| choose(&environment, chosen, Path::new("."));
        assert_eq!(choose(None).expect("a time"), 7);
        assert_eq!(choose(Some("8")).expect("a time"), 8);
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "now",
            "253402300800",
            "99999999999999999999",
        ] {
            assert!(choose(Some(text)).is_err(), "{text}");
        }
        let nothing = Environment::of(&[]);
        assert_eq!(
            super::choose(&nothing, None, Path::new(".")).expect("a time"),
            0
        );
    }
}
