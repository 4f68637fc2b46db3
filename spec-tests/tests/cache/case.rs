//! One case: a build, one change, and the steps that the next build does again.

use crate::change::{Call, Change};
use crate::progress::{Fate, Step};
use crate::scene::Scene;

/// A case.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// `FROM base` is busybox.
    pub(crate) dockerfile: &'static str,
    /// What is there before the first build.
    pub(crate) files: &'static [Change],
    /// Options of both builds, split at blanks.
    pub(crate) flags: &'static str,
    /// What happens between the builds.
    pub(crate) changes: &'static [Change],
    /// The steps that the second build does, each by a part of its text; it takes all
    /// others from the first.
    pub(crate) runs: &'static [&'static str],
    /// Whether the first build has steps that come to the same, so that it has a use for
    /// the cache itself.
    pub(crate) has_twins: bool,
}

/// Nothing changes.
pub(crate) const PLAIN: Case = Case {
    dockerfile: "",
    files: &[],
    flags: "",
    changes: &[],
    runs: &[],
    has_twins: false,
};

impl Case {
    /// Has another Dockerfile.
    pub(crate) const fn of(mut self, dockerfile: &'static str) -> Self {
        self.dockerfile = dockerfile;
        self
    }

    /// Builds, changes, builds, and compares with a build that has no cache.
    ///
    /// # Panics
    /// When other steps are done than said, or the images differ.
    pub(crate) fn check(&self) {
        let Some(scene) = Scene::set() else {
            return;
        };
        let mut call = self.call();
        for file in self.files {
            file.make(&scene.context(), &mut call);
        }
        let first = scene.build("home", &call, "");
        let is_expected = |step: &&Step| step.fate == Fate::Cached && !self.has_twins;
        let known = first.steps.iter().find(is_expected);
        assert_eq!(known, None, "in a new home:\n{}", first.words);
        let worked = first.steps.iter().any(|step| step.fate == Fate::Ran);
        assert!(worked, "the first build did nothing:\n{}", first.words);
        for change in self.changes {
            change.make(&scene.context(), &mut call);
        }
        let second = scene.build("home", &call, "");
        // A new home has nothing of the first build.
        let is_uncached = call.flags.contains("--no-cache");
        let further = if is_uncached { "" } else { "--no-cache" };
        let without = scene.build("new-home", &call, further);
        assert_eq!(
            second.digest, without.digest,
            "with and without the cache; with it:\n{}\nwithout it:\n{}",
            second.words, without.words
        );
        self.compare(&second.steps, &second.words);
        // What it could not find it must have kept.
        let again = scene.build("home", &call, "");
        let done = again.steps.iter().find(|step| step.fate == Fate::Ran);
        assert!(done.is_none() || is_uncached, "done again: {done:?}");
        assert_eq!(again.digest, second.digest);
    }

    fn compare(&self, steps: &[Step], words: &str) {
        let is_done = |step: &Step| step.fate == Fate::Ran;
        let is_named = |step: &Step| self.runs.iter().any(|text| step.text.contains(text));
        let needless = steps.iter().find(|step| is_done(step) && !is_named(step));
        assert_eq!(needless, None, "done without need:\n{words}");
        let stale = steps
            .iter()
            .find(|step| is_named(step) && step.fate == Fate::Cached);
        assert_eq!(stale, None, "not done:\n{words}");
        for text in self.runs {
            let done = steps
                .iter()
                .any(|step| is_done(step) && step.text.contains(text));
            assert!(done, "`{text}` was not done:\n{words}");
        }
    }

    fn call(&self) -> Call {
        Call {
            dockerfile: self.dockerfile.to_owned(),
            flags: self.flags.to_owned(),
            base: "1".to_owned(),
            variables: Vec::new(),
            umask: "0022".to_owned(),
        }
    }
}

/// Makes a test of each row.
macro_rules! table {
    ($($(#[$note:meta])* $name:ident => $case:expr;)*) => {
        $(
            $(#[$note])*
            #[test]
            fn $name() {
                $case.check();
            }
        )*
    };
}
pub(crate) use table;
