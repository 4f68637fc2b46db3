//! Pages: the next names of a directory, in byte order, at the cost of about
//! one request.
//!
//! An object store orders whole keys, so the directory `a`, which it knows as
//! `a/`, comes after the record `a-b`. Wherever a listing stops, only those
//! directories can be missing whose name is the beginning of the last key; so
//! these few are asked for one by one.

use std::collections::BTreeSet;

use object_store::ListResult;
use object_store::list::PaginatedListOptions;

use super::bucket::Bucket;
use crate::backend::Page;
use crate::error::Error;
use crate::key::Key;

/// The most entries that S3 gives at once.
const MOST: usize = 1000;

/// Gathers the names of one page and at least one more.
struct Gathering<'a> {
    after: &'a str,
    limit: usize,
    names: BTreeSet<String>,
}

impl Gathering<'_> {
    fn add(&mut self, name: &str) {
        if name > self.after {
            self.names.insert(name.to_owned());
        }
    }

    fn is_full(&self) -> bool {
        self.names.len() > self.limit
    }

    /// Says whether a name would change the page.
    fn wants(&self, name: &str) -> bool {
        // What would come behind the page is only more of `more`.
        let beyond = self.names.iter().nth(self.limit);
        name > self.after
            && beyond.is_none_or(|beyond| name < beyond.as_str())
            && !self.names.contains(name)
    }

    fn finish(self) -> Page {
        Page {
            more: self.is_full(),
            names: self.names.into_iter().take(self.limit).collect(),
        }
    }
}

pub(super) async fn page(
    bucket: &Bucket,
    key: &Key,
    after: &str,
    limit: usize,
) -> Result<Page, Error> {
    let prefix = format!("{key}/");
    let mut gathering = Gathering {
        after,
        limit,
        names: BTreeSet::new(),
    };
    let mut page_token = None;
    loop {
        // One more than wanted says whether there are more; and `after`
        // itself may come again as a directory.
        let wanted = limit
            .saturating_add(2)
            .saturating_sub(gathering.names.len());
        let options = PaginatedListOptions {
            offset: (!after.is_empty()).then(|| format!("{prefix}{after}")),
            delimiter: Some("/".into()),
            max_keys: Some(wanted.clamp(2, MOST)),
            page_token,
            ..PaginatedListOptions::default()
        };
        let listed = bucket.list(&prefix, options).await?;
        let reached = take(&listed.result, &prefix, &mut gathering);
        page_token = listed.page_token;
        if page_token.is_none() {
            break;
        }
        if gathering.is_full() {
            add_missing(bucket, &prefix, &reached, &mut gathering).await?;
            break;
        }
    }
    Ok(gathering.finish())
}

/// Adds what was listed, and gives the greatest key of it.
fn take(listed: &ListResult, prefix: &str, gathering: &mut Gathering<'_>) -> String {
    let mut reached = String::new();
    for object in &listed.objects {
        if let Some(name) = object.location.as_ref().strip_prefix(prefix) {
            if object.size > 0 {
                gathering.add(name);
            }
            reached = reached.max(name.to_owned());
        }
    }
    for directory in &listed.common_prefixes {
        if let Some(name) = directory.as_ref().strip_prefix(prefix) {
            gathering.add(name);
            reached = reached.max(format!("{name}/"));
        }
    }
    reached
}

/// Adds the directories that come after the last key that was listed, and yet
/// belong before a name that is on the page.
async fn add_missing(
    bucket: &Bucket,
    prefix: &str,
    reached: &str,
    gathering: &mut Gathering<'_>,
) -> Result<(), Error> {
    for (index, byte) in reached.bytes().enumerate() {
        let directory = match reached.get(..index) {
            Some(directory) if byte < b'/' && gathering.wants(directory) => directory,
            _ => continue,
        };
        let options = PaginatedListOptions {
            max_keys: Some(1),
            ..PaginatedListOptions::default()
        };
        let below = bucket
            .list(&format!("{prefix}{directory}/"), options)
            .await?;
        if !below.result.objects.is_empty() {
            gathering.add(directory);
        }
    }
    Ok(())
}
