//! Whether an overlay works: not whether it can be mounted alone, because
//! some can and then fail when something is removed.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::error::{Error, ErrorKind};
use crate::probe::check::{Check, denied};
use crate::probe::{Marks, hint};

/// The number that the kernel has for an overlay.
const OVERLAY_MAGIC: u64 = 0x794c_7630;

/// Tries overlays in an empty directory.
pub(crate) fn try_overlay(directory: &Path) -> Result<Marks, Error> {
    let mut refusal = None;
    for marks in [Marks::Trusted, Marks::User] {
        let place = directory.join(match marks {
            Marks::Trusted => "overlay-trusted",
            Marks::User => "overlay-user",
        });
        match try_marks(&place, marks) {
            Ok(()) => return Ok(marks),
            Err(source) => refusal = Some(source),
        }
    }
    Err(explain(
        directory,
        refusal.unwrap_or_else(|| Errno::INVAL.into()),
    ))
}

fn explain(directory: &Path, source: io::Error) -> Error {
    let on_overlay = rustix::fs::statfs(directory)
        .is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| kind == OVERLAY_MAGIC));
    if on_overlay {
        let context = "the directory for snapshots is itself on an overlay";
        let error = Error::new(ErrorKind::Unsupported, context);
        return error.with_hint(hint(Check::Overlay).unwrap_or_default());
    }
    denied(Check::Overlay, "mounting and changing an overlay", source)
}

fn try_marks(place: &Path, marks: Marks) -> io::Result<()> {
    let [lower, upper, work, merged] =
        ["lower", "upper", "work", "merged"].map(|name| place.join(name));
    for directory in [
        &upper,
        &work,
        &merged,
        &lower.join("tree"),
        &lower.join("moved"),
    ] {
        fs_err::create_dir_all(directory)?;
    }
    for file in ["gone", "tree/inside", "moved/inside"] {
        fs_err::write(lower.join(file), "old")?;
    }
    mount_overlay(&lower, &upper, &work, &merged, marks)?;
    let changed = change(&merged, &upper, marks);
    unmount(&merged, UnmountFlags::DETACH)?;
    // The kernel leaves a directory that nobody may enter, not even to look
    // whether it is empty.
    let _ = fs_err::set_permissions(work.join("work"), Permissions::from_mode(0o700));
    changed
}

fn mount_overlay(
    lower: &Path,
    upper: &Path,
    work: &Path,
    merged: &Path,
    marks: Marks,
) -> io::Result<()> {
    // As snapshots have them: none that changes what is in the upper directory.
    let fixed = match marks {
        Marks::Trusted => "redirect_dir=off,metacopy=off,index=off,xino=off,volatile",
        Marks::User => "userxattr,index=off,xino=off,volatile",
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={},{fixed}",
        escaped(lower)?,
        escaped(upper)?,
        escaped(work)?,
    );
    let options = std::ffi::CString::new(options)?;
    mount(
        "overlay",
        merged,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    Ok(())
}

/// Writes a path as options of an overlay have it.
fn escaped(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or(Errno::ILSEQ)?;
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, ',' | ':' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    Ok(escaped)
}

/// Changes what is mounted, and looks for the marks below.
fn change(merged: &Path, upper: &Path, marks: Marks) -> io::Result<()> {
    fs_err::remove_file(merged.join("gone"))?;
    let whiteout = fs_err::symlink_metadata(upper.join("gone"))?;
    if !whiteout.file_type().is_char_device() || whiteout.rdev() != 0 {
        return Err(Errno::OPNOTSUPP.into());
    }
    fs_err::remove_dir_all(merged.join("tree"))?;
    fs_err::create_dir(merged.join("tree"))?;
    if fs_err::read_dir(merged.join("tree"))?.next().is_some() {
        return Err(Errno::NOTEMPTY.into());
    }
    let name = match marks {
        Marks::Trusted => "trusted.overlay.opaque",
        Marks::User => "user.overlay.opaque",
    };
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(upper.join("tree"), name, &mut value)?;
    if value.get(..length) != Some(b"y") {
        return Err(Errno::OPNOTSUPP.into());
    }
    let moved = merged.join("moved");
    fs_err::set_permissions(moved.join("inside"), Permissions::from_mode(0o600))?;
    match rustix::fs::rename(&moved, merged.join("elsewhere")) {
        // That is how overlays say that a directory has to be copied.
        Err(Errno::XDEV) => Ok(()),
        done => Ok(done?),
    }
}
