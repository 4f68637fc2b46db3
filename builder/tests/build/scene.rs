//! A context and a home in a temporary directory.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use builder::{
    Built, Cache, Caches, ContextSource, DockerfileSource, Event, Fidelity, Format, Grant, Launch,
    Limits, Network, OciRuntime, Outcome, Prepared, Progress, Reach, Request, RunNetwork, Running,
    SandboxChoice,
};
use image::{Images, Library};
use oci::Platform;
use tempfile::TempDir;

/// Holds a context, a library and what the last build told.
pub(crate) struct Scene {
    directory: TempDir,
    pub(crate) images: Images,
    told: Arc<Told>,
}

/// Writes down what came of the steps, and the warnings.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    /// Why steps were done.
    missed: Mutex<Vec<String>>,
}

impl Progress for Told {
    fn note(&self, event: &Event<'_>) {
        let line = match event {
            Event::Finished { outcome, .. } => match outcome {
                Outcome::Packed { .. } => "packed".to_owned(),
                Outcome::Cached { .. } => "cached".to_owned(),
                _ => return,
            },
            Event::Warned { message, .. } => format!("warning: {message}"),
            Event::Missed { changes, .. } => {
                let mut missed = self.missed.lock().expect("no panic before");
                missed.extend(changes.iter().map(ToString::to_string));
                return;
            }
            _ => return,
        };
        self.lines.lock().expect("no panic before").push(line);
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with_library("home")
    }

    /// Starts with a library somewhere else.
    pub(crate) fn with_library(place: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let library = directory.path().join(place);
        let library = Library::open(&library).expect("a library");
        let options = client::Options::new("builder-tests/1");
        let client = client::Client::new(options).expect("a client");
        for name in ["context", "scratch"] {
            fs_err::create_dir_all(directory.path().join(name)).expect("writable");
        }
        let scratch = directory.path().join("scratch");
        Self {
            images: Images::new(client, Some(library), scratch),
            told: Arc::default(),
            directory,
        }
    }

    /// Gives the path of a file of the context.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.context().join(name)
    }

    pub(crate) fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Writes a file of the context.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("below the context")).expect("writable");
        fs_err::write(path, content).expect("writable");
    }

    /// Asks for a build of a Dockerfile.
    pub(crate) fn request(&self, dockerfile: &str) -> Request {
        let platform = Platform {
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        };
        Request {
            context: ContextSource::Directory(self.context()),
            contexts: BTreeMap::new(),
            dockerfile: DockerfileSource::Bytes(dockerfile.as_bytes().to_vec()),
            names: vec!["localhost/shop:1".parse().expect("a name")],
            target: None,
            arguments: BTreeMap::new(),
            platforms: vec![platform.clone()],
            build_platform: platform,
            epoch: 0,
            fidelity: Fidelity::default(),
            format: Format::Oci,
            annotations: builder::Annotations::default(),
            labels: BTreeMap::new(),
            cache: Cache::Use,
            threads: NonZeroUsize::MIN,
            caches: Caches::default(),
            compression: builder::Compression::default(),
            jobs: NonZeroUsize::MIN,
            network: Network::new("builder-tests/1"),
            running: Running {
                sandbox: SandboxChoice::Named(builder::TierName::None),
                launch: Launch {
                    program: "/proc/self/exe".into(),
                },
                store: self.directory.path().join("run"),
                runtime: OciRuntime::Own,
                network: RunNetwork::Host,
                insecure: Grant::Refused,
                secrets: BTreeMap::new(),
                agents: BTreeMap::new(),
                hosts: Vec::new(),
                resolver: Vec::new(),
                limits: Limits::default(),
                reach: Reach::Open,
            },
            scratch: self.directory.path().join("scratch"),
            sending: Vec::new(),
            progress: Arc::clone(&self.told) as Arc<dyn Progress>,
        }
    }

    /// Builds.
    pub(crate) async fn run(&self, request: Request) -> Result<Built, builder::Error> {
        self.told.lines.lock().expect("no panic before").clear();
        self.told.missed.lock().expect("no panic before").clear();
        let prepared = Prepared::new(request).await?;
        let (mut built, exports) = prepared.build(&self.images).await?;
        let exported = prepared.export(&self.images, &mut built, &exports).await;
        exported.map(|()| built)
    }

    /// Builds a Dockerfile that can be built.
    pub(crate) async fn build(&self, dockerfile: &str) -> Built {
        let built = self.run(self.request(dockerfile)).await;
        built.expect("it can be built")
    }

    /// Gives the bytes of a layer, uncompressed.
    pub(crate) async fn unpacked(&self, built: &Built, layer: usize) -> Vec<u8> {
        let packed = self
            .blob(&built.images[0].layers[layer].descriptor.digest)
            .await;
        let mut bytes = Vec::new();
        let mut reader = layer::decompress(packed.as_slice()).expect("a layer");
        reader.read_to_end(&mut bytes).expect("it is whole");
        bytes
    }

    /// Gives a blob of the library.
    pub(crate) async fn blob(&self, digest: &oci::Digest) -> Vec<u8> {
        let library = self.images.library().expect("a library");
        let bytes = library.read(digest, 1 << 30).await.expect("readable");
        bytes.expect("it was kept").to_vec()
    }

    /// Gives why the steps of the last build were done.
    pub(crate) fn missed(&self) -> Vec<String> {
        self.told.missed.lock().expect("no panic before").clone()
    }

    /// Gives what the last build told.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lines.lock().expect("no panic before").clone()
    }
}

/// Lists the files below a directory with their times, to see what was written.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs_err::read_dir(&directory).expect("readable") {
            let entry = entry.expect("readable");
            let metadata = entry.metadata().expect("there");
            if metadata.is_dir() {
                open.push(entry.path());
            } else {
                found.insert(entry.path(), metadata.modified().expect("a time"));
            }
        }
    }
    found
}
