//! `--output`: where a build goes beside the library.

mod parse;
mod write;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use builder::Format;
use oci::{ImageName, Platform};

use crate::environment;
use crate::report::{hinted, say, usage};

pub(super) use self::parse::parse_all;
pub(super) use self::write::{Writing, options};

/// Holds everything that a build goes to beside the library.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outputs {
    /// What is written on this machine.
    pub(super) files: Vec<Output>,
    /// What `type=image` and `type=registry` ask for.
    pub(super) images: Vec<ImageOutput>,
    /// Whether it goes to docker or podman, by a `type=docker` without `dest`.
    pub(super) load: bool,
}

/// Is one place on this machine that a build goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Output {
    kind: Kind,
    destination: Destination,
}

/// Is an image of the library that may go on to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageOutput {
    /// Its names; those of `-t` where there is none.
    pub(super) names: Vec<ImageName>,
    pub(super) push: Push,
    /// Whether the library gets its names with its digest too.
    pub(super) canonical: bool,
}

/// Says whether an image is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// It stays in the library.
    No,
    /// Under its names.
    ByName,
    /// Under its digest, to the repositories that the names are of.
    ByDigest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// An OCI layout, or an archive of one.
    Oci(Shape),
    /// What `docker load` takes.
    Docker,
    /// The files of the image, in a directory.
    Local,
    /// The files of the image, in a tar archive.
    Tar,
}

/// Says what an OCI layout is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// As an archive where the path ends in `.tar`, and as a directory else.
    ByName,
    Directory,
    Archive,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Destination {
    Stdout,
    Path(PathBuf),
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

impl Shape {
    /// Says whether a layout at a path is a directory.
    fn is_directory(self, path: &Path) -> bool {
        match self {
            Self::ByName => path.extension().is_none_or(|extension| extension != "tar"),
            Self::Directory => true,
            Self::Archive => false,
        }
    }
}

impl Outputs {
    /// Gives the names that images get in the library by this.
    pub(super) fn names(&self) -> impl Iterator<Item = &ImageName> {
        let named = self.images.iter().filter(|it| it.push != Push::ByDigest);
        named.flat_map(|image| &image.names)
    }

    /// Says whether standard output has the result already.
    pub(super) fn has_stdout(&self) -> bool {
        self.files.iter().any(Output::is_stdout)
    }

    /// Refuses to write an archive to a terminal.
    pub(super) fn check_stdout(&self, stdout: Stdout) -> anyhow::Result<()> {
        let Some(output) = self.files.iter().find(|output| output.is_stdout()) else {
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
                Kind::Oci(_) | Kind::Tar | Kind::Local => {
                    "write it to a file, `> FILE`, or to a program: `| tar t`"
                }
            },
        ))
    }

    /// Refuses what has room for one image where several are built.
    pub(super) fn check_platforms(&self, platforms: &[Platform]) -> anyhow::Result<()> {
        let mut docker = self.files.iter().filter(|it| it.kind == Kind::Docker);
        match docker.next() {
            Some(output) => check_one(&format!("the output `{output}`"), platforms),
            None => Ok(()),
        }
    }

    /// Refuses to write the files of an image among those of the library.
    pub(super) fn check_library(&self, library: &Path) -> anyhow::Result<()> {
        let library = fs_err::canonicalize(library)?;
        for output in self.files.iter().filter(|it| it.kind == Kind::Local) {
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

    /// Tells of layouts that other programs do not find an image in by its
    /// name.
    pub(super) fn warn_of_types(&self, format: Format) {
        let is_layout = |output: &&Output| matches!(output.kind, Kind::Oci(_));
        let layout = self.files.iter().find(is_layout);
        let Some(layout) = layout.filter(|_| format == Format::Docker) else {
            return;
        };
        say(&format!(
            "warning: the output `{layout}` gets an image with Docker's types, which skopeo, buildah, podman and umoci do not find by its name"
        ));
        say("   hint: leave out `--format docker`, or write `type=docker`");
    }
}

/// Refuses what takes one image where several are built.
pub(super) fn check_one(what: &str, platforms: &[Platform]) -> anyhow::Result<()> {
    if platforms.len() < 2 {
        return Ok(());
    }
    let named: Vec<String> = platforms.iter().map(|it| format!("`{it}`")).collect();
    let error = usage(format!(
        "{what} takes an image for one platform, and this build is for {}: {}",
        platforms.len(),
        named.join(", ")
    ));
    Err(hinted(
        error,
        "`type=oci` and `--push` take an index of all; or build for one with `--platform`",
    ))
}

impl Output {
    /// Says whether this goes to standard output.
    fn is_stdout(&self) -> bool {
        self.destination == Destination::Stdout
    }

    /// Gives where it is written, unless that is standard output.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.destination {
            Destination::Stdout => None,
            Destination::Path(path) => Some(path),
        }
    }

    /// Says whether it is a directory that may have other images too.
    pub(super) fn is_directory_of_images(&self) -> bool {
        match self.kind {
            Kind::Oci(shape) => self.path().is_some_and(|path| shape.is_directory(path)),
            Kind::Docker | Kind::Local | Kind::Tar => false,
        }
    }

    /// Says that it is written.
    pub(super) fn tell(&self, quiet: bool) {
        if let (Destination::Path(path), false) = (&self.destination, quiet) {
            say(&format!("wrote `{}`", path.display()));
        }
    }
}

impl Destination {
    /// Says whether two are one place, however each is written.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stdout, Self::Stdout) => true,
            (Self::Path(one), Self::Path(other)) => said(one).eq(said(other)),
            _ => false,
        }
    }
}

/// Gives the names of a path that say something.
fn said(path: &Path) -> impl Iterator<Item = Component<'_>> {
    let names = path.components();
    names.filter(|name| *name != Component::CurDir)
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Oci(_) => "oci",
            Kind::Docker => "docker",
            Kind::Local => "local",
            Kind::Tar => "tar",
        };
        match &self.destination {
            Destination::Stdout => write!(f, "type={kind},dest=-")?,
            Destination::Path(path) => write!(f, "type={kind},dest={}", path.display())?,
        }
        match self.kind {
            Kind::Oci(Shape::Directory) => f.write_str(",tar=false"),
            Kind::Oci(Shape::Archive) => f.write_str(",tar=true"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
