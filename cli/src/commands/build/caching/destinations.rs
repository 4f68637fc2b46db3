//! Places of caches beside all else that a build writes: of two things under
//! one name, the second would take the place of the first.

use std::path::{Path, PathBuf};

use builder::{CacheDestination, Caches, MountPlace};
use oci::Tag;

use crate::commands::build::output::{Outputs, Push};
use crate::commands::build::push::Targets;
use crate::report::{hinted, usage};

/// Refuses caches that would be where the image or an output is.
pub(in super::super) fn check(
    caches: &Caches,
    targets: &Targets,
    outputs: &Outputs,
) -> anyhow::Result<()> {
    for cache in &caches.to {
        let destination = &cache.destination;
        match destination {
            CacheDestination::Registry(name) => {
                let image = (name.clone(), Push::ByName);
                if targets.pushed.contains(&image) {
                    let error = usage(format!(
                        "the image and the cache of `--cache-to` would both be pushed to `{name}`"
                    ));
                    let hint = "give the cache a tag of its own, as in `ref=localhost:5000/shop:cache`, or none with `type=inline`";
                    return Err(hinted(error, hint));
                }
            }
            CacheDestination::Layout { directory, tag } => {
                let images = targets.names.iter().filter_map(|name| name.tag());
                let taken: Vec<&Tag> = images.filter(|image| *image == tag).collect();
                let cache = format!("the cache `{destination}` of `--cache-to`");
                beside(&cache, (directory, &taken), outputs)?;
            }
            CacheDestination::Inline => {}
        }
    }
    for target in &caches.mounts.to {
        // Their tags are of a form that nothing else has.
        if let MountPlace::Layout(directory) = &target.place {
            let caches = format!("the caches `{}` of `--cache-mount-to`", target.place);
            beside(&caches, (directory, &[]), outputs)?;
        }
    }
    Ok(())
}

/// Refuses a layout of caches in the directory of an output, unless that is a
/// layout too, and no image in it takes a tag of theirs.
fn beside(
    caches: &str,
    (directory, taken): (&Path, &[&Tag]),
    outputs: &Outputs,
) -> anyhow::Result<()> {
    let directory = resolved(directory);
    for output in &outputs.files {
        let hint = match (output.is_directory_of_images(), taken) {
            (true, []) => continue,
            (true, _) => "give the cache a `tag` that no `-t` has, or a directory of its own",
            (false, _) => "choose a directory of its own for each",
        };
        if output.path().map(resolved).as_ref() == Some(&directory) {
            let error = usage(format!(
                "the output `{output}` and {caches} would be in one place"
            ));
            return Err(hinted(error, hint));
        }
    }
    Ok(())
}

/// Says whether two caches are one place, however each is written.
pub(super) fn is_same(one: &CacheDestination, other: &CacheDestination) -> bool {
    use CacheDestination::Layout;
    match (one, other) {
        (
            Layout { directory, tag },
            Layout {
                directory: other,
                tag: of_other,
            },
        ) => tag == of_other && resolved(directory) == resolved(other),
        _ => one == other,
    }
}

/// Gives a path as the system knows it, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    for at in path.ancestors() {
        let there = match at.as_os_str().is_empty() {
            true => Path::new("."),
            false => at,
        };
        if let (Ok(there), Ok(rest)) = (fs_err::canonicalize(there), path.strip_prefix(at)) {
            return there.join(rest);
        }
    }
    path.to_owned()
}
