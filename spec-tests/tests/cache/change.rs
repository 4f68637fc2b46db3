//! What a test does to the files of a build, one thing at a time.

use std::fs::{FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fs_err::os::unix::fs::{chown, symlink};
use rustix::fs::XattrFlags;

use crate::base;

/// One change. Paths are below the context; `../` leads to what is beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// A file has this content; its directories are made where they are not there.
    Write(&'static str, &'static str),
    /// A file has content of the same size, and neither its time nor its inode tells.
    Sneak(&'static str, &'static str),
    /// Another file of the same size and time takes a file's place.
    Replace(&'static str, &'static str),
    /// A file or a directory with all in it is gone.
    Remove(&'static str),
    /// A file or a directory has another name.
    Rename(&'static str, &'static str),
    /// A directory is there.
    Folder(&'static str),
    /// A symbolic link is there, instead of what was.
    Link(&'static str, &'static str),
    /// A file is a tar archive of these files.
    Archive(&'static str, &'static [(&'static str, &'static str)]),
    /// A file or a directory has these permissions.
    Mode(&'static str, u32),
    /// A file was changed at this time, in seconds since 1970.
    Touch(&'static str, u64),
    /// A file or directory belongs to this user and group.
    Owner(&'static str, u32),
    /// A file has an extended attribute.
    Attribute(&'static str, &'static str, &'static str),
    /// The Dockerfile says something else in one place.
    Swap(&'static str, &'static str),
    /// The build has these options, instead of those of the case.
    Flags(&'static str),
    /// The name `base` means another image of the layout.
    Base(&'static str),
    /// The build has this variable in its environment.
    Variable(&'static str, &'static str),
    /// The build runs with this umask.
    Umask(&'static str),
}

/// How a build is called.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) dockerfile: String,
    pub(crate) flags: String,
    pub(crate) base: String,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) umask: String,
}

impl Change {
    /// Makes the change: to the files of a context, or to how the build is called.
    pub(crate) fn make(self, context: &Path, call: &mut Call) {
        match self {
            Self::Swap(old, new) => {
                let count = call.dockerfile.matches(old).count();
                assert_eq!(count, 1, "`{old}` is {count} times in the Dockerfile");
                call.dockerfile = call.dockerfile.replace(old, new);
            }
            Self::Flags(flags) => flags.clone_into(&mut call.flags),
            Self::Base(tag) => tag.clone_into(&mut call.base),
            Self::Variable(name, value) => {
                call.variables.push((name.to_owned(), value.to_owned()));
            }
            Self::Umask(umask) => umask.clone_into(&mut call.umask),
            _ => self.touch(context).expect("a writable directory"),
        }
    }

    fn touch(self, context: &Path) -> std::io::Result<()> {
        let at = |path: &str| context.join(path);
        let make_room = |path: &str| {
            let path = at(path);
            let folder = path.parent().unwrap_or(context);
            fs_err::create_dir_all(folder)
        };
        match self {
            Self::Write(path, text) => {
                make_room(path)?;
                fs_err::write(at(path), text)
            }
            Self::Sneak(path, text) => sneak(&at(path), text),
            Self::Replace(path, text) => {
                let other = context.join("../replacement");
                let time = fs_err::metadata(at(path))?.modified()?;
                fs_err::write(&other, text)?;
                set_time(&other, time)?;
                fs_err::rename(other, at(path))
            }
            Self::Remove(path) if at(path).symlink_metadata()?.is_dir() => {
                fs_err::remove_dir_all(at(path))
            }
            Self::Remove(path) => fs_err::remove_file(at(path)),
            Self::Rename(old, new) => {
                make_room(new)?;
                fs_err::rename(at(old), at(new))
            }
            Self::Folder(path) => fs_err::create_dir_all(at(path)),
            Self::Link(path, target) => {
                make_room(path)?;
                if at(path).symlink_metadata().is_ok() {
                    fs_err::remove_file(at(path))?;
                }
                symlink(target, at(path))
            }
            Self::Archive(path, files) => fs_err::write(at(path), base::tar_of(files)),
            Self::Mode(path, mode) => {
                fs_err::set_permissions(at(path), Permissions::from_mode(mode))
            }
            Self::Touch(path, seconds) => set_time(
                &at(path),
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            ),
            Self::Owner(path, id) => chown(at(path), Some(id), Some(id)),
            Self::Attribute(path, name, value) => {
                let done =
                    rustix::fs::setxattr(at(path), name, value.as_bytes(), XattrFlags::empty());
                Ok(done?)
            }
            Self::Swap(..)
            | Self::Flags(_)
            | Self::Base(_)
            | Self::Variable(..)
            | Self::Umask(_) => Ok(()),
        }
    }
}

/// Writes over a file as long as the text, and sets its time back.
fn sneak(path: &Path, text: &str) -> std::io::Result<()> {
    let before = fs_err::metadata(path)?;
    assert_eq!(before.len(), text.len() as u64, "a text of another size");
    fs_err::write(path, text)?;
    set_time(path, before.modified()?)
}

fn set_time(path: &Path, time: SystemTime) -> std::io::Result<()> {
    let file = fs_err::File::options().write(true).open(path)?;
    file.file().set_times(FileTimes::new().set_modified(time))
}
