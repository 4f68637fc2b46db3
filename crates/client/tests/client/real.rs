//! Against Debian's `docker-registry`, where it is installed.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use client::{Access, ErrorKind, Mounted, Repository};
use oci::{Descriptor, Digest, Manifest, MediaType, Reference, RegistryHost};

use crate::fake::{Known, client, eve, name};

/// Is a running registry, which ends with the value.
struct Server {
    child: Child,
    host: RegistryHost,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the registry with a user `eve`, on a port of its choice; `None`
/// where a program is missing.
fn start() -> Option<Server> {
    let data = tempfile::tempdir().expect("a directory");
    let path = data.path();
    let htpasswd = Command::new("htpasswd")
        .args(["-Bbn", "eve", "pass:word"])
        .output();
    let Ok(htpasswd) = htpasswd else {
        println!("skipped: `htpasswd` is not installed");
        return None;
    };
    write(&path.join("htpasswd"), &htpasswd.stdout);
    let config = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage:\n  filesystem: {{rootdirectory: {0}/data}}\n  \
         delete: {{enabled: true}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
         auth: {{htpasswd: {{realm: test, path: {0}/htpasswd}}}}\n",
        path.display()
    );
    write(&path.join("config.yml"), config.as_bytes());
    let child = Command::new("docker-registry")
        .arg("serve")
        .arg(path.join("config.yml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        println!("skipped: `docker-registry` is not installed");
        return None;
    };
    let stderr = child.stderr.take().expect("piped");
    let mut lines = BufReader::new(stderr).lines();
    let host = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
            rest[..end.unwrap_or(rest.len())].parse().ok()
        })
        .expect("it says where it listens");
    // A full pipe would stop the registry.
    std::thread::spawn(move || lines.map_while(Result::ok).count());
    Some(Server {
        child,
        host,
        _data: data,
    })
}

fn write(path: &Path, content: &[u8]) {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(path).unwrap();
    file.write_all(content).unwrap();
}

async fn push_image(repository: &Repository, layer: &Bytes) -> (Manifest, Reference) {
    let config = Bytes::from("{}");
    for blob in [layer, &config] {
        let digest = Digest::sha256(blob);
        assert_eq!(repository.blob_size(&digest).await.unwrap(), None);
        repository
            .push_blob(&digest, blob.len() as u64, blob)
            .await
            .unwrap();
        assert_eq!(
            repository.blob_size(&digest).await.unwrap(),
            Some(blob.len() as u64)
        );
    }
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":2}},
        "layers":[{{"mediaType":"{}","digest":"{}","size":{}}}]}}"#,
        MediaType::OCI_MANIFEST,
        MediaType::OCI_CONFIG,
        Digest::sha256(&config),
        MediaType::OCI_LAYER,
        Digest::sha256(layer),
        layer.len(),
    );
    let manifest = Manifest::detect(manifest.into()).unwrap();
    let tag: Reference = "v1".parse().unwrap();
    repository.put_manifest(&tag, &manifest).await.unwrap();
    (manifest, tag)
}

#[tokio::test]
async fn every_verb_works_with_docker_registry() {
    let Some(server) = start() else { return };
    let host = &server.host;
    let nobody = client(crate::fake::options());
    let error = nobody.registry(host).ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let client = client(Known::options(host, eve()));
    assert_eq!(client.registry(host).ping().await.unwrap(), Access::Granted);

    let layer: Bytes = (0..5_000_000_u32).map(|n| (n % 241) as u8).collect();
    let repository = client.repository(host, &name("a/b"));
    let (manifest, tag) = push_image(&repository, &layer).await;

    let head = repository.head_manifest(&tag).await.unwrap().unwrap();
    assert_eq!(head, manifest.descriptor());
    let fetched = repository.manifest(&tag).await.unwrap();
    assert_eq!(fetched.manifest.bytes(), manifest.bytes());
    let blob = repository
        .blob(&fetched.manifest.layers()[0])
        .await
        .unwrap();
    assert_eq!(blob.read(1 << 23).await.unwrap(), layer);
    let rest = repository
        .blob_rest(&fetched.manifest.layers()[0], 4_999_000)
        .await;
    assert_eq!(rest.unwrap().size(), 1000);

    let other = client.repository(host, &name("c"));
    let mounted = other
        .mount_blob(&Digest::sha256(&layer), repository.name())
        .await;
    assert_eq!(mounted.unwrap(), Mounted::Done);
    let absent = Digest::sha256(b"absent");
    let mounted = other.mount_blob(&absent, repository.name()).await;
    assert_eq!(mounted.unwrap(), Mounted::Refused);

    let tags = repository.tags().await.unwrap().collect(10).await.unwrap();
    assert_eq!(tags, ["v1".parse().unwrap()]);
    let all = client
        .registry(host)
        .repositories()
        .await
        .unwrap()
        .collect(10)
        .await;
    assert_eq!(all.unwrap(), [name("a/b"), name("c")]);
    assert_eq!(repository.referrers(&head.digest).await.unwrap(), []);

    let error = repository
        .push_blob(&absent, 5, &Bytes::from("wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    let missing = Descriptor::new(MediaType::OCI_LAYER, absent, 6);
    let error = repository.blob(&missing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");

    repository
        .delete_manifest(&Reference::Digest(head.digest))
        .await
        .unwrap();
    assert!(repository.head_manifest(&tag).await.unwrap().is_none());
    repository
        .delete_blob(&Digest::sha256(&layer))
        .await
        .unwrap();
    assert_eq!(
        repository.blob_size(&Digest::sha256(&layer)).await.unwrap(),
        None
    );
}
