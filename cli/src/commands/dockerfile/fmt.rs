//! `wharf dockerfile fmt`.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use builder::SourceText;
use image::Replacement;

use crate::arguments::Global;
use crate::diagnostics;
use crate::places::is_standard;
use crate::report::{self, Exit, Failures, ended, say, usage};

/// Writes Dockerfiles in one form.
///
/// Keywords are in capitals, and blanks and empty lines are where they always
/// are; comments, continued lines and heredocs stay, and so does what the file
/// means. A file with mistakes is left as it is.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The Dockerfiles, which are written anew; - for standard input to standard output
    #[arg(value_name = "FILE", default_value = "Dockerfile")]
    files: Vec<PathBuf>,

    /// Write nothing; print the names of files that would change, and end with 1 if there are any
    #[arg(long)]
    check: bool,

    /// Write nothing; print what would change
    #[arg(long)]
    diff: bool,
}

/// Formats one file after the other, each also after one that failed.
pub(super) fn run(global: &Global, arguments: &Arguments) -> anyhow::Result<()> {
    let mut failures = Failures::of(arguments.files.len());
    let mut changing = false;
    for file in &arguments.files {
        match format(global, arguments, file) {
            Ok(changes) => changing |= changes,
            Err(error) => failures.add(error)?,
        }
    }
    failures.end("files could not be formatted")?;
    match arguments.check && changing {
        true => Err(ended(Exit::Failure)),
        false => Ok(()),
    }
}

/// Formats one file, and says whether that changes it.
fn format(global: &Global, arguments: &Arguments, path: &Path) -> anyhow::Result<bool> {
    let source = super::read(path)?;
    let formatted = builder::format(&source.bytes).map_err(|found| {
        let errors = diagnostics::show_mistakes(&source, &found);
        let mistakes = report::count(errors, "mistake");
        usage(format!(
            "`{}` has {mistakes}, and is left as it is",
            source.name
        ))
    })?;
    let changes = formatted != source.bytes;
    if arguments.diff && changes {
        report::result_bytes(difference(&source, &formatted).as_bytes())?;
    } else if arguments.check && changes {
        report::result(&report::one_line(&source.name))?;
    }
    if arguments.check || arguments.diff {
        return Ok(changes);
    }
    if is_standard(path) {
        report::result_bytes(&formatted)?;
    } else if changes {
        replace(path, &formatted).with_context(|| format!("can not write `{}`", source.name))?;
        if !global.quiet {
            say(&format!("formatted `{}`", source.name));
        }
    }
    Ok(changes)
}

/// Puts a text in the place of a file, at once and with its permissions.
fn replace(path: &Path, text: &[u8]) -> anyhow::Result<()> {
    let there = fs_err::metadata(path)?;
    let mut replacement = Replacement::of(path)?;
    let file = replacement.file();
    file.write_all(text)?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (there.uid(), there.gid()) {
        // Only root can give files away; others have made theirs before.
        let _ = std::os::unix::fs::fchown(file.file(), Some(there.uid()), Some(there.gid()));
    }
    file.set_permissions(there.permissions())?;
    Ok(replacement.keep()?)
}

/// Shows what would change, as `diff -u` does.
fn difference(source: &SourceText, formatted: &[u8]) -> String {
    let old = String::from_utf8_lossy(&source.bytes);
    let new = String::from_utf8_lossy(formatted);
    let difference = similar::TextDiff::from_lines(&*old, &*new);
    let mut lines = difference.unified_diff();
    let name = report::one_line(&source.name);
    lines
        .header(&name, &format!("{name} (formatted)"))
        .to_string()
}
