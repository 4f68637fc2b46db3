//! Authentication towards one registry (RFC 7235; Docker's token
//! authentication): what it demanded last, and what was obtained for it.
//!
//! Nothing is sent before a registry asks for it, and nothing is sent but to
//! the registry itself and to the token endpoint that it names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use oci::{RegistryHost, RepositoryName};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

mod challenge;
mod scope;
mod token;

pub(crate) use scope::Scopes;
use token::{Endpoint, Token};

use crate::credentials::{Credential, Credentials, Secret};
use crate::error::{Asked, Error, ErrorKind, shown};

pub(crate) use token::{Question, TOKEN_LIMIT};

/// The most scopes that tokens are kept for. A registry that pulls through
/// meets many repositories in its life.
const GRANTS: usize = 1024;

/// Says what a request needs to be allowed, and whose credential it uses.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) scopes: Scopes,
    pub(crate) repository: Option<RepositoryName>,
}

impl Ask {
    pub(crate) fn nothing() -> Self {
        Self {
            scopes: Scopes::none(),
            repository: None,
        }
    }
}

/// Sends a question to a token endpoint; the transport can.
pub(crate) trait Courier: Sync {
    fn carry(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<(StatusCode, bytes::Bytes), Error>> + Send;
}

/// Remembers what a registry demands, and what was obtained.
pub(crate) struct Auth {
    registry: RegistryHost,
    credentials: Arc<dyn Credentials>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    demand: Option<Demand>,
    grants: HashMap<Scopes, Arc<Grant>>,
    credentials: HashMap<Option<RepositoryName>, Arc<OnceCell<Credential>>>,
}

/// Is what a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Demand {
    Basic,
    Bearer(Endpoint),
}

/// Is a token for some scopes, being fetched or here. Requests at the same
/// time wait for one fetch.
struct Grant {
    endpoint: Endpoint,
    scopes: Scopes,
    token: OnceCell<Token>,
}

/// Is what was sent along with a request to prove who asks.
pub(crate) struct Proof {
    pub(crate) header: HeaderValue,
    /// The grant behind it, where it is a token.
    grant: Option<Arc<Grant>>,
    /// Whether the token was fetched for this request.
    fresh: bool,
    credential: Credential,
}

impl Auth {
    pub(crate) fn new(registry: RegistryHost, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            registry,
            credentials,
            state: Mutex::default(),
        }
    }

    /// Says whether the registry ever asked who it is.
    pub(crate) fn has_demanded(&self) -> bool {
        self.state().demand.is_some()
    }

    /// Gives what has to be sent along: nothing, as long as the registry did
    /// not ask, or where there is nothing.
    pub(crate) async fn proof(
        &self,
        ask: &Ask,
        courier: &impl Courier,
    ) -> Result<Option<Proof>, Error> {
        let Some(demand) = self.state().demand.clone() else {
            return Ok(None);
        };
        let credential = self.credential(ask).await?;
        let header = match (&demand, &credential) {
            (_, Credential::Bearer(token)) => bearer(token),
            (Demand::Basic, Credential::Basic { username, password }) => basic(username, password),
            (Demand::Basic, _) => None,
            (Demand::Bearer(endpoint), credential) => {
                let grant = self.grant(ask, endpoint);
                let fresh = !grant.token.initialized();
                let fetching = grant
                    .token
                    .get_or_try_init(|| fetch(&grant, credential, courier));
                let header = match fetching.await {
                    Ok(token) => token.header.clone(),
                    Err(error) => return Err(self.forgetting(ask, error)),
                };
                return Ok(Some(Proof {
                    header,
                    grant: Some(grant),
                    fresh,
                    credential: credential.clone(),
                }));
            }
        };
        Ok(header.map(|header| Proof {
            header,
            grant: None,
            fresh: true,
            credential,
        }))
    }

    /// Learns from a 401 what the registry wants. Says whether asking again
    /// may do better: not where the same proof would be refused again.
    pub(crate) async fn learn(
        &self,
        headers: &HeaderMap,
        ask: &Ask,
        sent: Option<&Proof>,
        origin: &Url,
    ) -> Result<bool, Error> {
        let Some((demand, scope)) = demanded(headers, origin)? else {
            return Ok(false);
        };
        let changed = self.state().demand.replace(demand.clone()) != Some(demand.clone());
        let Demand::Bearer(endpoint) = demand else {
            return self.renewed(ask, sent, changed).await;
        };
        let wider = {
            let mut state = self.state();
            let known = state.grants.get(&ask.scopes);
            // What was demanded before is still asked for, or two demands in
            // turn would replace each other's token for ever.
            let scopes = known
                .map_or(&ask.scopes, |known| &known.scopes)
                .widened(&scope);
            let wider = known.is_none_or(|known| known.scopes != scopes);
            // A token that was refused is of no use to anybody else.
            let spent = match (known, sent.and_then(|proof| proof.grant.as_ref())) {
                (Some(known), Some(sent)) => Arc::ptr_eq(known, sent),
                _ => false,
            };
            if wider || spent || changed {
                state.keep(&ask.scopes, Grant::new(endpoint, scopes));
            }
            wider
        };
        let stale = sent.is_none_or(|proof| proof.grant.is_some() && !proof.fresh);
        if changed || wider || stale {
            return Ok(true);
        }
        self.renewed(ask, sent, false).await
    }

    /// Forgets the credential that a token endpoint refused, so that the next
    /// request asks for it again.
    fn forgetting(&self, ask: &Ask, error: Error) -> Error {
        if error.kind() == ErrorKind::Denied {
            self.state().credentials.remove(&ask.repository);
        }
        error
    }

    /// Asks for the credential again after the registry refused it, and says
    /// whether there is another one now.
    async fn renewed(&self, ask: &Ask, sent: Option<&Proof>, changed: bool) -> Result<bool, Error> {
        let Some(sent) = sent else {
            return Ok(self.credential(ask).await? != Credential::Anonymous);
        };
        self.state().credentials.remove(&ask.repository);
        Ok(self.credential(ask).await? != sent.credential || changed)
    }

    async fn credential(&self, ask: &Ask) -> Result<Credential, Error> {
        let cell = {
            let mut state = self.state();
            if state.credentials.len() >= GRANTS && !state.credentials.contains_key(&ask.repository)
            {
                state.credentials.clear();
            }
            Arc::clone(state.credentials.entry(ask.repository.clone()).or_default())
        };
        let found = cell
            .get_or_try_init(|| async {
                match &ask.repository {
                    Some(name) => self.credentials.for_repository(&self.registry, name).await,
                    None => self.credentials.for_registry(&self.registry).await,
                }
            })
            .await;
        found.cloned().map_err(|cause| {
            Error::caused(
                ErrorKind::Denied,
                format!("the credentials for `{}` can not be had", self.registry),
                cause,
            )
        })
    }

    /// Gives the grant for a wish; one that has ended is replaced.
    fn grant(&self, ask: &Ask, endpoint: &Endpoint) -> Arc<Grant> {
        let mut state = self.state();
        let scopes = match state.grants.get(&ask.scopes) {
            Some(known) if known.is_usable() => return Arc::clone(known),
            // The registry may have asked for more than the wish.
            Some(known) => known.scopes.clone(),
            None => ask.scopes.clone(),
        };
        state.keep(&ask.scopes, Grant::new(endpoint.clone(), scopes))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so that a panic
        // elsewhere does not spoil it.
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, wish: &Scopes, grant: Grant) -> Arc<Grant> {
        if self.grants.len() >= GRANTS {
            self.grants.retain(|_, grant| grant.is_usable());
        }
        if self.grants.len() >= GRANTS {
            self.grants.clear();
        }
        let grant = Arc::new(grant);
        self.grants.insert(wish.clone(), Arc::clone(&grant));
        grant
    }
}

impl Grant {
    fn new(endpoint: Endpoint, scopes: Scopes) -> Self {
        Self {
            endpoint,
            scopes,
            token: OnceCell::new(),
        }
    }

    fn is_usable(&self) -> bool {
        self.token.get().is_none_or(Token::is_good)
    }
}

/// Fetches a token. An identity token is exchanged by POST; endpoints that do
/// not know it answer 404 or 405 and are asked by GET.
async fn fetch(
    grant: &Grant,
    credential: &Credential,
    courier: &impl Courier,
) -> Result<Token, Error> {
    let asked = Instant::now();
    let Grant {
        endpoint, scopes, ..
    } = grant;
    if let Credential::IdentityToken(token) = credential {
        let question = token::by_post(endpoint, scopes, token);
        let (status, body) = courier.carry(question).await?;
        if !matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        ) {
            granted(endpoint, &Method::POST, status, &body)?;
            return token::read(&endpoint.realm, &body, asked);
        }
    }
    let question = token::by_get(endpoint, scopes, credential);
    let (status, body) = courier.carry(question).await?;
    granted(endpoint, &Method::GET, status, &body)?;
    token::read(&endpoint.realm, &body, asked)
}

fn granted(
    endpoint: &Endpoint,
    method: &Method,
    status: StatusCode,
    body: &[u8],
) -> Result<(), Error> {
    if status.is_success() {
        return Ok(());
    }
    let asked = Asked {
        method,
        url: &endpoint.realm,
    };
    let error = Error::refusal(&asked, status, body);
    // Whatever a token endpoint refuses with, the request is not allowed.
    Err(match error.kind() {
        ErrorKind::Rejected | ErrorKind::NotFound => error.of_kind(ErrorKind::Denied),
        _ => error,
    })
}

/// Finds the demand that is met: a token where one is offered, since registries
/// that offer both give more to tokens. Gives the scope that came with it.
fn demanded(headers: &HeaderMap, origin: &Url) -> Result<Option<(Demand, String)>, Error> {
    let challenges = challenge::challenges(headers);
    let bearer = challenges
        .iter()
        .filter(|challenge| challenge.scheme == "bearer")
        .find_map(|challenge| Some((challenge, challenge.parameter("realm")?)));
    if let Some((challenge, realm)) = bearer {
        let endpoint = Endpoint {
            realm: checked_realm(realm, origin)?,
            service: challenge.parameter("service").unwrap_or_default().into(),
        };
        let scope = challenge.parameter("scope").unwrap_or_default().into();
        return Ok(Some((Demand::Bearer(endpoint), scope)));
    }
    let basic = challenges
        .iter()
        .any(|challenge| challenge.scheme == "basic");
    Ok(basic.then(|| (Demand::Basic, String::new())))
}

/// Refuses a token endpoint that would be sent credentials in the clear.
///
/// Plain HTTP is good enough only where the registry itself is spoken to so,
/// and then only on the same host or this machine.
fn checked_realm(realm: &str, origin: &Url) -> Result<Url, Error> {
    let url = Url::parse(realm).map_err(|error| {
        Error::caused(ErrorKind::Protocol, "the token endpoint is no URL", error)
    })?;
    let near = url.host_str() == origin.host_str() || is_loopback(&url);
    match url.scheme() {
        "https" => Ok(url),
        "http" if origin.scheme() == "http" && near => Ok(url),
        _ => Err(Error::protocol(format!(
            "the registry names the token endpoint `{}`, which is not encrypted",
            shown(&url)
        ))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Writes `Authorization: Basic` (RFC 7617).
fn basic(username: &str, password: &Secret) -> Option<HeaderValue> {
    let pair = format!("{username}:{}", password.expose());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    sensitive(&format!("Basic {encoded}"))
}

/// Writes `Authorization: Bearer` (RFC 6750); nothing where the token holds
/// what a header can not.
fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Says whether a request to this URL may carry the registry's proof.
pub(crate) fn is_own(url: &Url, origin: &Url) -> bool {
    url.origin() == origin.origin()
}

#[cfg(test)]
mod tests;
