//! Manifests by their tag, by 64 connections that stay open.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::peer::{Kind, Peer};
use super::push::{Blob, Image, died, push_at_once, put_manifest};
use super::table::Row;
use super::{Bench, each_round};
use crate::error::Error;

/// Connections that ask.
const CONNECTIONS: u32 = 64;

/// Layers of the image that is asked for.
const LAYERS: u64 = 7;

const REPOSITORY: &str = "bench/sample";

/// What docker 20.10 accepts, in one line.
const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";

const GET: Row = Row {
    name: "manifest by tag, GET, 64 connections",
    unit: "requests/s",
    target: "20 and 0.4",
};

const HEAD: Row = Row {
    name: "manifest by tag, HEAD, 64 connections",
    unit: "requests/s",
    target: "20 and 0.4",
};

/// Measures all programs.
///
/// # Errors
/// Says what was answered wrongly.
pub(crate) fn run(bench: &mut Bench) -> Result<(), Error> {
    let layers = (1..=LAYERS).map(|seed| Blob::noise(seed, 4096)).collect();
    let image = Image::of(0, layers);
    let path = format!("/v2/{REPOSITORY}/manifests/latest");
    let place = bench.place("manifests")?;
    let file = place.served(&path);
    fs_err::create_dir_all(file.with_file_name(""))?;
    fs_err::write(file, &image.manifest)?;
    let peers = Peer::start_all(&Kind::ALL, &place)?;
    for peer in peers.iter().filter(|peer| peer.kind() != Kind::Nginx) {
        let mut connection = Connection::open(peer.address())?;
        for blob in image.layers.iter().chain([&image.config]) {
            push_at_once(&mut connection, REPOSITORY, blob)?;
        }
        put_manifest(&mut connection, (REPOSITORY, "latest"), &image.manifest)?;
    }
    for peer in &peers {
        get(peer.address(), &path, 1)?;
        head(peer.address(), &path, 1)?;
    }
    let seconds = bench.scale.seconds;
    each_round(bench.scale.rounds, &peers, |peer| {
        let value = get(peer.address(), &path, seconds)?;
        bench.table.add(GET, peer.kind(), value);
        Ok(())
    })?;
    each_round(bench.scale.rounds, &peers, |peer| {
        let value = head(peer.address(), &path, seconds)?;
        bench.table.add(HEAD, peer.kind(), value);
        Ok(())
    })
}

/// Asks by `wrk`, and returns the requests per second.
fn get(address: SocketAddr, path: &str, seconds: u32) -> Result<f64, Error> {
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--header", ACCEPT])
        .arg(format!("http://{address}{path}"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    rate(&text).ok_or_else(|| Error::new(format!("wrk said:\n{text}")))
}

/// Reads wrk's report; `None` when any request went wrong or none was answered.
fn rate(text: &str) -> Option<f64> {
    let bad = ["Socket errors", "Non-2xx"];
    if bad.iter().any(|word| text.contains(word)) {
        return None;
    }
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    found?.trim().parse().ok().filter(|rate| *rate > 0.0)
}

/// Asks for the head alone, and returns the requests per second. This is our own client,
/// since wrk waits for the body that an answer to HEAD announces and does not have; like
/// wrk it is one thread.
fn head(address: SocketAddr, path: &str, seconds: u32) -> Result<f64, Error> {
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: {address}\r\n{ACCEPT}\r\n\r\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let time = Duration::from_secs(u64::from(seconds));
    let start = Instant::now();
    let count = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let request = request.clone();
            clients.spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let mut count = 0_u32;
                while start.elapsed() < time {
                    stream.write_all(request.as_bytes()).await?;
                    head_answer(&mut stream).await?;
                    count += 1;
                }
                Ok::<u32, Error>(count)
            });
        }
        let mut sum = 0.0;
        while let Some(client) = clients.join_next().await {
            sum += f64::from(client.map_err(|_panic| died())??);
        }
        Ok::<f64, Error>(sum)
    })?;
    Ok(count / start.elapsed().as_secs_f64())
}

/// Reads an answer that is a head alone, and wants 200.
async fn head_answer(stream: &mut TcpStream) -> Result<(), Error> {
    let mut answer = [0; 4096];
    let mut length = 0;
    while !answer[..length].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut answer[length..]).await?;
        if read == 0 {
            return Err(Error::new("an answer to HEAD has no end"));
        }
        length += read;
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    Err(Error::new(format!("HEAD was answered by:\n{answer}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_errors_is_no_rate() {
        assert_eq!(rate("x\nRequests/sec:  1234.5\n"), Some(1234.5));
        assert_eq!(rate("Non-2xx or 3xx responses: 1\nRequests/sec: 9\n"), None);
        assert_eq!(rate("Requests/sec:      0.00\n"), None);
        assert_eq!(rate("nothing"), None);
    }
}
