//! A server that answers what a test tells it to, and remembers what it was
//! asked.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use client::{BoxError, Client, Credential, Credentials, Options, Repository, Retries, Secret};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use oci::{RegistryHost, RepositoryName};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Is what the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method == method && self.path == path
    }

    pub(crate) fn parameters(&self, name: &str) -> Vec<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    }

    pub(crate) fn parameter(&self, name: &str) -> String {
        self.parameters(name).pop().unwrap_or_default()
    }
}

/// Is what the server answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Bytes,
    /// Break the connection after the body instead of ending it.
    breaks: bool,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a status"),
            headers: Vec::new(),
            body: Bytes::new(),
            breaks: false,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers as a registry does for what has a length.
    pub(crate) fn content(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        self.with("content-length", body.len()).body(body)
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status).body(format!(
            r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#
        ))
    }

    pub(crate) fn breaking(mut self) -> Self {
        self.breaks = true;
        self
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;
type Cut = Arc<dyn Fn(&Method, &str) -> Option<usize> + Send + Sync>;

/// Is a running server; it ends with the value.
pub(crate) struct Fake {
    pub(crate) host: RegistryHost,
    log: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Service {
    log: Arc<Mutex<Vec<Seen>>>,
    handler: Handler,
    cut: Cut,
}

impl Fake {
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::launch(Arc::new(handler), Arc::new(|_, _| None), None).await
    }

    /// Starts a server that reads only so many bytes of some requests, shows
    /// them to the handler, and breaks the connection without an answer.
    pub(crate) async fn cutting(
        cut: impl Fn(&Method, &str) -> Option<usize> + Send + Sync + 'static,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::launch(Arc::new(handler), Arc::new(cut), None).await
    }

    pub(crate) async fn encrypted(
        acceptor: TlsAcceptor,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::launch(Arc::new(handler), Arc::new(|_, _| None), Some(acceptor)).await
    }

    async fn launch(handler: Handler, cut: Cut, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let service = Service {
            log: Arc::default(),
            handler,
            cut,
        };
        let log = Arc::clone(&service.log);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _peer)) = listener.accept().await {
                connections.spawn(serve(connection, tls.clone(), service.clone()));
            }
        });
        Self {
            host: format!("127.0.0.1:{port}").parse().expect("a host"),
            log,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Names the requests so far, without the greeting of the client that
    /// tries HTTPS first (which never arrives as a request).
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen()
            .iter()
            .map(|seen| format!("{} {}", seen.method, seen.path))
            .collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.log.lock().expect("no panic").clone()
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> usize {
        self.seen().iter().filter(|s| s.is(method, path)).count()
    }

    pub(crate) fn repository(&self) -> Repository {
        self.repository_with(options())
    }

    pub(crate) fn repository_with(&self, options: Options) -> Repository {
        client(options).repository(&self.host, &name("a/b"))
    }
}

async fn serve(connection: tokio::net::TcpStream, tls: Option<TlsAcceptor>, service: Service) {
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { service.answer(request).await }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    // How connections end is what the tests are about.
    let _ended = match tls {
        None => {
            builder
                .serve_connection(TokioIo::new(connection), answer)
                .await
        }
        Some(acceptor) => match acceptor.accept(connection).await {
            Ok(connection) => {
                builder
                    .serve_connection(TokioIo::new(connection), answer)
                    .await
            }
            Err(_refused) => return,
        },
    };
}

type Frames = Pin<Box<dyn futures_util::Stream<Item = io::Result<Frame<Bytes>>> + Send>>;
type ReplyBody = StreamBody<Frames>;

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<ReplyBody>> {
        let (parts, mut incoming) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let cut = (self.cut)(&parts.method, &path);
        let mut body = BytesMut::new();
        while cut.is_none_or(|cut| body.len() < cut) {
            match incoming.frame().await {
                Some(Ok(frame)) => {
                    body.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()))
                }
                Some(Err(_)) | None => break,
            }
        }
        if let Some(cut) = cut {
            body.truncate(cut);
        }
        let seen = Seen {
            method: parts.method,
            path,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            version: parts.version,
            headers: parts.headers,
            body: body.freeze(),
        };
        self.log.lock().expect("no panic").push(seen.clone());
        let reply = (self.handler)(&seen);
        if cut.is_some() {
            return Err(io::Error::other("the connection is cut"));
        }
        let mut response = Response::builder().status(reply.status);
        for (name, value) in &reply.headers {
            response = response.header(name, value);
        }
        let mut frames: Vec<io::Result<Frame<Bytes>>> = Vec::new();
        if seen.method != Method::HEAD && !reply.body.is_empty() {
            frames.push(Ok(Frame::data(reply.body)));
        }
        if reply.breaks {
            frames.push(Err(io::Error::other("the connection breaks")));
        }
        let body: ReplyBody = StreamBody::new(Box::pin(stream::unfold(
            frames.into_iter(),
            |mut frames| async move {
                let frame = frames.next()?;
                if frame.is_err() {
                    // What was written before has to leave first.
                    tokio::task::yield_now().await;
                }
                Some((frame, frames))
            },
        )));
        Ok(response.body(body).expect("a response"))
    }
}

/// Gives options that wait only for moments between attempts.
pub(crate) fn options() -> Options {
    let mut options = Options::new("test/1");
    options.retries = Retries {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
        ..Retries::default()
    };
    options
}

pub(crate) fn client(options: Options) -> Client {
    Client::new(options).expect("usable options")
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().expect("a name")
}

/// Has credentials for the hosts that it is told.
pub(crate) struct Known(pub(crate) HashMap<RegistryHost, Credential>);

impl Known {
    pub(crate) fn options(host: &RegistryHost, credential: Credential) -> Options {
        let mut options = options();
        options.credentials = Arc::new(Self(HashMap::from([(host.clone(), credential)])));
        options
    }
}

#[async_trait::async_trait]
impl Credentials for Known {
    async fn for_registry(&self, registry: &RegistryHost) -> Result<Credential, BoxError> {
        let known = self.0.get(registry).cloned();
        Ok(known.unwrap_or(Credential::Anonymous))
    }
}

pub(crate) fn eve() -> Credential {
    Credential::Basic {
        username: "eve".into(),
        password: Secret::new("pass:word"),
    }
}

/// `eve:pass:word` as Basic.
pub(crate) const EVE: &str = "Basic ZXZlOnBhc3M6d29yZA==";

/// Answers one after the other, the last one for ever.
pub(crate) fn sequence(replies: Vec<Reply>) -> impl Fn(&Seen) -> Reply + Send + Sync {
    let next = std::sync::atomic::AtomicUsize::new(0);
    move |_seen| {
        let index = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        replies[index.min(replies.len() - 1)].clone()
    }
}
