//! A small context with one of everything that a Dockerfile may copy.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Every file, its permissions and its content.
const FILES: &[(&str, u32, &str)] = &[
    ("a.txt", 0o644, "a"),
    ("b.txt", 0o640, "b"),
    ("c.md", 0o600, "c"),
    ("run.sh", 0o755, "#!/bin/sh\necho run\n"),
    ("set", 0o4755, "set user"),
    ("with space", 0o644, "with space"),
    ("dir/one", 0o644, "one"),
    ("dir/two.txt", 0o664, "two"),
    ("dir/sub/three", 0o755, "three"),
    ("dir/sub/deep/four.txt", 0o600, "four"),
    ("other/one", 0o600, "other one"),
    ("other/five", 0o644, "five"),
    ("private/six", 0o600, "six"),
    ("sticky/seven", 0o644, "seven"),
    ("Ünï/日本.txt", 0o644, "non-ascii"),
    ("srv/real/kept.txt", 0o604, "not that of the base"),
    ("srv/nested/x", 0o644, "x of the context"),
    ("target/debug/eight.o", 0o644, "eight"),
    ("target/keep/nine.txt", 0o644, "nine"),
    ("rootfs/bin/tool", 0o755, "tool"),
    ("rootfs/opt/relative/new.txt", 0o644, "new"),
    ("rootfs/var/run/pid", 0o644, "1"),
    ("over/opt/file", 0o644, "over a link"),
    ("clash/srv/nested", 0o644, "over a directory"),
    ("linked/first", 0o644, "one file under two names"),
];

/// Directories with other permissions than 0755.
const DIRECTORIES: &[(&str, u32)] = &[
    ("empty", 0o755),
    ("empty/inner", 0o750),
    ("private", 0o700),
    ("sticky", 0o1777),
    ("dir/sub", 0o775),
];

/// Links, and where they lead.
const LINKS: &[(&str, &str)] = &[
    ("link-to-a", "a.txt"),
    ("link-to-dir", "dir"),
    ("dir/up", "../a.txt"),
    ("dir/absolute", "/etc/passwd"),
    ("over/srv/file", "../etc"),
    ("over/etc/motd", "/srv/real/kept.txt"),
    ("dir/nowhere", "no-such-file"),
];

/// Fills a directory.
pub(crate) fn fill(root: &Path) {
    for (name, mode, content) in FILES {
        let path = root.join(name);
        let parent = path.parent().expect("it is below the root");
        fs_err::create_dir_all(parent).expect("a writable directory");
        fs_err::write(&path, content).expect("a writable directory");
        set_mode(&path, *mode);
    }
    for (name, mode) in DIRECTORIES {
        fs_err::create_dir_all(root.join(name)).expect("a writable directory");
        set_mode(&root.join(name), *mode);
    }
    for (name, target) in LINKS {
        let path = root.join(name);
        let parent = path.parent().expect("it is below the root");
        fs_err::create_dir_all(parent).expect("a writable directory");
        fs_err::os::unix::fs::symlink(target, path).expect("a writable directory");
    }
    fs_err::hard_link(root.join("linked/first"), root.join("linked/second"))
        .expect("one file system");
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
}
