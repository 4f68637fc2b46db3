//! Resident memory: after the start, while many clients pull slowly, while many push.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Bench;
use super::connection::Connection;
use super::peer::{Kind, Peer, Place};
use super::push::{Blob, died, push_at_once};
use super::table::Row;
use crate::error::Error;
use crate::sample::{digest_of_parts, noise};

/// Bytes of the blob that is pulled: 64 MiB.
const PULLED: usize = 64 << 20;

/// Bytes of each blob that is pushed: 20 MiB, more than one part on S3.
const PUSHED: usize = 20 << 20;

/// Bytes that a client takes or gives before it pauses.
const PIECE: usize = 64 << 10;

/// Pause of a client that pulls: with the piece, 1.25 MiB/s for each.
const PULL_PAUSE: Duration = Duration::from_millis(50);

/// Pause of a client that pushes: with the piece, 2.5 MiB/s for each.
const PUSH_PAUSE: Duration = Duration::from_millis(25);

/// How long the slow clients pull.
const PULLING: Duration = Duration::from_secs(12);

/// How long a program may rest before its memory is read.
const REST: Duration = Duration::from_secs(1);

const REPOSITORY: &str = "bench/memory";

const START: Row = row("memory after the start", "under 32");
const PULLS: Row = row(
    "memory at most, 500 slow pulls of 64 MiB at once",
    "under 256",
);
const PUSHES: Row = row("memory at most, 200 pushes of 20 MiB at once", "under 256");
const S3_START: Row = row("on S3: memory after the start", "under 32");
const S3_PULLS: Row = row("on S3: memory at most, 500 slow pulls at once", "under 256");
const S3_PUSHES: Row = row("on S3: memory at most, 200 pushes at once", "under 256");

const fn row(name: &'static str, target: &'static str) -> Row {
    Row {
        name,
        unit: "MiB",
        target,
    }
}

/// Measures all programs, and wharf once more on S3 where there is one.
///
/// # Errors
/// Says what was answered wrongly.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    let blob = Blob::noise(64, PULLED);
    let path = blob.path(REPOSITORY);
    for _ in 0..bench.scale.rounds {
        for kind in Kind::ALL {
            let place = bench.place("memory")?;
            let file = place.served(&path);
            fs_err::create_dir_all(file.with_file_name(""))?;
            fs_err::write(file, &blob.bytes)?;
            let start = |place: &Place| Peer::start(kind, place);
            measure(bench, &place, (&blob, &start), [START, PULLS, PUSHES])?;
        }
        if bench.s3.is_empty() {
            continue;
        }
        let mut place = bench.place("memory-s3")?;
        let s3 = Peer::start_s3(&bench.s3, &place)?;
        place.environment = vec![
            ("AWS_ENDPOINT_URL_S3", format!("http://{}", s3.address())),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "wharf".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "wharf-secret".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        let start = |place: &Place| Peer::start_wharf(place, "s3://wharf/bench", &[]);
        let rows = [S3_START, S3_PULLS, S3_PUSHES];
        measure(bench, &place, (&blob, &start), rows)?;
    }
    Ok(())
}

type Start<'a> = &'a dyn Fn(&Place) -> Result<Peer, Error>;

fn measure(
    bench: &mut Bench,
    place: &Place,
    (blob, start): (&Blob, Start<'_>),
    [at_start, at_pulls, at_pushes]: [Row; 3],
) -> Result<(), Error> {
    let peer = start(place)?;
    let kind = peer.kind();
    if kind != Kind::Nginx {
        let mut connection = Connection::open(peer.address())?;
        push_at_once(&mut connection, REPOSITORY, blob)?;
    }
    drop(peer);
    let peer = start(place)?;
    std::thread::sleep(REST);
    bench.table.add(at_start, kind, peer.memory()?.now);

    let pulling = PULLING.min(Duration::from_secs(3 * u64::from(bench.scale.seconds)));
    pull(&peer, (bench.scale.clients, pulling), blob)?;
    bench.table.add(at_pulls, kind, peer.memory()?.peak);
    if kind == Kind::Nginx {
        return Ok(());
    }
    drop(peer);
    let peer = start(place)?;
    peer.forget_peak()?;
    push(peer.address(), bench.scale.clients * 2 / 5)?;
    bench.table.add(at_pushes, kind, peer.memory()?.peak);
    Ok(())
}

/// Pulls slowly by many clients for a while; wharf must serve all of them at once.
fn pull(peer: &Peer, (clients, time): (u32, Duration), blob: &Blob) -> Result<(), Error> {
    let (address, kind) = (peer.address(), peer.kind());
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n",
        blob.path(REPOSITORY)
    );
    let start = Instant::now();
    together(clients, |_number| {
        let request = request.clone();
        async move {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut piece = vec![0; PIECE];
            let mut sum = 0;
            while sum < PULLED {
                let left = time.saturating_sub(start.elapsed());
                let Ok(read) = timeout(left, stream.read(&mut piece)).await else {
                    break;
                };
                let read = read?;
                if sum == 0 && !piece.starts_with(b"HTTP/1.1 200 ") {
                    return Err(Error::new("a slow pull was refused"));
                }
                if read == 0 {
                    return Err(Error::new("a slow pull was cut off"));
                }
                sum += read;
                sleep(PULL_PAUSE).await;
            }
            // A peer may be too slow to get to all of them.
            if sum < PIECE && kind == Kind::Wharf {
                return Err(Error::new("a slow pull had to wait for all the time"));
            }
            Ok(())
        }
    })
}

/// Pushes by many clients at once, each a blob of its own by POST and PATCH and PUT; the
/// bodies trickle.
fn push(address: SocketAddr, clients: u32) -> Result<(), Error> {
    let bytes = Arc::new(noise(20, PUSHED));
    together(clients, |number| {
        let bytes = Arc::clone(&bytes);
        async move {
            let own = format!("{number:08}");
            let rest = &bytes[own.len()..];
            let digest = digest_of_parts(&[own.as_bytes(), rest]);
            let mut stream = TcpStream::connect(address).await?;
            let line = format!("POST /v2/{REPOSITORY}/blobs/uploads/");
            send(&mut stream, &line, 0).await?;
            let location = answer(&mut stream, 202).await?;
            send(&mut stream, &format!("PATCH {location}"), PUSHED).await?;
            stream.write_all(own.as_bytes()).await?;
            for piece in rest.chunks(PIECE) {
                stream.write_all(piece).await?;
                sleep(PUSH_PAUSE).await;
            }
            let location = answer(&mut stream, 202).await?;
            let joint = if location.contains('?') { '&' } else { '?' };
            let line = format!("PUT {location}{joint}digest={digest}");
            send(&mut stream, &line, 0).await?;
            answer(&mut stream, 201).await?;
            Ok(())
        }
    })
}

/// Writes the head of a request.
async fn send(stream: &mut TcpStream, line: &str, length: usize) -> Result<(), Error> {
    let host = stream.peer_addr()?;
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(())
}

/// Reads an answer without a body, wants this status and returns the path of its location.
async fn answer(stream: &mut TcpStream, status: u16) -> Result<String, Error> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(Error::new("the connection was closed"));
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    if !text.starts_with(&format!("HTTP/1.1 {status} ")) {
        return Err(Error::new(format!("not {status}, but:\n{text}")));
    }
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let mut locations = fields.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    let location = locations.next().map_or("", |(_, value)| value.trim());
    let location = location.trim_start_matches(&format!("http://{}", stream.peer_addr()?));
    Ok(location.to_owned())
}

/// Runs clients side by side on this thread, until all are done.
fn together<F>(clients: u32, client: impl Fn(u32) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            tasks.spawn(client(number));
        }
        while let Some(task) = tasks.join_next().await {
            task.map_err(|_panic| died())??;
        }
        Ok(())
    })
}
