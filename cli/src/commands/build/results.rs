//! Files that tell programs what was built: `--metadata-file`, `--iidfile` and
//! their like. They are there after a build that did all it was asked for, and
//! after no other.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use builder::{Built, Diagnostic, Prepared};
use image::Replacement;
use oci::ImageName;
use serde_json::{Map, Value, json};

use crate::environment::Environment;
use crate::progress::Building;
use crate::report::{WithHint as _, usage};

/// The variable that has the warnings in the metadata too, as with buildx.
const WARNINGS: &str = "BUILDX_METADATA_WARNINGS";

/// Says which files are written.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub(super) struct Results {
    /// A file for what was built, in JSON: digests, sizes and names
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,

    /// A file for the digest of the manifest, or of the index where there are several platforms
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,

    /// The same as --iidfile, as kaniko calls it
    #[arg(long, value_name = "FILE")]
    digest_file: Option<PathBuf>,

    /// A file for each name with the digest behind it, as in localhost:5000/shop@sha256:..., in lines
    #[arg(long, alias = "image-refs", value_name = "FILE")]
    image_name_with_digest_file: Option<PathBuf>,

    /// The same with the tag before the digest, as in localhost:5000/shop:1@sha256:...
    #[arg(long, value_name = "FILE")]
    image_name_tag_with_digest_file: Option<PathBuf>,
}

/// Is what a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Metadata,
    Digest,
    Names,
    TaggedNames,
}

impl Results {
    /// Says whether a file is asked for.
    pub(super) fn is_some(&self) -> bool {
        self.files().next().is_some()
    }

    fn files(&self) -> impl Iterator<Item = (&Path, Content)> {
        let all = [
            (&self.metadata_file, Content::Metadata),
            (&self.iidfile, Content::Digest),
            (&self.digest_file, Content::Digest),
            (&self.image_name_with_digest_file, Content::Names),
            (&self.image_name_tag_with_digest_file, Content::TaggedNames),
        ];
        let given = all.into_iter();
        given.filter_map(|(path, content)| Some((path.as_deref()?, content)))
    }

    /// Takes files away that an earlier build left, so that one that fails
    /// leaves none that a program might take for its own. Where links lead, files
    /// become empty.
    pub(super) fn clear(&self, dockerfile: &Path) -> anyhow::Result<()> {
        let mut paths = BTreeSet::new();
        for (path, _) in self.files() {
            let shown = path.display();
            if !paths.insert(path) {
                return Err(usage(format!("two results go to the file `{shown}`")));
            }
            if is_one(path, dockerfile) {
                let error = usage(format!("the result `{shown}` would replace the Dockerfile"));
                return Err(error).hint("name another file for the result");
            }
            match fs_err::metadata(path) {
                Ok(there) if there.is_dir() => {
                    let error = usage(format!("`{shown}` is a directory"));
                    return Err(error).hint("name a file for the result");
                }
                // To a pipe it goes as it comes.
                Ok(there) if !there.is_file() || is_stream(path) => {}
                Ok(_) if path.is_symlink() => drop(fs_err::File::create(path)?),
                Ok(_) => fs_err::remove_file(path)?,
                Err(_absent) => {
                    let place = path.parent().filter(|at| !at.as_os_str().is_empty());
                    if place.is_some_and(|place| !place.is_dir()) {
                        return Err(usage(format!("there is no directory for `{shown}`")));
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes all files.
    pub(super) fn write(
        &self,
        environment: &Environment,
        (prepared, built): (&Prepared, &Built),
    ) -> anyhow::Result<()> {
        for (path, content) in self.files() {
            let text = match content {
                Content::Metadata => {
                    let wants = environment.variable(WARNINGS);
                    let warned = wants.filter(|value| !["0", "false"].contains(value));
                    let warnings = warned.map(|_| warnings(prepared, built));
                    format!("{:#}\n", metadata(built, warnings))
                }
                Content::Digest => built.descriptor.digest.to_string(),
                Content::Names => names(built, &|name| {
                    format!("{}/{}", name.registry(), name.repository())
                }),
                Content::TaggedNames => names(built, &ImageName::to_string),
            };
            write(path, text.as_bytes())
                .with_context(|| format!("can not write the result `{}`", path.display()))?;
        }
        Ok(())
    }
}

/// Names the image by its digest, in a line for each name that it was given.
fn names(built: &Built, shown: &dyn Fn(&ImageName) -> String) -> String {
    let digest = &built.descriptor.digest;
    let mut lines: Vec<String> = Vec::new();
    for name in built.names.iter().filter(|name| name.tag().is_some()) {
        let line = format!("{}@{digest}", shown(name));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Says what was built in the words of buildx, and in some of our own.
pub(super) fn metadata(built: &Built, warnings: Option<Value>) -> Value {
    let mut all = Map::new();
    let mut descriptor = built.descriptor.clone();
    descriptor.annotations.clone_from(&built.annotations);
    let digest = descriptor.digest.to_string();
    if let [image] = built.images.as_slice() {
        let config = json!(image.config.to_string());
        all.insert("containerimage.config.digest".to_owned(), config);
        descriptor.platform = Some(image.platform.clone());
    }
    all.insert("containerimage.descriptor".to_owned(), json!(descriptor));
    all.insert("containerimage.digest".to_owned(), json!(digest));
    let tagged = built.names.iter().filter(|name| name.tag().is_some());
    let names: Vec<String> = tagged.map(ImageName::to_string).collect();
    if !names.is_empty() {
        all.insert("image.name".to_owned(), json!(names.join(",")));
    }
    if let Some(warnings) = warnings {
        all.insert("buildx.build.warnings".to_owned(), warnings);
    }
    let images = built.images.iter().map(|image| {
        json!({
            "platform": image.platform.to_string(),
            "digest": image.descriptor.digest.to_string(),
            "size": image.descriptor.size,
            "config": image.config.to_string(),
        })
    });
    all.insert("wharf.images".to_owned(), images.collect());
    Value::Object(all)
}

/// Tells programs what there is to say of the Dockerfile.
pub(super) fn tell_warnings(building: &Building, (prepared, built): (&Prepared, &Built)) {
    let bytes = &prepared.dockerfile().bytes;
    for warning in &built.warnings {
        let before = bytes.get(..warning.span.start).unwrap_or(bytes);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let said = json!({
            "code": warning.code,
            "line": line,
            "message": warning.message,
            "hint": warning.hint,
        });
        building.tell("diagnostic", &said);
    }
}

/// Says what there is to say of the Dockerfile, as BuildKit does: texts are in
/// base64.
fn warnings(prepared: &Prepared, built: &Built) -> Value {
    let source = prepared.dockerfile();
    let all = built.warnings.iter().map(|warning: &Diagnostic| {
        let position = |offset: usize| {
            let before = source.bytes.get(..offset).unwrap_or(&source.bytes);
            let line = before.iter().filter(|byte| **byte == b'\n').count();
            let start = before.iter().rposition(|byte| *byte == b'\n');
            let column = before.len() - start.map_or(0, |start| start + 1);
            json!({ "line": line + 1, "character": column })
        };
        json!({
            "level": 1,
            "short": STANDARD.encode(&warning.message),
            "sourceInfo": {
                "filename": source.name,
                "language": "Dockerfile",
                "data": STANDARD.encode(&source.bytes),
            },
            "range": [{
                "start": position(warning.span.start),
                "end": position(warning.span.end),
            }],
        })
    });
    all.collect()
}

/// Writes a file whole or not at all, and to where a link leads, to a pipe or a
/// device as it comes.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_stream(path) || fs_err::metadata(path).is_ok_and(|there| !there.is_file()) {
        // What was said there before stays.
        let mut stream = fs_err::OpenOptions::new().append(true).open(path)?;
        return Ok(stream.write_all(bytes)?);
    }
    if path.is_symlink() {
        // The link is somebody's; what it leads to is the file that is meant.
        return Ok(fs_err::write(path, bytes)?);
    }
    let mut file = Replacement::of(path)?;
    file.file().write_all(bytes)?;
    Ok(file.keep()?)
}

/// Says whether a path names a stream of this process, as `/dev/stdout` does,
/// which may be a regular file that has more than a result.
fn is_stream(path: &Path) -> bool {
    let streams = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];
    streams.iter().any(|stream| path.starts_with(stream))
}

/// Says whether two paths lead to one file.
fn is_one(path: &Path, other: &Path) -> bool {
    let (path, other) = (fs_err::metadata(path), fs_err::metadata(other));
    matches!((path, other), (Ok(path), Ok(other))
        if (path.dev(), path.ino()) == (other.dev(), other.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_and_the_dockerfile_too() {
        let directory = tempfile::tempdir().expect("a directory");
        let (link, file) = (directory.path().join("link"), directory.path().join("file"));
        fs_err::write(&file, "an older and longer result").expect("writable");
        fs_err::os::unix::fs::symlink("file", &link).expect("a link");
        let results = Results {
            iidfile: Some(link.clone()),
            ..Results::default()
        };
        results.clear(Path::new("Dockerfile")).expect("a file");
        assert_eq!(fs_err::read_to_string(&file).expect("it is there"), "");
        write(&link, b"new").expect("writable");
        assert!(link.is_symlink());
        assert_eq!(fs_err::read_to_string(&file).expect("it is there"), "new");
        let error = results.clear(&file).expect_err("it is the Dockerfile");
        assert!(format!("{error:#}").contains("would replace the Dockerfile"));
        assert_eq!(fs_err::read_to_string(&file).expect("it is there"), "new");
    }

    #[test]
    fn what_an_earlier_build_left_is_taken_away() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("digest");
        fs_err::write(&path, "old").expect("writable");
        let mut results = Results {
            digest_file: Some(path.clone()),
            iidfile: Some("/dev/null".into()),
            ..Results::default()
        };
        let clear = |results: &Results| results.clear(Path::new("Dockerfile"));
        clear(&results).expect("files");
        assert!(!path.exists());
        assert!(Path::new("/dev/null").exists());
        clear(&results).expect("nothing is there");

        let refused = |results: &Results| {
            let error = clear(results).expect_err("no place for a file");
            error.root_cause().to_string()
        };
        let shown = path.display();
        results.metadata_file = Some(path.clone());
        assert_eq!(
            refused(&results),
            format!("two results go to the file `{shown}`")
        );
        results.metadata_file = Some(directory.path().to_owned());
        let shown = directory.path().display();
        assert_eq!(refused(&results), format!("`{shown}` is a directory"));
        results.metadata_file = Some(path.join("below"));
        let said = refused(&results);
        assert!(said.starts_with("there is no directory for `"), "{said}");
    }

    #[test]
    fn a_file_is_written_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("digest");
        write(&path, b"a").expect("writable");
        assert_eq!(fs_err::read(&path).expect("there"), b"a");
        write(Path::new("/dev/null"), b"a").expect("writable");
        assert!(write(&path.join("below"), b"a").is_err());
    }
}
