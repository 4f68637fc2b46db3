//! The credentials of registries, from the places where Docker and Podman keep
//! them.
//!
//! Each place is looked at in order, and the first that knows the registry
//! counts. Everything is read once, before anything runs; only helper programs
//! are asked while it runs.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use client::{BoxError, Credential, Credentials, Secret};
use oci::{RegistryHost, RepositoryName};

use crate::environment::Environment;
use crate::report::usage;

mod file;
mod program;

pub(crate) use file::{Editor, Removed};
pub(crate) use program::Helper;

use file::{Known, Login};

/// Knows every place of credentials, in the order in which they count.
#[derive(Debug, Default)]
pub(crate) struct Keychain {
    places: Vec<Place>,
    path: String,
}

/// Is one place of credentials and what was read there.
#[derive(Debug)]
struct Place {
    origin: String,
    known: Result<Known, String>,
}

impl Keychain {
    /// Reads every place there is. One that can not be read is an error only
    /// when it comes to its turn.
    pub(crate) fn read(environment: &Environment, authfile: Option<&Path>) -> Self {
        let mut places = Vec::new();
        for source in sources(environment, authfile) {
            let (origin, text) = match source {
                Source::File(path) => {
                    let text = match fs_err::read_to_string(&path) {
                        Ok(text) => Ok(text),
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                        Err(error) => Err(format!("can not be read: {error}")),
                    };
                    (format!("`{}`", path.display()), text)
                }
                Source::Variable(name, text) => {
                    (format!("the environment variable `{name}`"), Ok(text))
                }
            };
            let known = text.and_then(|text| Known::parse(&text));
            places.push(Place { origin, known });
        }
        let path = environment.variable("PATH").unwrap_or_default().to_owned();
        Self { places, path }
    }

    /// Names the places that know the registry in their own right.
    pub(crate) fn places_of(&self, registry: &RegistryHost) -> Vec<&str> {
        let knows = |place: &&Place| {
            let known = place.known.as_ref().ok();
            known.is_some_and(|known| known.login(registry, None).is_some())
        };
        let places = self.places.iter().filter(knows);
        places.map(|place| place.origin.as_str()).collect()
    }

    async fn find(
        &self,
        registry: &RegistryHost,
        repository: Option<&RepositoryName>,
    ) -> Result<Credential, BoxError> {
        for place in &self.places {
            let fail = |why: &str| BoxError::from(format!("{} {why}", place.origin));
            let known = place.known.as_ref().map_err(|why| fail(why))?;
            let login = known.login(registry, repository);
            // What is kept for this very repository is closer than a helper,
            // which knows whole registries only.
            if let Some(Login::Namespaced(credential)) = login {
                return Ok(credential.clone());
            }
            if let Some(name) = known.helper(registry) {
                let helper = Helper::new(name, &self.path);
                let found = helper.get(registry.auth_key()).await;
                let found = found.map_err(|error| fail(&format!("names a helper: {error:#}")))?;
                if let Some(credential) = found {
                    return Ok(credential);
                }
            }
            if let Some(Login::Whole(credential)) = login {
                return Ok(credential.clone());
            }
        }
        Ok(Credential::Anonymous)
    }
}

#[async_trait]
impl Credentials for Keychain {
    async fn for_registry(&self, registry: &RegistryHost) -> Result<Credential, BoxError> {
        self.find(registry, None).await
    }

    async fn for_repository(
        &self,
        registry: &RegistryHost,
        repository: &RepositoryName,
    ) -> Result<Credential, BoxError> {
        self.find(registry, Some(repository)).await
    }
}

/// Has one credential, which is being tried out.
#[derive(Debug)]
pub(crate) struct Candidate {
    registry: RegistryHost,
    credential: Credential,
}

impl Candidate {
    /// Takes a name and a password for a registry.
    pub(crate) fn new(registry: &RegistryHost, username: &str, password: &Secret) -> Self {
        let credential = Credential::Basic {
            username: username.to_owned(),
            password: password.clone(),
        };
        Self {
            registry: registry.clone(),
            credential,
        }
    }
}

#[async_trait]
impl Credentials for Candidate {
    async fn for_registry(&self, registry: &RegistryHost) -> Result<Credential, BoxError> {
        // Never to anybody else, whoever that registry sends us to.
        Ok(if *registry == self.registry {
            self.credential.clone()
        } else {
            Credential::Anonymous
        })
    }
}

enum Source {
    File(PathBuf),
    Variable(&'static str, String),
}

/// Lists the places in the order in which they count.
fn sources(environment: &Environment, authfile: Option<&Path>) -> Vec<Source> {
    let file = |name: &str, below: &str| {
        let directory = environment.variable(name).map(PathBuf::from)?;
        Some(Source::File(directory.join(below)))
    };
    let variable = |name: &'static str| {
        let text = environment.variable(name)?.to_owned();
        Some(Source::Variable(name, text))
    };
    [
        authfile.map(|path| Source::File(path.to_owned())),
        file("REGISTRY_AUTH_FILE", ""),
        file("DOCKER_CONFIG", "config.json"),
        file("HOME", ".docker/config.json"),
        variable("DOCKER_AUTH_CONFIG"),
        file("XDG_RUNTIME_DIR", "containers/auth.json"),
        file("HOME", ".config/containers/auth.json"),
    ]
    .into_iter()
    .flatten()
    .map(|source| match source {
        // Joining an empty path appends a slash, which no file has.
        Source::File(path) => Source::File(path.components().collect()),
        other => other,
    })
    .collect()
}

/// Finds the file that a login is written to: the one that is looked at first.
pub(crate) fn login_file(
    environment: &Environment,
    authfile: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    let files = sources(environment, authfile).into_iter();
    let mut files = files.filter_map(|source| match source {
        Source::File(path) => Some(path),
        Source::Variable(..) => None,
    });
    files.next().ok_or_else(|| {
        usage("there is no place for credentials: neither `--authfile`, `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG` nor `HOME` says where")
    })
}

#[cfg(test)]
mod tests;
