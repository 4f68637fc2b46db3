//! What is built: a tree as a deployed application has it, the same in every run.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::symlink;

use crate::error::Error;
use crate::sample::noise;

/// Names of the tree that are not directories.
const NAMES: u64 = 10_000;

/// Directories that have the names; there is an empty one in every fourth.
const DIRECTORIES: u64 = 400;

/// Words that texts are made of.
const VOCABULARY: u64 = 4096;

/// Bytes in a name that is too long for the fields of a plain tar header.
const LONG: usize = 200;

/// The file that another build finds changed.
const CHANGED: &str = "changed.txt";

/// Bytes of what is repeated in the large file, far more than a compressor looks back.
const BLOCK: usize = 16 << 20;

/// Numbers that look random and are the same each time (xorshift).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// Makes the tree of 10,000 names.
///
/// # Errors
/// Fails when it can not be written.
pub(super) fn make_tree(root: &Path) -> Result<(), Error> {
    let words = vocabulary();
    let mut earlier: Vec<PathBuf> = Vec::new();
    for number in 0..DIRECTORIES {
        let directory = directory(root, number);
        fs_err::create_dir_all(&directory)?;
        if number % 4 == 0 {
            fs_err::create_dir(directory.join("empty"))?;
        }
    }
    // The file that changes is one of the names.
    change(root, 0)?;
    for number in 1..NAMES {
        let mut dice = Dice::new(number);
        let path = directory(root, number % DIRECTORIES).join(name(number));
        match (number % 33, earlier.last()) {
            (7, Some(first)) => fs_err::hard_link(first, &path)?,
            (8, Some(target)) => {
                let target = target.strip_prefix(root);
                let target = target.expect("what was made before is below the root");
                symlink(Path::new("../..").join(target), &path)?;
            }
            _ => {
                fs_err::write(&path, content(&mut dice, &words))?;
                let mode = if number % 10 == 0 { 0o755 } else { 0o644 };
                fs_err::set_permissions(&path, PermissionsExt::from_mode(mode))?;
                earlier.push(path);
            }
        }
    }
    Ok(())
}

/// Gives one small file of the tree other content.
///
/// # Errors
/// Fails when it can not be written.
pub(super) fn change(root: &Path, version: u64) -> Result<(), Error> {
    let bytes = text(&mut Dice::new(NAMES + version), &vocabulary(), 20_000);
    Ok(fs_err::write(root.join(CHANGED), bytes)?)
}

/// Makes a directory with one file of so many blocks of 16 MiB, which compresses to about
/// half; another seed makes another file.
///
/// # Errors
/// Fails when it can not be written.
pub(super) fn make_large(root: &Path, (seed, blocks): (u64, u64)) -> Result<(), Error> {
    fs_err::create_dir_all(root)?;
    let mut dice = Dice::new(4 + seed);
    let words = vocabulary();
    let mut block = Vec::with_capacity(BLOCK);
    while block.len() < BLOCK {
        block.extend(content(&mut dice, &words));
    }
    block.truncate(BLOCK);
    let mut file = fs_err::File::create(root.join("large"))?;
    for number in 0..blocks {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(())
}

fn directory(root: &Path, number: u64) -> PathBuf {
    root.join(format!("part-{}", number / 20))
        .join(format!("module-{}", number % 20))
}

fn name(number: u64) -> String {
    match number % 100 {
        1 => format!("größe-日本語-{number}.txt"),
        2 => format!("{number:x>LONG$}"),
        _ => format!("file-{number}.js"),
    }
}

/// Returns content of a size and of a kind as they are usual: many small files and few
/// large ones; most are text, some are machine code or tables, some compressed already.
fn content(dice: &mut Dice, words: &[String]) -> Vec<u8> {
    let length = match dice.below(20) {
        0 => 48 + dice.below(272),
        1..6 => 8 + dice.below(40),
        _ => dice.below(8),
    };
    let length = (length << 10) + dice.below(1024);
    let length = usize::try_from(length).expect("a file of the tree is below 1 MiB");
    match dice.below(20) {
        0..3 => noise(dice.below(u64::MAX), length),
        3..8 => records(dice, length),
        _ => text(dice, words, length),
    }
}

fn text(dice: &mut Dice, words: &[String], length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(length + 32);
    while text.len() < length {
        // Few words are frequent: the smallest of three throws.
        let index = (0..3).map(|_| dice.below(VOCABULARY)).min().unwrap_or(0);
        let word = words.get(usize::try_from(index).unwrap_or(0));
        text.push_str(word.map_or("", String::as_str));
        text.push(if dice.below(9) == 0 { '\n' } else { ' ' });
    }
    text.truncate(length);
    text.into_bytes()
}

/// Returns records as tables and machine code have them: half of the bytes vary.
fn records(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 16);
    let mut number = 0_u32;
    while bytes.len() < length {
        number += 24;
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&[0x48, 0x8B, 0, 0]);
        let varying = dice.below(1 << 32);
        bytes.extend_from_slice(&varying.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn vocabulary() -> Vec<String> {
    let mut dice = Dice::new(1);
    let mut word = || {
        let length = 3 + dice.below(8);
        (0..length)
            .map(|_| char::from(b"etaoinshrdlucmfwypvbgkqjxz"[dice.below(26) as usize]))
            .collect()
    };
    (0..VOCABULARY).map(|_| word()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_foreign_or_long() {
        assert!(!name(101).is_ascii());
        assert_eq!(name(202).len(), LONG);
        assert_eq!(name(3), "file-3.js");
    }

    #[test]
    fn content_is_the_same_each_time_and_of_its_length() {
        let words = vocabulary();
        let one = content(&mut Dice::new(5), &words);
        assert_eq!(one, content(&mut Dice::new(5), &words));
        assert_ne!(one, content(&mut Dice::new(6), &words));
        assert_eq!(text(&mut Dice::new(5), &words, 999).len(), 999);
        assert_eq!(records(&mut Dice::new(5), 33).len(), 33);
    }

    #[test]
    fn the_tree_has_its_names() {
        let directory = tempfile::tempdir().unwrap();
        make_tree(directory.path()).unwrap();
        let (mut names, mut empty, mut links, mut shared) = (0, 0, 0, 0);
        let mut waiting = vec![directory.path().to_path_buf()];
        while let Some(next) = waiting.pop() {
            let entries: Vec<_> = fs_err::read_dir(next).unwrap().collect();
            empty += u64::from(entries.is_empty());
            for entry in entries {
                let entry = entry.unwrap();
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    waiting.push(entry.path());
                    continue;
                }
                names += 1;
                links += u64::from(metadata.is_symlink());
                shared += u64::from(std::os::unix::fs::MetadataExt::nlink(&metadata) > 1);
            }
        }
        assert_eq!((names, empty), (NAMES, DIRECTORIES / 4));
        assert!(links >= 300 && shared >= 600, "{links} {shared}");
    }
}
