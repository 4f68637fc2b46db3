//! What is built or checked, and of what: the arguments that `wharf build` and
//! `wharf check` share.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use builder::{Annotations, Cache, Caches, Fidelity, Format, Request, Silent};
use image::PlatformChoice;
use oci::Platform;

use super::{context, named};
use crate::commands::copy;
use crate::environment::Environment;
use crate::registries;
use crate::report::usage;

/// Says what the Dockerfile is, and what it is given.
#[derive(Debug, PartialEq, Default, clap::Args)]
pub(crate) struct Sources {
    /// The Dockerfile: a path, a URL, or - for standard input [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// A value for an ARG, from the environment where there is no `=`; may be given several times
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    arguments: Vec<String>,

    /// What a name in `FROM`, `COPY --from` and mounts means: a directory, an archive, a URL, a git repository, docker-image://REF, oci-layout://DIR[:TAG] or target:STAGE; may be given several times
    #[arg(long = "build-context", value_name = "NAME=PLACE")]
    contexts: Vec<String>,

    /// The stage to build, by name or number [default: the last one]
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,

    /// The machine that the image is for, as in linux/arm64; several, with commas between them, for one index [default: this one]
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    platforms: Vec<String>,
}

/// Makes a request for an image without a name, in one thread, that is told to
/// nobody.
pub(crate) fn request(
    environment: &Environment,
    context: &Path,
    sources: &Sources,
) -> anyhow::Result<Request> {
    let (context, dockerfile) = context::choose(context, sources.file.as_deref())?;
    let here = this_machine();
    Ok(Request {
        context,
        contexts: named::parse_all(&sources.contexts)?,
        dockerfile,
        names: Vec::new(),
        target: sources.target.clone(),
        arguments: values(environment, &sources.arguments)?,
        platforms: platforms(&sources.platforms, &here)?,
        build_platform: here,
        epoch: 0,
        fidelity: Fidelity::default(),
        format: Format::Oci,
        annotations: Annotations::default(),
        labels: BTreeMap::new(),
        cache: Cache::Use,
        compression: builder::Compression::default(),
        threads: NonZeroUsize::MIN,
        caches: Caches::default(),
        jobs: NonZeroUsize::MIN,
        network: registries::network(environment)?,
        running: super::running::usual(environment),
        scratch: environment.temporary_directory(),
        sending: Vec::new(),
        progress: Arc::new(Silent),
    })
}

/// Reads the platforms that are asked for.
fn platforms(given: &[String], here: &Platform) -> anyhow::Result<Vec<Platform>> {
    if given.is_empty() {
        return Ok(vec![here.clone()]);
    }
    let mut platforms = Vec::with_capacity(given.len());
    for text in given {
        match copy::platform(Some(text))? {
            PlatformChoice::One(platform) => platforms.push(platform),
            PlatformChoice::All => {
                return Err(usage("`--platform all` is not one machine"));
            }
        }
    }
    Ok(platforms)
}

/// Reads the values of arguments; one without `=` is taken from the
/// environment, if it is there.
fn values(environment: &Environment, given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for text in given {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text.as_str(), environment.inherited(text)),
        };
        if name.is_empty() {
            return Err(usage(format!("`--build-arg {text}` has no name")));
        }
        if let Some(value) = value {
            values.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(values)
}

/// Names this machine as images name theirs.
fn this_machine() -> Platform {
    let (architecture, variant) = match std::env::consts::ARCH {
        "x86_64" => ("amd64", None),
        "x86" => ("386", None),
        "aarch64" => ("arm64", None),
        "arm" => ("arm", Some("v7")),
        "powerpc64" => ("ppc64le", None),
        "loongarch64" => ("loong64", None),
        other => (other, None),
    };
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        os_version: None,
        os_features: Vec::new(),
        variant: variant.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_here_or_the_environment() {
        let environment = Environment::of(&[("FROM_OUTSIDE", "yes"), ("EMPTY", "")]);
        let given = ["A=1", "B=", "C=x=y", "FROM_OUTSIDE", "EMPTY", "MISSING"].map(str::to_owned);
        let values = values(&environment, &given).expect("valid");
        let found: Vec<(&str, &str)> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("A", "1"),
                ("B", ""),
                ("C", "x=y"),
                ("EMPTY", ""),
                ("FROM_OUTSIDE", "yes")
            ]
        );
        assert!(super::values(&environment, &["=x".to_owned()]).is_err());
    }
}
