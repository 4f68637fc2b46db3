//! What the two arguments that may name standard input mean together.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use builder::{ContextSource, DockerfileSource};

use crate::report::{WithHint as _, hinted, missing, usage};

/// The largest Dockerfile that is read, in bytes.
pub(crate) const DOCKERFILE_LIMIT: u64 = 16 * 1024 * 1024;

/// The name of the Dockerfile where nobody gives one.
const DOCKERFILE: &str = "Dockerfile";

/// Finds out where the files and the Dockerfile are.
pub(super) fn choose(
    context: &Path,
    file: Option<&Path>,
) -> anyhow::Result<(ContextSource, DockerfileSource)> {
    let is_stdin = |path: &Path| path.as_os_str() == "-";
    let stdin_file = file.is_some_and(is_stdin);
    if is_stdin(context) && stdin_file {
        let error = usage("standard input can not be both the context and the Dockerfile");
        return Err(hinted(error, "give a directory for one of them"));
    }
    let source = if is_stdin(context) {
        ContextSource::Stream(Arc::new(stdin()?))
    } else {
        of_path(context)?
    };
    let dockerfile = match file {
        Some(_) if stdin_file => DockerfileSource::Bytes(read_stdin()?),
        Some(file) if is_url(file) => DockerfileSource::Remote(file.to_string_lossy().into_owned()),
        // Of an archive the Dockerfile is a part.
        Some(file) if !matches!(source, ContextSource::Directory(_)) => {
            DockerfileSource::Context(file.to_owned())
        }
        Some(file) => DockerfileSource::Path(file.to_owned()),
        None => DockerfileSource::Context(PathBuf::from(DOCKERFILE)),
    };
    Ok((source, dockerfile))
}

/// Finds out whether a path is of a directory or an archive.
fn of_path(path: &Path) -> anyhow::Result<ContextSource> {
    let text = path.to_string_lossy();
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(_) if is_elsewhere(&text) => return Ok(ContextSource::Remote(text.into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let error = missing(format!("there is no context `{text}`"));
            return Err(hinted(
                error,
                "name a directory, a tar archive, a URL, a git repository, or `-`",
            ));
        }
        Err(error) => return Err(error).context("can not look at the context"),
    };
    if metadata.is_dir() {
        return Ok(ContextSource::Directory(path.to_owned()));
    }
    let file = fs_err::File::open(path).context("can not open the context")?;
    Ok(ContextSource::Archive(Arc::new(file.into_parts().0)))
}

/// Says whether a path that is none here is a URL.
fn is_url(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let is_http = text.starts_with("https://") || text.starts_with("http://");
    is_http && fs_err::metadata(path).is_err()
}

/// Says whether a text that is no path here is a URL, or a git repository as
/// docker knows them: `git@host:path`, and `github.com/path`.
pub(super) fn is_elsewhere(text: &str) -> bool {
    let of_user = text
        .split_once('@')
        .is_some_and(|(user, host)| !user.contains('/') && host.contains(':'));
    text.contains("://") || of_user || text.starts_with("github.com/")
}

/// Gives standard input as a file that can be read in any thread.
fn stdin() -> anyhow::Result<std::fs::File> {
    let handle = std::io::stdin().as_fd().try_clone_to_owned();
    Ok(handle.context("can not read standard input")?.into())
}

/// Reads a Dockerfile from standard input.
pub(crate) fn read_stdin() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = stdin()?.take(DOCKERFILE_LIMIT + 1).read_to_end(&mut bytes);
    read.context("can not read the Dockerfile from standard input")?;
    if bytes.len() as u64 > DOCKERFILE_LIMIT {
        return Err(usage(format!(
            "the Dockerfile on standard input has more than {DOCKERFILE_LIMIT} bytes"
        )))
        .hint("`-f -` takes a Dockerfile; an archive is the context: `wharf build -`");
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_input_is_one_thing() {
        let refused = choose(Path::new("-"), Some(Path::new("-")));
        assert!(refused.is_err());
        assert!(choose(Path::new("no-such-directory"), None).is_err());
    }

    #[test]
    fn contexts_elsewhere_are_known() {
        for (text, elsewhere) in [
            ("https://example.com/x.git", true),
            ("git://example.com/x.git#main:sub", true),
            ("git@example.com:o/r.git", true),
            ("github.com/o/r", true),
            ("no-such-directory", false),
            ("no/such@1:2", false),
            ("name@example.com", false),
        ] {
            match choose(Path::new(text), None) {
                Ok((ContextSource::Remote(found), _)) => {
                    assert_eq!((found.as_str(), true), (text, elsewhere))
                }
                Ok(other) => panic!("{text}: {other:?}"),
                Err(_) => assert!(!elsewhere, "{text}"),
            }
        }
    }

    #[test]
    fn a_dockerfile_may_be_elsewhere_or_part_of_what_is() {
        let url = "https://h.test/Dockerfile";
        let remote = DockerfileSource::Remote(url.to_owned());
        let (_, found) = choose(Path::new("."), Some(Path::new(url))).expect("a URL");
        assert_eq!(found, remote);
        let repository = Path::new("git@h.test:o/r.git");
        let file = Path::new("sub/Dockerfile");
        let (_, found) = choose(repository, Some(file)).expect("a repository");
        assert_eq!(found, DockerfileSource::Context(file.to_owned()));
    }

    #[test]
    fn a_dockerfile_is_in_an_archive_or_beside_a_directory() {
        let directory = tempfile::tempdir().expect("a directory");
        let archive = directory.path().join("a.tar");
        fs_err::write(&archive, b"").expect("written");
        let file = Path::new("other/Dockerfile");
        let (_, found) = choose(directory.path(), Some(file)).expect("there");
        assert_eq!(found, DockerfileSource::Path(file.to_owned()));
        let (_, found) = choose(&archive, Some(file)).expect("there");
        assert_eq!(found, DockerfileSource::Context(file.to_owned()));
        let (_, found) = choose(directory.path(), None).expect("there");
        assert_eq!(
            found,
            DockerfileSource::Context(PathBuf::from("Dockerfile"))
        );
    }
}
