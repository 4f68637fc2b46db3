//! What servers and repositories do to a build that fetches from them.

mod files;
mod repositories;
mod server;

use std::error::Error as _;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::events::Event;

/// Remembers what was told of fetching.
#[derive(Default)]
struct Told(Mutex<Vec<(String, u64, u64)>>);

impl Progress for Told {
    fn note(&self, event: &Event<'_>) {
        if let Event::Fetching {
            url,
            position,
            size,
        } = event
        {
            let told = ((*url).to_owned(), *position, *size);
            self.0.lock().expect("not poisoned").push(told);
        }
    }
}

/// Is all that a fetch needs.
struct Bench {
    network: Network,
    scratch: tempfile::TempDir,
    told: Told,
}

impl Bench {
    fn new() -> Self {
        let mut network = Network::new("wharf-test/1");
        network.limits.first_wait = Duration::from_millis(1);
        network.limits.stall = Duration::from_secs(20);
        network.limits.quiet = Duration::from_secs(60);
        Self {
            network,
            scratch: tempfile::tempdir().expect("a directory"),
            told: Told::default(),
        }
    }

    fn way(&self) -> Way<'_> {
        Way {
            network: &self.network,
            scratch: self.scratch.path(),
            progress: &self.told,
        }
    }

    /// Lists what is in the scratch directory.
    fn left(&self) -> Vec<std::path::PathBuf> {
        fs_err::read_dir(self.scratch.path())
            .expect("the directory")
            .map(|entry| entry.expect("an entry").path())
            .collect()
    }
}

/// Spells an error with all its causes and its hint.
fn whole(error: &Error) -> String {
    let mut text = format!("{error} ({})", error.hint().unwrap_or_default());
    let mut level = error.source();
    while let Some(cause) = level {
        text.push_str(&format!(": {cause}"));
        level = cause.source();
    }
    text
}
