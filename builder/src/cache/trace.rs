//! What the steps of earlier builds of the same Dockerfile were made of, so that
//! a miss can be explained. No result depends on it: what is lost is explained
//! less well, and looked for by a longer way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use image::{Library, Topic};
use layer::{EntryPath, Kind};
use oci::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::cache::definition::{Definition, Input};
use crate::cache::explain::{self, Change};
use crate::pack::layers::locked;
use crate::pack::recipe::{Content, Item, Recipe};
use crate::request::Cache;

/// How many builds of one Dockerfile are remembered.
const BUILDS: usize = 4;
/// The most files of one step that are listed.
const FILES_LIMIT: usize = 20_000;
/// The most bytes of one trace; without lists of files where it has more.
const TRACE_LIMIT: usize = 3 * 1024 * 1024;
/// Is raised where a trace is written in another form.
const FORMAT: u32 = 2;

/// Knows what earlier builds were made of, and notes this one.
pub(crate) struct Traces {
    library: Library,
    mode: Cache,
    identity: Digest,
    header: Header,
    earlier: OnceCell<Vec<Trace>>,
    noted: Mutex<BTreeMap<usize, TracedStep>>,
}

/// Says which traces there are.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The slots, the newest first, each with the keys of its steps.
    builds: Vec<(usize, Vec<Digest>)>,
}

/// Is what the steps of one build were made of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Trace {
    pub(crate) steps: Vec<TracedStep>,
}

/// Is what a step was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TracedStep {
    /// The stage, with its platform where there are several.
    pub(crate) stage: String,
    /// The instruction as it is written, without what may be secret.
    pub(crate) text: String,
    pub(crate) key: Digest,
    pub(crate) inputs: Vec<Input>,
    /// The files of a context that it took; none where they are too many.
    pub(crate) files: Option<Vec<TracedFile>>,
}

/// Is a file that a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TracedFile {
    /// Its path in what was taken.
    pub(crate) path: String,
    /// What it is, and its permissions.
    pub(crate) kind: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// What tells its content from another one; 0 where it is not known.
    pub(crate) content: u64,
}

impl Traces {
    /// Starts with what is known of a Dockerfile.
    pub(crate) async fn open(library: &Library, mode: Cache, identity: Digest) -> Self {
        let header = match mode {
            Cache::Apart => None,
            Cache::Use | Cache::Refresh => read(library, &identity).await,
        };
        Self {
            library: library.clone(),
            mode,
            identity,
            header: header
                .filter(|header: &Header| header.format == FORMAT)
                .unwrap_or_default(),
            earlier: OnceCell::new(),
            noted: Mutex::default(),
        }
    }

    /// Says whether earlier builds are compared with.
    pub(crate) fn mode(&self) -> Cache {
        self.mode
    }

    /// Says whether an earlier build had a step of this key.
    pub(crate) fn has(&self, key: &Digest) -> bool {
        let mut known = self.header.builds.iter().flat_map(|(_, keys)| keys);
        known.any(|known| known == key)
    }

    /// Notes what a step is made of. Its files are listed only if no earlier
    /// build has listed them.
    pub(crate) fn note(
        &self,
        step: usize,
        written: (String, String),
        key: Digest,
        (definition, files): (&Definition, Option<&Recipe>),
    ) {
        let files = files.filter(|_| !self.has(&key) && self.mode != Cache::Apart);
        let traced = TracedStep::new(written, key, (definition, files));
        locked(&self.noted).insert(step, traced);
    }

    /// Says what is otherwise than in the nearest earlier build.
    pub(crate) async fn explain(&self, step: &TracedStep) -> Vec<Change> {
        explain::nearest(self.earlier().await, step)
    }

    async fn earlier(&self) -> &[Trace] {
        let read = self.earlier.get_or_init(|| async {
            let mut traces = Vec::with_capacity(self.header.builds.len());
            for (slot, _) in &self.header.builds {
                traces.extend(read(&self.library, &self.slot(*slot)).await);
            }
            traces
        });
        read.await
    }

    /// Keeps what was noted, unless it is what the newest build was. What can
    /// not be kept is lost, and no more.
    pub(crate) async fn save(&self) {
        let mut steps: Vec<TracedStep> = locked(&self.noted).values().cloned().collect();
        let keys: Vec<Digest> = steps.iter().map(|step| step.key).collect();
        let newest = self.header.builds.first().map(|(_, keys)| keys);
        if self.mode == Cache::Apart || steps.is_empty() || newest == Some(&keys) {
            return;
        }
        // What was listed before is not listed again.
        let earlier = self.earlier().await;
        let listed: BTreeMap<Digest, &TracedStep> = earlier
            .iter()
            .flat_map(|trace| &trace.steps)
            .filter(|step| step.files.is_some())
            .map(|step| (step.key, step))
            .collect();
        for step in steps.iter_mut().filter(|step| step.files.is_none()) {
            step.files = listed.get(&step.key).and_then(|known| known.files.clone());
        }
        let used: BTreeSet<usize> = self.header.builds.iter().map(|(slot, _)| *slot).collect();
        let oldest = self.header.builds.last().map(|(slot, _)| *slot);
        let free = (0..BUILDS).find(|slot| !used.contains(slot));
        let slot = free.or(oldest).unwrap_or_default();
        let mut trace = Trace { steps };
        let mut bytes = encode(&trace);
        if bytes.len() > TRACE_LIMIT {
            trace.steps.iter_mut().for_each(|step| step.files = None);
            bytes = encode(&trace);
        }
        if bytes.len() > TRACE_LIMIT {
            return;
        }
        let mut builds = self.header.builds.clone();
        builds.retain(|(used, _)| *used != slot);
        builds.insert(0, (slot, keys));
        let header = encode(&Header {
            format: FORMAT,
            builds,
        });
        let library = &self.library;
        let slot = self.slot(slot);
        let kept = library.note(Topic::Traces, &slot, bytes.into()).await;
        if kept.is_ok() {
            let _ = library
                .note(Topic::Traces, &self.identity, header.into())
                .await;
        }
    }

    fn slot(&self, slot: usize) -> Digest {
        Digest::sha256(format!("{} {slot}", self.identity).as_bytes())
    }
}

impl TracedStep {
    /// Describes a step by its stage, its text and what it is made of.
    pub(crate) fn new(
        (stage, text): (String, String),
        key: Digest,
        (definition, files): (&Definition, Option<&Recipe>),
    ) -> Self {
        Self {
            stage,
            text,
            key,
            inputs: definition.inputs().to_vec(),
            files: files.and_then(list),
        }
    }
}

async fn read<T: serde::de::DeserializeOwned>(library: &Library, about: &Digest) -> Option<T> {
    let noted = library.noted(Topic::Traces, about).await.ok().flatten()?;
    postcard::from_bytes(&noted).ok()
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Lists, strings and numbers always serialise.
    postcard::to_allocvec(value).unwrap_or_default()
}

/// Lists the files of a step; `None` where they are too many.
fn list(files: &Recipe) -> Option<Vec<TracedFile>> {
    let items: Vec<&Item> = files.items().take(FILES_LIMIT + 1).collect();
    (items.len() <= FILES_LIMIT).then(|| items.into_iter().map(file).collect())
}

fn file(item: &Item) -> TracedFile {
    let mode = item.entry.metadata.mode;
    let (word, content) = match (&item.entry.kind, &item.content) {
        (Kind::Symlink { target }, _) => ("link", short(&Digest::sha256(target))),
        (Kind::HardLink { target }, _) => ("hard link", short(&Digest::sha256(target.as_bytes()))),
        (Kind::Directory, _) => ("directory", 0),
        (_, Content::Inline(bytes)) => ("file", short(&Digest::sha256(bytes))),
        (_, Content::Place { digest, .. }) => ("file", digest.as_ref().map_or(0, short)),
        (_, Content::None) => ("other", 0),
    };
    TracedFile {
        path: path(&item.entry.path),
        kind: format!("{word} {mode:04o}"),
        size: item.size(),
        content,
    }
}

/// Shows where a file is in what was taken: without the directory that all of
/// it is put into.
fn path(path: &EntryPath) -> String {
    let names = path.names().skip(1);
    let names: Vec<String> = names.map(|name| name.escape_ascii().to_string()).collect();
    match names.is_empty() {
        true => ".".to_owned(),
        false => names.join("/"),
    }
}

/// Shortens a digest to what tells two files apart.
fn short(digest: &Digest) -> u64 {
    let hex = digest.hex();
    u64::from_str_radix(hex.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}
