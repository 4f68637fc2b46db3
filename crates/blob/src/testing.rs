//! What every backend must pass, and backends that fail on command.
//!
//! [`conformance`] is the contract of [`Backend`] as checks, one or more for
//! every sentence of its documentation. [`Failing`] makes any backend fail at
//! a chosen step, [`listing()`] says which keys are stored. Nothing here
//! is used by a program that serves.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::backend::Backend;
use crate::error::Error;

/// Fails a check, and says why, where something does not hold.
macro_rules! ensure {
    ($holds:expr, $($words:tt)+) => {
        if !$holds {
            return Err($crate::testing::Failure(format!($($words)+)));
        }
    };
}

/// Fails a check where two values differ.
macro_rules! ensure_eq {
    ($actual:expr, $wanted:expr) => {
        match (&$actual, &$wanted) {
            (actual, wanted) => ensure!(
                *actual == *wanted,
                "`{}` at line {} is {actual:?} instead of {wanted:?}",
                stringify!($actual),
                line!()
            ),
        }
    };
}

mod blobs;
mod content;
mod failing;
mod listing;
mod pages;
mod records;
mod uploads;

pub use failing::{Failing, Fault, Moment, Operation, Step};
pub use listing::listing;

/// Holds a backend to everything that [`Backend`] and
/// [`Upload`](crate::Upload) promise.
///
/// `make` gives an empty backend for each check. Races are real only on a
/// runtime with several threads.
///
/// # Panics
///
/// Panics when a check fails, with the names of all that failed and why.
pub async fn conformance(make: impl AsyncFn() -> Arc<dyn Backend>) {
    let mut failures = Vec::new();
    for (name, check) in checks() {
        if let Err(Failure(why)) = check(make().await).await {
            failures.push(format!("{name}: {why}"));
        }
    }
    assert!(
        failures.is_empty(),
        "{} checks failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Says why a check failed.
struct Failure(String);

type Checked = Result<(), Failure>;
type Check = fn(Arc<dyn Backend>) -> BoxFuture<'static, Checked>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut text = format!("{error} ({:?})", error.kind());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        Self(text)
    }
}

/// Names the checks of one module.
macro_rules! checks_of {
    ($module:ident: $($check:ident)+) => {
        [$((
            concat!(stringify!($module), "::", stringify!($check)),
            (|backend| Box::pin($module::$check(backend))) as Check,
        )),+]
    };
}

fn checks() -> Vec<(&'static str, Check)> {
    let mut checks = Vec::new();
    checks.extend(checks_of!(records:
        what_is_not_there_is_absent
        what_is_created_is_read_back
        create_leaves_what_is_there
        swap_writes_only_what_was_expected
        swap_of_anything_writes
        versions_tell_writings_apart
        sizes_out_of_bounds_are_refused
        delete_can_be_repeated
        delete_if_spares_other_versions
        after_delete_if_there_is_nothing
        of_many_creates_one_wins
        of_many_creates_after_delete_if_one_wins
        of_many_swaps_one_wins
        concurrent_counts_are_not_lost
        of_many_deletes_one_wins
        of_a_swap_and_a_delete_one_wins
        dropped_calls_leave_no_half_value
        no_segment_leaves_its_key));
    checks.extend(checks_of!(pages:
        a_page_of_nothing_is_empty
        a_page_of_one_is_whole
        pages_follow_each_other
        more_is_exact
        names_are_in_byte_order
        any_text_can_be_after
        deleted_names_are_gone
        only_the_key_itself_is_listed));
    checks.extend(checks_of!(blobs:
        blobs_are_read_in_parts
        a_part_past_the_end_is_corrupt
        an_empty_blob_is_there
        blobs_are_deleted
        versions_of_blobs_are_unique
        delete_if_spares_other_blobs
        of_a_publish_and_a_delete_if_one_counts
        a_large_blob_is_read_in_parts
        content_is_never_understood));
    checks.extend(checks_of!(uploads:
        a_blob_is_visible_when_published
        an_upload_of_many_pieces
        a_saved_upload_continues
        an_upload_continues_many_times
        what_was_not_saved_is_forgotten
        an_older_state_still_counts
        what_was_appended_is_read_back
        a_large_upload_is_read_back
        publishing_keeps_or_replaces
        two_turns_do_not_mix
        discard_spares_or_prevents
        many_publish_at_once
        readers_see_all_or_nothing
        a_discarded_upload_is_gone
        discarding_spares_what_was_published
        a_published_upload_is_gone
        a_dropped_upload_shows_nothing
        a_place_can_be_used_again));
    checks
}

/// Runs work several times at once, and gives what came of it.
async fn race<T, F>(count: usize, work: impl Fn(usize) -> F) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for number in 0..count {
        running.spawn(work(number));
    }
    let mut outcomes = Vec::new();
    while let Some(outcome) = running.join_next().await {
        let outcome = outcome.map_err(|error| Failure(format!("a racer failed: {error}")))?;
        outcomes.push(outcome?);
    }
    Ok(outcomes)
}
