//! What this process finds out about where it runs, by reading alone. It
//! decides nothing: it is for the words of hints.

use std::path::Path;

/// Is what surrounds this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Surroundings {
    /// Whether somebody filters the system calls of this process.
    pub(crate) filtered: bool,
    /// Whether programs that run as root for everybody run as this user.
    pub(crate) no_new_privileges: bool,
    /// The profile of AppArmor, where one is enforced.
    pub(crate) apparmor: Option<String>,
    /// Whether this seems to be a container.
    pub(crate) container: bool,
    /// The capabilities of this process, one bit each.
    pub(crate) capabilities: u64,
    /// Whether AppArmor restricts user namespaces.
    pub(crate) restricted_by_apparmor: bool,
    /// Whether no user namespaces are allowed at all.
    pub(crate) no_user_namespaces: bool,
    /// Whether only root may make user namespaces.
    pub(crate) user_namespaces_by_root: bool,
}

/// The numbers of capabilities that are asked for.
pub(crate) const CAP_SETGID: u32 = 6;
/// See above.
pub(crate) const CAP_SETUID: u32 = 7;
/// See above.
pub(crate) const CAP_SYS_ADMIN: u32 = 21;

impl Surroundings {
    /// Reads all of it. What can not be read is as if it were not there.
    pub(crate) fn read() -> Self {
        let status = read("/proc/self/status");
        let capabilities = field(&status, "CapEff:");
        Self {
            filtered: field(&status, "Seccomp:") == "2",
            no_new_privileges: field(&status, "NoNewPrivs:") == "1",
            apparmor: apparmor(),
            container: is_container(),
            capabilities: u64::from_str_radix(capabilities, 16).unwrap_or(0),
            restricted_by_apparmor: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
            no_user_namespaces: is("user/max_user_namespaces", "0"),
            user_namespaces_by_root: is("kernel/unprivileged_userns_clone", "0"),
        }
    }

    /// Says whether this process has a capability.
    pub(crate) fn has(&self, capability: u32) -> bool {
        self.capabilities.checked_shr(capability).unwrap_or(0) & 1 == 1
    }
}

fn apparmor() -> Option<String> {
    let newer = read("/proc/self/attr/apparmor/current");
    let older = read("/proc/self/attr/current");
    let text = if newer.is_empty() { older } else { newer };
    let profile = text.trim().strip_suffix(" (enforce)")?;
    Some(profile.to_owned())
}

fn is_container() -> bool {
    let marks = [
        "/.dockerenv",
        "/run/.containerenv",
        "/var/run/secrets/kubernetes.io",
    ];
    marks.iter().any(|mark| Path::new(mark).exists()) || {
        let mounts = read("/proc/self/mounts");
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some("/"));
        root.is_some_and(|line| line.starts_with("overlay "))
    }
}

fn is(setting: &str, value: &str) -> bool {
    read(&format!("/proc/sys/{setting}")).trim() == value
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().trim()
}

fn read(path: &str) -> String {
    fs_err::read_to_string(path).unwrap_or_default()
}
