//! A registry in memory behind a socket, and content to put there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blob::testing::{Failing, listing};
use blob::{Backend, Key, Object};
use oci::Digest;
use registry::{
    Access, AccessLog, Anonymous, Clock, Collection, Exposure, Hosts, Limits, Policy, Random,
    Redirects, Schedule, Server, Settings, TagPatterns, Trigger,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::wire::{Answer, Ask, ask};

pub(crate) const CONFIG: &[u8] = b"{}";
pub(crate) const LAYER: &[u8] = b"the bytes of a layer";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry that runs. Dropped, it is torn down.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) operation: Option<SocketAddr>,
    pub(crate) trigger: Trigger,
    pub(crate) backend: Failing,
    stop: oneshot::Sender<()>,
    running: JoinSet<()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Access::Anonymous(Anonymous::Push)).await
    }

    pub(crate) async fn with(access: Access) -> Self {
        Self::over(Failing::new(Arc::new(Object::in_memory())), access).await
    }

    /// Serves whoever calls the registry by one of these names.
    pub(crate) async fn called(names: &[&str]) -> Self {
        let hosts = Hosts::Named(names.iter().map(ToString::to_string).collect());
        let backend = Failing::new(Arc::new(Object::in_memory()));
        Self::made(backend, Access::Anonymous(Anonymous::Push), hosts).await
    }

    /// Serves what is in a backend. The names of uploads and requests are the
    /// same in each scene that is asked the same.
    pub(crate) async fn over(backend: Failing, access: Access) -> Self {
        Self::made(backend, access, Hosts::Any).await
    }

    /// Serves by other settings than most scenes have.
    pub(crate) async fn of(change: impl FnOnce(&mut Settings)) -> Self {
        let backend = Failing::new(Arc::new(Object::in_memory()));
        let access = Access::Anonymous(Anonymous::Push);
        let mut settings = settings(&backend, access, Hosts::Any);
        change(&mut settings);
        Self::by(settings, backend).await
    }

    async fn made(backend: Failing, access: Access, hosts: Hosts) -> Self {
        Self::by(settings(&backend, access, hosts), backend).await
    }

    async fn by(settings: Settings, backend: Failing) -> Self {
        let server = Server::bind(settings).await.expect("binds");
        let (operation, trigger) = (server.operation_address(), server.trigger());
        let address = server
            .url()
            .strip_prefix("http://")
            .and_then(|text| text.parse().ok());
        let (stop, stopped) = oneshot::channel();
        let mut running = JoinSet::new();
        running.spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self {
            address: address.expect("an address"),
            operation,
            trigger,
            backend,
            stop,
            running,
        }
    }

    /// Tells the server to stop, and gives what ends with it.
    pub(crate) fn stop(self) -> JoinSet<()> {
        let _ = self.stop.send(());
        self.running
    }

    /// Stops the server, and opens another one over the same storage.
    pub(crate) async fn again(self) -> Self {
        let backend = self.backend.clone();
        self.stop()
            .join_next()
            .await
            .expect("one")
            .expect("ends well");
        Self::over(backend, Access::Anonymous(Anonymous::Push)).await
    }

    pub(crate) async fn send(&self, ask: &Ask) -> Answer {
        ask.send(self.address).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&ask(&format!("GET {path}"))).await
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        keys(&self.backend).await
    }

    pub(crate) async fn push_blob(&self, name: &str, content: &[u8]) -> Answer {
        let digest = Digest::sha256(content);
        let line = format!("POST /v2/{name}/blobs/uploads/?digest={digest}");
        self.send(&ask(&line).body(content)).await
    }

    /// Pushes an image of [`CONFIG`] and [`LAYER`] under a tag.
    pub(crate) async fn push_image(&self, name: &str, tag: &str) {
        for content in [CONFIG, LAYER] {
            assert_eq!(self.push_blob(name, content).await.status, 201);
        }
        assert_eq!(self.send(&put(name, tag, &image())).await.status, 201);
    }

    /// Starts an upload and gives its path.
    pub(crate) async fn start(&self, name: &str) -> String {
        let answer = self
            .send(&ask(&format!("POST /v2/{name}/blobs/uploads/")))
            .await;
        assert_eq!(answer.status, 202);
        answer.header("location").to_owned()
    }
}

fn settings(backend: &Failing, access: Access, hosts: Hosts) -> Settings {
    let count = AtomicU64::new(1);
    Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        backend: Arc::new(backend.clone()) as Arc<dyn Backend>,
        access,
        hosts,
        certificate: None,
        clock: Clock::new(|| 1_700_000_000_000),
        random: Random::new(move || u128::from(count.fetch_add(1, Ordering::Relaxed))),
        immutable: TagPatterns::default(),
        collection: Collection {
            schedule: Schedule::Off,
            policy: Policy {
                grace: Duration::from_hours(24),
                untagged_after: None,
                upload_expiry: Duration::from_hours(24),
            },
        },
        redirects: Redirects::Off,
        limits: Limits::default(),
        metrics: Exposure::Beside,
        access_log: AccessLog::Off,
    }
}

/// Lists every key but the format's.
pub(crate) async fn keys(backend: &Failing) -> Vec<String> {
    let mut keys = Vec::new();
    for top in [
        "blobs",
        "catalog",
        "data",
        "links",
        "repositories",
        "uploads",
    ] {
        let below = listing(backend.inner().as_ref(), &Key::top(top)).await;
        keys.extend(below.expect("lists").into_iter().map(without_chance));
    }
    keys
}

/// Takes the part of a key away that is another one each time.
fn without_chance(key: String) -> String {
    match key.split_once("/tail-") {
        Some((upload, _chance)) => format!("{upload}/tail"),
        None => key,
    }
}

pub(crate) fn put(name: &str, reference: &str, manifest: &str) -> Ask {
    ask(&format!("PUT /v2/{name}/manifests/{reference}"))
        .header("content-type", OCI_MANIFEST)
        .body(manifest.as_bytes())
}

/// The manifest of an image, told apart by a note.
pub(crate) fn image_of(note: &str) -> String {
    let (config, layer) = (Digest::sha256(CONFIG), Digest::sha256(LAYER));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":20}}],"annotations":{{"note":"{note}"}}}}"#
    )
}

pub(crate) fn image() -> String {
    image_of("1")
}

pub(crate) fn sha256(text: &str) -> String {
    Digest::sha256(text.as_bytes()).to_string()
}

pub(crate) fn error(code: &str, message: &str, detail: &str) -> String {
    let detail = match detail {
        "" => String::new(),
        detail => format!(r#","detail":{detail}"#),
    };
    format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"{detail}}}]}}"#)
}
