//! Sockets: where connections come in, and how they are let go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use store::{Options, Store};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::pulse::{Felt, HEAD_PATIENCE, Pulse};
use crate::router::router;
use crate::settings::Settings;
use crate::tls::Certificate;

/// The connections that are served at once; more wait to be accepted.
const CONNECTIONS_LIMIT: usize = 4096;

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

/// How long to wait when no connection can be accepted, as when there is no
/// free descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves a registry on a socket that is open.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    certificate: Option<Certificate>,
    address: SocketAddr,
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
        let options = Options {
            backend: Arc::clone(&settings.backend),
            clock: settings.clock.clone(),
        };
        let store = Store::open(options).await.map_err(ServeError::Storage)?;
        let listen = |source| ServeError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self {
            app: App::new(store, &settings),
            listener,
            certificate: settings.certificate,
            address,
        })
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
        let Self {
            app,
            listener,
            certificate,
            ..
        } = self;
        let tls = certificate.map(|certificate| TlsAcceptor::from(certificate.config()));
        let router = router(app.clone());
        let stopping = CancellationToken::new();
        let limit = Arc::new(Semaphore::new(CONNECTIONS_LIMIT));
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&listener, &limit) => accepted,
            };
            while connections.try_join_next().is_some() {}
            let stopping = stopping.clone();
            let (router, tls) = (router.clone(), tls.clone());
            connections.spawn(async move {
                let (stream, _permit) = accepted;
                let pulse = Pulse::new();
                let stream = Felt::new(stream, pulse.clone());
                match tls {
                    None => serve(stream, router, pulse, stopping).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) =
                            tokio::time::timeout(HEAD_PATIENCE, tls.accept(stream)).await
                        {
                            serve(stream, router, pulse, stopping).await;
                        }
                    }
                }
            });
        }
        drop(listener);
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

/// Waits for a connection and for the right to serve it.
async fn accept(
    listener: &TcpListener,
    limit: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(limit).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _peer)) => {
                // Answers are written whole; waiting to fill a packet only
                // delays them.
                let _ = stream.set_nodelay(true);
                // Without it only very slow clients are taken for still ones.
                let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_LIMIT);
                return (stream, permit);
            }
            Err(error) => {
                tracing::warn!(%error, "can not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection until its client goes, or stands still for too long,
/// or the server stops.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
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
        .max_header_list_size(u32::try_from(HEAD_LIMIT).unwrap_or(u32::MAX));
    let service = TowerToHyperService::new(router);
    let feels = pulse.clone();
    let service = service_fn(move |request| {
        let working = feels.begin();
        let answering = service.call(request);
        async move {
            let answer = answering.await;
            drop(working);
            answer
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
