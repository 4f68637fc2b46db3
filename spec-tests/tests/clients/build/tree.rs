//! A tree of 10,000 files with all that makes trees differ between machines.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// How many files it has.
pub(crate) const FILES: usize = 10_000;
/// How many of them are in one directory.
const EACH: usize = 100;

/// Makes the tree in an order that `shuffle` decides.
pub(crate) fn make(root: &Path, shuffle: usize) {
    let mut numbers: Vec<usize> = (0..FILES).collect();
    // A step that shares no factor with the count visits every number once.
    let step = [1, 7_919, 3_333][shuffle % 3];
    numbers.sort_by_key(|number| number * step % FILES);
    for number in &numbers {
        let directory = root.join(directory(*number));
        fs_err::create_dir_all(&directory).expect("a writable directory");
        let path = directory.join(name(*number));
        fs_err::write(&path, content(*number)).expect("a writable directory");
        let mode = if number % 7 == 0 { 0o755 } else { 0o644 };
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .expect("our own file");
    }
    for number in numbers.iter().filter(|number| *number % 50 == 3) {
        let directory = root.join(directory(*number));
        let file = directory.join(name(*number));
        let other = root.join("links").join(format!("hard-{number}"));
        fs_err::create_dir_all(root.join("links")).expect("a writable directory");
        fs_err::hard_link(&file, other).expect("one file system");
        let target = Path::new("..")
            .join(self::directory(*number))
            .join(name(*number));
        let link = root.join("links").join(format!("soft-{number}"));
        fs_err::os::unix::fs::symlink(target, link).expect("a writable directory");
    }
    for number in 0..20 {
        fs_err::create_dir_all(root.join(format!("empty/{number}"))).expect("a writable directory");
    }
    let link = root.join("links/nowhere");
    fs_err::os::unix::fs::symlink("/no/such/file", link).expect("a writable directory");
}

fn directory(number: usize) -> String {
    let directory = number / EACH;
    match directory % 4 {
        0 => format!("plain/{directory:02}"),
        1 => format!("Ünïcode/日本-{directory:02}"),
        2 => format!("deep/a/b/c/d/e/f/{directory:02}"),
        // Beside `plain`, to which it is equal as far as it goes.
        _ => format!("plain.d/{directory:02}"),
    }
}

fn name(number: usize) -> String {
    match number % 25 {
        0 => format!("{number:05}-{}", "x".repeat(194)),
        1 => format!("naïve-{number}"),
        2 => format!("UPPER {number}"),
        _ => format!("file-{number}.txt"),
    }
}

fn content(number: usize) -> Vec<u8> {
    let line = format!("line of file {number}: {}\n", number * number);
    line.repeat(number % 97).into_bytes()
}

/// Has every file be of the permissions that a umask leaves.
pub(crate) fn mask(root: &Path, umask: u32) {
    for entry in fs_err::read_dir(root).expect("made by this test").flatten() {
        let path = entry.path();
        let metadata = fs_err::symlink_metadata(&path).expect("made by this test");
        if metadata.is_symlink() {
            continue;
        }
        let executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
        let mode = if executable { 0o777 } else { 0o666 } & !umask;
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode))
            .expect("our own file");
        if metadata.is_dir() {
            mask(&path, umask);
        }
    }
}
