//! The images that a build starts from or copies from, each looked for once
//! for each platform.

use std::collections::BTreeMap;

use ::image::{Images, Library};

use crate::error::Error;
use crate::image::base::{self, BaseImage};
use crate::plan::{ImageName, Plan};

/// Holds the images that were found, by platform and name.
#[derive(Default)]
pub(crate) struct Bases {
    found: BTreeMap<String, BaseImage>,
}

impl Bases {
    /// Finds an image for a stage of a plan.
    pub(crate) async fn find(
        &mut self,
        (images, library): (&Images, &Library),
        plan: &Plan,
        name: &ImageName,
        stage: usize,
    ) -> Result<BaseImage, Error> {
        let Some(planned) = plan.stages.get(stage) else {
            let message = "an image is needed for a stage that is not planned";
            return Err(Error::new(crate::error::ErrorKind::Step, message));
        };
        let platform = &planned.platform;
        let key = format!("{platform} {name}");
        if let Some(base) = self.found.get(&key) {
            return Ok(base.clone());
        }
        let base = base::find(images, library, name, platform).await;
        let base = base.map_err(|error| match near(name, stage, plan) {
            Some(stage) => error.with_hint(format!("did you mean the stage `{stage}`?")),
            None => error,
        })?;
        self.found.insert(key, base.clone());
        Ok(base)
    }
}

/// Finds the stage that was meant by what is taken for an image.
fn near<'a>(image: &ImageName, stage: usize, plan: &'a Plan) -> Option<&'a str> {
    let ImageName::Named(name) = image else {
        return None;
    };
    let word = name.repository().as_str().strip_prefix("library/")?;
    // What has the very name is no stage here, or it would have been found; and
    // no stage is made of itself.
    let own = plan.stages.get(stage).map(|stage| stage.name.as_str());
    let others = plan.names.iter().map(String::as_str);
    let others: Vec<&str> = others
        .filter(|stage| *stage != word && Some(*stage) != own)
        .collect();
    dockerfile::nearest(word, &others)
}
