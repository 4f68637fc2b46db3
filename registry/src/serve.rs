//! Sockets: where connections come in, and how they are let go.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::SockRef;
use store::{Options, Store};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::crowd::{Crowd, Place};
use crate::jobs::Trigger;
use crate::observe::{Metered, Metrics};
use crate::pulse::{Felt, HEAD_PATIENCE, Pulse};
use crate::router::{Doors, answer};
use crate::settings::{Collection, Exposure, Limits, Settings};
use crate::tls::Certificate;

/// The largest head of a request, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long requests may go on after the server was told to stop.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client that stands still may take to say goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(5);

/// The bytes that the system may hold that are not sent yet. It says that a
/// client has read when half of them are gone, so a client that reads slowly
/// is seen to.
const UNSENT_LIMIT: u32 = 256 * 1024;

/// The connections that were accepted and wait for a place.
const WAITING_LIMIT: usize = 256;

/// Those of them that one address may have, beyond its share of the places.
const WAITING_SHARE: usize = 64;

/// The connections of those who operate the server that are served at once.
const OPERATION_CONNECTIONS: usize = 64;

/// What an HTTP/2 client may send before it is read, in bytes: altogether,
/// and of one request. Requests wait for their turn unread.
const CONNECTION_WINDOW: u32 = 512 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;

/// The requests that an HTTP/2 client may have open at once.
const STREAMS_LIMIT: u32 = 100;

/// The bytes of an answer over HTTP/2 that lie ready beyond what the client
/// takes.
const READY_LIMIT: usize = 64 * 1024;

/// How long to wait when no connection can be accepted, as when there is no
/// free descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a registry on a socket that is open.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    operation: Option<TcpListener>,
    certificate: Option<Certificate>,
    address: SocketAddr,
    limits: Limits,
    collection: Collection,
    trigger: Trigger,
}

/// Reports a server that can not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The storage can not be used.
    #[error("the storage can not be used")]
    Storage(#[source] store::Error),
    /// The address can not be listened on.
    #[error("can not listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Server {
    /// Opens the storage and the socket.
    ///
    /// # Errors
    ///
    /// Fails when one of them can not be opened.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let metrics = Metrics::default();
        let options = Options {
            backend: Arc::new(Metered::new(Arc::clone(&settings.backend), metrics.clone())),
            clock: settings.clock.clone(),
            seed: settings.random.next(),
            immutable: settings.immutable.clone(),
            grace: settings.collection.policy.grace,
        };
        let store = Store::open(options).await.map_err(ServeError::Storage)?;
        let listener = listen(settings.listen).await?;
        let operation = match settings.metrics {
            Exposure::At(address) => Some(listen(address).await?),
            Exposure::Off | Exposure::Beside => None,
        };
        let address = listener.local_addr().map_err(|source| ServeError::Listen {
            address: settings.listen,
            source,
        })?;
        Ok(Self {
            app: App::new(store, &settings, metrics),
            listener,
            operation,
            certificate: settings.certificate,
            address,
            limits: settings.limits,
            collection: settings.collection,
            trigger: Trigger::default(),
        })
    }

    /// Gives the address where only `/metrics`, `/healthz` and `/readyz` are,
    /// with the port that was taken, where there is one.
    #[must_use]
    pub fn operation_address(&self) -> Option<SocketAddr> {
        self.operation.as_ref()?.local_addr().ok()
    }

    /// Gives what starts a collection of garbage at once.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        self.trigger.clone()
    }

    /// Gives the URL of the server, with the port that was taken.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready, then lets requests that are being
    /// answered come to their end.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let Self { app, .. } = &self;
        let stopping = CancellationToken::new();
        let tls = self.certificate.as_ref();
        let registry = Entrance {
            app: app.clone(),
            doors: Doors::Registry,
            tls: tls.map(|certificate| TlsAcceptor::from(certificate.config())),
            crowd: Crowd::new(self.limits.connections),
            waiting: Arc::new(Semaphore::new(WAITING_LIMIT)),
            stopping: stopping.clone(),
        };
        let operation = Entrance {
            doors: Doors::Operation,
            tls: None,
            crowd: Crowd::new(OPERATION_CONNECTIONS),
            waiting: Arc::new(Semaphore::new(WAITING_LIMIT)),
            ..registry.clone()
        };
        let mut connections = JoinSet::new();
        app.jobs().collect(app, &self.collection, &self.trigger);
        tokio::pin!(stop);
        loop {
            let (entrance, accepted) = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &registry.waiting) => (&registry, accepted),
                accepted = accept_if(self.operation.as_ref(), &operation.waiting) => {
                    (&operation, accepted)
                }
            };
            while connections.try_join_next().is_some() {}
            connections.spawn(entrance.clone().receive(accepted));
        }
        let app = app.clone();
        drop(self);
        tracing::info!("stopping: waiting for requests to end");
        stopping.cancel();
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_PATIENCE, all).await.is_err() {
            tracing::warn!("requests were cut off after 30 seconds");
        }
        connections.shutdown().await;
        app.jobs().drain().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Listen { address, source })
}

/// Holds a connection that waits to be served.
struct Accepted {
    stream: TcpStream,
    peer: SocketAddr,
    waits: Option<OwnedSemaphorePermit>,
}

/// Waits for a connection, if there is where one could come in.
async fn accept_if(listener: Option<&TcpListener>, waiting: &Arc<Semaphore>) -> Accepted {
    match listener {
        Some(listener) => accept(listener, waiting).await,
        None => std::future::pending().await,
    }
}

/// Waits for a connection, while not too many wait already.
async fn accept(listener: &TcpListener, waiting: &Arc<Semaphore>) -> Accepted {
    // The semaphore is never closed.
    let waits = Arc::clone(waiting).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole; waiting to fill a packet only
                // delays them.
                let _ = stream.set_nodelay(true);
                // Without it only very slow clients are taken for still ones.
                let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_LIMIT);
                return Accepted {
                    stream,
                    peer,
                    waits,
                };
            }
            Err(error) => {
                tracing::warn!(%error, "can not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Is where connections come in.
#[derive(Clone)]
struct Entrance {
    app: App,
    doors: Doors,
    tls: Option<TlsAcceptor>,
    crowd: Crowd,
    waiting: Arc<Semaphore>,
    stopping: CancellationToken,
}

impl Entrance {
    /// Serves a connection when it is its turn.
    async fn receive(self, accepted: Accepted) {
        let Accepted {
            stream,
            peer,
            waits,
        } = accepted;
        let http = self.app.metrics().http();
        if self.crowd.waiting(peer) >= WAITING_SHARE {
            http.turned_away.inc();
            return;
        }
        let place = tokio::select! {
            place = self.crowd.enter(peer) => place,
            () = self.stopping.cancelled() => return,
        };
        drop(waits);
        http.connections.inc();
        let _open = Open(self.app.metrics().clone(), place);
        let pulse = Pulse::new();
        let stream = Felt::new(stream, pulse.clone());
        let service = (self.app, self.doors, peer);
        match self.tls {
            None => serve(stream, service, pulse, self.stopping).await,
            Some(tls) => {
                if let Ok(Ok(stream)) =
                    tokio::time::timeout(HEAD_PATIENCE, tls.accept(stream)).await
                {
                    serve(stream, service, pulse, self.stopping).await;
                }
            }
        }
    }
}

/// Counts an open connection and holds its place, until it is dropped.
struct Open(
    Metrics,
    #[expect(dead_code, reason = "held, not read")] Place,
);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.http().connections.dec();
    }
}

/// Serves a connection until its client goes, or stands still for too long,
/// or the server stops.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (app, doors, peer): (App, Doors, SocketAddr),
    pulse: Pulse,
    stopping: CancellationToken,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_buf_size(HEAD_LIMIT)
        .http2()
        .timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_concurrent_streams(STREAMS_LIMIT)
        .max_send_buf_size(READY_LIMIT)
        .max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX));
    let feels = pulse.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let working = feels.begin();
        let request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(body),
        });
        let answering = answer(app.clone(), doors, peer, request);
        async move {
            let response = answering.await;
            drop(working);
            Ok::<_, Infallible>(response)
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // How a connection ends is the client's business.
    let stands_still = tokio::select! {
        _ended = connection.as_mut() => return,
        () = stopping.cancelled() => false,
        () = pulse.stops() => true,
    };
    connection.as_mut().graceful_shutdown();
    if stands_still {
        let _ended = tokio::time::timeout(GOODBYE_PATIENCE, connection).await;
    } else {
        let _ended = connection.await;
    }
}
