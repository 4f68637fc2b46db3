//! A repository of a registry, and the ways to its content.

use std::fmt;
use std::sync::Arc;

use http::Method;
use oci::{RegistryHost, RepositoryName};

use crate::auth::{Ask, Scopes};
use crate::error::{Error, ErrorKind};
use crate::options::{Fallback, Mirror, MirrorRule};
use crate::progress::{Progress, Silent};
use crate::transport::{Answer, Endpoint, Request, Transport, Watch};

mod blob;
mod manifest;
mod page;
mod referrers;
mod tags;
mod upload;

pub use blob::{Blob, BlobStream};
pub use manifest::Fetched;
pub(crate) use page::Listing;
pub use page::Pages;
pub use upload::Mounted;

/// The most of an answer without content that is read, in bytes.
const SMALL: usize = 64 * 1024;

/// Is one repository of one registry, seen from outside. Cheap to clone.
#[derive(Clone)]
pub struct Repository {
    transport: Arc<Transport>,
    progress: Arc<dyn Progress>,
    registry: RegistryHost,
    own: Route,
    /// The ways that reading verbs take, in order; never empty.
    reading: Vec<Route>,
}

/// Is one way to the content of a repository.
#[derive(Clone)]
struct Route {
    endpoint: Arc<Endpoint>,
    name: RepositoryName,
    kind: RouteKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RouteKind {
    /// The registry itself.
    Own,
    /// A registry that holds copies; it is told whose copies are wanted.
    Mirror,
}

impl Repository {
    pub(crate) fn new(
        transport: &Arc<Transport>,
        registry: &RegistryHost,
        name: &RepositoryName,
    ) -> Self {
        let own = Route {
            endpoint: transport.endpoint(registry),
            name: name.clone(),
            kind: RouteKind::Own,
        };
        Self {
            transport: Arc::clone(transport),
            progress: Arc::new(Silent),
            registry: registry.clone(),
            reading: vec![own.clone()],
            own,
        }
    }

    /// Gives the same repository, whose reading verbs ask the mirrors of its
    /// registry first. Writing verbs and listings still go to the registry
    /// itself.
    ///
    /// For pulling only: whether something has to be pushed to a registry is
    /// not known by its mirrors.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let mut mirrored = self.clone();
        if let Some(rule) = self.rule() {
            let mut routes: Vec<_> = rule
                .mirrors
                .iter()
                .filter_map(|mirror| self.by_mirror(mirror))
                .collect();
            if rule.fallback == Fallback::Registry || routes.is_empty() {
                routes.push(self.own.clone());
            }
            mirrored.reading = routes;
        }
        mirrored
    }

    /// Gives the same repository, whose verbs report to `progress`.
    #[must_use]
    pub fn observed(&self, progress: Arc<dyn Progress>) -> Self {
        Self {
            progress,
            ..self.clone()
        }
    }

    /// Names the registry.
    #[must_use]
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// Names the repository.
    #[must_use]
    pub fn name(&self) -> &RepositoryName {
        &self.own.name
    }

    /// Finds the rule with the longest namespace that this repository is in.
    fn rule(&self) -> Option<&MirrorRule> {
        self.transport
            .options()
            .mirrors
            .iter()
            .filter(|rule| rule.registry == self.registry)
            .filter(|rule| {
                rule.namespace
                    .as_ref()
                    .is_none_or(|namespace| contains(namespace, self.name()))
            })
            .max_by_key(|rule| rule.namespace.as_ref().map_or(0, |n| n.as_str().len()))
    }

    fn by_mirror(&self, mirror: &Mirror) -> Option<Route> {
        let name = match &mirror.prefix {
            None => self.name().clone(),
            Some(prefix) => match format!("{prefix}/{}", self.name()).parse() {
                Ok(name) => name,
                Err(error) => {
                    tracing::warn!(mirror = %mirror.registry, %error, "a mirror can not be used");
                    return None;
                }
            },
        };
        Some(Route {
            endpoint: self.transport.endpoint(&mirror.registry),
            name,
            kind: RouteKind::Mirror,
        })
    }

    /// Prepares a request for something below the repository's name.
    async fn request(
        &self,
        route: &Route,
        method: Method,
        path: &str,
        actions: &[&str],
    ) -> Result<Request, Error> {
        let path = format!("{}/{path}", route.name);
        let watch = self.watch(route);
        let mut url = self.transport.url(&route.endpoint, &path, watch).await?;
        if route.kind == RouteKind::Mirror && route.endpoint.registry != self.registry {
            // Not ratified, but what containerd and its mirrors agree on.
            url.query_pairs_mut()
                .append_pair("ns", self.registry.as_str());
        }
        let ask = Ask {
            scopes: Scopes::repository(&route.name, actions),
            repository: Some(route.name.clone()),
        };
        Ok(Request::new(method, url, ask))
    }

    async fn exchange(
        &self,
        route: &Route,
        request: &Request,
        limit: usize,
    ) -> Result<Answer, Error> {
        self.transport
            .exchange(&route.endpoint, request, limit, self.watch(route))
            .await
    }

    /// A mirror gets one attempt as long as somebody else can be asked.
    fn watch(&self, route: &Route) -> Watch<'_> {
        let patience = &self.transport.patience;
        let last = route.kind == RouteKind::Own || self.is_last(route);
        Watch {
            attempts: if last {
                patience.begin()
            } else {
                patience.once()
            },
            progress: &*self.progress,
        }
    }

    fn is_last(&self, route: &Route) -> bool {
        self.reading
            .last()
            .is_some_and(|last| Arc::ptr_eq(&last.endpoint, &route.endpoint))
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({}/{})", self.registry, self.own.name)
    }
}

fn contains(namespace: &RepositoryName, name: &RepositoryName) -> bool {
    name.as_str()
        .strip_prefix(namespace.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Gathers what each way answered, so that the error of the last one tells of
/// the others too.
#[derive(Default)]
struct Failures(Vec<(RegistryHost, Error)>);

impl Failures {
    fn add(&mut self, route: &Route, error: Error) {
        let registry = &route.endpoint.registry;
        tracing::debug!(%registry, %error, "reading failed");
        self.0.push((registry.clone(), error));
    }

    fn into_error(mut self) -> Error {
        let Some((_registry, last)) = self.0.pop() else {
            return Error::new(ErrorKind::NotFound, "there is no way to the repository");
        };
        self.0.iter().fold(last, |last, (mirror, error)| {
            last.noting(&format!("before that, mirror {mirror}: {error}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_end_at_slashes() {
        for (namespace, name, expected) in [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a", "ab", false),
            ("a/b", "a", false),
            ("library", "library/busybox", true),
        ] {
            let namespace = namespace.parse().expect("a name");
            let name = name.parse().expect("a name");
            assert_eq!(contains(&namespace, &name), expected, "{namespace} {name}");
        }
    }
}
