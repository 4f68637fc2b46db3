//! Pages: the next names of a directory, in byte order.
//!
//! A directory gives its names in no order, so a page costs one pass over
//! them, keeping only the page in memory.

use std::collections::BinaryHeap;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use crate::backend::Page;
use crate::error::Error;
use crate::key::Key;

pub(super) fn page(
    directory: &Directory,
    key: &Key,
    after: &str,
    limit: usize,
) -> Result<Page, Error> {
    let failed = |error: Errno| Error::io(format!("can not list `{key}`"), error);
    let opened = rustix::fs::open(
        directory.path(key),
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let listed = match opened {
        Ok(listed) => listed,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Page::default()),
        Err(error) => return Err(failed(error)),
    };
    // A heap of the smallest names so far, the greatest of them on top.
    let mut smallest = BinaryHeap::new();
    let mut more = false;
    for entry in Dir::new(listed).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Every name is one that a key escaped, and so is text.
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name.starts_with('.') || name <= after {
            continue;
        }
        if smallest.len() < limit {
            smallest.push(name.to_owned());
            continue;
        }
        more = true;
        if let Some(mut greatest) = smallest.peek_mut()
            && name < greatest.as_str()
        {
            name.clone_into(&mut greatest);
        }
    }
    Ok(Page {
        names: smallest.into_sorted_vec(),
        more,
    })
}
