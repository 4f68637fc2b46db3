//! Removes from a layout in a directory what no image of its list needs.
//!
//! Who writes to the layout holds its `blobs` shared, and who tidies holds
//! them alone, so that nothing goes that is about to get a name. Programs that
//! do not know of that are not waited for.

use std::collections::BTreeSet;
use std::path::Path;

use oci::{Descriptor, Digest, LAYOUT_MANIFEST_LIMIT, Manifest};

use super::directory::{BLOBS, failed};
use super::{Area, blob_name};
use crate::blocking;
use crate::error::Error;
use crate::source::is_manifest;

/// How many manifests are read to find out what is needed. Where there are
/// more, everything is.
const MANIFESTS_LIMIT: usize = 10_000;

/// Removes what is not needed.
pub(crate) async fn tidy(directory: &Path) -> Result<(), Error> {
    let directory = directory.to_owned();
    blocking::run(move || {
        let failed = |error| failed(&directory, error);
        let turn = fs_err::File::open(directory.join(BLOBS)).map_err(failed)?;
        if turn.file().try_lock().is_err() {
            return Ok(());
        }
        match needed(&Area::Directory(directory.clone()))? {
            Some(needed) => remove_others(&directory.join(BLOBS), &needed).map_err(failed),
            None => Ok(()),
        }
    })
    .await
}

/// Finds what the list names, and what that points at; `None` where that can
/// not be told.
fn needed(area: &Area) -> Result<Option<BTreeSet<Digest>>, Error> {
    let Some(list) = area.list()? else {
        return Ok(None);
    };
    let mut open: Vec<Descriptor> = list.manifests;
    let (mut needed, mut read) = (BTreeSet::new(), 0);
    while let Some(descriptor) = open.pop() {
        if !needed.insert(descriptor.digest) || !is_manifest(&descriptor.media_type) {
            continue;
        }
        read += 1;
        if read > MANIFESTS_LIMIT {
            return Ok(None);
        }
        let name = blob_name(&descriptor.digest);
        // What is not there, as in a sparse index, needs nothing.
        let Some(bytes) = area.read(&name, LAYOUT_MANIFEST_LIMIT)? else {
            continue;
        };
        match Manifest::parse(bytes, &descriptor.media_type) {
            Ok(manifest) => open.extend(manifest.references().cloned()),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(needed))
}

/// Removes the blobs that are not needed, and nothing that is no blob.
fn remove_others(blobs: &Path, needed: &BTreeSet<Digest>) -> std::io::Result<()> {
    for algorithm in fs_err::read_dir(blobs)? {
        let algorithm = algorithm?;
        if !algorithm.file_type()?.is_dir() {
            continue;
        }
        for file in fs_err::read_dir(algorithm.path())? {
            let file = file?;
            let (above, name) = (algorithm.file_name(), file.file_name());
            let text = format!("{}:{}", above.to_string_lossy(), name.to_string_lossy());
            if let Ok(digest) = text.parse::<Digest>()
                && !needed.contains(&digest)
                && file.file_type()?.is_file()
            {
                fs_err::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}
