//! Archives of every kind for `ADD`, made by the programs that people make them with.

use std::path::Path;

use crate::build::shelves::set_mode;
use crate::cage::Cage;
use crate::tool::Tool;

/// When everything in the archives was last changed.
const TIME: u32 = 1_600_000_000;

/// Files in the trees that are packed, their permissions and their content.
const FILES: &[(&str, u32, &str)] = &[
    ("tree/tree/file", 0o640, "a file of the archive"),
    ("tree/tree/run", 0o755, "#!/bin/sh\n"),
    ("tree/tree/set", 0o4755, "set user"),
    ("tree/tree/dir/inner", 0o600, "inner"),
    ("tree/tree/Ünï", 0o644, "non-ascii"),
    ("flat/top", 0o644, "at the top"),
    ("flat/below/that", 0o664, "below"),
    ("onto/opt/relative/new.txt", 0o644, "through a link"),
    ("onto/bin/tool", 0o755, "through /bin"),
    ("onto/srv/nested/x", 0o600, "x of the archive"),
    ("onto/srv/private/more", 0o600, "more"),
    ("onto/opt/file", 0o644, "over a link"),
    ("kinds/srv/nested", 0o644, "over a directory"),
    ("kinds/srv/file/inner", 0o644, "in the place of a file"),
    ("kinds/etc/motd/x", 0o644, "in the place of another"),
    ("twice/f", 0o600, "first"),
    ("removing/.wh.motd", 0o644, ""),
    ("removing/kept", 0o644, "kept"),
];

/// Directories of other permissions than 0755.
const DIRECTORIES: &[(&str, u32)] = &[
    ("tree/tree/dir", 0o700),
    ("tree/tree/sticky", 0o1777),
    ("tree/tree/empty", 0o755),
    ("flat", 0o711),
    ("onto/srv/private", 0o755),
    ("none", 0o755),
];

/// Links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("tree/tree/link", "file"),
    ("tree/tree/absolute", "/etc/passwd"),
    ("tree/tree/nowhere", "no/such/file"),
    ("onto/srv/file", "../etc"),
];

/// Makes them in a directory of the test's own, once.
pub(crate) fn make(cage: &Cage) {
    let source = cage.make("packed-source");
    let packed = cage.make("packed");
    for (name, mode, content) in FILES {
        let path = source.join(name);
        let parent = path.parent().expect("it is below the root");
        fs_err::create_dir_all(parent).expect("a writable directory");
        fs_err::write(&path, content).expect("a writable directory");
        set_mode(&path, *mode);
    }
    let long = format!("long/{}/{}", "d".repeat(120), "f".repeat(200));
    let long = source.join(long);
    fs_err::create_dir_all(long.parent().expect("made above")).expect("a writable directory");
    fs_err::write(&long, "a long name").expect("a writable directory");
    for (name, mode) in DIRECTORIES {
        fs_err::create_dir_all(source.join(name)).expect("a writable directory");
        set_mode(&source.join(name), *mode);
    }
    for (name, target) in LINKS {
        fs_err::os::unix::fs::symlink(target, source.join(name)).expect("a writable directory");
    }
    fs_err::hard_link(source.join("tree/tree/file"), source.join("tree/tree/hard"))
        .expect("one file system");
    let pipe = source.join("tree/tree/pipe");
    Tool::from_line("mkfifo").run(&pipe.display().to_string());
    tar(&source, &packed, "tree.tar", "--format=pax tree tree");
    tar(&source, &packed, "gnu.tar", "--format=gnu tree tree");
    tar(&source, &packed, "flat.tar", "--format=gnu flat .");
    tar(
        &source,
        &packed,
        "onto.tar",
        "--format=gnu onto opt bin srv",
    );
    tar(&source, &packed, "long-gnu.tar", "--format=gnu . long");
    tar(&source, &packed, "long-pax.tar", "--format=pax . long");
    let line = "--format=gnu flat --no-recursion below/that";
    tar(&source, &packed, "bare.tar", line);
    tar(
        &source,
        &packed,
        "removing.tar",
        "--format=gnu removing .wh.motd kept",
    );
    tar(&source, &packed, "empty.tar", "--format=gnu . -T/dev/null");
    compress(&packed);
    unusual(&source, &packed);
}

/// Packs what is rarely packed.
fn unusual(source: &Path, packed: &Path) {
    tar(source, packed, "kinds.tar", "--format=gnu kinds srv etc");
    tar(source, packed, "v7.tar", "--format=v7 flat top below");
    tar(source, packed, "ustar.tar", "--format=ustar flat top below");
    let absolute = "--format=gnu flat --absolute-names --transform=s,^,/abs/, top";
    tar(source, packed, "absolute.tar", absolute);
    let device = source.join("device");
    fs_err::create_dir_all(&device).expect("a writable directory");
    for (name, kind) in [("null", "c 1 3"), ("disk", "b 8 0")] {
        let path = device.join(name);
        Tool::from_line("mknod --mode=0640").run(&format!("{} {kind}", path.display()));
    }
    tar(
        source,
        packed,
        "device.tar",
        "--format=gnu device null disk",
    );
    // The second entry of a name counts.
    tar(source, packed, "twice.tar", "--format=gnu twice f");
    fs_err::write(source.join("twice/f"), "second").expect("a writable directory");
    let line = format!(
        "tar --numeric-owner --mtime=@{TIME} -C {}",
        source.display()
    );
    let archive = packed.join("twice.tar");
    Tool::from_line(&line).run(&format!("-C twice -rf {} f", archive.display()));
    let hole = source.join("sparse/hole");
    fs_err::create_dir_all(source.join("sparse")).expect("a writable directory");
    let file = fs_err::File::create(&hole).expect("a writable directory");
    file.set_len(300_000).expect("a writable directory");
    drop(file);
    let line = format!(
        "dd status=none conv=notrunc bs=1 seek=200000 count=4 if=/etc/hosts of={}",
        hole.display()
    );
    Tool::from_line(&line).run("");
    tar(
        source,
        packed,
        "sparse-gnu.tar",
        "--format=gnu sparse --sparse hole",
    );
    tar(
        source,
        packed,
        "sparse-pax.tar",
        "--format=pax sparse --sparse hole",
    );
}

/// Packs some names of a directory.
fn tar(source: &Path, packed: &Path, name: &str, line: &str) {
    let (format, rest) = line.split_once(' ').expect("a format and the rest");
    let (directory, names) = rest.split_once(' ').expect("a directory and names");
    Tool::from_line(&format!(
        "tar --sort=name --numeric-owner --owner=app:12 --group=staff:34 --mtime=@{TIME} {format} \
         -C {} -cf {} {names}",
        source.join(directory).display(),
        packed.join(name).display(),
    ))
    .run("");
}

/// Packs what is packed once more, by every program, and under names that say nothing
/// or the wrong thing.
fn compress(packed: &Path) {
    for (program, name, from) in [
        ("gzip --no-name", "tree.tar.gz", "tree.tar"),
        ("bzip2", "tree.tar.bz2", "tree.tar"),
        ("xz", "tree.tar.xz", "tree.tar"),
        ("zstd --quiet", "tree.tar.zst", "tree.tar"),
        ("gzip --no-name", "flat.tgz", "flat.tar"),
        ("gzip --no-name", "archive.txt", "flat.tar"),
        ("bzip2", "archive", "flat.tar"),
        ("xz", "wrong.tar.gz", "flat.tar"),
        ("gzip --no-name", "text.gz", "text"),
        ("bzip2", "text.bz2", "text"),
        ("xz", "text.xz", "text"),
    ] {
        fs_err::write(packed.join("text"), "this is no archive\n").expect("made above");
        let line = format!("{program} --stdout {}", packed.join(from).display());
        let bytes = Tool::from_line(&line).run("").bytes;
        fs_err::write(packed.join(name), bytes).expect("made above");
    }
    let both = [packed.join("tree.tar.gz"), packed.join("flat.tgz")];
    let [first, second] = both.map(|path| fs_err::read(path).expect("written above"));
    let two = [first.as_slice(), second.as_slice()].concat();
    fs_err::write(packed.join("two.tar.gz"), two).expect("made above");
    fs_err::write(packed.join("text.tar.gz"), "this is no archive\n").expect("made above");
    fs_err::write(packed.join("nothing.tar"), "").expect("made above");
    fs_err::os::unix::fs::symlink("flat.tgz", packed.join("link")).expect("made above");
}

/// Copies them into a context, as `packed`.
pub(crate) fn fill(cage: &Cage, context: &Path) {
    Tool::from_line("cp -a").run(&format!(
        "{} {}",
        cage.path("packed").display(),
        context.display()
    ));
}
