//! Sending one request: with proof of who asks, following redirects, again
//! where a failure may pass. What requests mean is not known here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use oci::RegistryHost;
use reqwest::{Body, Response};
use url::Url;

mod connect;
mod drip;
mod endpoint;
mod pulse;
mod redirect;
mod retry;
mod tls;

pub(crate) use drip::Drip;
pub(crate) use endpoint::Endpoint;
pub(crate) use pulse::Pulse;
pub(crate) use redirect::place;
pub(crate) use retry::{Attempts, Patience};

use crate::auth::{self, Ask, Courier, Proof, Question, TOKEN_LIMIT};
use crate::error::{Asked, Error, Retry};
use crate::options::{HostRule, Options, OptionsError, Scheme};
use crate::progress::{Progress, Silent};

/// How long an answer is waited for after a request without a large body.
const ANSWER: Duration = Duration::from_secs(60);

/// The largest body of a refusal that is read, in bytes.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// How often one request learns from a 401: what is wanted, and once more that
/// a token was too narrow or had ended.
const LESSONS: u32 = 2;

/// Is a request that can be sent as often as needed.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) ask: Ask,
}

impl Request {
    pub(crate) fn new(method: Method, url: Url, ask: Ask) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            ask,
        }
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            url: &self.url,
        }
    }
}

/// Is an answer with all of its body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Gives the answer back where it is a success.
    pub(crate) fn successful(self, request: &Request) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(self.refusal(request))
    }

    pub(crate) fn refusal(&self, request: &Request) -> Error {
        Error::refusal(&request.asked(), self.status, &self.body)
            .retrying(retry::of_status(self.status, &self.headers))
    }
}

/// Knows every registry that was spoken to, and how to speak to others.
pub(crate) struct Transport {
    options: Options,
    default: reqwest::Client,
    special: HashMap<RegistryHost, reqwest::Client>,
    pub(crate) patience: Patience,
    endpoints: Mutex<HashMap<RegistryHost, Arc<Endpoint>>>,
}

impl Transport {
    pub(crate) fn new(options: Options) -> Result<Self, OptionsError> {
        let (default, special) = connect::clients(&options)?;
        Ok(Self {
            default,
            special,
            patience: Patience::new(options.retries.clone()),
            endpoints: Mutex::default(),
            options,
        })
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Gives a registry as it is reached.
    pub(crate) fn endpoint(&self, registry: &RegistryHost) -> Arc<Endpoint> {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let endpoint = endpoints.entry(registry.clone()).or_insert_with(|| {
            let http = self.special.get(registry).unwrap_or(&self.default);
            Arc::new(Endpoint::new(
                registry,
                http.clone(),
                self.scheme(registry),
                Arc::clone(&self.options.credentials),
            ))
        });
        Arc::clone(endpoint)
    }

    fn scheme(&self, registry: &RegistryHost) -> Scheme {
        let rule = self.options.hosts.iter().find(|r| r.registry == *registry);
        rule.map_or_else(|| HostRule::new(registry.clone()).scheme, |r| r.scheme)
    }

    /// Gives the URL of something at a registry. For one that may speak HTTPS
    /// or plain HTTP this finds out which, the first time.
    pub(crate) async fn url(
        &self,
        endpoint: &Endpoint,
        path: &str,
        watch: Watch<'_>,
    ) -> Result<Url, Error> {
        let Watch {
            mut attempts,
            progress,
        } = watch;
        loop {
            let error = match endpoint.url_of(path).await {
                Ok(url) => return Ok(url),
                Err(error) => error,
            };
            attempts.wait(error, &endpoint.registry, progress).await?;
        }
    }

    /// Asks until there is an answer that trying again would not change, and
    /// reads all of it, up to `limit` bytes.
    pub(crate) async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        limit: usize,
        watch: Watch<'_>,
    ) -> Result<Answer, Error> {
        let Watch {
            mut attempts,
            progress,
        } = watch;
        loop {
            let error = match self.whole(endpoint, request, limit).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            attempts.wait(error, &endpoint.registry, progress).await?;
        }
    }

    /// Asks once, and reads all of the answer.
    pub(crate) async fn whole(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        limit: usize,
    ) -> Result<Answer, Error> {
        let response = self.open(endpoint, request).await?;
        let answer = read(request, response, limit).await?;
        match retry::of_status(answer.status, &answer.headers) {
            Retry::Never => Ok(answer),
            _ => Err(answer.refusal(request)),
        }
    }

    /// Asks once, and leaves the body to be read.
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
        request: &Request,
    ) -> Result<Response, Error> {
        let base = endpoint.base().await?;
        let follows = matches!(request.method, Method::GET | Method::HEAD);
        let mut url = request.url.clone();
        let mut lessons = 0;
        let mut redirects = 0;
        loop {
            let own = auth::is_own(&url, base);
            let proof = if own {
                self.proof(endpoint, &request.ask).await?
            } else {
                None
            };
            let body = Body::from(request.body.clone());
            let sending = send(endpoint, request, &url, proof.as_ref(), body);
            let response = match tokio::time::timeout(ANSWER, sending).await {
                Ok(response) => response?,
                Err(_elapsed) => return Err(Error::silence(&request.asked(), ANSWER)),
            };
            let (status, headers) = (response.status(), response.headers());
            if status == StatusCode::UNAUTHORIZED && own && lessons < LESSONS {
                lessons += 1;
                let auth = &endpoint.auth;
                if auth
                    .learn(headers, &request.ask, proof.as_ref(), base)
                    .await?
                {
                    continue;
                }
            }
            if let Some(next) = redirect::target(&url, status, headers)?.filter(|_| follows) {
                redirects += 1;
                if redirects > redirect::REDIRECTS {
                    return Err(Error::protocol(format!(
                        "{} is redirected more than {} times",
                        request.asked(),
                        redirect::REDIRECTS
                    )));
                }
                url = next;
                continue;
            }
            return Ok(response);
        }
    }

    /// Sends a body that is streamed, once. A 401 is learned from, and then
    /// returned as an error that may pass.
    pub(crate) async fn stream(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        body: Body,
        pulse: &Pulse,
    ) -> Result<Answer, Error> {
        let base = endpoint.base().await?;
        let own = auth::is_own(&request.url, base);
        let proof = if own {
            self.proof(endpoint, &request.ask).await?
        } else {
            None
        };
        let sending = send(endpoint, request, &request.url, proof.as_ref(), body);
        let response = pulse.watch(&request.asked(), sending).await?;
        let headers = response.headers().clone();
        let answer = read(request, response, REFUSAL_LIMIT).await?;
        if own && answer.status == StatusCode::UNAUTHORIZED {
            let proof = proof.as_ref();
            let learned = endpoint.auth.learn(&headers, &request.ask, proof, base);
            if learned.await? {
                return Err(answer.refusal(request).retrying(Retry::Soon));
            }
        }
        Ok(answer)
    }

    async fn proof(&self, endpoint: &Endpoint, ask: &Ask) -> Result<Option<Proof>, Error> {
        let courier = TokenCourier {
            transport: self,
            endpoint,
        };
        endpoint.auth.proof(ask, &courier).await
    }
}

/// Says how patient a request is, and who is told of it.
pub(crate) struct Watch<'a> {
    pub(crate) attempts: Attempts,
    pub(crate) progress: &'a dyn Progress,
}

async fn send(
    endpoint: &Endpoint,
    request: &Request,
    url: &Url,
    proof: Option<&Proof>,
    body: Body,
) -> Result<Response, Error> {
    let asked = Asked {
        method: &request.method,
        url,
    };
    let mut headers = request.headers.clone();
    if let Some(proof) = proof {
        headers.insert(header::AUTHORIZATION, proof.header.clone());
    }
    let takes_body = matches!(request.method, Method::POST | Method::PUT);
    if takes_body && body.as_bytes().is_some_and(<[u8]>::is_empty) {
        // Registries and proxies ask for it with 411; hyper leaves it out.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    tracing::debug!(%asked, proof = proof.is_some(), "asking");
    endpoint
        .http
        .request(request.method.clone(), url.clone())
        .headers(headers)
        .body(body)
        .send()
        .await
        .map_err(|error| Error::network(&asked, error))
}

/// Reads a body whole. Of a refusal only the beginning is read.
async fn read(request: &Request, mut response: Response, limit: usize) -> Result<Answer, Error> {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = BytesMut::new();
    let mut drip = Drip::new();
    let length = |piece: &Result<Option<Bytes>, _>| match piece {
        Ok(Some(piece)) => piece.len(),
        _ => 0,
    };
    loop {
        let piece = match drip.wait(response.chunk(), length).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => break,
            Ok(Err(error)) => return Err(Error::network(&request.asked(), error)),
            Err(slow) => return Err(slow.of(&request.asked())),
        };
        body.extend_from_slice(&piece);
        if !status.is_success() && body.len() >= REFUSAL_LIMIT {
            break;
        }
        if status.is_success() && body.len() > limit {
            return Err(Error::protocol(format!(
                "{} answered more than the {limit} bytes that are read",
                request.asked()
            )));
        }
    }
    Ok(Answer {
        status,
        headers,
        body: body.freeze(),
    })
}

/// Makes an error of the refusal of a request whose body would be streamed.
pub(crate) async fn refused(request: &Request, response: Response) -> Error {
    match read(request, response, REFUSAL_LIMIT).await {
        Ok(answer) => answer.refusal(request),
        Err(error) => error,
    }
}

/// Carries questions to token endpoints over the registry's own connections,
/// since a private authority often signs for both.
struct TokenCourier<'a> {
    transport: &'a Transport,
    endpoint: &'a Endpoint,
}

impl Courier for TokenCourier<'_> {
    async fn carry(&self, question: Question) -> Result<(StatusCode, Bytes), Error> {
        let mut request = Request::new(question.method, question.url, Ask::nothing());
        request.headers = question.headers;
        request.body = Bytes::from(question.body);
        let mut attempts = self.transport.patience.begin();
        loop {
            let error = match self.once(&request).await {
                Ok(answer) => return Ok((answer.status, answer.body)),
                Err(error) => error,
            };
            attempts
                .wait(error, &self.endpoint.registry, &Silent)
                .await?;
        }
    }
}

impl TokenCourier<'_> {
    async fn once(&self, request: &Request) -> Result<Answer, Error> {
        let body = Body::from(request.body.clone());
        let sending = send(self.endpoint, request, &request.url, None, body);
        let response = match tokio::time::timeout(ANSWER, sending).await {
            Ok(response) => response?,
            Err(_elapsed) => return Err(Error::silence(&request.asked(), ANSWER)),
        };
        let answer = read(request, response, TOKEN_LIMIT).await?;
        match retry::of_status(answer.status, &answer.headers) {
            Retry::Never => Ok(answer),
            _ => Err(answer.refusal(request)),
        }
    }
}
