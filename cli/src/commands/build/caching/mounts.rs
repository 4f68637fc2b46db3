//! `--cache-mount-from` and `--cache-mount-to`: what commands keep in cache
//! mounts, on other machines.

use std::path::Path;

use builder::{
    MOUNT_QUOTA, MOUNT_UNPACKED_LIMIT, MountCaches, MountExported, MountFailure, MountKey,
    MountPlace, MountSource, MountTarget,
};
use oci::Digest;

use super::Fields;
use crate::places;
use crate::progress;
use crate::report::{WithHint as _, count, missing, say, usage};

/// The flags of cache mounts.
#[derive(Debug, clap::Args)]
pub(crate) struct CacheMounts {
    /// Where a new or empty cache of `RUN --mount=type=cache` is filled from, as in type=registry,ref=NAME or type=local,src=DIR, with id=ID for one cache, key=FILE for the one that was kept with such a file, and quota=SIZE; may be given several times
    #[arg(long, value_name = "SOURCE")]
    cache_mount_from: Vec<String>,

    /// Where the caches go that commands of this build had, with whatever is in them, as in type=registry,ref=NAME or type=local,dest=DIR, with id=ID, key=FILE, quota=SIZE (4GiB where it is not said) and ignore-error=true; may be given several times
    #[arg(long, value_name = "TARGET")]
    cache_mount_to: Vec<String>,
}

/// How a source looks, for hints.
const SOURCE: &str = "it is as in `--cache-mount-from type=registry,ref=localhost:5000/shop/mounts,key=Cargo.lock` or `--cache-mount-from type=local,src=DIR`";
/// How a target looks, for hints.
const TARGET: &str = "it is as in `--cache-mount-to type=registry,ref=localhost:5000/shop/mounts,key=Cargo.lock,quota=2GiB` or `--cache-mount-to type=local,dest=DIR`";
/// The largest key file that is read, in bytes: a lock file is no archive.
const KEY_LIMIT: u64 = 256 * 1024 * 1024;

impl CacheMounts {
    /// Reads the flags.
    pub(crate) fn mounts(&self) -> anyhow::Result<MountCaches> {
        let from = self.cache_mount_from.iter();
        let from = from.map(|text| source(text).hint(SOURCE));
        let to = self.cache_mount_to.iter();
        let to = to.map(|text| target(text).hint(TARGET));
        Ok(MountCaches {
            from: from.collect::<anyhow::Result<_>>()?,
            to: to.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Says whether caches would be sent.
    pub(crate) fn writes(&self) -> bool {
        !self.cache_mount_to.is_empty()
    }
}

/// Tells of a cache that went to other machines.
pub(super) fn tell(exported: &MountExported) {
    let what = match exported.sent {
        0 => "is there already".to_owned(),
        sent => format!("{} sent", progress::bytes(sent)),
    };
    let left_out = match usize::try_from(exported.left_out) {
        Ok(0) => String::new(),
        Ok(number) => format!("; {} left out by its quota", count(number, "file")),
        Err(_) => String::new(),
    };
    let files = usize::try_from(exported.files).unwrap_or(usize::MAX);
    say(&format!(
        "cache mount `{}` of {} to `{}`: {}, {}, {what}{left_out}",
        exported.id.escape_debug(),
        exported.platform,
        exported.place,
        count(files, "file"),
        progress::bytes(exported.bytes),
    ));
}

fn source(text: &str) -> anyhow::Result<MountSource> {
    let mut fields = Fields::parse("--cache-mount-from", text)?;
    let source = MountSource {
        place: place(&mut fields, "src")?,
        ids: fields.take("id").into_iter().collect(),
        key: key(&mut fields)?,
        quota: quota(&mut fields, MOUNT_UNPACKED_LIMIT)?,
    };
    fields.end()?;
    Ok(source)
}

fn target(text: &str) -> anyhow::Result<MountTarget> {
    let mut fields = Fields::parse("--cache-mount-to", text)?;
    let target = MountTarget {
        place: place(&mut fields, "dest")?,
        ids: fields.take("id").into_iter().collect(),
        key: key(&mut fields)?,
        quota: quota(&mut fields, MOUNT_QUOTA)?,
        failure: match fields.truth("ignore-error")? {
            Some(true) => MountFailure::Ignored,
            Some(false) | None => MountFailure::Fails,
        },
    };
    fields.end()?;
    Ok(target)
}

fn place(fields: &mut Fields, directory: &str) -> anyhow::Result<MountPlace> {
    match fields.take("type").as_deref() {
        Some("registry") => {
            let text = fields.needed("ref")?;
            let name = places::parse_name(&text)?;
            let last = text.rsplit('/').next().unwrap_or(&text);
            if last.contains([':', '@']) {
                return Err(usage(format!(
                    "`{text}` has a tag or a digest, and cache mounts get tags of their own"
                )));
            }
            let (registry, repository) = (name.registry(), name.repository());
            Ok(MountPlace::Registry(registry.clone(), repository.clone()))
        }
        Some("local") => fields.directory(directory).map(MountPlace::Layout),
        other => Err(fields.unknown_type(other)),
    }
}

fn key(fields: &mut Fields) -> anyhow::Result<MountKey> {
    let Some(file) = fields.take("key") else {
        return Ok(MountKey::Newest);
    };
    let path = Path::new(&file);
    let metadata = fs_err::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file);
    let Some(metadata) = metadata else {
        return Err(missing(format!("there is no key file `{file}`")));
    };
    if metadata.len() > KEY_LIMIT {
        return Err(usage(format!(
            "the key file `{file}` has more than {KEY_LIMIT} bytes"
        )));
    }
    Ok(MountKey::File(Digest::sha256(&fs_err::read(path)?)))
}

fn quota(fields: &mut Fields, usual: u64) -> anyhow::Result<u64> {
    match fields.take("quota") {
        None => Ok(usual),
        Some(text) => {
            bytes(&text).ok_or_else(|| usage(format!("`quota={text}` is no size, as `2GiB` is")))
        }
    }
}

/// The units of a size; those with an `i` are powers of 1024.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("", 1),
];

/// Reads a size in bytes.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, each) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(from: &[&str], to: &[&str]) -> anyhow::Result<MountCaches> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let flags = CacheMounts {
            cache_mount_from: owned(from),
            cache_mount_to: owned(to),
        };
        flags.mounts()
    }

    #[test]
    fn what_is_said_is_read() {
        let file = tempfile::NamedTempFile::new().expect("made");
        fs_err::write(file.path(), "lock").expect("written");
        let keyed = format!(
            "type=local,dest=d/e,id=/root/.cargo,key={},quota=3MB,ignore-error=true",
            file.path().display()
        );
        let read = flags(
            &["localhost:5000/a/b", "type=local,src=d,quota=1KiB"],
            &["type=registry,ref=shop", &keyed],
        );
        let read = read.expect("valid");
        let registry = |registry: &str, repository: &str| {
            let registry = registry.parse().expect("a registry");
            MountPlace::Registry(registry, repository.parse().expect("a repository"))
        };
        assert_eq!(
            read.from,
            [
                MountSource {
                    place: registry("localhost:5000", "a/b"),
                    ids: Vec::new(),
                    key: MountKey::Newest,
                    quota: 64 << 30,
                },
                MountSource {
                    place: MountPlace::Layout("d".into()),
                    ids: Vec::new(),
                    key: MountKey::Newest,
                    quota: 1024,
                },
            ]
        );
        assert_eq!(
            read.to,
            [
                MountTarget {
                    place: registry("docker.io", "library/shop"),
                    ids: Vec::new(),
                    key: MountKey::Newest,
                    quota: 4 << 30,
                    failure: MountFailure::Fails,
                },
                MountTarget {
                    place: MountPlace::Layout("d/e".into()),
                    ids: vec!["/root/.cargo".to_owned()],
                    key: MountKey::File(Digest::sha256(b"lock")),
                    quota: 3_000_000,
                    failure: MountFailure::Ignored,
                },
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for (text, expected) in [
            ("ref=shop", "a `--cache-mount-to` has no `type`"),
            (
                "type=local,src=d",
                "a `--cache-mount-to` of this type needs `dest`",
            ),
            (
                "type=registry,ref=shop,mode=max",
                "a `--cache-mount-to` of this type can not have `mode`",
            ),
            (
                "type=registry,ref=a:5000/shop:1",
                "`a:5000/shop:1` has a tag or a digest, and cache mounts get tags of their own",
            ),
            (
                "type=local,dest=d,quota=2G",
                "`quota=2G` is no size, as `2GiB` is",
            ),
            (
                "type=local,dest=d,quota=-1",
                "`quota=-1` is no size, as `2GiB` is",
            ),
            (
                "type=local,dest=d,quota=99999999TiB",
                "`quota=99999999TiB` is no size, as `2GiB` is",
            ),
            (
                "type=local,dest=d,key=/nowhere",
                "there is no key file `/nowhere`",
            ),
            (
                "type=gha",
                "caches of the type `gha` are not supported: a registry or a directory can have them",
            ),
        ] {
            let refused = flags(&[], &[text]).expect_err(text);
            assert_eq!(refused.root_cause().to_string(), expected);
        }
        assert!(flags(&["type=local,src=d,ignore-error=true"], &[]).is_err());
        assert!(flags(&["type=local,src=d,key=."], &[]).is_err());
    }
}
