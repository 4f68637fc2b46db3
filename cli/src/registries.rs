//! How registries are reached: what the configuration, the environment and
//! the machine say of certificates, proxies and mirrors becomes the options of
//! a client.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use builder::Network;
use client::{
    Client, Credentials, Fallback, HostRule, Mirror, MirrorRule, Options, Proxies, Retries, Roots,
    Scheme, Verification,
};
use oci::{ImageName, RegistryHost, RepositoryName};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::{Config, Registry};
use crate::credentials::Keychain;
use crate::environment::{self, Environment};
use crate::report::{WithHint as _, usage};

/// Where Docker looks for the certificates of single registries, in a
/// directory for each: `registry.example:5000/ca.crt`.
const DOCKER_CERTIFICATES: &str = "/etc/docker/certs.d";

/// The largest file of certificates that is read, in bytes.
const CERTIFICATES_LIMIT: u64 = 16 * 1024 * 1024;

/// What is sent as `User-Agent`.
const USER_AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// Says with what credentials registries are asked. The options of every
/// command that speaks to them.
#[derive(Debug, PartialEq, Default, clap::Args)]
pub(crate) struct Reach {
    /// A file of credentials that is looked at first, as Docker's config.json or Podman's auth.json
    #[arg(long, value_name = "FILE")]
    pub(crate) authfile: Option<PathBuf>,
}

/// Makes a client that asks with the credentials of this machine.
pub(crate) fn client(
    environment: &Environment,
    config: &Config,
    reach: &Reach,
) -> anyhow::Result<Client> {
    if let Some(path) = &reach.authfile {
        // Places that are only looked at may be missing; not one that is named.
        fs_err::metadata(path).or_usage(|| {
            format!(
                "can not read the credentials that `--authfile` names: there is nothing at `{}`",
                path.display()
            )
        })?;
    }
    let keychain = Keychain::read(environment, reach.authfile.as_deref());
    client_as(environment, config, Arc::new(keychain))
}

/// Makes a client that asks with other credentials.
pub(crate) fn client_as(
    environment: &Environment,
    config: &Config,
    credentials: Arc<dyn Credentials>,
) -> anyhow::Result<Client> {
    let mut options = options(environment, config, Path::new(DOCKER_CERTIFICATES))?;
    options.credentials = credentials;
    Ok(Client::new(options)?)
}

fn options(
    environment: &Environment,
    config: &Config,
    certificates: &Path,
) -> anyhow::Result<Options> {
    let mut options = Options::new(USER_AGENT);
    options.roots = environment.roots(|| roots(environment))?;
    options.proxies = proxies(environment);
    options.retries = Retries {
        // The lower half is as random as the whole.
        seed: environment::random() as u64,
        ..Retries::default()
    };
    for (registry, own) in own_certificates(certificates)? {
        rule_of(&mut options.hosts, &registry).certificates = own;
    }
    for (index, registry) in config.registries.iter().enumerate() {
        add(&mut options, registry)
            .with_context(|| format!("`registry[{index}]` can not be used"))?;
    }
    Ok(options)
}

/// Adds what the configuration says of a registry.
fn add(options: &mut Options, registry: &Registry) -> anyhow::Result<()> {
    let (host, namespace) = split(&registry.prefix)?;
    let rule = rule_of(&mut options.hosts, &host);
    if registry.insecure {
        rule.scheme = Scheme::HttpsElseHttp;
        rule.verification = Verification::Skip;
    }
    if let Some(path) = &registry.ca {
        rule.certificates.extend(certificates_in(path)?);
    }
    if registry.mirrors.is_empty() {
        return Ok(());
    }
    let mirrors = registry.mirrors.iter().map(|mirror| {
        if mirror.contains('@') {
            return Err(usage(format!("the mirror `{mirror}` has a user"))).hint(
                "keep credentials by `wharf login`; a mirror is `HOST` or `HOST/REPOSITORY`",
            );
        }
        let (registry, prefix) = split(mirror)?;
        Ok(Mirror { registry, prefix })
    });
    options.mirrors.push(MirrorRule {
        registry: host,
        namespace,
        mirrors: mirrors.collect::<anyhow::Result<_>>()?,
        fallback: if registry.fallback {
            Fallback::Registry
        } else {
            Fallback::Never
        },
    });
    Ok(())
}

/// Says where to look for the tags of an image's repository: at the registry
/// itself, which knows all, unless only its mirrors may be asked.
pub(crate) fn listings(
    config: &Config,
    name: &ImageName,
) -> anyhow::Result<Vec<(RegistryHost, RepositoryName)>> {
    let mut found: Option<(usize, &Registry)> = None;
    for rule in &config.registries {
        let (host, namespace) = split(&rule.prefix)?;
        let namespace = namespace.as_ref().map_or("", RepositoryName::as_str);
        let rest = name.repository().as_str().strip_prefix(namespace);
        let within = rest
            .is_some_and(|rest| namespace.is_empty() || rest.is_empty() || rest.starts_with('/'));
        let closer = found.is_none_or(|(length, _)| namespace.len() >= length);
        if host == *name.registry() && within && closer && !rule.mirrors.is_empty() {
            found = Some((namespace.len(), rule));
        }
    }
    let Some((_, rule)) = found.filter(|(_, rule)| !rule.fallback) else {
        return Ok(vec![(name.registry().clone(), name.repository().clone())]);
    };
    let ways = rule.mirrors.iter().map(|mirror| {
        let (host, prefix) = split(mirror)?;
        let repository = match prefix {
            Some(prefix) => format!("{prefix}/{}", name.repository()).parse()?,
            None => name.repository().clone(),
        };
        Ok((host, repository))
    });
    ways.collect()
}

/// Lists the mirrors that are asked instead of a registry, where it must not
/// be asked at all.
pub(crate) fn only_mirrors<'a>(config: &'a Config, registry: &RegistryHost) -> &'a [String] {
    let whole = |rule: &&Registry| {
        let host = rule.prefix.parse::<RegistryHost>();
        !rule.fallback && host.is_ok_and(|host| host == *registry)
    };
    let rule = config.registries.iter().find(whole);
    rule.map_or(&[], |rule| rule.mirrors.as_slice())
}

/// Lists the registries that are asked in the place of others.
pub(crate) fn mirrors(config: &Config) -> Vec<RegistryHost> {
    let mirrors = config.registries.iter().flat_map(|rule| &rule.mirrors);
    mirrors
        .filter_map(|mirror| Some(split(mirror).ok()?.0))
        .collect()
}

/// Splits a registry from the first components of repositories after it.
fn split(text: &str) -> anyhow::Result<(RegistryHost, Option<RepositoryName>)> {
    match text.split_once('/') {
        Some((host, namespace)) => Ok((host.parse()?, Some(namespace.parse()?))),
        None => Ok((text.parse()?, None)),
    }
}

fn rule_of<'a>(rules: &'a mut Vec<HostRule>, registry: &RegistryHost) -> &'a mut HostRule {
    let known = rules.iter().position(|rule| rule.registry == *registry);
    let index = known.unwrap_or_else(|| {
        rules.push(HostRule::new(registry.clone()));
        rules.len() - 1
    });
    &mut rules[index]
}

/// Has the certificates be read that the machine trusts, or those that
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead, once they are needed.
fn roots(environment: &Environment) -> anyhow::Result<Roots> {
    let path = |name| environment.variable(name).map(PathBuf::from);
    let (file, directory) = (path("SSL_CERT_FILE"), path("SSL_CERT_DIR"));
    let mut named = file.iter().chain(&directory).peekable();
    if named.peek().is_some() && !named.any(|path| path.exists()) {
        return Err(usage(
            "`SSL_CERT_FILE` and `SSL_CERT_DIR` name what is not there",
        ));
    }
    Ok(Roots::later(move || {
        if file.is_none() && directory.is_none() {
            let found = rustls_native_certs::load_native_certs();
            return Ok(found.certs.iter().map(|der| der.to_vec()).collect());
        }
        let found =
            rustls_native_certs::load_certs_from_paths(file.as_deref(), directory.as_deref());
        if found.certs.is_empty() {
            return Err("`SSL_CERT_FILE` and `SSL_CERT_DIR` name no certificates".into());
        }
        Ok(found.certs.iter().map(|der| der.to_vec()).collect())
    }))
}

/// Reads the proxies; either case of the names is in use.
pub(crate) fn proxies(environment: &Environment) -> Proxies {
    let either = |lower, upper| {
        let value = environment.variable(lower);
        let value = value.or_else(|| environment.variable(upper));
        value.unwrap_or_default().to_owned()
    };
    Proxies {
        http: either("http_proxy", "HTTP_PROXY"),
        https: either("https_proxy", "HTTPS_PROXY"),
        no_proxy: either("no_proxy", "NO_PROXY"),
    }
}

/// Says how a build reaches URLs and git repositories.
pub(crate) fn network(environment: &Environment) -> anyhow::Result<Network> {
    let mut network = Network::new(USER_AGENT);
    network.roots = environment.roots(|| roots(environment))?;
    network.proxies = proxies(environment);
    network.ssh_agent = environment.variable("SSH_AUTH_SOCK").map(PathBuf::from);
    if let Some(path) = environment.variable("PATH") {
        network.search_path = path.into();
    }
    Ok(network)
}

/// Reads the certificates of single registries: every `*.crt` in a directory
/// named as the registry.
fn own_certificates(directory: &Path) -> anyhow::Result<Vec<(RegistryHost, Vec<Vec<u8>>)>> {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    let list = |path: &Path| -> anyhow::Result<Vec<PathBuf>> {
        match fs_err::read_dir(path) {
            // Docker's directory is often closed to everybody but root.
            Err(e) if matches!(e.kind(), NotFound | NotADirectory | PermissionDenied) => Ok(vec![]),
            Err(error) => Err(error.into()),
            Ok(entries) => {
                let paths = entries.map(|entry| Ok(entry?.path()));
                let mut paths = paths.collect::<std::io::Result<Vec<_>>>()?;
                paths.sort();
                Ok(paths)
            }
        }
    };
    let mut all = Vec::new();
    for path in list(directory)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(registry) = name.and_then(|name| name.parse().ok()) else {
            continue;
        };
        let mut own = Vec::new();
        for file in list(&path)? {
            if file.extension().is_some_and(|extension| extension == "crt") {
                own.extend(certificates_in(&file)?);
            }
        }
        if !own.is_empty() {
            all.push((registry, own));
        }
    }
    Ok(all)
}

/// Reads a file of certificates in PEM, of which it has to have one at least.
fn certificates_in(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let read = || -> anyhow::Result<Vec<Vec<u8>>> {
        let size = fs_err::metadata(path)?.len();
        if size > CERTIFICATES_LIMIT {
            anyhow::bail!("it is larger than {CERTIFICATES_LIMIT} bytes");
        }
        let text = fs_err::read(path)?;
        let all = CertificateDer::pem_slice_iter(&text)
            .map(|der| Ok(der?.to_vec()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        if all.is_empty() {
            anyhow::bail!("there is no `BEGIN CERTIFICATE` in it");
        }
        Ok(all)
    };
    read()
        .or_usage(|| format!("can not read the certificates in `{}`", path.display()))
        .hint("it has to be a file of certificates in PEM")
}

#[cfg(test)]
mod tests;
