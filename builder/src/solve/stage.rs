//! What a stage has become so far.

use ::image::Place;
use layer::Tree;

use crate::image::{History, ImageConfig, LayerOf};
use crate::step::configure::Configured;

/// Is a stage under way, or done.
#[derive(Debug, Clone)]
pub(crate) struct StageState {
    pub(crate) configured: Configured,
    pub(crate) layers: Vec<Placed>,
    /// How many of them it started with.
    pub(crate) of_base: usize,
    /// The file system that the first layers make; absent until it is needed.
    pub(crate) tree: Option<Tree>,
    /// How many layers these are.
    pub(crate) seen: usize,
}

/// Is a layer, and where it can be read.
#[derive(Debug, Clone)]
pub(crate) struct Placed {
    pub(crate) layer: LayerOf,
    pub(crate) place: Place,
}

impl StageState {
    /// Starts from the config and layers of a base.
    pub(crate) fn new(config: ImageConfig, layers: Vec<Placed>) -> Self {
        Self {
            configured: Configured::new(config),
            of_base: layers.len(),
            layers,
            tree: None,
            seen: 0,
        }
    }

    /// Starts from what another stage has become.
    pub(crate) fn on(base: &Self) -> Self {
        let mut config = base.configured.config.clone();
        // They were done here.
        config.config.on_build = None;
        Self {
            configured: Configured::new(config),
            of_base: base.layers.len(),
            layers: base.layers.clone(),
            tree: base.tree.clone(),
            seen: base.seen,
        }
    }

    /// Notes what an instruction did.
    pub(crate) fn note(&mut self, created: &str, text: &str, empty_layer: bool) {
        self.configured.config.history.push(History {
            created: Some(created.to_owned()),
            created_by: Some(text.to_owned()),
            empty_layer,
            ..History::default()
        });
    }

    /// Gives the directory that relative paths count from.
    pub(crate) fn working_directory(&self) -> &str {
        match self.configured.config.config.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }
}
