//! The worker's side: takes what is asked, does it, and answers.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use layer::{Directory, EntryPath, Marks, Memory, Time};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};
use sandbox::{Channel, Error, ErrorKind, Ids, Stdio, Tier};

use crate::request::OciRuntime;
use crate::worker::message::{Answer, Ask, Fault, FaultKind, Overlay};

/// Answers until nobody asks any more.
pub(crate) struct Answering {
    channel: Channel,
    tier: Tier,
    /// What is remembered of directories.
    memories: BTreeMap<PathBuf, Memory>,
    /// Where something is mounted.
    mounted: Vec<PathBuf>,
}

/// How many descriptors a command has beside those that its mounts name.
const STREAMS: usize = 3;

impl Answering {
    pub(crate) fn new(channel: Channel, tier: Tier) -> Self {
        Self {
            channel,
            tier,
            memories: BTreeMap::new(),
            mounted: Vec::new(),
        }
    }

    /// Answers everything.
    pub(crate) fn all(mut self) -> Result<(), Error> {
        while let Some((message, descriptors)) = self.channel.receive()? {
            let ask = postcard::from_bytes(&message).map_err(|_wrong| {
                Error::new(
                    ErrorKind::Broken,
                    "the builder asks what nobody understands",
                )
            })?;
            drop(message);
            let mut open = None;
            let answer = self.answer(ask, descriptors, &mut open);
            let answer = answer.unwrap_or_else(Answer::Failed);
            let answer =
                postcard::to_allocvec(&answer).expect("numbers, bytes and lists have a form");
            let descriptors: Vec<_> = open.iter().map(std::os::fd::AsFd::as_fd).collect();
            self.channel.send(&answer, &descriptors)?;
        }
        Ok(())
    }

    fn answer(
        &mut self,
        ask: Ask,
        descriptors: Vec<OwnedFd>,
        open: &mut Option<OwnedFd>,
    ) -> Result<Answer, Fault> {
        match ask {
            Ask::Make { directory } => return make(&directory).map(Answer::Made),
            Ask::Perform {
                directory,
                operations,
                form,
                rights,
            } => {
                let content = descriptors.into_iter().next().ok_or_else(missing)?;
                let into = Directory::open(&directory)?;
                let performed =
                    layer::perform(&operations, &File::from(content), &into, (form, rights));
                let performed = performed.map_err(|error| self.of_owners(error))?;
                return Ok(Answer::Performed(performed));
            }
            Ask::Rename { from, to } => fs_err::rename(&from, &to)?,
            Ask::Remove { path } => {
                self.unmount_below(&path)?;
                remove(&path)?;
            }
            Ask::Mount(overlay) => {
                mount(&overlay)?;
                self.mounted.push(overlay.at);
            }
            Ask::Unmount { directory } => {
                finish(&directory)?;
                self.unmount_below(&directory)?;
            }
            Ask::Run { step, runtime } => {
                let stdio = stdio(descriptors).ok_or_else(missing)?;
                let ended = match &runtime {
                    OciRuntime::Own => sandbox::run(&self.tier, &step, stdio)?,
                    OciRuntime::Program(program) => {
                        sandbox::run_with(program, &self.tier, &step, stdio)?
                    }
                };
                return Ok(Answer::Ended(ended));
            }
            Ask::Unstub { directory, paths } => {
                let directory = Directory::open(&directory)?;
                let mut inner_first = paths.iter().rev();
                inner_first.try_for_each(|path| directory.remove_empty(path))?;
            }
            Ask::Age {
                directory,
                youngest,
            } => Directory::open(&directory)?.age(youngest)?,
            Ask::Stub {
                directory,
                path,
                is_directory,
            } => Directory::open(&directory)?.make_missing(&path, is_directory)?,
            Ask::Settle {
                directory,
                settlements,
                form,
                rights,
            } => layer::settle(&settlements, &Directory::open(&directory)?, (form, rights))?,
            looking => return self.look(looking, open),
        }
        Ok(Answer::Done)
    }

    /// Answers what changes nothing.
    fn look(&mut self, ask: Ask, open: &mut Option<OwnedFd>) -> Result<Answer, Fault> {
        match ask {
            Ask::Observe {
                directory,
                form,
                rights,
            } => {
                let directory = Directory::open(&directory)?;
                let seen = layer::observe(&directory, (form, rights))?;
                Ok(Answer::Observed(seen))
            }
            Ask::Remember { directory } => {
                let memory = Memory::of(&Directory::open(&directory)?)?;
                self.memories.insert(directory, memory);
                Ok(Answer::Done)
            }
            Ask::Compare { directory, rights } => {
                let memory = self.memories.get(&directory).ok_or_else(missing)?;
                let seen = memory.observe(&Directory::open(&directory)?, rights)?;
                Ok(Answer::Observed(seen))
            }
            Ask::Measure { directory } => {
                Ok(Answer::Measured(Directory::open(&directory)?.measure()?))
            }
            Ask::Uses { directory } => Ok(Answer::Uses(Directory::open(&directory)?.uses()?)),
            Ask::IsEmpty { directory } => {
                Ok(Answer::IsEmpty(Directory::open(&directory)?.is_empty()?))
            }
            Ask::Open { directory, path } => {
                *open = Some(Directory::open(&directory)?.open_file(&path)?);
                Ok(Answer::Open)
            }
            _ => Err(missing()),
        }
    }
}

impl Answering {
    /// Unmounts what is mounted at a directory or in it: what is taken away
    /// must not be reached through a mount.
    fn unmount_below(&mut self, directory: &Path) -> Result<(), Fault> {
        while let Some(at) = self
            .mounted
            .iter()
            .rposition(|at| at.starts_with(directory))
        {
            let at = self.mounted.swap_remove(at);
            rustix::mount::unmount(&at, UnmountFlags::DETACH)
                .map_err(|errno| Fault::from(std::io::Error::from(errno)))?;
        }
        Ok(())
    }

    /// Says what helps where an owner is none that can be had.
    fn of_owners(&self, error: layer::Error) -> Fault {
        let source = std::error::Error::source(&error);
        let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
        let code = source.and_then(std::io::Error::raw_os_error);
        let mut fault = Fault::from(error);
        if code == Some(rustix::io::Errno::INVAL.raw_os_error())
            && let Ids::Mapped { users, .. } = &self.tier.ids
        {
            let count: u64 = users.iter().map(|range| u64::from(range.count)).sum();
            fault.hint = Some(format!(
                "{count} ids can be had here, and the image has higher ones: add more to `/etc/subuid` and `/etc/subgid`, or take `--sandbox=one`, which records owners"
            ));
        }
        fault
    }
}

/// Makes a directory, and says what time it was.
fn make(directory: &Path) -> Result<Time, Fault> {
    use std::os::unix::fs::MetadataExt as _;
    fs_err::create_dir_all(directory)?;
    // The time of a file that is made now: that is the clock of what commands
    // make, and there may be another one of the machine.
    let file = tempfile::tempfile_in(directory)?;
    let made = file.metadata()?;
    Ok(Time::from_seconds(made.mtime()))
}

/// Takes something away, with all that is in it.
fn remove(path: &Path) -> Result<(), Fault> {
    use std::os::unix::ffi::OsStrExt as _;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(missing());
    };
    if !parent.exists() {
        return Ok(());
    }
    let name = EntryPath::parse(name.as_bytes()).map_err(|_wrong| missing())?;
    Ok(layer::remove(&Directory::open(parent)?, &name)?)
}

/// Sees to it that nobody writes any more to an overlay: who has a file of it
/// from the command, handed over through a socket, could do so long after.
fn finish(overlay: &Path) -> Result<(), Fault> {
    match rustix::mount::mount_remount(overlay, MountFlags::RDONLY, c"") {
        Ok(()) => Ok(()),
        Err(Errno::BUSY) => Err(Fault {
            kind: FaultKind::Failed,
            chain: vec!["another process writes to files of the command that has ended".to_owned()],
            hint: Some(
                "a command gave it a file through a socket, in a cache or to the machine"
                    .to_owned(),
            ),
        }),
        Err(errno) => Err(Fault::from(std::io::Error::from(errno))),
    }
}

fn missing() -> Fault {
    Fault {
        kind: FaultKind::Failed,
        chain: vec!["something that belongs to the question did not come along".to_owned()],
        hint: None,
    }
}

fn stdio(descriptors: Vec<OwnedFd>) -> Option<Stdio> {
    if descriptors.len() < STREAMS {
        return None;
    }
    let mut descriptors = descriptors.into_iter();
    Some(Stdio {
        output: descriptors.next()?,
        errors: descriptors.next()?,
        stop: descriptors.next()?,
        descriptors: descriptors.collect(),
    })
}

/// Mounts an overlay. Paths below `base` are written relative to it: all of
/// them together have to fit into one page.
fn mount(overlay: &Overlay) -> Result<(), Fault> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut options: Vec<u8> = Vec::new();
    let mut add = |name: &str, paths: &[&Path]| {
        if !options.is_empty() {
            options.push(b',');
        }
        options.extend_from_slice(name.as_bytes());
        for (number, path) in paths.iter().enumerate() {
            if number > 0 {
                options.push(b':');
            }
            let path = path.strip_prefix(&overlay.base).unwrap_or(path);
            for byte in path.as_os_str().as_bytes() {
                if matches!(byte, b':' | b',' | b'\\') {
                    options.push(b'\\');
                }
                options.push(*byte);
            }
        }
    };
    let lower: Vec<&Path> = overlay.lower.iter().map(PathBuf::as_path).collect();
    add("lowerdir=", &lower);
    add("upperdir=", &[&overlay.upper]);
    add("workdir=", &[&overlay.work]);
    // What the kernel would do otherwise is not what layers say.
    let fixed = match overlay.marks {
        Marks::Trusted => ",redirect_dir=off,metacopy=off,index=off,xino=off,volatile",
        Marks::User => ",userxattr,index=off,xino=off,volatile",
    };
    options.extend_from_slice(fixed.as_bytes());
    if options.len() >= OPTIONS_LIMIT {
        return Err(Fault {
            kind: FaultKind::Unsupported,
            chain: vec![format!(
                "the {} layers are more than the kernel mounts at once",
                overlay.lower.len()
            )],
            hint: None,
        });
    }
    let options = std::ffi::CString::new(options).map_err(|_nul| missing())?;
    std::env::set_current_dir(&overlay.base)?;
    let mounted = rustix::mount::mount(
        "overlay",
        &overlay.at,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    );
    mounted.map_err(|errno| Fault::from(std::io::Error::from(errno)))
}

/// How many bytes the options of a mount may have: a page.
const OPTIONS_LIMIT: usize = 4096;
