//! File systems that commands are run in.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use layer::{
    ChangeSource, Changed, Clamp, Diff, Directory, EntryPath, Error, Form, Given, Kind, LayerIndex,
    Marks, Memory, NodeKind, Observation, Rights, Seen, SeenKind, Time, Tree, Writer, diff,
    observe, operations, perform, settle,
};

/// The time of the build, and one after it, before any clock of a machine.
pub(crate) const EPOCH: i64 = 1_500_000_000;
const STARTED: i64 = 1_600_000_000;

pub(crate) const CLAMP: Clamp = Clamp {
    epoch: Time::from_seconds(EPOCH),
    started: Time::from_seconds(STARTED),
};
pub(crate) const RIGHTS: Rights = Rights {
    owners: Given::Really,
    devices: Given::Really,
    attributes: Given::Really,
};

/// Says whether owners and devices can be had: as root, but not as the root of
/// a user namespace.
pub(crate) fn has_owners() -> bool {
    let scratch = scratch();
    let device = scratch.path().join("device");
    let made = Command::new("mknod")
        .arg(&device)
        .args(["c", "1", "3"])
        .stderr(Stdio::null())
        .status();
    let made = made.is_ok_and(|status| status.success());
    said(made && std::os::unix::fs::chown(device, Some(5), Some(6)).is_ok())
}

/// Says whether the kernel can lay one directory of tests over another.
pub(crate) fn has_overlays() -> bool {
    if !has_owners() {
        return false;
    }
    let scratch = scratch();
    let names = ["lower", "upper", "work", "merged"];
    let [lower, upper, work, merged] = names.map(|name| scratch.path().join(name));
    for path in [&lower, &upper, &work, &merged] {
        fs_err::create_dir(path).expect("as the test made it");
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let mounted = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(&merged)
        .stderr(Stdio::null())
        .status();
    let mounted = mounted.is_ok_and(|status| status.success());
    if mounted {
        let unmounted = Command::new("umount").arg(&merged).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
    said(mounted)
}

#[expect(
    clippy::print_stdout,
    reason = "whoever runs tests has to know which were left out"
)]
fn said(has: bool) -> bool {
    if !has {
        println!("left out: it needs owners, devices and mounts");
    }
    has
}

/// Is a file system as a tree and as a directory.
pub(crate) struct Stage {
    pub(crate) tree: Tree,
    pub(crate) directory: PathBuf,
    /// The layers that the tree is made of, with their archives.
    layers: Vec<(LayerIndex, Vec<u8>)>,
}

impl Stage {
    /// Makes a file system by commands.
    pub(crate) fn new(directory: PathBuf, commands: &str) -> Self {
        fs_err::create_dir(&directory).expect("as the test made it");
        let mut stage = Self {
            tree: Tree::new(),
            directory,
            layers: Vec::new(),
        };
        stage.run(commands);
        stage
    }

    /// Runs commands, and gives the layer. The directory is then what the tree
    /// says, and no command has changed anything more.
    pub(crate) fn run(&mut self, commands: &str) -> Diff {
        self.try_run(commands).expect("as the test made it")
    }

    pub(crate) fn try_run(&mut self, commands: &str) -> Result<Diff, Error> {
        let directory = Directory::open(&self.directory).expect("as the test made it");
        // Without layers, everything is other than it was.
        let memory = match self.layers.as_slice() {
            [] => Memory::default(),
            _ => Memory::of(&directory).expect("as the test made it"),
        };
        run(&self.directory, commands);
        let observation = memory
            .observe(&directory, RIGHTS)
            .expect("as the test made it");
        let diff = diff(&self.tree, &observation, CLAMP, (Form::Plain, RIGHTS))?;
        self.apply(&diff.changed, &self.directory.clone());
        settle(&diff.settlements, &directory, (Form::Plain, RIGHTS)).expect("as the test made it");
        Ok(diff)
    }

    /// Adds a layer to the tree.
    pub(crate) fn apply(&mut self, changed: &[Changed], content: &Path) {
        let (index, archive) = layer(changed, content);
        let number = self.layers.len() as u32;
        self.tree
            .apply(number, &index)
            .expect("as the test made it");
        self.layers.push((index, archive));
    }

    /// Checks that whoever extracts the layers has the same file system.
    pub(crate) fn check_extracted(&self, into: &Path) {
        fs_err::create_dir(into).expect("as the test made it");
        let mut tree = Tree::new();
        for (number, layer) in self.layers.iter().enumerate() {
            extract(&tree, layer, into, Form::Plain);
            tree.apply(number as u32, &layer.0)
                .expect("as the test made it");
        }
        check(&self.tree, into);
        fs_err::remove_dir_all(into).expect("as the test made it");
    }

    pub(crate) fn check(&self) {
        check(&self.tree, &self.directory);
    }
}

/// Is a file system whose last layer lies over it.
pub(crate) struct Overlay {
    /// What it lies over.
    pub(crate) lower: Stage,
    before: Tree,
    form: Form,
    upper: PathBuf,
    work: PathBuf,
    merged: PathBuf,
}

impl Overlay {
    /// Runs commands over a file system, and gives the layer.
    pub(crate) fn run(lower: Stage, commands: &str) -> (Self, Diff) {
        Self::try_run(lower, commands, Marks::Trusted).expect("as the test made it")
    }

    pub(crate) fn try_run(
        lower: Stage,
        commands: &str,
        marks: Marks,
    ) -> Result<(Self, Diff), Error> {
        let beside = lower.directory.parent().expect("as the test made it");
        let [upper, work, merged] = ["upper", "work", "merged"].map(|name| beside.join(name));
        for path in [&upper, &work, &merged] {
            fs_err::create_dir(path).expect("as the test made it");
        }
        copy_metadata(&lower.directory, &upper);
        let before = lower.tree.clone();
        let mut overlay = Self {
            lower,
            before,
            form: Form::Overlay { marks },
            upper,
            work,
            merged,
        };
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            overlay.lower.directory.display(),
            overlay.upper.display(),
            overlay.work.display()
        );
        overlay.mounted(&options, |overlay| run(&overlay.merged, commands));
        let diff = overlay.diff()?;
        overlay.lower.apply(&diff.changed, &overlay.upper.clone());
        let directory = Directory::open(&overlay.upper).expect("as the test made it");
        settle(&diff.settlements, &directory, (overlay.form, RIGHTS)).expect("as the test made it");
        // What lies over it says the same again, and nothing is left to do.
        let again = overlay.diff()?;
        assert_eq!(again.changed, diff.changed);
        assert_eq!(again.settlements, []);
        Ok((overlay, diff))
    }

    fn diff(&self) -> Result<Diff, Error> {
        let directory = Directory::open(&self.upper).expect("as the test made it");
        let observation = observe(&directory, (self.form, RIGHTS)).expect("as the test made it");
        diff(&self.before, &observation, CLAMP, (self.form, RIGHTS))
    }

    /// Checks that whoever extracts the layer has the same directory.
    pub(crate) fn check_extracted(&self) {
        let into = self.upper.with_file_name("extracted");
        fs_err::create_dir(&into).expect("as the test made it");
        copy_metadata(&self.lower.directory, &into);
        let layer = self.lower.layers.last().expect("as the test made it");
        extract(&self.before, layer, &into, self.form);
        let [settled, extracted] =
            [&self.upper, &into].map(|upper| look(upper, self.form, &self.before));
        assert_eq!(settled, extracted);
    }

    pub(crate) fn check(&mut self) {
        // As whatever comes next has it: below another.
        let options = format!(
            "lowerdir={}:{}",
            self.upper.display(),
            self.lower.directory.display()
        );
        self.mounted(&options, |overlay| {
            check(&overlay.lower.tree, &overlay.merged);
        });
    }

    /// Does something while it is mounted.
    fn mounted(&mut self, options: &str, work: impl FnOnce(&mut Self)) {
        let marks = match self.form {
            Form::Overlay { marks: Marks::User } => ",userxattr",
            _ => ",redirect_dir=off,metacopy=off",
        };
        let options = format!("{options},index=off,xino=off{marks}");
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(&self.merged)
            .status()
            .expect("as the test made it");
        assert!(mounted.success());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(self)));
        let unmounted = Command::new("umount")
            .arg(&self.merged)
            .status()
            .expect("as the test made it");
        assert!(unmounted.success());
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Gives the root of an overlay what the root below it has.
fn copy_metadata(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["-a", "--attributes-only", "-T"])
        .args([from, to])
        .status()
        .expect("as the test made it");
    assert!(copied.success());
    for entry in fs_err::read_dir(to).expect("as the test made it") {
        let path = entry.expect("as the test made it").path();
        Command::new("rm")
            .arg("-rf")
            .arg(path)
            .status()
            .expect("as the test made it");
    }
    Command::new("touch")
        .arg("-r")
        .args([from, to])
        .status()
        .expect("as the test made it");
}

/// Runs lines: of the shell, but `@xattr PATH NAME HEX`, which no shell has, and
/// `@socket PATH`. What fails is gone past.
pub(crate) fn run(directory: &Path, commands: &str) {
    let mut shell = String::new();
    for line in commands.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["@xattr", path, name, value] => {
                script(directory, &std::mem::take(&mut shell));
                let value = hex(value);
                let flags = rustix::fs::XattrFlags::empty();
                let path = directory.join(path);
                let _ = rustix::fs::lsetxattr(path, name, &value, flags);
            }
            ["@socket", path] => {
                script(directory, &std::mem::take(&mut shell));
                drop(UnixListener::bind(directory.join(path)));
            }
            _ => {
                shell.push_str(line);
                shell.push('\n');
            }
        }
    }
    script(directory, &shell);
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("as the test made it"), 16)
                .expect("as the test made it")
        })
        .collect()
}

fn script(directory: &Path, text: &str) {
    if text.is_empty() {
        return;
    }
    let mut child = Command::new("sh")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("as the test made it");
    let mut stdin = child.stdin.take().expect("as the test made it");
    let text = format!("umask 022\n{text}");
    stdin
        .write_all(text.as_bytes())
        .expect("as the test made it");
    drop(stdin);
    child.wait().expect("as the test made it");
}

/// Writes a layer, and gives its index and its archive.
fn layer(changed: &[Changed], content: &Path) -> (LayerIndex, Vec<u8>) {
    let directory = Directory::open(content).expect("as the test made it");
    let mut writer = Writer::new(Vec::new());
    for Changed { entry, source } in changed {
        match source {
            None => writer.entry(entry).expect("as the test made it"),
            Some(ChangeSource { path, .. }) => {
                let found = directory
                    .stat(path)
                    .expect("as the test made it")
                    .expect("as the test made it");
                let mut held = directory.read(path, &found).expect("as the test made it");
                writer.file(entry, &mut held).expect("as the test made it");
            }
        }
    }
    let (archive, index) = writer.finish().expect("as the test made it");
    for (record, changed) in index.records().iter().zip(changed) {
        let written = record.content.as_ref().map(|stored| stored.digest);
        assert_eq!(written, changed.source.as_ref().map(|source| source.digest));
    }
    (index, archive)
}

fn extract(before: &Tree, (index, archive): &(LayerIndex, Vec<u8>), into: &Path, form: Form) {
    let mut content = tempfile::tempfile().expect("as the test made it");
    content.write_all(archive).expect("as the test made it");
    let operations = operations(before, index).expect("as the test made it");
    let into = Directory::open(into).expect("as the test made it");
    perform(&operations, &content, &into, (form, RIGHTS)).expect("as the test made it");
}

/// Gives what an upper directory has, without what differs in nothing: inodes,
/// and whether a directory hides what is not there.
fn look(upper: &Path, form: Form, before: &Tree) -> Observation {
    let upper = Directory::open(upper).expect("as the test made it");
    let mut observation = observe(&upper, (form, RIGHTS)).expect("as the test made it");
    let mut files = BTreeMap::new();
    for (number, seen) in observation.seen.iter_mut().enumerate() {
        let number = number as u64;
        seen.inode = (0, *files.entry(seen.inode).or_insert(number));
        if let SeenKind::Directory { opaque } = &mut seen.kind {
            let node = before.node(&seen.path);
            *opaque &= node.is_some_and(|node| matches!(node.kind, NodeKind::Directory(_)));
        }
    }
    observation
}

/// Checks that a directory is what a tree says.
fn check(tree: &Tree, directory: &Path) {
    let directory = Directory::open(directory).expect("as the test made it");
    let Observation { seen, gone } = Memory::default()
        .observe(&directory, RIGHTS)
        .expect("as the test made it");
    assert_eq!(gone, []);
    let nodes: Vec<_> = tree.walk(&EntryPath::root()).collect();
    let paths: Vec<&EntryPath> = nodes.iter().map(|(path, _)| path).collect();
    let seen_paths: Vec<&EntryPath> = seen.iter().map(|seen| &seen.path).collect();
    assert_eq!(paths, seen_paths);
    let mut inodes = BTreeMap::new();
    let mut places = BTreeMap::new();
    for ((path, node), seen) in nodes.iter().zip(&seen) {
        assert!(is_equal(&node.kind, seen), "{path}: {node:?} {seen:?}");
        assert_eq!(node.metadata, seen.metadata, "{path}");
        match &node.kind {
            NodeKind::File(file) => {
                let first = places.entry(file.place).or_insert(path);
                let found = inodes.entry(seen.inode).or_insert(path);
                assert_eq!(first, found, "{path}: names of one file");
            }
            _ => assert_eq!(inodes.insert(seen.inode, path), None, "{path}"),
        }
    }
}

fn is_equal(node: &NodeKind, seen: &Seen) -> bool {
    match (node, &seen.kind) {
        (NodeKind::Directory(_), SeenKind::Directory { .. }) | (NodeKind::Fifo, SeenKind::Fifo) => {
            true
        }
        (NodeKind::File(file), SeenKind::File { size, digest }) => {
            (file.size, file.digest) == (*size, Some(*digest))
        }
        (node, SeenKind::Symlink { target }) => {
            let target = target.clone();
            node.to_entry() == Kind::Symlink { target }
        }
        (node, SeenKind::Device { kind, major, minor }) => {
            node.to_entry()
                == Kind::Device {
                    kind: *kind,
                    major: *major,
                    minor: *minor,
                }
        }
        _ => false,
    }
}

/// Writes entries for people: a line each.
pub(crate) fn lines(changed: &[Changed]) -> String {
    let mut text = String::new();
    for Changed { entry, source } in changed {
        let metadata = &entry.metadata;
        // As messages show it: what is no text is escaped.
        let path = format!(".{}", entry.path);
        let path = path.strip_prefix("./").filter(|path| !path.is_empty());
        let path = path.unwrap_or(".");
        let mtime = match metadata.mtime.to_string() {
            mtime if mtime == EPOCH.to_string() => "epoch".into(),
            mtime => mtime,
        };
        let known = format!(
            "{:04o} {}:{} {mtime}",
            metadata.mode, metadata.uid, metadata.gid
        );
        let line = match &entry.kind {
            Kind::Directory => format!("dir      {known} {path}"),
            Kind::File { size } => {
                let digest = source.as_ref().map(|source| source.digest.hex());
                let digest: String = digest.unwrap_or_default().chars().take(8).collect();
                format!("file     {known} {path} = {size} {digest}")
            }
            Kind::HardLink { target } => {
                format!("hardlink {path} = {}", &target.to_string()[1..])
            }
            Kind::Symlink { target } => {
                let target = String::from_utf8_lossy(target).into_owned();
                format!("symlink  {known} {path} -> {target}")
            }
            Kind::Fifo => format!("fifo     {known} {path}"),
            Kind::Device { kind, major, minor } => {
                format!("device   {known} {path} {kind:?} {major}:{minor}")
            }
            Kind::Whiteout => format!("whiteout {path}"),
            Kind::Opaque => format!("opaque   {path}"),
        };
        text.push_str(&line);
        text.push('\n');
        for (name, value) in &metadata.xattrs {
            let name = String::from_utf8_lossy(name);
            let value: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            text.push_str(&format!("         {name} {value}\n"));
        }
    }
    text
}

/// Makes a directory of tests that a kernel can mount over.
pub(crate) fn scratch() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("as the test made it");
    assert!(!directory.path().as_os_str().as_bytes().contains(&b','));
    directory
}
