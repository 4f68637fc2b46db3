//! What was built goes to where it was asked for: files, docker or podman, and
//! registries, in this order.

use std::sync::Arc;

use anyhow::Context as _;
use image::Place;
use oci::{ImageName, Reference};
use serde_json::json;

use super::caching;
use super::load::Loader;
use super::output::{Outputs, Push, Writing, options};
use super::push::Targets;
use crate::commands::wait;
use crate::environment::Environment;
use crate::progress::{Moving, Way};
use crate::report::say;

/// Has what it takes to deliver.
pub(super) struct Delivery<'a> {
    pub(super) environment: &'a Environment,
    pub(super) writing: Writing<'a>,
    /// Whether nothing is said of it.
    pub(super) quiet: bool,
}

impl Delivery<'_> {
    /// Delivers what was built.
    pub(super) fn deliver(
        &self,
        outputs: &Outputs,
        loader: Option<&Loader>,
        targets: &Targets,
    ) -> anyhow::Result<()> {
        let building = self.writing.building;
        self.name(&targets.canonical)?;
        for output in &outputs.files {
            self.writing.write(output)?;
            output.tell(self.quiet);
            building.tell("wrote", &json!({ "output": output.to_string() }));
        }
        if let Some(loader) = loader {
            let loaded = loader.load(&self.writing)?;
            let names = self.names();
            if !self.quiet {
                let (names, id) = (names.join(", "), self.id());
                let what = if names.is_empty() { id } else { names };
                say(&format!("loaded into {loaded}: {what}"));
            }
            building.tell("loaded", &json!({ "program": loaded, "names": names }));
        }
        for (name, how) in &targets.pushed {
            let digest = Reference::Digest(self.writing.built.descriptor.digest);
            let name = match how {
                Push::ByDigest => name.with_reference(digest),
                Push::No | Push::ByName => name.clone(),
            };
            let said = json!({ "name": name.to_string() });
            self.push(name.clone())?;
            building.tell("pushed", &said);
            caching::push(&self.writing, &name, self.quiet)?;
        }
        if targets.pushed.is_empty() {
            caching::warn_of_unpushed(self.writing.built, self.quiet);
        }
        Ok(())
    }

    /// Has the library know the image by its digest in the repositories of
    /// these names, whatever becomes of their tags.
    fn name(&self, names: &[ImageName]) -> anyhow::Result<()> {
        let descriptor = &self.writing.built.descriptor;
        let library = self.writing.reached.images.library();
        for name in names {
            let name = name.with_reference(Reference::Digest(descriptor.digest));
            let library = library.context("there is no library for the image")?;
            wait(async { Ok(library.set(&name, descriptor).await?) })?;
        }
        Ok(())
    }

    /// Gives the names that docker and podman know the image by.
    fn names(&self) -> Vec<String> {
        let names = self.writing.built.names.iter();
        let tagged = names.filter(|name| name.tag().is_some());
        tagged.map(ToString::to_string).collect()
    }

    /// Gives what they know an image without a name by.
    fn id(&self) -> String {
        let image = self.writing.built.images.first();
        image.map_or_else(String::new, |image| image.config.to_string())
    }

    fn push(&self, name: ImageName) -> anyhow::Result<()> {
        let (reached, built) = (self.writing.reached, self.writing.built);
        let from = built.names.first().cloned();
        let from = Place::Library(from.context("the image has no name in the library")?);
        let to = Place::Registry(name);
        let building = Arc::clone(self.writing.building);
        let moving = Moving {
            shown: building.form().copying(self.environment),
            way: Way::Sent,
            building,
        };
        let options = options(built, Arc::new(moving));
        wait(async {
            // Moved in, so that the bars are gone before anything else is said.
            let options = options;
            let pushed = reached.images.copy(&from, &to, &options).await;
            pushed
                .with_context(|| format!("the image is built, but can not be pushed to `{to}`"))
                .map_err(|error| reached.advise(error))
        })?;
        if !self.quiet {
            say(&format!("pushed to `{to}`"));
        }
        Ok(())
    }
}
