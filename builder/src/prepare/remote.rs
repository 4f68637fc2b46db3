//! Contexts and Dockerfiles that are elsewhere: fetched before anything is
//! opened, so that all else finds them on this machine.

use std::sync::Arc;

use crate::blocking;
use crate::context::ContextSource;
use crate::error::{Error, ErrorKind};
use crate::fetch::{self, Checkout, Remote, Way};
use crate::plan::{KEEP_GIT_DIR, excerpt};
use crate::prepare::DOCKERFILE_LIMIT;
use crate::request::{DockerfileSource, Request};

/// Gives a context that is on this machine. Files of a repository are there
/// for as long as `fetched` is.
pub(super) async fn context(
    source: &ContextSource,
    request: &Request,
    fetched: &mut Vec<Checkout>,
) -> Result<ContextSource, Error> {
    let ContextSource::Remote(text) = source else {
        return Ok(source.clone());
    };
    let way = way(request);
    match read(text)? {
        Remote::Url(url) => {
            let file = fetch::url(&way, &url).await?.file;
            // An archive or a Dockerfile, as on standard input.
            Ok(ContextSource::Stream(Arc::new(file.into_parts().0)))
        }
        Remote::Git(mut source) => {
            if keeps_git_dir(request)? {
                source = source.keeping_git_dir(true)?;
            }
            let checkout = fetch::git(&way, &source).await?;
            let directory = checkout.directory().to_owned();
            fetched.push(checkout);
            Ok(ContextSource::Directory(directory))
        }
    }
}

/// Fetches the Dockerfile if it is elsewhere: its name and its text.
pub(super) async fn dockerfile(
    source: &DockerfileSource,
    request: &Request,
) -> Result<Option<(String, Vec<u8>)>, Error> {
    let DockerfileSource::Remote(text) = source else {
        return Ok(None);
    };
    let Remote::Url(url) = read(text)? else {
        let message = "a Dockerfile can not be a repository";
        return Err(Error::new(ErrorKind::Context, message)
            .with_hint("name the repository as the context, and `-f` with the path in it"));
    };
    let name = fetch::shown(&url);
    let fetched = fetch::url(&way(request), &url).await?;
    if fetched.size > DOCKERFILE_LIMIT {
        let message = format!("`{name}` has more than the {DOCKERFILE_LIMIT} bytes that are read");
        return Err(Error::new(ErrorKind::Context, message));
    }
    let mut file = fetched.file;
    let bytes = blocking::run(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| {
            Error::caused(ErrorKind::Storage, "the Dockerfile can not be read", error)
        })?;
        Ok(bytes)
    });
    Ok(Some((name, bytes.await?)))
}

/// Names a Dockerfile that came in the place of a context.
pub(super) fn name(context: &ContextSource) -> String {
    match context {
        ContextSource::Remote(text) => match read(text) {
            Ok(Remote::Url(url)) => fetch::shown(&url),
            Ok(Remote::Git(_)) | Err(_) => excerpt(text),
        },
        _ => "-".to_owned(),
    }
}

fn read(text: &str) -> Result<Remote, Error> {
    fetch::remote_context(text).unwrap_or_else(|| {
        let message = format!("`{}` is neither a URL nor a git repository", excerpt(text));
        Err(Error::new(ErrorKind::Context, message)
            .with_hint("URLs start with `https://` or `http://`, repositories with `git@` too"))
    })
}

/// Says whether a context in a repository keeps its `.git`.
fn keeps_git_dir(request: &Request) -> Result<bool, Error> {
    let Some(value) = request.arguments.get(KEEP_GIT_DIR) else {
        return Ok(false);
    };
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "" | "0" | "f" | "false" => Ok(false),
        _ => {
            let message = format!("`{}` is not a value of `{KEEP_GIT_DIR}`", excerpt(value));
            Err(Error::new(ErrorKind::Context, message).with_hint("it is `true` or `false`"))
        }
    }
}

fn way(request: &Request) -> Way<'_> {
    Way {
        network: &request.network,
        scratch: &request.scratch,
        progress: request.progress.as_ref(),
    }
}
