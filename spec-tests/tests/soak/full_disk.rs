//! A disk that is full: what was acknowledged stays, reading goes on, and writing
//! works again once there is room.
//!
//! The disk is a small tmpfs in a mount namespace that a process of the test holds; it
//! goes with that process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::http::Answer;
use crate::images::Images;
use crate::server::{Server, is_peer};
use spec_tests::skip;

/// Size of the disk, as `mount` reads it.
const DISK: &str = "size=24m";

/// Bytes that are taken from the start, and given back in the end.
const BALLAST: usize = 8 << 20;

/// Size of a layer, in bytes.
const LAYER: usize = 1 << 20;

/// Pushes that are tried on the full disk.
const TRIES: u32 = 20;

/// Most images that could fit, and more.
const MOST: u32 = 64;

/// The status for no room (RFC 4918, section 11.5).
const NO_ROOM: u16 = 507;

#[test]
fn a_full_disk_is_a_clean_error() {
    let directory = TempDir::with_prefix("wharf-full-").expect("a temporary directory");
    let place = directory.path().join("disk");
    fs_err::create_dir(&place).expect("the directory is new");
    let Some(disk) = Disk::mount(&place) else {
        return skip("a small disk needs root and mount namespaces");
    };
    // The peer's configuration lies beside its storage, and off the disk.
    let storage = if is_peer() {
        place
    } else {
        place.join("storage")
    };
    fs_err::write(disk.seen("ballast"), vec![0; BALLAST]).expect("the disk is empty");
    let mut server = disk.start(&storage);
    let mut images = Images::new(LAYER);
    let mut refused = 0;
    for _ in 0..MOST {
        if refused == TRIES {
            break;
        }
        if let Err(answer) = images.push(&server) {
            clean_error(&answer);
            refused += 1;
        }
    }
    assert_eq!(refused, TRIES, "the disk is never full");
    assert!(server.is_running(), "{}", server.words());
    println!("{} images fit, {refused} pushes refused", images.count());
    assert!(images.count() > 0, "no image fits");
    images.check(&server);

    server.kill();
    let server = disk.start(&storage);
    images.check(&server);

    fs_err::remove_file(disk.seen("ballast")).expect("it was written above");
    for _ in 0..3 {
        let outcome = images.push(&server);
        outcome.unwrap_or_else(|answer| panic!("there is room: {}", answer.text()));
    }
    images.check(&server);
    let words = server.words();
    assert!(!words.contains("panicked"), "{words}");
}

/// An error that a client can read, and that says what the matter is.
fn clean_error(answer: &Answer) {
    let body: Value = serde_json::from_slice(&answer.body).expect("an error is JSON");
    let error = &body["errors"][0];
    assert!(error["code"].is_string(), "{}", answer.text());
    assert!(error["message"].is_string(), "{}", answer.text());
    let wanted = if is_peer() {
        500..600
    } else {
        NO_ROOM..NO_ROOM + 1
    };
    assert!(
        wanted.contains(&answer.status),
        "{} {}",
        answer.status,
        answer.text()
    );
}

/// A small disk, and the process in whose mount namespace it is.
struct Disk {
    holder: Child,
    place: PathBuf,
}

impl Disk {
    /// Mounts it over a directory; `None` where that is not allowed.
    fn mount(place: &Path) -> Option<Self> {
        let script = format!(
            "mount -t tmpfs -o {DISK} tmpfs {} && echo mounted && exec sleep infinity",
            place.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let output = holder.stdout.as_mut().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a pipe");
        let place = place.to_owned();
        let disk = Self { holder, place };
        (line.trim() == "mounted").then_some(disk)
    }

    /// Returns the path by which this process sees a file on the disk.
    fn seen(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        let place = self.place.strip_prefix("/").expect("it is absolute");
        root.join(place).join(name)
    }

    /// Starts a server that has its storage on the disk.
    fn start(&self, storage: &Path) -> Server {
        let id = self.holder.id().to_string();
        Server::start_in(storage, &["nsenter", "--mount", "--target", &id])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
