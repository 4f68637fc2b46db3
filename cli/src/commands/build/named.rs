//! `--build-context`: names of the Dockerfile that are given a meaning from
//! outside.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use builder::{ContextSource, NamedContext};
use oci::{ImageName, Tag};

use super::context::is_elsewhere;
use crate::report::{WithHint as _, missing, usage};

/// How a named context looks, for hints.
const FORM: &str = "a context is as in `--build-context NAME=DIR`; in the place of `DIR` may stand an archive, a URL, a git repository, `docker-image://REF`, `oci-layout://DIR[:TAG]` and `target:STAGE`";

/// Reads all named contexts; of two with one name the later counts.
pub(super) fn parse_all(texts: &[String]) -> anyhow::Result<BTreeMap<String, NamedContext>> {
    let mut contexts = BTreeMap::new();
    for text in texts {
        let (name, place) = split(text)?;
        let context =
            parse(place).with_context(|| format!("can not use the build context `{name}`"))?;
        // Names of stages have no capitals, however they are written; tags do.
        let name = match name.contains(['/', ':', '@']) {
            true => name.to_owned(),
            false => name.to_lowercase(),
        };
        contexts.insert(name, context);
    }
    Ok(contexts)
}

fn split(text: &str) -> anyhow::Result<(&str, &str)> {
    match text.split_once('=') {
        Some((name, place)) if !name.is_empty() && !place.is_empty() => Ok((name, place)),
        _ => Err(usage(format!(
            "`--build-context {text}` is not of the form `NAME=PLACE`"
        )))
        .hint(FORM),
    }
}

fn parse(place: &str) -> anyhow::Result<NamedContext> {
    if let Some(name) = place.strip_prefix("docker-image://") {
        let name = name.parse::<ImageName>();
        let name = name.or_usage(|| format!("`{place}` names no image"))?;
        return Ok(NamedContext::Image(name));
    }
    if let Some(layout) = place.strip_prefix("oci-layout://") {
        return self::layout(place, layout);
    }
    if let Some(stage) = place.strip_prefix("target:") {
        return match stage.is_empty() {
            true => Err(usage(format!("`{place}` names no stage"))).hint(FORM),
            false => Ok(NamedContext::Stage(stage.to_owned())),
        };
    }
    files(place).map(NamedContext::Files)
}

/// Reads `DIR[:TAG]` of a layout.
fn layout(place: &str, layout: &str) -> anyhow::Result<NamedContext> {
    let (path, tag) = match layout.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (layout, None),
    };
    if path.contains('@') {
        let error = usage(format!("`{place}` has a digest"));
        return Err(error).hint("a layout is named by a tag, or has one image");
    }
    if path.is_empty() {
        return Err(usage(format!("`{place}` lacks the path of a directory"))).hint(FORM);
    }
    let tag = tag.map(str::parse::<Tag>).transpose();
    Ok(NamedContext::Layout {
        directory: PathBuf::from(path),
        tag: tag.or_usage(|| format!("`{place}` has no valid tag"))?,
    })
}

/// Finds out where files are.
fn files(place: &str) -> anyhow::Result<ContextSource> {
    if place == "-" {
        return Err(usage("standard input is no build context with a name"))
            .hint("`wharf build -` takes the main context from there");
    }
    let path = Path::new(place);
    match fs_err::metadata(path) {
        Ok(there) if there.is_dir() => Ok(ContextSource::Directory(path.to_owned())),
        Ok(_) => {
            let file = fs_err::File::open(path)?;
            Ok(ContextSource::Archive(Arc::new(file.into_parts().0)))
        }
        Err(_) if is_elsewhere(place) => Ok(ContextSource::Remote(place.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(missing(format!("there is nothing at `{place}`"))).hint(FORM)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> anyhow::Result<String> {
        let contexts = parse_all(&[text.to_owned()])?;
        Ok(format!("{contexts:?}"))
    }

    #[test]
    fn every_form_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let there = directory.path().display().to_string();
        for (place, expected) in [
            (there.as_str(), format!("Files(Directory({there:?}))")),
            (
                "https://h.test/a.tar.gz",
                "Files(Remote(\"https://h.test/a.tar.gz\"))".to_owned(),
            ),
            (
                "git@h.test:o/r.git#main:sub",
                "Files(Remote(\"git@h.test:o/r.git#main:sub\"))".to_owned(),
            ),
            ("target:Later", "Stage(\"Later\")".to_owned()),
            (
                "oci-layout://a/b",
                "Layout { directory: \"a/b\", tag: None }".to_owned(),
            ),
        ] {
            let found = parsed(&format!("Name={place}")).expect(place);
            assert_eq!(found, format!("{{\"name\": {expected}}}"));
        }
        let tagged = parsed("x=oci-layout://a/b:1").expect("a layout");
        assert!(tagged.contains("tag: Some(1)"), "{tagged}");
        let image = parsed("alpine:RC=docker-image://h.test/a:1").expect("an image");
        assert!(image.starts_with("{\"alpine:RC\": Image("), "{image}");
    }

    #[test]
    fn an_archive_is_a_context() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let found = parsed(&format!("a={}", file.path().display())).expect("there");
        assert!(found.contains("Files(Archive("), "{found}");
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for text in [
            "",
            "a",
            "a=",
            "=b",
            "a=-",
            "a=no-such-directory",
            "a=docker-image://",
            "a=docker-image://UP",
            "a=oci-layout://",
            "a=oci-layout://:1",
            "a=oci-layout://d@sha256:00",
            "a=target:",
        ] {
            assert!(parsed(text).is_err(), "accepted `{text}`");
        }
    }
}
