//! `--output`: where a build goes beside the library.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use builder::{Built, Format};
use image::{CopyOptions, Place, Replacement};
use oci::ImageName;

use crate::arguments::Global;
use crate::commands::wait;
use crate::environment;
use crate::places::Reached;
use crate::report::{WithHint as _, hinted, say, usage};

/// Is one place that a build goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    kind: Kind,
    destination: Destination,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An OCI layout, or an archive of one.
    Oci,
    /// What `docker load` takes.
    Docker,
    /// The files of the image, in a directory.
    Local,
    /// The files of the image, in a tar archive.
    Tar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Stdout,
    Path(PathBuf),
}

/// How an output looks, for hints.
const FORM: &str =
    "an output is as in `type=oci,dest=image.tar`; types are `oci`, `docker`, `local` and `tar`";

/// Reads all outputs, each to a place of its own.
pub(super) fn parse_all(texts: &[String]) -> anyhow::Result<Vec<Output>> {
    let outputs: Vec<Output> = texts
        .iter()
        .map(|text| parse(text).hint(FORM))
        .collect::<anyhow::Result<_>>()?;
    for (later, output) in outputs.iter().enumerate() {
        let mut earlier = outputs.iter().take(later);
        if earlier.any(|other| other.destination.is_same(&output.destination)) {
            return Err(usage(match &output.destination {
                Destination::Stdout => "two outputs go to standard output".to_owned(),
                Destination::Path(path) => format!("two outputs go to `{}`", path.display()),
            }));
        }
    }
    Ok(outputs)
}

/// Where standard output leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    /// To a person, who can not read archives.
    Terminal,
    /// To a file or a program.
    Elsewhere,
}

impl Stdout {
    /// Finds out.
    pub(super) fn of_this_process() -> Self {
        match environment::stdout_is_terminal() {
            true => Self::Terminal,
            false => Self::Elsewhere,
        }
    }
}

/// Refuses to write an archive to a terminal.
pub(super) fn check_stdout(outputs: &[Output], stdout: Stdout) -> anyhow::Result<()> {
    let Some(output) = outputs.iter().find(|output| output.is_stdout()) else {
        return Ok(());
    };
    if stdout == Stdout::Elsewhere {
        return Ok(());
    }
    let error = usage(format!(
        "the output `{output}` would go to a terminal, which it is no text for"
    ));
    Err(hinted(
        error,
        match output.kind {
            Kind::Docker => "write it to a file, `> FILE`, or to a program: `| docker load`",
            Kind::Oci | Kind::Tar | Kind::Local => {
                "write it to a file, `> FILE`, or to a program: `| tar t`"
            }
        },
    ))
}

/// Refuses to write the files of an image among those of the library.
pub(super) fn check_library(outputs: &[Output], library: &Path) -> anyhow::Result<()> {
    let library = fs_err::canonicalize(library)?;
    for output in outputs.iter().filter(|output| output.kind == Kind::Local) {
        let Destination::Path(path) = &output.destination else {
            continue;
        };
        // What is not there yet is made below what is.
        let mut there = path.ancestors().map(|at| match at.as_os_str().is_empty() {
            true => Path::new("."),
            false => at,
        });
        let there = there.find_map(|at| fs_err::canonicalize(at).ok());
        if there.is_some_and(|there| there.starts_with(&library)) {
            let error = usage(format!(
                "the output `{output}` would be written into the library of images, `{}`",
                library.display()
            ));
            return Err(hinted(error, "choose a directory of its own"));
        }
    }
    Ok(())
}

/// Tells of layouts that other programs do not find an image in by its name.
pub(super) fn warn_of_types(outputs: &[Output], format: Format) {
    let mut layouts = outputs.iter().filter(|output| output.kind == Kind::Oci);
    let Some(layout) = layouts.next().filter(|_| format == Format::Docker) else {
        return;
    };
    say(&format!(
        "warning: the output `{layout}` gets an image with Docker's types, which skopeo, buildah, podman and umoci do not find by its name"
    ));
    say("   hint: leave out `--format docker`, or write `type=docker`");
}

impl Destination {
    /// Says whether two are one place, however each is written.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stdout, Self::Stdout) => true,
            (Self::Path(one), Self::Path(other)) => named(one).eq(named(other)),
            _ => false,
        }
    }
}

/// Gives the names of a path that say something.
fn named(path: &Path) -> impl Iterator<Item = Component<'_>> {
    let names = path.components();
    names.filter(|name| *name != Component::CurDir)
}

/// Reads an output. As with docker, a lone path is a directory for the files
/// of the image, and `-` has them as a tar archive on standard output.
fn parse(text: &str) -> anyhow::Result<Output> {
    if text == "-" {
        return Ok(Output {
            kind: Kind::Tar,
            destination: Destination::Stdout,
        });
    }
    if !text.contains('=') && !text.is_empty() {
        return Ok(Output {
            kind: Kind::Local,
            destination: Destination::Path(PathBuf::from(text)),
        });
    }
    let (mut kind, mut destination) = (None, None);
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(usage(format!(
                "`--output {text}` has `{field}` without a `=`"
            )));
        };
        let twice = match key {
            "type" => kind.replace(parse_kind(value)?).is_some(),
            "dest" if value.is_empty() => {
                return Err(usage(format!("`--output {text}` has an empty `dest`")));
            }
            "dest" => destination.replace(value).is_some(),
            _ => {
                return Err(usage(format!(
                    "`--output {text}` has `{key}`, which is not supported"
                )));
            }
        };
        if twice {
            return Err(usage(format!("`--output {text}` has `{key}` twice")));
        }
    }
    let kind = kind.ok_or_else(|| usage(format!("`--output {text}` has no `type`")))?;
    let destination = match destination {
        None => return Err(usage(format!("`--output {text}` has no `dest`"))),
        Some("-") if kind == Kind::Local => {
            return Err(usage(
                "files can not go to standard output, but `type=tar` can",
            ));
        }
        Some("-") => Destination::Stdout,
        Some(path) => Destination::Path(PathBuf::from(path)),
    };
    Ok(Output { kind, destination })
}

fn parse_kind(text: &str) -> anyhow::Result<Kind> {
    match text {
        "oci" => Ok(Kind::Oci),
        "docker" => Ok(Kind::Docker),
        "local" => Ok(Kind::Local),
        "tar" => Ok(Kind::Tar),
        "image" | "registry" => Err(usage(format!(
            "the output `type={text}` is not supported: the image is always in the library, and `--push` pushes it"
        ))),
        _ => Err(usage(format!("`{text}` is no type of output"))),
    }
}

impl Output {
    /// Says whether this goes to standard output.
    pub(super) fn is_stdout(&self) -> bool {
        self.destination == Destination::Stdout
    }

    /// Writes what was built.
    pub(super) fn write(
        &self,
        reached: &Reached,
        built: &Built,
        scratch: &Path,
        global: &Global,
    ) -> anyhow::Result<()> {
        let [image] = built.images.as_slice() else {
            let message = format!("the output `{self}` takes one platform");
            return Err(usage(message));
        };
        match (self.kind, &self.destination) {
            (Kind::Oci | Kind::Docker, Destination::Path(path)) => {
                copy(reached, built, &self.place(built, path))?;
            }
            (Kind::Oci | Kind::Docker, Destination::Stdout) => {
                // An archive knows where things are in it only at its end.
                let private = std::fs::Permissions::from_mode(0o700);
                let directory = tempfile::Builder::new()
                    .permissions(private)
                    .tempdir_in(scratch)
                    .with_context(|| format!("can not write in `{}`", scratch.display()))?;
                let path = directory.path().join("image.tar");
                copy(reached, built, &self.place(built, &path))?;
                let mut file = fs_err::File::open(&path)?;
                std::io::copy(&mut file, &mut std::io::stdout().lock())?;
            }
            (Kind::Local, Destination::Path(path)) => {
                let exported = builder::export_directory(&reached.images, image, path, scratch);
                let exported = wait(async { Ok(exported.await?) })?;
                for path in &exported.skipped {
                    say(&format!("warning: `{path}` is a device, and was left out"));
                }
                for path in &exported.weakened {
                    say(&format!(
                        "warning: `{path}` runs as its owner in the image, and is written without that permission"
                    ));
                }
            }
            (Kind::Tar, Destination::Path(path)) => {
                let export = |out| {
                    let out = std::io::BufWriter::new(out);
                    wait(async {
                        Ok(builder::export_tar(&reached.images, image, out, scratch).await?)
                    })
                };
                write_tar(path, export)?;
            }
            (Kind::Tar, Destination::Stdout) => {
                let out = std::io::BufWriter::new(std::io::stdout());
                wait(async {
                    Ok(builder::export_tar(&reached.images, image, out, scratch).await?)
                })?;
            }
            (Kind::Local, Destination::Stdout) => {}
        }
        if let (Destination::Path(path), false) = (&self.destination, global.quiet) {
            say(&format!("wrote `{}`", path.display()));
        }
        Ok(())
    }

    /// Names the place of an image output. A path that ends in `.tar` is an
    /// archive.
    fn place(&self, built: &Built, path: &Path) -> Place {
        let name = built.names.first();
        let tag = name.and_then(|name| name.tag().cloned());
        match self.kind {
            Kind::Docker => Place::DockerArchive {
                file: path.to_owned(),
                name: name.filter(|name| name.tag().is_some()).cloned(),
            },
            _ if path.extension().is_some_and(|extension| extension == "tar") => {
                Place::OciArchive {
                    file: path.to_owned(),
                    tag,
                }
            }
            _ => Place::Layout {
                directory: path.to_owned(),
                tag,
            },
        }
    }
}

/// Has an archive written to a path: to a file whole, or not at all, and to a
/// pipe or a device as it comes.
fn write_tar(
    path: &Path,
    write: impl FnOnce(std::fs::File) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    match fs_err::metadata(path) {
        Ok(there) if there.is_dir() => {
            let error = usage(format!("`{}` is a directory", path.display()));
            return Err(error).hint("`type=local` writes the files of the image to a directory");
        }
        Ok(there) if !there.is_file() => {
            let stream = fs_err::OpenOptions::new().write(true).open(path)?;
            return write(stream.into_file());
        }
        Ok(_) | Err(_) => {}
    }
    let file = Replacement::of(path)?;
    write(file.handle()?)?;
    Ok(file.keep()?)
}

fn copy(reached: &Reached, built: &Built, to: &Place) -> anyhow::Result<()> {
    let from = library_name(built)?;
    let options = CopyOptions::default();
    wait(async {
        let copied = reached
            .images
            .copy(&Place::Library(from), to, &options)
            .await;
        copied.map_err(|error| {
            let hint = error.hint();
            let error = reached.advise(error);
            match hint {
                Some(hint) => hinted(error, hint),
                None => error,
            }
        })
    })?;
    Ok(())
}

fn library_name(built: &Built) -> anyhow::Result<ImageName> {
    let name = built.names.first().cloned();
    name.context("the image has no name in the library")
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Oci => "oci",
            Kind::Docker => "docker",
            Kind::Local => "local",
            Kind::Tar => "tar",
        };
        match &self.destination {
            Destination::Stdout => write!(f, "type={kind},dest=-"),
            Destination::Path(path) => write!(f, "type={kind},dest={}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read() {
        for (text, expected) in [
            ("type=oci,dest=a.tar", "type=oci,dest=a.tar"),
            ("dest=-,type=docker", "type=docker,dest=-"),
            ("out", "type=local,dest=out"),
            ("-", "type=tar,dest=-"),
            ("type=tar,dest=a=b", "type=tar,dest=a=b"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_output_is_refused() {
        for text in [
            "",
            "type=oci",
            "dest=a",
            "type=zip,dest=a",
            "type=oci,dest=",
            "type=oci,dest=a,dest=b",
            "type=oci,type=oci,dest=a",
            "type=oci,dest=a,compression=zstd",
            "type=image,dest=a",
            "type=local,dest=-",
            "type=oci,dest",
        ] {
            assert!(parse(text).is_err(), "accepted `{text}`");
        }
    }

    #[test]
    fn archives_do_not_go_to_a_terminal() {
        for (text, terminal) in [
            ("-", false),
            ("type=docker,dest=-", false),
            ("type=oci,dest=-", false),
            ("type=oci,dest=a.tar", true),
            ("out", true),
        ] {
            let outputs = parse_all(&[text.to_owned()]).expect("valid");
            assert_eq!(check_stdout(&outputs, Stdout::Terminal).is_ok(), terminal);
            assert!(check_stdout(&outputs, Stdout::Elsewhere).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_library_is_no_place_for_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let library = directory.path().join("library");
        fs_err::create_dir(&library).expect("writable");
        for (below, is_free) in [
            ("library", false),
            ("library/blobs/new/one", false),
            ("library2", true),
            (".", true),
        ] {
            let path = directory.path().join(below);
            let text = format!("type=local,dest={}", path.display());
            let outputs = parse_all(&[text]).expect("valid");
            assert_eq!(
                check_library(&outputs, &library).is_ok(),
                is_free,
                "{below}"
            );
        }
    }

    #[test]
    fn no_two_outputs_go_to_one_place() {
        for (one, other, expected) in [
            (
                "type=oci,dest=-",
                "-",
                Some("two outputs go to standard output"),
            ),
            (
                "type=oci,dest=out/a.tar",
                "type=tar,dest=./out//./a.tar",
                Some("two outputs go to `./out//./a.tar`"),
            ),
            (
                "type=oci,dest=out",
                "out/",
                Some("two outputs go to `out/`"),
            ),
            ("type=oci,dest=out", "type=oci,dest=out.tar", None),
            ("type=oci,dest=out", "type=oci,dest=/out", None),
            ("type=oci,dest=-", "type=tar,dest=./-", None),
        ] {
            let read = parse_all(&[one, other].map(str::to_owned));
            let said = read.err().map(|error| error.to_string());
            assert_eq!(said.as_deref(), expected, "{one} {other}");
        }
    }
}
