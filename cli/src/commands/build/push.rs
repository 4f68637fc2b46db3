//! What is built goes to registries under these names: by `--push`, and by
//! outputs that are images.

use oci::ImageName;

use super::output::{Outputs, Push};
use crate::places;
use crate::report::{hinted, usage};

/// Holds the names of what is built.
pub(super) struct Targets {
    /// Those that it gets in the library.
    pub(super) names: Vec<ImageName>,
    /// Those that it is pushed as.
    pub(super) pushed: Vec<(ImageName, Push)>,
    /// Those that the library gets with the digest behind them.
    pub(super) canonical: Vec<ImageName>,
}

impl Targets {
    /// Gathers the names of all arguments, each once.
    pub(super) fn of(
        (push_all, tags): (bool, &[String]),
        outputs: &Outputs,
    ) -> anyhow::Result<Self> {
        let tags = tags.iter().map(|tag| places::parse_name(tag));
        let tags: Vec<ImageName> = tags.collect::<anyhow::Result<_>>()?;
        let mut names = tags.clone();
        names.extend(outputs.names().cloned());
        for name in &names {
            if name.digest().is_some() {
                let message = format!("`{name}` has a digest, which a build can not be told");
                return Err(usage(message));
            }
        }
        let (mut pushed, mut canonical) = (Vec::new(), Vec::new());
        let mut push = |names: &[ImageName], how: Push| {
            pushed.extend(names.iter().map(|name| (name.clone(), how)));
        };
        if push_all {
            push(
                needed("`--push` needs to know where to", &tags)?,
                Push::ByName,
            );
        }
        for image in &outputs.images {
            match (image.push, image.names.as_slice()) {
                (Push::No, _) => {}
                (how, []) => push(
                    needed("`type=registry` needs to know where to", &tags)?,
                    how,
                ),
                (how, names) => push(names, how),
            }
            match (image.canonical, image.names.as_slice()) {
                (false, _) => {}
                (true, []) => {
                    canonical.extend_from_slice(needed("`name-canonical` needs a name", &tags)?)
                }
                (true, names) => canonical.extend_from_slice(names),
            }
        }
        Ok(Self {
            names: once(names),
            pushed: once(pushed),
            canonical: once(canonical),
        })
    }

    /// Gives the places that layers are sent to before the image is: one name
    /// for each repository.
    pub(super) fn repositories(&self) -> Vec<ImageName> {
        let mut all: Vec<ImageName> = Vec::new();
        for (name, _) in &self.pushed {
            let is_same = |other: &ImageName| {
                other.registry() == name.registry() && other.repository() == name.repository()
            };
            if !all.iter().any(is_same) {
                all.push(name.clone());
            }
        }
        all
    }
}

/// Gives the names of `-t`, where something goes by them.
fn needed<'a>(what: &str, tags: &'a [ImageName]) -> anyhow::Result<&'a [ImageName]> {
    if !tags.is_empty() {
        return Ok(tags);
    }
    let error = usage(format!("{what}: there is no `-t`"));
    Err(hinted(
        error,
        "name the image as in `-t localhost:5000/shop:1`",
    ))
}

/// Leaves out what is there twice.
fn once<T: PartialEq>(given: Vec<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(given.len());
    for one in given {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}
