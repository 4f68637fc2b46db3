//! One registry as it is reached: its URL, its connections, its demands.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use oci::{DEFAULT_REGISTRY, RegistryHost};
use tokio::sync::OnceCell;
use url::Url;

use crate::auth::Auth;
use crate::credentials::Credentials;
use crate::error::{Asked, BoxError, Error, is_caused_by};
use crate::options::Scheme;

/// Where the registry `docker.io` really answers.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// How long it is waited for a greeting in HTTPS before plain HTTP is tried. A
/// server of plain HTTP may wait for the end of what it takes for a line.
const GREETING: Duration = Duration::from_secs(5);

/// Is one registry as it is reached.
pub(crate) struct Endpoint {
    pub(crate) registry: RegistryHost,
    pub(crate) http: reqwest::Client,
    pub(crate) auth: Auth,
    scheme: Scheme,
    base: OnceCell<Url>,
}

impl Endpoint {
    pub(crate) fn new(
        registry: &RegistryHost,
        http: reqwest::Client,
        scheme: Scheme,
        credentials: Arc<dyn Credentials>,
    ) -> Self {
        Self {
            registry: registry.clone(),
            http,
            auth: Auth::new(registry.clone(), credentials),
            scheme,
            base: OnceCell::new(),
        }
    }

    /// Gives the URL below which everything is: `https://HOST/v2/`.
    pub(crate) async fn base(&self) -> Result<&Url, Error> {
        self.base
            .get_or_try_init(|| async {
                match self.scheme {
                    Scheme::Https => self.url("https"),
                    Scheme::Http => self.url("http"),
                    Scheme::HttpsElseHttp => self.greet().await,
                }
            })
            .await
    }

    /// Gives the URL of something below the base.
    pub(crate) async fn url_of(&self, path: &str) -> Result<Url, Error> {
        let base = self.base().await?;
        Url::parse(&format!("{base}{path}")).map_err(|error| invalid(&self.registry, error))
    }

    fn url(&self, scheme: &str) -> Result<Url, Error> {
        let authority = match self.registry.as_str() {
            DEFAULT_REGISTRY => DOCKER_HUB,
            other => other,
        };
        Url::parse(&format!("{scheme}://{authority}/v2/"))
            .map_err(|error| invalid(&self.registry, error))
    }

    /// Finds out whether the registry speaks HTTPS. Any answer says that it
    /// does; a certificate that can not be trusted says so too, and is an
    /// error rather than a reason to give up encryption.
    async fn greet(&self) -> Result<Url, Error> {
        let secure = self.url("https")?;
        let greeting = self.http.get(secure.clone()).send();
        let error = match tokio::time::timeout(GREETING, greeting).await {
            Ok(Ok(_answer)) => return Ok(secure),
            Ok(Err(error)) => error,
            Err(_silence) => return self.url("http"),
        };
        let untrusted = is_caused_by::<rustls::Error>(&error, |error| {
            // What can not be judged for want of roots is not trusted either.
            matches!(
                error,
                rustls::Error::InvalidCertificate(_) | rustls::Error::Other(_)
            )
        });
        let unreached = error.is_dns() || is_caused_by::<io::Error>(&error, is_unreached);
        if untrusted || unreached {
            let asked = Asked {
                method: &Method::GET,
                url: &secure,
            };
            return Err(Error::network(&asked, error));
        }
        self.url("http")
    }
}

fn invalid(registry: &RegistryHost, cause: impl Into<BoxError>) -> Error {
    Error::caused(
        crate::error::ErrorKind::Rejected,
        format!("the registry `{registry}` can not be part of a URL"),
        cause,
    )
}

/// Says whether nobody was there at all, whatever they would have spoken.
fn is_unreached(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    )
}
