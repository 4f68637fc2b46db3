//! `WORKDIR` in a build under way: the directory that is made where there is
//! none.

use dockerfile::Text;

use crate::cache::InputKind;
use crate::error::Error;
use crate::events::Outcome;
use crate::pack::contents::Shelf;
use crate::pack::recipe::Recipe;
use crate::plan::excerpt;
use crate::solve::run::Run;
use crate::solve::stage::StageState;
use crate::step::owner::Owner;
use crate::step::{self, workdir};

impl Run<'_> {
    /// Does a `WORKDIR`.
    pub(super) async fn workdir(
        &self,
        stage: &mut StageState,
        path: &Text,
    ) -> Result<Outcome, Error> {
        let path = stage.configured.expand(path, self.plan().escape)?;
        step::not_empty("WORKDIR", &path)?;
        let path = workdir::absolute(stage.working_directory(), &path);
        let path = match path.trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        path.clone_into(&mut stage.configured.config.config.working_dir);
        if path == "/" {
            return Ok(Outcome::NoLayer);
        }
        let user = stage.configured.config.config.user.clone();
        let mut definition = self.definition("WORKDIR", Some(stage));
        definition.add(InputKind::Directory, "", path);
        definition.add(InputKind::User, "", &user);
        let mut lookup = self.look_up(&definition).await?;
        if let Some(outcome) = self.take_found(stage, &mut lookup).await? {
            return Ok(outcome);
        }
        let mut recipe = self.directory(stage, path, &user).await?;
        let packed = self.pack(stage, &mut recipe, &mut Shelf::default()).await?;
        self.keep(lookup, Vec::new(), packed).await
    }

    /// Says what has to be made.
    async fn directory(
        &self,
        stage: &mut StageState,
        path: &str,
        user: &str,
    ) -> Result<Recipe, Error> {
        self.see(stage).await?;
        let owner = if user.is_empty() {
            Owner::default()
        } else {
            let owner = self.owner(stage, user).await;
            owner.map_err(|error| {
                let hint = format!("the directory would be of the `USER`, which is `{}` here: add it to the image first, or write its number", excerpt(user));
                error.with_hint(hint)
            })?
        };
        let time = self.time()?;
        match &mut stage.tree {
            Some(tree) => workdir::make(tree, path, owner, time),
            None => Ok(Recipe::default()),
        }
    }
}
