//! A step as the configuration of a bundle (OCI runtime specification 1.0,
//! `config.json`). It decides; nothing is made here.

use std::path::Path;

use rustix::thread::{CapabilitySet, capability_is_in_bounding_set};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};
use crate::exec::{
    DEFAULT_CAPABILITIES, HIDDEN, Job, Kept, Mount, MountKind, Network, READ_ONLY, RESOURCES, Step,
};
use crate::runtime::calls;
use crate::tier::{Ids, Tier};

/// Its name in the bundle.
pub(super) const CONFIG: &str = "config.json";

/// The mask of new files' modes.
const UMASK: u32 = 0o022;

/// The directory in the scratch directory whose `dev` commands see.
pub(super) const ROOM: &str = "room";

/// The names of capabilities, by the kernel's numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const NOT_UTF8: &str = "leave `--oci-runtime` out: wharf itself takes any bytes";

const NO_LIMIT: &str = "leave `--oci-runtime` out: wharf itself limits processes here, too; or \
    take `--sandbox=root` as root";

/// Names the file or directory in the scratch directory that a mount brings.
pub(super) fn file(number: usize) -> String {
    format!("file-{number}")
}

/// Writes the configuration of a step.
pub(super) fn config(job: &Job) -> Result<String, Error> {
    let step = &job.step;
    let mut mounts = usual(job)?;
    for (number, mount) in step.mounts.iter().enumerate() {
        mounts.push(mounted(step, mount, number)?);
    }
    let config = json!({
        "ociVersion": "1.0.2",
        "root": { "path": path(&step.root)?, "readonly": false },
        "hostname": step.hostname,
        "process": process(step)?,
        "mounts": mounts,
        "linux": linux(job)?,
    });
    Ok(config.to_string())
}

fn process(step: &Step) -> Result<Value, Error> {
    let arguments: Result<Vec<_>, _> = step.arguments.iter().map(|one| text(one)).collect();
    let variables = step.environment.iter().map(|(name, value)| {
        let (name, value) = (text(name)?, text(value)?);
        Ok(format!("{name}={value}"))
    });
    let variables: Result<Vec<_>, Error> = variables.collect();
    let limits = step
        .limits
        .resources
        .iter()
        .map(|(&number, &(soft, hard))| {
            let name = usize::try_from(number).ok();
            let name = name
                .and_then(|number| RESOURCES.get(number))
                .ok_or_else(|| {
                    let context =
                        format!("an OCI runtime has no name for the resource limit {number}");
                    Error::new(ErrorKind::Unsupported, context)
                })?;
            Ok(json!({ "type": format!("RLIMIT_{name}"), "soft": soft, "hard": hard }))
        });
    let limits: Result<Vec<_>, Error> = limits.collect();
    Ok(json!({
        "terminal": false,
        "user": {
            "uid": step.user,
            "gid": step.group,
            "umask": UMASK,
            "additionalGids": step.groups,
        },
        "args": arguments?,
        "env": variables?,
        "cwd": text(&step.directory)?,
        "capabilities": capabilities(step),
        "rlimits": limits?,
        "noNewPrivileges": false,
    }))
}

/// Lists what the command keeps, and what programs that it executes can have.
fn capabilities(step: &Step) -> Value {
    let kept: Vec<String> = CAPABILITIES
        .iter()
        .enumerate()
        .filter_map(|(number, name)| {
            let one = CapabilitySet::from_bits_retain(1 << number);
            let wanted = match step.kept {
                Kept::Default => DEFAULT_CAPABILITIES.contains(one),
                // All that this process has itself.
                Kept::All => capability_is_in_bounding_set(one).unwrap_or(false),
            };
            wanted.then(|| format!("CAP_{name}"))
        })
        .collect();
    // As a change from root to another user does it.
    let own = if step.user == 0 { kept.as_slice() } else { &[] };
    json!({ "bounding": kept, "effective": own, "permitted": own })
}

/// Lists the mounts that every command has.
fn usual(job: &Job) -> Result<Vec<Value>, Error> {
    let step = &job.step;
    // A runtime leaves one alone that is bound, so that all have the same.
    let devices = step.scratch.join(ROOM).join("dev");
    Ok(vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        system(&job.tier, step),
        mount(
            "/dev",
            "bind",
            path(&devices)?,
            &["rbind", "rprivate", "nosuid"],
        ),
    ])
}

/// Says where `/sys` is from. In a user namespace, that of another network can
/// be had as a copy alone.
fn system(tier: &Tier, step: &Step) -> Value {
    let mut options = vec!["nosuid", "noexec", "nodev"];
    if step.kept == Kept::Default {
        options.push("ro");
    }
    match (&tier.ids, step.network) {
        (Ids::Mapped { .. }, Network::Host) => {
            options.push("rbind");
            if step.kept == Kept::Default {
                options.push("rro");
            }
            mount("/sys", "bind", "/sys", &options)
        }
        _ => mount("/sys", "sysfs", "sysfs", &options),
    }
}

fn mounted(step: &Step, wanted: &Mount, number: usize) -> Result<Value, Error> {
    let target = text(&wanted.target)?;
    Ok(match &wanted.kind {
        MountKind::Bind { source, read_only } => {
            let access = if *read_only { "ro" } else { "rw" };
            no_link(source)?;
            let options = ["rbind", "rprivate", "nosuid", "nodev", access];
            mount(target, "bind", path(source)?, &options)
        }
        MountKind::Tmpfs { .. } => {
            let source = step.scratch.join(file(number));
            let options = ["bind", "rprivate", "nosuid", "nodev", "rw"];
            mount(target, "bind", path(&source)?, &options)
        }
        MountKind::Secret { .. } | MountKind::Agent { .. } => {
            let source = step.scratch.join(file(number));
            let options = ["bind", "rprivate", "nosuid", "nodev", "ro"];
            mount(target, "bind", path(&source)?, &options)
        }
    })
}

/// Sees to it that a mount is of what is at a path, and not elsewhere.
fn no_link(source: &Path) -> Result<(), Error> {
    match source.symlink_metadata() {
        Ok(found) if !found.is_symlink() => Ok(()),
        Ok(_) => {
            let context = format!("cannot mount `{}`: it is a link", source.display());
            Err(Error::new(ErrorKind::System, context))
        }
        Err(failure) => {
            let context = format!("cannot mount `{}`", source.display());
            Err(Error::system(context, failure))
        }
    }
}

fn mount(target: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": target, "type": kind, "source": source, "options": options })
}

fn linux(job: &Job) -> Result<Value, Error> {
    let step = &job.step;
    // That of messages is the runtime's own already, with their file system.
    let mut namespaces = vec!["pid", "uts", "mount"];
    if step.network == Network::None {
        namespaces.push("network");
    }
    let namespaces: Vec<Value> = namespaces
        .iter()
        .map(|kind| json!({ "type": kind }))
        .collect();
    let mut linux = json!({ "namespaces": namespaces });
    let mut resources = json!({});
    if let Some(most) = step.limits.processes {
        if job.tier.ids != Ids::Real {
            let context = "an OCI runtime can not limit the number of processes in this sandbox";
            return Err(Error::new(ErrorKind::Unsupported, context).with_hint(NO_LIMIT));
        }
        add(&mut resources, "pids", json!({ "limit": most }));
    }
    if step.kept == Kept::Default {
        let names = |paths: &[&[u8]]| -> Vec<String> {
            let paths = paths.iter().map(|path| String::from_utf8_lossy(path));
            paths.map(std::borrow::Cow::into_owned).collect()
        };
        add(&mut linux, "maskedPaths", json!(names(&HIDDEN)));
        add(&mut linux, "readonlyPaths", json!(names(&READ_ONLY)));
        add(&mut linux, "seccomp", calls::filter());
        if job.tier.ids == Ids::Real {
            // Root could make the machine's own: none but the runtime's few
            // can be opened.
            let none = json!([{ "allow": false, "access": "rwm" }]);
            add(&mut resources, "devices", none);
        }
    }
    add(&mut linux, "resources", resources);
    Ok(linux)
}

fn add(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn path(path: &Path) -> Result<&str, Error> {
    text(path.as_os_str().as_encoded_bytes())
}

/// Gives bytes as the text that alone has a form in a bundle.
fn text(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_wrong| {
        // Not shown: it may be a secret.
        let context = "an OCI runtime takes no arguments, variables and paths but UTF-8";
        Error::new(ErrorKind::Unsupported, context).with_hint(NOT_UTF8)
    })
}
