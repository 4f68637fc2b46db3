//! Writing what was built to where it goes.

use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use builder::{Built, BuiltImage, Rooted};
use image::{CopyOptions, Place, Progress, Replacement, Silent};
use oci::Platform;

use super::{Destination, Kind, Output};
use crate::commands::wait;
use crate::places::Reached;
use crate::progress::{Building, Moving, Way};
use crate::report::{WithHint as _, hinted, say, usage};

/// Has what writing takes.
pub(in super::super) struct Writing<'a> {
    /// Where blobs come from.
    pub(in super::super) reached: &'a Reached,
    /// What was built.
    pub(in super::super) built: &'a Built,
    /// The platforms as they were asked for, in the order of the images.
    pub(in super::super) platforms: &'a [Platform],
    /// A directory for files that have no name.
    pub(in super::super) scratch: &'a Path,
    /// Who counts what is written.
    pub(in super::super) building: &'a Arc<Building>,
}

impl Writing<'_> {
    /// Writes what was built.
    pub(in super::super) fn write(&self, output: &Output) -> anyhow::Result<()> {
        match (output.kind, &output.destination) {
            (Kind::Oci(_) | Kind::Docker, Destination::Path(path)) => {
                self.copy(&self.place(output.kind, path), self.counted())
            }
            (Kind::Oci(_) | Kind::Docker, Destination::Stdout) => {
                // An archive knows where things are in it only at its end.
                let directory = self.private()?;
                let path = directory.path().join("image.tar");
                self.copy(&self.place(output.kind, &path), self.counted())?;
                let mut file = fs_err::File::open(&path)?;
                std::io::copy(&mut file, &mut std::io::stdout().lock())?;
                Ok(())
            }
            (Kind::Local, Destination::Path(path)) => self.files(path),
            (Kind::Tar, Destination::Path(path)) => write_tar(path, |out| self.tar(out)),
            (Kind::Tar, Destination::Stdout) => self.tar(std::io::stdout()),
            (Kind::Local, Destination::Stdout) => Ok(()),
        }
        .with_context(|| format!("can not write the output `{output}`"))
    }

    /// Writes what `docker load` takes into a directory that is gone with what
    /// is given back; says where too.
    pub(in super::super) fn docker(&self) -> anyhow::Result<(tempfile::TempDir, PathBuf)> {
        let directory = self.private()?;
        let path = directory.path().join("image.tar");
        self.copy(&self.place(Kind::Docker, &path), Arc::new(Silent))?;
        Ok((directory, path))
    }

    /// Makes a directory that nobody else looks into.
    fn private(&self) -> anyhow::Result<tempfile::TempDir> {
        let private = std::fs::Permissions::from_mode(0o700);
        tempfile::Builder::new()
            .permissions(private)
            .tempdir_in(self.scratch)
            .with_context(|| format!("can not write in `{}`", self.scratch.display()))
    }

    /// Writes the files of each image into a directory.
    fn files(&self, path: &Path) -> anyhow::Result<()> {
        for (directory, image) in self.rooted() {
            let into = path.join(directory);
            let images = &self.reached.images;
            let exported = builder::export_directory(images, image, &into, self.scratch);
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
        Ok(())
    }

    /// Writes the files of each image into an archive.
    fn tar(&self, out: impl Write + Send + 'static) -> anyhow::Result<()> {
        let rooted = self.rooted();
        let all: Vec<Rooted<'_>> = rooted
            .iter()
            .map(|(directory, image)| Rooted { directory, image })
            .collect();
        let out = std::io::BufWriter::new(Counted {
            out,
            building: Arc::clone(self.building),
        });
        wait(async {
            let images = &self.reached.images;
            Ok(builder::export_tar(images, &all, out, self.scratch).await?)
        })
    }

    /// Gives the images, and the directory that has the files of each: the top
    /// for one, and one by the platform for each of several.
    fn rooted(&self) -> Vec<(String, &BuiltImage)> {
        match self.built.images.as_slice() {
            [image] => vec![(String::new(), image)],
            images => {
                let asked = self.platforms.iter().map(platform_directory);
                asked.zip(images).collect()
            }
        }
    }

    /// Names the place of an image output.
    fn place(&self, kind: Kind, path: &Path) -> Place {
        let name = self.built.names.first();
        let tag = name.and_then(|name| name.tag().cloned());
        match kind {
            Kind::Docker => Place::DockerArchive {
                file: path.to_owned(),
                name: name.filter(|name| name.tag().is_some()).cloned(),
            },
            Kind::Oci(shape) if shape.is_directory(path) => Place::Layout {
                directory: path.to_owned(),
                tag,
            },
            _ => Place::OciArchive {
                file: path.to_owned(),
                tag,
            },
        }
    }

    /// Has the bytes of a copy counted.
    fn counted(&self) -> Arc<dyn Progress> {
        Arc::new(Moving {
            building: Arc::clone(self.building),
            way: Way::Written,
            shown: Arc::new(Silent),
        })
    }

    fn copy(&self, to: &Place, progress: Arc<dyn Progress>) -> anyhow::Result<()> {
        let from = self.built.names.first().cloned();
        let from = from.context("the image has no name in the library")?;
        let options = options(self.built, progress);
        wait(async {
            let images = &self.reached.images;
            let copied = images.copy(&Place::Library(from), to, &options).await;
            copied.map_err(|error| {
                let hint = error.hint();
                let error = self.reached.advise(error);
                match hint {
                    Some(hint) => hinted(error, hint),
                    None => error,
                }
            })
        })?;
        Ok(())
    }
}

/// Has what is written counted.
struct Counted<W> {
    out: W,
    building: Arc<Building>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.building.moved(Way::Written, written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// Says how what was built is copied: with all of its names.
pub(in super::super) fn options(built: &Built, progress: Arc<dyn Progress>) -> CopyOptions {
    CopyOptions {
        names: built.names.clone(),
        annotations: built.annotations.clone(),
        progress,
        ..CopyOptions::default()
    }
}

/// Names the directory of a platform, as docker does: `linux_arm_v7`.
pub(super) fn platform_directory(platform: &Platform) -> String {
    platform.to_string().replace('/', "_")
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
