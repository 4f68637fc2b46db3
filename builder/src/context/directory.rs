//! A directory of this machine as a context. What is read is what was looked
//! at: a file that changes in between is an error.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dockerfile::{Ignore, IgnoreState};
use layer::{
    ContentPlace, Directory, EntryPath, File, Found, FoundKind, Metadata, Node, NodeKind, Time,
    Tree,
};
use oci::Digest;

use crate::context::ahead::{Ahead, Seen};
use crate::context::fingerprints::{Fingerprints, Moment};
use crate::context::{Context, Look, Unusual, Wanted, leads_nowhere};
use crate::error::{Error, ErrorKind};
use crate::request::{Cache, Fidelity, Modes, Xattrs};

/// Is a directory, with what is remembered of its files between builds.
pub(crate) struct Rooted {
    directory: Directory,
    /// Where it is.
    path: PathBuf,
    /// None where it is not there for other builds.
    fingerprints: Option<Arc<Fingerprints>>,
}

impl Rooted {
    /// Opens a directory.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let directory = Directory::open(path).map_err(|error| {
            let context = format!("can not open the context `{}`", path.display());
            Error::caused(ErrorKind::Context, context, error)
        })?;
        Ok(Self {
            directory,
            path: path.to_owned(),
            fingerprints: None,
        })
    }

    /// Has its files be remembered, in the store of builds.
    pub(super) fn remembering(mut self, store: &Path) -> Self {
        self.fingerprints = Some(Arc::new(Fingerprints::of(&self.path, store)));
        self
    }

    /// Writes down what was learned of its files. It blocks.
    pub(super) fn keep(&self) {
        if let Some(fingerprints) = &self.fingerprints {
            fingerprints.keep();
        }
    }

    /// Reads a small file; a link to one is followed as long as it stays
    /// inside.
    pub(super) fn read(&self, path: &EntryPath, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        read(&self.directory, path, limit)
    }
}

fn read(directory: &Directory, path: &EntryPath, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let failed = |error| unreadable(path, error);
    let Some((path, found)) = follow(directory, path)? else {
        // Whoever wrote a link means there to be a file.
        return match directory.stat(path).map_err(failed)? {
            Some(found) if found.kind == FoundKind::Symlink => {
                let target = directory.link(path).map_err(failed)?;
                Err(leads_nowhere(path, &target))
            }
            _ => Ok(None),
        };
    };
    if found.kind != FoundKind::File {
        let message = format!("`{path}` is no file");
        return Err(Error::new(ErrorKind::Context, message));
    }
    if found.size > limit {
        let message = format!(
            "`{path}` has {} bytes, more than the {limit} that are read",
            found.size
        );
        return Err(Error::new(ErrorKind::Context, message));
    }
    let mut bytes = Vec::new();
    let mut file = directory.read(&path, &found).map_err(failed)?;
    file.read_to_end(&mut bytes).map_err(|error| {
        Error::caused(ErrorKind::Changed, format!("can not read `{path}`"), error)
    })?;
    Ok(Some(bytes))
}

/// Follows links to what a path names: by a tree of just what is on the way.
fn follow(directory: &Directory, path: &EntryPath) -> Result<Option<(EntryPath, Found)>, Error> {
    let mut tree = Tree::new();
    let mut wanted = path.clone();
    // Each turn learns of one more link, of which a path may have so many.
    for _ in 0..=LINKS_LIMIT {
        let mut at = EntryPath::root();
        for name in wanted.names() {
            at = at.child(name);
            if tree.node(&at).is_some() {
                continue;
            }
            let found = directory
                .stat(&at)
                .map_err(|error| unreadable(&at, error))?;
            let Some(found) = found else { break };
            let metadata = Metadata::default();
            let kind = match found.kind {
                FoundKind::Directory => NodeKind::Directory(Arc::default()),
                FoundKind::Symlink => NodeKind::Symlink {
                    target: directory
                        .link(&at)
                        .map_err(|error| unreadable(&at, error))?,
                },
                _ => NodeKind::Fifo,
            };
            let stop = !matches!(kind, NodeKind::Directory(_));
            tree.insert(&at, Node { metadata, kind })
                .map_err(|error| unreadable(&at, error))?;
            if stop {
                break;
            }
        }
        let resolved = tree
            .resolve(path.as_bytes(), layer::Follow::All)
            .map_err(|error| {
                Error::caused(ErrorKind::Context, format!("can not find `{path}`"), error)
            })?;
        if resolved.node.is_some() {
            let at = resolved.path.clone();
            let found = directory
                .stat(&at)
                .map_err(|error| unreadable(&at, error))?;
            return Ok(found.map(|found| (at, found)));
        }
        if resolved.path == wanted {
            return Ok(None);
        }
        wanted = resolved.path;
    }
    Ok(None)
}

/// How many links a path is followed through, as the kernel has it.
const LINKS_LIMIT: usize = 40;

pub(super) fn unreadable(path: &EntryPath, error: layer::Error) -> Error {
    let kind = match error.kind() {
        layer::ErrorKind::Changed => ErrorKind::Changed,
        _ => ErrorKind::Context,
    };
    Error::caused(kind, format!("can not read `{path}` of the context"), error)
}

/// Reaches the content of the files that were found.
pub(super) struct Files {
    rooted: Arc<Rooted>,
    /// What was found, by position.
    found: Vec<Known>,
    cache: Cache,
}

/// Is a file that was found.
struct Known {
    path: EntryPath,
    found: Found,
    /// Whether the kernel notes whenever it is changed.
    noted: bool,
}

impl Files {
    pub(super) fn open(&self, position: u64) -> Result<Box<dyn Read + Send + '_>, layer::Error> {
        let known = self.known(position).ok_or_else(|| {
            layer::Error::new(
                layer::ErrorKind::Invalid,
                "there is no such file in the context",
            )
        })?;
        Ok(Box::new(
            self.rooted.directory.read(&known.path, &known.found)?,
        ))
    }

    fn known(&self, position: u64) -> Option<&Known> {
        let position = usize::try_from(position).ok()?;
        self.found.get(position)
    }

    /// Gives what remembers files in this build.
    fn fingerprints(&self) -> Option<&Fingerprints> {
        match self.cache {
            Cache::Use | Cache::Refresh => self.rooted.fingerprints.as_deref(),
            Cache::Apart => None,
        }
    }

    /// Remembers a file that was read after a moment, to its end.
    pub(super) fn learn(&self, position: u64, digest: &Digest, before: Moment) {
        if let (Some(known), Some(fingerprints)) = (self.known(position), self.fingerprints())
            && known.noted
        {
            fingerprints.learn(&known.found, digest, before);
        }
    }

    /// Forgets a file.
    pub(super) fn forget(&self, position: u64) {
        if let (Some(known), Some(fingerprints)) = (self.known(position), self.fingerprints()) {
            fingerprints.forget(&known.found);
        }
    }
}

/// Looks at every file that is wanted and not ignored.
pub(super) fn look(rooted: Arc<Rooted>, look: &Look) -> Result<Context, Error> {
    let mut walk = Walk::new(&rooted, look, &look.wanted);
    if !walk.run()? {
        // A link stands in the way of what is wanted: anything may be behind it.
        walk = Walk::new(&rooted, look, &Wanted::All);
        walk.run()?;
    }
    let Walk {
        tree,
        unusual,
        skipped,
        found,
        ..
    } = walk;
    Ok(Context {
        tree,
        unusual,
        skipped,
        files: super::Files::Directory(Files {
            rooted,
            found,
            cache: look.cache,
        }),
    })
}

/// Is a walk through a directory.
struct Walk<'a> {
    directory: &'a Directory,
    ignore: &'a Ignore,
    wanted: &'a Wanted,
    fidelity: Fidelity,
    time: Time,
    origin: u32,
    tree: Tree,
    unusual: Unusual,
    skipped: Vec<(EntryPath, &'static str)>,
    /// What knows the digests of files from earlier builds.
    fingerprints: Option<&'a Fingerprints>,
    found: Vec<Known>,
    /// The positions of files with several names, by device and inode.
    twins: BTreeMap<(u64, u64), u64>,
}

/// Is a directory whose names are to be looked at.
struct Open {
    path: EntryPath,
    device: u64,
    /// What it is on, where that is known.
    place: Option<Place>,
    ignore: IgnoreState,
    /// Directories above it, itself included, that are in the tree only if
    /// something in them is.
    pending: Vec<(EntryPath, Node)>,
}

/// Is the file system that a directory is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    device: u64,
    /// Whether the kernel notes whenever something is changed on it.
    noted: bool,
}

impl<'a> Walk<'a> {
    fn new(rooted: &'a Rooted, look: &'a Look, wanted: &'a Wanted) -> Self {
        let recalled = match look.cache {
            Cache::Use => rooted.fingerprints.as_deref(),
            Cache::Refresh | Cache::Apart => None,
        };
        Self {
            directory: &rooted.directory,
            fingerprints: recalled,
            ignore: &look.ignore,
            wanted,
            fidelity: look.fidelity,
            time: look.time,
            origin: look.origin,
            tree: Tree::new(),
            unusual: Unusual::default(),
            skipped: Vec::new(),
            found: Vec::new(),
            twins: BTreeMap::new(),
        }
    }

    /// Walks; `false` if a link stands in the way of what is wanted.
    fn run(&mut self) -> Result<bool, Error> {
        let root = EntryPath::root();
        let found = self
            .directory
            .stat(&root)
            .map_err(|error| unreadable(&root, error))?;
        if let (Some(found), Some(node)) = (&found, self.tree.node_mut(&root)) {
            node.metadata = metadata(found, self.fidelity, self.time);
        }
        let device = found.map_or(0, |found| found.device);
        let mut open = vec![Open {
            path: root,
            device,
            place: None,
            ignore: self.ignore.root(),
            pending: Vec::new(),
        }];
        let ahead = Ahead::new(self.directory, self.wanted);
        ahead.of(|| {
            while let Some(directory) = open.pop() {
                let seen = ahead.seen(&directory.path)?;
                let before = open.len();
                if !self.visit(&directory, seen, &mut open)? {
                    return Ok(false);
                }
                for directory in open.get(before..).unwrap_or_default() {
                    ahead.expect(&directory.path);
                }
            }
            Ok(true)
        })
    }

    fn visit(&mut self, at: &Open, seen: Seen, open: &mut Vec<Open>) -> Result<bool, Error> {
        // Otherwise something else is mounted here.
        let place = at.place.unwrap_or(Place {
            device: at.device,
            noted: seen.noted,
        });
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        let mut pending = at.pending.clone();
        for (path, name, found) in seen.names {
            let (ignore, excluded) = at.ignore.enter(&name);
            if found.kind == FoundKind::Directory {
                if excluded && !ignore.may_hold_included() {
                    continue;
                }
                let node = Node::directory(self.describe(&path, &found)?);
                let mut above = pending.clone();
                if excluded {
                    above.push((path.clone(), node));
                } else {
                    self.settle(&mut pending)?;
                    above = Vec::new();
                    self.insert(&path, node)?;
                    directories.push((path.clone(), permissions(&found)));
                }
                open.push(Open {
                    path,
                    device: found.device,
                    place: (place.device == found.device).then_some(place),
                    ignore,
                    pending: above,
                });
                continue;
            }
            if found.kind == FoundKind::Symlink && self.wanted.leads_to(&path) {
                return Ok(false);
            }
            if excluded {
                continue;
            }
            let Some(kind) = self.kind(&path, &found, place)? else {
                continue;
            };
            self.settle(&mut pending)?;
            if found.kind == FoundKind::File {
                files.push((path.clone(), permissions(&found)));
            }
            let metadata = self.describe(&path, &found)?;
            self.insert(&path, Node { metadata, kind })?;
        }
        if self.fidelity.modes == Modes::Normalized {
            self.unusual.note(&files);
            self.unusual.note(&directories);
        }
        Ok(true)
    }

    /// Puts directories into the tree that are excluded themselves, but hold
    /// something that is not.
    fn settle(&mut self, pending: &mut Vec<(EntryPath, Node)>) -> Result<(), Error> {
        for (path, node) in pending.drain(..) {
            if self.tree.node(&path).is_none() {
                self.insert(&path, node)?;
            }
        }
        Ok(())
    }

    fn insert(&mut self, path: &EntryPath, node: Node) -> Result<(), Error> {
        self.tree
            .insert(path, node)
            .map_err(|error| unreadable(path, error))
    }

    /// Says what a node is; `None` for what can not be copied.
    fn kind(
        &mut self,
        path: &EntryPath,
        found: &Found,
        place: Place,
    ) -> Result<Option<NodeKind>, Error> {
        let what = match found.kind {
            FoundKind::File => {
                // A file may be mounted where it is, from elsewhere.
                let noted = place.noted && place.device == found.device;
                let fingerprints = self.fingerprints.filter(|_| noted);
                return Ok(Some(NodeKind::File(File {
                    size: found.size,
                    place: ContentPlace {
                        origin: self.origin,
                        position: self.position(path, found, noted),
                    },
                    digest: fingerprints.and_then(|known| known.recall(found)),
                })));
            }
            FoundKind::Symlink => {
                let target = self
                    .directory
                    .link(path)
                    .map_err(|error| unreadable(path, error))?;
                return Ok(Some(NodeKind::Symlink { target }));
            }
            FoundKind::Fifo => return Ok(Some(NodeKind::Fifo)),
            FoundKind::Device => "a device",
            _ => "a socket",
        };
        self.skipped.push((path.clone(), what));
        Ok(None)
    }

    fn position(&mut self, path: &EntryPath, found: &Found, noted: bool) -> u64 {
        let next = self.found.len() as u64;
        if found.links > 1 {
            let position = *self
                .twins
                .entry((found.device, found.inode))
                .or_insert(next);
            if position != next {
                return position;
            }
        }
        self.found.push(Known {
            path: path.clone(),
            found: found.clone(),
            noted,
        });
        next
    }

    fn describe(&self, path: &EntryPath, found: &Found) -> Result<Metadata, Error> {
        let mut metadata = metadata(found, self.fidelity, self.time);
        let is_link = found.kind == FoundKind::Symlink;
        if self.fidelity.xattrs == Xattrs::Preserved && !is_link {
            metadata.xattrs = self
                .directory
                .xattrs(path)
                .map_err(|error| unreadable(path, error))?;
        }
        Ok(metadata)
    }
}

fn permissions(found: &Found) -> u16 {
    found.mode & 0o7777
}

/// Says what is known of a file once it is in an image: nobody's but root's,
/// of one time, and of the permissions that a fresh checkout would have.
fn metadata(found: &Found, fidelity: Fidelity, time: Time) -> Metadata {
    let mode = permissions(found);
    Metadata {
        mode: match (found.kind, fidelity.modes) {
            (FoundKind::Symlink, _) => 0o777,
            (_, Modes::Preserved) => mode,
            (FoundKind::Directory, Modes::Normalized) => 0o755,
            (_, Modes::Normalized) => normalize(mode),
        },
        uid: 0,
        gid: 0,
        mtime: time,
        xattrs: BTreeMap::new(),
    }
}

/// Keeps of permissions whether the owner may execute.
pub(super) fn normalize(mode: u16) -> u16 {
    if mode & 0o100 == 0 { 0o644 } else { 0o755 }
}
