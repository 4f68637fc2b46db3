//! docker, through the socket of its daemon (Docker Engine API 1.24,
//! `POST /images/load`), without its program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Empty, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use crate::environment::Environment;
use crate::report::{WithHint as _, hinted, missing, one_line, usage};

/// Where the daemon listens that nobody said otherwise of.
const SOCKET: &str = "/var/run/docker.sock";

/// How long a daemon may take to say that it is there.
const PING: Duration = Duration::from_secs(5);

/// The most bytes that are read of an answer.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// How many bytes of an archive are in memory at a time.
const PIECE: usize = 128 * 1024;

/// The most of an answer that is shown, in characters.
const SHOWN: usize = 500;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Is a daemon.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Docker {
    socket: PathBuf,
}

/// Is a line of what the daemon says of its work.
#[derive(serde::Deserialize)]
struct Line {
    #[serde(default)]
    error: String,
}

/// Is what the daemon says instead of doing it.
#[derive(serde::Deserialize)]
struct Refusal {
    message: String,
}

impl Docker {
    /// Finds out where the daemon listens.
    pub(super) fn find(environment: &Environment) -> anyhow::Result<Self> {
        let Some(host) = environment.variable("DOCKER_HOST") else {
            return Ok(Self {
                socket: SOCKET.into(),
            });
        };
        match host.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(Self {
                socket: path.into(),
            }),
            _ => {
                let message = format!("`DOCKER_HOST` is `{host}`, and no socket of this machine");
                Err(usage(message)).hint(
                    "pipe it: `wharf build -q -t NAME -o type=docker,dest=- ... | docker load`",
                )
            }
        }
    }

    /// Sees whether a daemon answers.
    pub(super) async fn ping(&self) -> anyhow::Result<()> {
        let body = Empty::<Bytes>::new().map_err(Failure::from);
        let request = request(Method::GET, "/_ping").body(body)?;
        let answer = tokio::time::timeout(PING, self.send(request)).await;
        let shown = self.socket.display();
        let answer = answer.map_err(|_elapsed| {
            let seconds = PING.as_secs();
            missing(format!(
                "docker does not answer at `{shown}` for {seconds} s"
            ))
        })??;
        match answer.0.is_success() {
            true => Ok(()),
            false => Err(missing(format!("what listens at `{shown}` is no docker"))),
        }
    }

    /// Has the daemon load an archive.
    pub(super) async fn load(&self, archive: &Path) -> anyhow::Result<()> {
        let file = fs_err::File::open(archive)?;
        let size = file.metadata()?.len();
        let file = tokio::fs::File::from_std(file.into_file());
        let pieces = futures_util::stream::unfold(file, |mut file| async {
            let mut piece = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece).await;
            match read {
                Ok(0) => None,
                Ok(_) => Some((Ok(Bytes::from(piece)), file)),
                Err(error) => Some((Err(error), file)),
            }
        });
        let frames = pieces.map_ok(Frame::data).map_err(Failure::from);
        // It tells of layers as they come unless it is asked not to.
        let request = request(Method::POST, "/images/load?quiet=1")
            .header(CONTENT_TYPE, "application/x-tar")
            .header(CONTENT_LENGTH, size)
            .body(StreamBody::new(frames.boxed()))?;
        let (status, said) = self.send(request).await?;
        if !status.is_success() {
            let refusal = serde_json::from_slice::<Refusal>(&said);
            let said =
                refusal.map_or_else(|_text| shown(&said), |refusal| one_line(&refusal.message));
            return Err(anyhow!("it answered with {status}: {said}"));
        }
        // What goes wrong later is said in the answer.
        let lines = serde_json::Deserializer::from_slice(&said).into_iter::<Line>();
        for line in lines.map_while(Result::ok) {
            if !line.error.is_empty() {
                return Err(anyhow!("it said: {}", one_line(&line.error)));
            }
        }
        Ok(())
    }

    /// Sends a request, and reads the answer.
    async fn send<B>(&self, request: Request<B>) -> anyhow::Result<(hyper::StatusCode, Bytes)>
    where
        B: hyper::body::Body<Data = Bytes, Error = Failure> + Send + Unpin + 'static,
    {
        let connected = UnixStream::connect(&self.socket).await;
        let stream = connected.map_err(|error| unreachable(&self.socket, &error))?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is gone, with the answer read.
        let asked = async move {
            let answer = sender.send_request(request).await?;
            read(answer).await
        };
        let (answer, _ended) = tokio::join!(asked, connection);
        answer
    }
}

fn unreachable(socket: &Path, error: &std::io::Error) -> anyhow::Error {
    let shown = socket.display();
    let error_of = missing(format!("docker does not answer at `{shown}`: {error}"));
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => hinted(
            error_of,
            "its socket belongs to root, or to the group `docker`",
        ),
        _ => error_of,
    }
}

fn request(method: Method, path: &str) -> hyper::http::request::Builder {
    let request = Request::builder().method(method).uri(path);
    // HTTP wants one, and no name is right for a socket.
    request.header(HOST, "docker")
}

/// Reads an answer, which is short.
async fn read(answer: Response<Incoming>) -> anyhow::Result<(hyper::StatusCode, Bytes)> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
        .collect()
        .await;
    let body = body.map_err(|error| anyhow!(error).context("can not read what docker says"))?;
    Ok((status, body.to_bytes()))
}

fn shown(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let start: String = text.chars().take(SHOWN).collect();
    one_line(start.trim())
}
