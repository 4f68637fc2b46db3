//! What there is to say of a `COPY` or `ADD`: warnings of what is not in the
//! image as somebody may think, and where a mistake stands.

use std::collections::BTreeSet;

use dockerfile::{Copy, Source as Written};
use layer::{EntryPath, Metadata};

use crate::context::{Context, Opened, Why};
use crate::error::{Error, ErrorKind};
use crate::pack::recipe::Recipe;
use crate::plan::CopyFrom;
use crate::solve::run::Run;
use crate::step::copy::{self, Copying, Failure, Source};

/// How many files of one instruction are warned of by name.
const WARNINGS_SHOWN: usize = 10;

impl Run<'_> {
    /// Tells of files that are not in the image as they are in the context.
    pub(super) fn warn_of(&self, context: &Context, taken: &[EntryPath], how: &Copying) {
        let mut said = Vec::new();
        if how.mode.is_none() {
            let hint = "set its mode with `--chmod`, or build with `--preserve-modes`";
            said.extend(context.unusual.among(taken).map(|(path, why)| {
                let message = match why {
                    Why::Special(mode) => format!(
                        "`{path}` has the mode {mode:04o}, of which set-id and sticky bits were dropped"
                    ),
                    Why::Private(mode) => format!(
                        "`{path}` has the mode {mode:04o}, and can be read by everybody in the image"
                    ),
                };
                (message, hint)
            }));
        }
        let taken: BTreeSet<&EntryPath> = taken.iter().collect();
        let skipped = context.skipped.iter().filter(|(path, _)| {
            let parent = path.parent();
            parent.is_some_and(|parent| taken.contains(&parent))
        });
        said.extend(skipped.map(|(path, what)| {
            let message = format!("`{path}` is {what}, and was left out");
            (message, "exclude it in `.dockerignore`")
        }));
        self.warn_of_all(&said);
    }

    /// Tells of directories that a layer changes which knows nothing of them.
    pub(super) fn warn_of_changed(&self, changed: &[(EntryPath, Metadata)], recipe: &Recipe) {
        let hint = "name the directory itself with `--chmod` and `--chown`, or leave `--link` out: such a layer has all directories on its way";
        let said = changed.iter().filter_map(|(path, old)| {
            let new = recipe.metadata(path)?;
            let describe = |metadata: &Metadata| {
                format!("{:04o} of {}:{}", metadata.mode, metadata.uid, metadata.gid)
            };
            let (old, new) = (describe(old), describe(new));
            let message = format!("`{path}` is {old} below, and becomes {new} by `--link`");
            Some((message, hint))
        });
        for (message, hint) in said.take(WARNINGS_SHOWN) {
            self.warn_again(&message, hint);
        }
    }

    fn warn_of_all(&self, said: &[(String, &str)]) {
        for (message, hint) in said.iter().take(WARNINGS_SHOWN) {
            self.warn(message, hint);
        }
        if let Some(more) = said
            .len()
            .checked_sub(WARNINGS_SHOWN)
            .filter(|more| *more > 0)
        {
            self.warn(
                &format!("the same is true of {more} more files"),
                "see above",
            );
        }
    }

    /// Says where the source stands that a copy failed at, and what would help.
    pub(super) fn explain(
        &self,
        failure: Failure,
        copy: &Copy,
        sources: &[Source],
        from: &CopyFrom,
    ) -> Error {
        let Failure { error, source } = failure;
        let found = source.and_then(|number| sources.get(number).zip(copy.sources.get(number)));
        let Some((source, Written::Path(text))) = found else {
            return error;
        };
        let error = error.at(text.span());
        let Source::Path(path) = source else {
            return error;
        };
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.missing(path, from) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Says why a source may be missing.
    fn missing(&self, path: &str, from: &CopyFrom) -> Option<String> {
        if path.starts_with('#') {
            return Some(copy::COMMENT_HINT.to_owned());
        }
        if !matches!(from, CopyFrom::Context | CopyFrom::Files(_)) {
            return None;
        }
        let files = self.files_of(from).ok()?;
        let is_ignored = EntryPath::parse(path.as_bytes())
            .is_ok_and(|path| !path.is_root() && files.ignore.matches(path.as_bytes()));
        if is_ignored {
            return Some(format!("`{}` excludes it", files.ignore_name));
        }
        let hint = if matches!(files.opened, Opened::Empty) {
            "the build has a Dockerfile alone: name a directory to copy from, `wharf build -f - DIR`"
        } else if path.contains("..") {
            "`..` does not lead out of the context: nothing above it can be copied"
        } else {
            "sources count from the root of the context"
        };
        Some(hint.to_owned())
    }
}
