//! Pages: the next names of a directory, in byte order.
//!
//! A directory gives its names in no order, so the first page costs a pass
//! over them. Where this process has the directory for itself the names are
//! kept for the next pages ([`super::names`]), unless they are too many; else
//! only the page is kept in memory.

use std::collections::BinaryHeap;

use rustix::fs::{Dir, Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use super::names::{Walked, weight_of};
use crate::backend::Page;
use crate::error::Error;
use crate::key::Key;

pub(super) fn page(
    directory: &Directory,
    key: &Key,
    after: &str,
    limit: usize,
) -> Result<Page, Error> {
    let path = directory.path(key);
    let walked = |room| {
        walk(&path, (after, limit), room)
            .map_err(|error| Error::io(format!("can not list `{key}`"), error))
    };
    match directory.names() {
        Some(names) => names.read(&path, (after, limit), walked),
        None => Ok(match walked(0)? {
            Walked::TooMany(page) => page,
            Walked::Absent | Walked::Names(_) => Page::default(),
        }),
    }
}

/// Reads all names, as long as they fit into some memory, and from then on
/// only those of the page.
fn walk(
    path: &std::path::Path,
    (after, limit): (&str, usize),
    room: usize,
) -> Result<Walked, Errno> {
    let opened = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let listed = match opened {
        Ok(listed) => listed,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Walked::Absent),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    let mut smallest = Smallest::new(after, limit);
    let mut weight = 0_usize;
    let mut fits = room > 0;
    for entry in Dir::new(listed)? {
        let entry = entry?;
        // Every name is one that a key escaped, and so is text.
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if fits {
            weight += weight_of(name);
            fits = weight <= room;
            if fits {
                all.push(name.to_owned());
                continue;
            }
            all.drain(..).for_each(|name: String| smallest.add(&name));
        }
        smallest.add(name);
    }
    Ok(if fits {
        Walked::Names(all)
    } else {
        Walked::TooMany(smallest.into_page())
    })
}

/// Gathers the smallest names after one.
struct Smallest<'a> {
    after: &'a str,
    limit: usize,
    /// The smallest so far, the greatest of them on top.
    names: BinaryHeap<String>,
    more: bool,
}

impl<'a> Smallest<'a> {
    fn new(after: &'a str, limit: usize) -> Self {
        Self {
            after,
            limit,
            names: BinaryHeap::new(),
            more: false,
        }
    }

    fn add(&mut self, name: &str) {
        if name <= self.after {
            return;
        }
        if self.names.len() < self.limit {
            self.names.push(name.to_owned());
            return;
        }
        self.more = true;
        if let Some(mut greatest) = self.names.peek_mut()
            && name < greatest.as_str()
        {
            name.clone_into(&mut greatest);
        }
    }

    fn into_page(self) -> Page {
        Page {
            names: self.names.into_sorted_vec(),
            more: self.more,
        }
    }
}
