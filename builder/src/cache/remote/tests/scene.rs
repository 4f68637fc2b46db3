//! A machine with a library, and steps that were done on it.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use ::image::{Images, Library, Place};
use oci::{Descriptor, Digest, ImageName, MediaType};

use crate::cache::memory::Imported;
use crate::cache::record::{LayerRecord, Record};
use crate::cache::remote::export::{ExportedStep, export_all};
use crate::cache::remote::import::{Cost, import};
use crate::cache::remote::{
    CacheDestination, CacheExtent, CacheFailure, CacheSent, CacheSource, CacheTarget, cache_tag,
};
use crate::error::Error;
use crate::events::{Event, Progress};
use crate::solve::here;

/// Is a machine of its own.
pub(super) struct Machine {
    pub(super) directory: tempfile::TempDir,
    pub(super) images: Images,
}

impl Machine {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = client::Options::new("test/1");
        // Those that are gone do not come back.
        options.retries.attempts = 1;
        let client = client::Client::new(options).expect("a client");
        let library = Library::open(&directory.path().join("home")).expect("a library");
        let images = Images::new(client, Some(library), directory.path().join("scratch"));
        Self { directory, images }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Does a step that makes a layer.
    pub(super) async fn step(&self, word: &str, of_result: bool) -> ExportedStep {
        let library = self.images.library().expect("a library");
        let content = format!("the layer of {word}").into_bytes();
        let size = content.len() as u64;
        let digest = library.keep(content.into()).await.expect("kept");
        let descriptor = Descriptor::new(MediaType::OCI_LAYER_GZIP, digest, size);
        step(word, of_result, Some(descriptor), here(&digest))
    }

    pub(super) async fn export(
        &self,
        target: &CacheTarget,
        steps: &[ExportedStep],
    ) -> Result<CacheSent, Error> {
        let targets = std::slice::from_ref(target);
        let image = image();
        let said = Said::default();
        let all = export_all(&self.images, targets, steps, &image, &said).await?;
        Ok(all.sent.into_iter().next().expect("one cache").1)
    }

    pub(super) async fn import(&self, source: &CacheSource) -> Result<Option<Imported>, Error> {
        let found = import(&self.images, source, Cost::USUAL).await?;
        Ok(found.map(|found| {
            assert!(!found.is_cut);
            found.imported
        }))
    }
}

/// Is a step that somebody did.
pub(super) fn step(
    word: &str,
    of_result: bool,
    layer: Option<Descriptor>,
    place: Place,
) -> ExportedStep {
    let record = Record {
        layer: layer.map(|descriptor| LayerRecord {
            descriptor,
            diff_id: Digest::sha256(format!("the tar of {word}").as_bytes()),
        }),
        warnings: Vec::new(),
        keys: Vec::new(),
    };
    ExportedStep {
        keys: keys(word),
        record,
        place,
        of_result,
    }
}

/// The keys of a step, as a cache has them.
pub(super) fn keys(word: &str) -> Vec<Digest> {
    let mut keys = vec![key(word), key(&format!("the content of {word}"))];
    keys.sort();
    keys
}

/// What a step is known by where it was read.
pub(super) fn read(word: &str, step: &ExportedStep) -> Record {
    Record {
        keys: keys(word),
        ..step.record.clone()
    }
}

pub(super) fn key(word: &str) -> Digest {
    Digest::sha256(format!("the key of {word}").as_bytes())
}

/// The manifest of an image that nobody has.
pub(super) fn image() -> Descriptor {
    Descriptor::new(MediaType::OCI_MANIFEST, Digest::sha256(b"an image"), 8)
}

pub(super) fn to_layout(directory: &Path, extent: CacheExtent) -> CacheTarget {
    target(CacheDestination::Layout {
        directory: directory.to_owned(),
        tag: cache_tag(),
    })
    .of(extent)
}

pub(super) fn from_layout(directory: &Path) -> CacheSource {
    CacheSource::Layout {
        directory: directory.to_owned(),
        tag: cache_tag(),
    }
}

pub(super) fn to_registry(name: &ImageName) -> CacheTarget {
    target(CacheDestination::Registry(name.clone()))
}

fn target(destination: CacheDestination) -> CacheTarget {
    CacheTarget {
        destination,
        extent: CacheExtent::Result,
        failure: CacheFailure::Fails,
    }
}

impl CacheTarget {
    fn of(self, extent: CacheExtent) -> Self {
        Self { extent, ..self }
    }
}

/// Remembers what was warned of.
#[derive(Default)]
pub(super) struct Said(pub(super) Mutex<Vec<String>>);

impl Progress for Said {
    fn note(&self, event: &Event<'_>) {
        if let Event::Warned { message, hint } = event {
            let mut said = self.0.lock().expect("no panic");
            said.push(format!("{message} ({hint})"));
        }
    }
}

/// Gives an error with all its causes.
pub(super) fn chain(error: &Error) -> String {
    let mut text = format!("{:?}: {error}", error.kind());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Is a registry that ends with the test.
pub(super) struct Server {
    child: Child,
    pub(super) address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a registry; `None` where none was built.
    pub(super) fn start(storage: &Path) -> Option<Self> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let program = ["debug/wharf", "release/wharf"]
            .iter()
            .map(|name| target.join(name))
            .find(|path| path.exists())?;
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--unsafe-no-sync"])
            .arg("--storage")
            .arg(storage)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a registry");
        let stdout = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        std::io::BufReader::new(stdout)
            .read_line(&mut line)
            .expect("a line");
        let address = line.trim().strip_prefix("listening http://");
        let address = address.expect("an address").to_owned();
        Some(Self { child, address })
    }

    pub(super) fn name(&self, name: &str) -> ImageName {
        format!("{}/{name}", self.address).parse().expect("a name")
    }
}
