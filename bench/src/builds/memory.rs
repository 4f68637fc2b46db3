//! How much memory wharf takes for an image of 8 GiB, whose four stages are built beside
//! each other.

use std::path::Path;
use std::process::Command;

use super::context;
use super::stopwatch::time;
use crate::error::Error;

/// Stages, and the file of each.
const STAGES: u64 = 4;

/// How often the content of a file is repeated: 2 GiB.
const BLOCKS: u64 = 128;

/// The most that it is to take, in MiB.
const TARGET: f64 = 256.0;

/// Builds, and returns the line for the table.
///
/// # Errors
/// Fails when wharf does, or the disk is full.
pub(super) fn run(directory: &Path) -> Result<String, Error> {
    let wharf = std::env::current_exe()?.with_file_name("wharf");
    let tree = directory.join("large");
    let mut text = String::new();
    let mut last = String::from("FROM scratch\n");
    for stage in 0..STAGES {
        eprintln!("making a file of 2 GiB");
        context::make_large(&tree.join(format!("{stage}")), (stage, BLOCKS))?;
        text += &format!("FROM scratch AS s{stage}\nCOPY {stage} /{stage}\n");
        last += &format!("COPY --from=s{stage} /{stage} /{stage}\n");
    }
    let dockerfile = directory.join("Dockerfile.large");
    fs_err::write(&dockerfile, text + &last)?;
    let mut command = Command::new(wharf);
    command.env("WHARF_HOME", directory.join("large-home"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command.args(["build", "--no-cache", "-f"]).arg(dockerfile);
    let (cost, _) = time(command.arg(&tree), directory)?;
    fs_err::remove_dir_all(&tree)?;
    fs_err::remove_dir_all(directory.join("large-home"))?;
    let peak = f64::from(u32::try_from(cost.peak).unwrap_or(u32::MAX)) / 1024.0;
    let met = if peak < TARGET { "yes" } else { "no" };
    Ok(format!(
        "\n| an image of 8 GiB, 4 stages | seconds | MiB at most | target | met |\n\
         |---|---:|---:|---|---|\n| wharf | {:.1} | {peak:.1} | under {TARGET} | {met} |\n",
        cost.wall
    ))
}
