//! Outputs as they are typed: `type=oci,dest=image.tar`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Destination, ImageOutput, Kind, Output, Outputs, Push, Shape};
use crate::places;
use crate::report::{WithHint as _, hinted, usage};

/// How an output looks, for hints.
const FORM: &str = "an output is as in `type=oci,dest=image.tar`; types are `oci`, `docker`, `local`, `tar`, `image`, `registry` and `cacheonly`";

/// What is said of what docker has in an output and this does not.
const ELSEWHERE: [(&str, &str); 3] = [
    ("annotation", "`--annotation` adds annotations"),
    (
        "oci-mediatypes",
        "`--format oci` and `--format docker` choose the types",
    ),
    (
        "rewrite-timestamp",
        "leave it out: times are those of `--source-date-epoch` already",
    ),
];

/// Reads all outputs, each to a place of its own.
pub(in super::super) fn parse_all(texts: &[String]) -> anyhow::Result<Outputs> {
    let mut outputs = Outputs::default();
    for text in texts {
        match parse(text).hint(FORM)? {
            One::File(output) => outputs.files.push(output),
            One::Image(output) => outputs.images.push(output),
            One::Load => outputs.load = true,
            One::Nothing => {}
        }
    }
    let files = &outputs.files;
    for (later, output) in files.iter().enumerate() {
        let mut earlier = files.iter().take(later);
        if earlier.any(|other| other.destination.is_same(&output.destination)) {
            return Err(usage(match &output.destination {
                Destination::Stdout => "two outputs go to standard output".to_owned(),
                Destination::Path(path) => format!("two outputs go to `{}`", path.display()),
            }));
        }
    }
    Ok(outputs)
}

/// Is one output.
#[derive(Debug)]
pub(super) enum One {
    /// It is written.
    File(Output),
    /// It is an image.
    Image(ImageOutput),
    /// It goes to docker or podman.
    Load,
    /// Nothing but the library gets it.
    Nothing,
}

/// Reads an output. As with docker, a lone path is a directory for the files
/// of the image, and `-` has them as a tar archive on standard output.
pub(super) fn parse(text: &str) -> anyhow::Result<One> {
    let file = |kind, destination| Ok(One::File(Output { kind, destination }));
    if text == "-" {
        return file(Kind::Tar, Destination::Stdout);
    }
    if !text.contains('=') && !text.is_empty() {
        return file(Kind::Local, Destination::Path(PathBuf::from(text)));
    }
    let mut fields = Fields::of(text)?;
    let Some(kind) = fields.take("type") else {
        return Err(usage(format!("`--output {text}` has no `type`")));
    };
    let one = match kind.as_str() {
        "image" => One::Image(image(&mut fields, "false")?),
        "registry" => One::Image(image(&mut fields, "true")?),
        "cacheonly" => One::Nothing,
        "docker" if !fields.values.contains_key("dest") => One::Load,
        _ => One::File(written(&kind, &mut fields)?),
    };
    fields.end()?;
    Ok(one)
}

/// Reads what is written on this machine.
fn written(kind: &str, fields: &mut Fields<'_>) -> anyhow::Result<Output> {
    let text = fields.text;
    let kind = match kind {
        "oci" => Kind::Oci(match fields.flag("tar")? {
            None => Shape::ByName,
            Some(true) => Shape::Archive,
            Some(false) => Shape::Directory,
        }),
        "docker" => Kind::Docker,
        "local" => Kind::Local,
        "tar" => Kind::Tar,
        _ => return Err(usage(format!("`{kind}` is no type of output"))),
    };
    let destination = match fields.take("dest") {
        None => return Err(usage(format!("`--output {text}` has no `dest`"))),
        Some(dest) if dest.is_empty() => {
            return Err(usage(format!("`--output {text}` has an empty `dest`")));
        }
        Some(dest) if dest == "-" => match kind {
            Kind::Local | Kind::Oci(Shape::Directory) => {
                return Err(usage(
                    "a directory can not go to standard output, but an archive can",
                ));
            }
            _ => Destination::Stdout,
        },
        Some(path) => Destination::Path(PathBuf::from(path)),
    };
    Ok(Output { kind, destination })
}

/// Reads an image, which the library has anyway.
fn image(fields: &mut Fields<'_>, push: &str) -> anyhow::Result<ImageOutput> {
    let text = fields.text;
    let names = fields.take("name").unwrap_or_default();
    let names = names.split(',').filter(|name| !name.is_empty());
    let names = names.map(places::parse_name);
    let names: Vec<oci::ImageName> = names.collect::<anyhow::Result<_>>()?;
    let push = fields.flag("push")?.unwrap_or(push == "true");
    let by_digest = fields.flag("push-by-digest")?.unwrap_or(false);
    let canonical = fields.flag("name-canonical")?.unwrap_or(false);
    if by_digest && !push {
        let error = usage(format!(
            "`--output {text}` has `push-by-digest=true`, and pushes nothing"
        ));
        return Err(hinted(
            error,
            "add `push=true`, or leave out `push-by-digest`",
        ));
    }
    if by_digest && names.is_empty() {
        let error = usage(format!("`--output {text}` has no `name` to push to"));
        return Err(hinted(
            error,
            "name the repository, as in `name=localhost:5000/shop`",
        ));
    }
    let push = match (push, by_digest) {
        (false, _) => Push::No,
        (true, false) => Push::ByName,
        (true, true) => Push::ByDigest,
    };
    Ok(ImageOutput {
        names,
        push,
        canonical,
    })
}

/// Holds what an output says of itself, until it is asked for.
struct Fields<'a> {
    text: &'a str,
    values: BTreeMap<String, String>,
}

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> anyhow::Result<Self> {
        let mut values = BTreeMap::new();
        for field in split(text)? {
            let Some((key, value)) = field.split_once('=') else {
                return Err(usage(format!(
                    "`--output {text}` has `{field}` without a `=`"
                )));
            };
            if values.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(usage(format!("`--output {text}` has `{key}` twice")));
            }
        }
        Ok(Self { text, values })
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.values.remove(key)
    }

    /// Takes what is true or false, in the words that Go has for that.
    fn flag(&mut self, key: &str) -> anyhow::Result<Option<bool>> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(Some(false)),
            Some(other) => Err(usage(format!(
                "`--output {}` has `{key}={other}`, which is neither true nor false",
                self.text
            ))),
        }
    }

    /// Refuses what nobody asked for.
    fn end(self) -> anyhow::Result<()> {
        let Some(key) = self.values.keys().next() else {
            return Ok(());
        };
        let error = usage(format!(
            "`--output {}` has `{key}`, which is not supported",
            self.text
        ));
        let known = ELSEWHERE.iter().find(|(start, _)| key.starts_with(start));
        Err(match known {
            Some((_, hint)) => hinted(error, *hint),
            None => error,
        })
    }
}

/// Takes the fields of a line apart, of which those with commas are quoted
/// (RFC 4180, 2).
fn split(text: &str) -> anyhow::Result<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(text, quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None if after.is_empty() => return Ok(fields),
            None => return Err(usage(format!("`--output {text}` goes on behind a quote"))),
        }
    }
}

/// Reads a quoted field, in which a quote is written twice; gives what is
/// behind it too.
fn unquote<'a>(text: &str, quoted: &'a str) -> anyhow::Result<(String, &'a str)> {
    let (mut field, mut rest) = (String::new(), quoted);
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err(usage(format!("`--output {text}` has a quote without end")));
        };
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Ok((field, after)),
        }
    }
}
