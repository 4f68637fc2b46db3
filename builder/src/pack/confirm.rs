//! What was read against what was known of it: digests that earlier builds
//! remembered are confirmed, and new ones are remembered.

use layer::{ContentPlace, LayerIndex};
use oci::Digest;

use crate::context::Moment;
use crate::error::{Error, ErrorKind};
use crate::pack::contents::{CONTEXT, Shelf};
use crate::pack::recipe::{Content, Recipe};

/// Takes over the digests of files from the index of what was packed of a
/// recipe, all of which was read after a moment. Fails with
/// [`ErrorKind::Changed`] where one is not what it was known to be; then that
/// is forgotten, and nothing may be kept under what was known.
pub(crate) fn confirm(
    recipe: &mut Recipe,
    index: &LayerIndex,
    shelf: &Shelf,
    before: Moment,
) -> Result<(), Error> {
    let wrong = recipe.learn(index)?;
    for (_, place) in &wrong {
        shelf.forget(*place);
    }
    if let Some((path, _)) = wrong.first() {
        let message = format!("`{path}` is not what it was, though its times say that it is");
        return Err(Error::new(ErrorKind::Changed, message)
            .with_hint("what was known of it is forgotten: build once more"));
    }
    for item in recipe.items() {
        if let Content::Place {
            place,
            digest: Some(digest),
        } = &item.content
        {
            shelf.learn(*place, digest, before);
        }
    }
    Ok(())
}

impl Shelf {
    /// Remembers the digest of a file that was read after a moment.
    pub(crate) fn learn(&self, place: ContentPlace, digest: &Digest, before: Moment) {
        if let Some(context) = self.context.as_ref().filter(|_| place.origin == CONTEXT) {
            context.learn(place.position, digest, before);
        }
    }

    /// Forgets a file.
    fn forget(&self, place: ContentPlace) {
        if let Some(context) = self.context.as_ref().filter(|_| place.origin == CONTEXT) {
            context.forget(place.position);
        }
    }
}
