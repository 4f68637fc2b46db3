//! The filter of system calls as runtimes take it: the same calls that the own
//! sandbox allows, by their names.

use serde_json::{Value, json};

use crate::exec::{HOST_SOCKETS, NAMESPACES, PERSONALITIES, calls};

/// Gives the filter, as the `seccomp` of a bundle.
pub(super) fn filter() -> Value {
    // What a runtime does not know by its name it leaves out.
    let names: Vec<&str> = calls()
        .filter_map(|(name, _)| name.strip_prefix("SYS_"))
        .collect();
    let mut allowed = vec![
        json!({ "names": names, "action": "SCMP_ACT_ALLOW" }),
        json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{
                "index": 0,
                "value": NAMESPACES,
                "valueTwo": 0,
                "op": "SCMP_CMP_MASKED_EQ",
            }],
        }),
        json!({
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": HOST_SOCKETS, "op": "SCMP_CMP_NE" }],
        }),
        // Programs fall back to clone(2), whose flags a filter can see.
        json!({
            "names": ["clone3"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": libc::ENOSYS,
        }),
    ];
    allowed.extend(PERSONALITIES.iter().map(|one| {
        json!({
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": one, "op": "SCMP_CMP_EQ" }],
        })
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": libc::EPERM,
        "architectures": [MACHINE],
        "syscalls": allowed,
    })
}

/// The kind of processor. Programs for others are refused.
#[cfg(target_arch = "x86_64")]
const MACHINE: &str = "SCMP_ARCH_X86_64";
#[cfg(target_arch = "aarch64")]
const MACHINE: &str = "SCMP_ARCH_AARCH64";
