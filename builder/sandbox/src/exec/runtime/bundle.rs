//! A step in the words of the runtime specification (`config.json`, version
//! 1.0.2).

use std::path::Path;

use serde_json::{Value, json};

use crate::exec::filter::{HOST_SOCKETS, NAMESPACES, PERSONALITIES, calls};
use crate::exec::mounts::{HIDDEN, READ_ONLY};
use crate::exec::{Kept, MountKind, Network, Step, capability};

/// The names of the resource limits, by the kernel's number of each.
const RESOURCES: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// Makes the configuration of a step. Secrets lie in a directory, named by the
/// places of their mounts.
pub(super) fn config(step: &Step, private: &Path) -> Value {
    let bare = step.kept == Kept::All;
    let mut namespaces = vec!["pid", "mount", "ipc", "uts"];
    if step.network == Network::None {
        namespaces.push("network");
    }
    let kinds = namespaces.into_iter().map(|kind| json!({ "type": kind }));
    let mut linux = json!({ "namespaces": kinds.collect::<Vec<_>>() });
    if !bare {
        linux["maskedPaths"] = paths(&HIDDEN);
        linux["readonlyPaths"] = paths(&READ_ONLY);
        linux["seccomp"] = filter();
    }
    linux["resources"] = match step.limits.processes {
        Some(most) => json!({ "pids": { "limit": most } }),
        None => json!({}),
    };
    json!({
        "ociVersion": "1.0.2",
        "hostname": step.hostname,
        "root": { "path": step.root, "readonly": false },
        "process": process(step),
        "mounts": mounts(step, private),
        "linux": linux,
    })
}

fn process(step: &Step) -> Value {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    let variables = step.environment.iter();
    let variables = variables.map(|(name, value)| format!("{}={}", text(name), text(value)));
    let limits = step
        .limits
        .resources
        .iter()
        .filter_map(|(number, (soft, hard))| {
            let name = RESOURCES.get(usize::try_from(*number).ok()?)?;
            Some(json!({ "type": name, "soft": soft, "hard": hard }))
        });
    let kept = match step.kept {
        Kept::Default => capability::DEFAULT,
        Kept::All => {
            rustix::thread::capabilities(None).map_or(capability::DEFAULT, |sets| sets.permitted)
        }
    };
    let names: Vec<_> = kept
        .iter_names()
        .map(|(name, _)| format!("CAP_{name}"))
        .collect();
    json!({
        "terminal": false,
        "user": {
            "uid": step.user,
            "gid": step.group,
            "additionalGids": step.groups,
            "umask": 0o022,
        },
        "args": step.arguments.iter().map(text).collect::<Vec<_>>(),
        "env": variables.collect::<Vec<_>>(),
        "cwd": text(&step.directory),
        "capabilities": { "bounding": names, "effective": names, "permitted": names },
        "rlimits": limits.collect::<Vec<_>>(),
        "noNewPrivileges": false,
        "oomScoreAdj": 0,
    })
}

fn mounts(step: &Step, private: &Path) -> Value {
    let sys = match step.kept {
        Kept::Default => "ro",
        Kept::All => "rw",
    };
    let usual = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let sysfs = match step.network {
        Network::None => usual("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
        Network::Host => {
            let options = ["rbind", "nosuid", "noexec", "nodev", sys];
            json!({ "destination": "/sys", "type": "none", "source": "/sys", "options": options })
        }
    };
    let mut all = vec![
        usual("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        sysfs,
        usual("/dev", "tmpfs", &["nosuid", "mode=755", "size=65536k"]),
        usual(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        usual(
            "/dev/shm",
            "tmpfs",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=64m"],
        ),
        usual("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    ];
    for (number, mount) in step.mounts.iter().enumerate() {
        let target = String::from_utf8_lossy(&mount.target);
        all.push(match &mount.kind {
            MountKind::Bind { source, read_only } => {
                let access = if *read_only { "ro" } else { "rw" };
                bind(&target, source, &["rbind", "nosuid", "nodev", access])
            }
            MountKind::Tmpfs { size, mode } => {
                let mut options = vec![format!("mode={mode:o}")];
                options.extend(["nosuid", "nodev"].map(str::to_owned));
                options.extend(size.map(|size| format!("size={size}")));
                let options: Vec<_> = options.iter().map(String::as_str).collect();
                usual(&target, "tmpfs", &options)
            }
            MountKind::Secret { .. } => {
                let options = ["bind", "nosuid", "nodev", "noexec", "ro"];
                bind(&target, &private.join(number.to_string()), &options)
            }
            // Refused before.
            MountKind::Agent { .. } => continue,
        });
    }
    Value::Array(all)
}

fn bind(target: &str, source: &Path, options: &[&str]) -> Value {
    json!({ "destination": target, "type": "none", "source": source, "options": options })
}

fn paths(all: &[&[u8]]) -> Value {
    all.iter()
        .map(|path| String::from_utf8_lossy(path))
        .collect()
}

/// Says of the filter what a runtime can be told of it.
fn filter() -> Value {
    let names: Vec<_> = calls()
        .filter_map(|(name, _)| name.strip_prefix("SYS_"))
        .collect();
    let when = |names: &[&str], value: u64, mask: Option<u64>, comparison: &str| {
        let argument = match mask {
            Some(mask) => json!({ "index": 0, "value": mask, "valueTwo": value, "op": comparison }),
            None => json!({ "index": 0, "value": value, "op": comparison }),
        };
        json!({ "names": names, "action": "SCMP_ACT_ALLOW", "args": [argument] })
    };
    let mut rules = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS }),
        when(&["clone"], 0, Some(NAMESPACES), "SCMP_CMP_MASKED_EQ"),
        when(&["socket"], HOST_SOCKETS, None, "SCMP_CMP_NE"),
    ];
    let personalities = PERSONALITIES.into_iter();
    rules.extend(personalities.map(|one| when(&["personality"], one, None, "SCMP_CMP_EQ")));
    let machine = match std::env::consts::ARCH {
        "aarch64" => "SCMP_ARCH_AARCH64",
        _ => "SCMP_ARCH_X86_64",
    };
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": [machine],
        "syscalls": rules,
    })
}
