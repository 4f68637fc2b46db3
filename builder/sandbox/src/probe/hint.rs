//! What would help, in the words of whoever runs this program: options of
//! docker and podman, fields of Kubernetes, settings of the kernel.

use crate::probe::check::Check;
use crate::probe::surroundings::{CAP_SYS_ADMIN, Surroundings};

#[cfg(test)]
mod tests;

/// Says what would make something work, where that is known.
pub(crate) fn hint(check: Check) -> Option<String> {
    hint_in(check, &Surroundings::read())
}

fn hint_in(check: Check, here: &Surroundings) -> Option<String> {
    let ways = match check {
        Check::UserNamespace => user_namespace(here),
        Check::DirectRange | Check::Owners | Check::Chroot => direct_range(here),
        Check::MapPrograms => map_programs(here),
        Check::SubordinateIds => vec![SUBORDINATE_IDS.to_owned()],
        Check::MountNamespace => mount_namespace(here),
        Check::Overlay => vec![OVERLAY.to_owned()],
        Check::Proc | Check::Sys => kernel_files(here),
        Check::PivotRoot | Check::Filter | Check::Notify => filtered(here),
        Check::ProcessNamespace
        | Check::NetworkNamespace
        | Check::HostnameNamespace
        | Check::MessageNamespace => other_namespaces(here),
        Check::Devices => vec![DEVICES.to_owned()],
        Check::ProcessLimit => Vec::new(),
    };
    (!ways.is_empty()).then(|| ways.join("; "))
}

const NO_FILTER: &str = "docker and podman: `--security-opt seccomp=unconfined`; Kubernetes: \
    `securityContext.seccompProfile.type: Unconfined`; GitLab runner: `security_opt = \
    [\"seccomp=unconfined\"]` under `[runners.docker]`";

const NO_APPARMOR: &str = "docker: `--security-opt apparmor=unconfined`; Kubernetes: \
    `securityContext.appArmorProfile.type: Unconfined`; GitLab runner: `security_opt = \
    [\"apparmor=unconfined\"]` under `[runners.docker]`";

const ADMIN: &str = "docker and podman: `--cap-add SYS_ADMIN`; Kubernetes: \
    `securityContext.capabilities.add: [\"SYS_ADMIN\"]`; GitLab runner: `cap_add = \
    [\"SYS_ADMIN\"]` under `[runners.docker]`";

const ROOT: &str = "docker and podman: `--user 0`; Kubernetes: `securityContext.runAsUser: 0`; \
    both without dropped capabilities";

/// How the programs that give numbers are to be had.
pub(crate) const HOW_TO_INSTALL: &str = "install `newuidmap` and `newgidmap` (Debian: `uidmap`; \
    Fedora: `shadow-utils`; Alpine: `shadow-uidmap`)";

const FILE_CAPABILITIES: &str = "in the image of the container: `chmod u-s /usr/bin/newuidmap \
    /usr/bin/newgidmap && setcap cap_setuid+ep /usr/bin/newuidmap && setcap cap_setgid+ep \
    /usr/bin/newgidmap`";

const VISIBLE_PROC: &str = "docker: `--security-opt systempaths=unconfined`; podman: \
    `--security-opt unmask=ALL`; Kubernetes: `securityContext.procMount: Unmasked` with \
    `hostUsers: false`";

const SUBORDINATE_IDS: &str = "as root: `usermod --add-subuids 100000-165535 --add-subgids \
    100000-165535 USER`";

const OVERLAY: &str = "files are copied instead, which is slower; put the directory on ext4, \
    xfs, btrfs or tmpfs, as docker `--volume` and Kubernetes `emptyDir` do";

const DEVICES: &str = "keep the capability `MKNOD`, and put the directory on a file system that \
    is mounted without `nodev`";

fn user_namespace(here: &Surroundings) -> Vec<String> {
    let mut ways = Vec::new();
    if here.no_user_namespaces {
        ways.push("as root of the machine: `sysctl -w user.max_user_namespaces=15000`".to_owned());
    }
    if here.user_namespaces_by_root {
        ways.push(
            "as root of the machine: `sysctl -w kernel.unprivileged_userns_clone=1`".to_owned(),
        );
    }
    if here.restricted_by_apparmor {
        ways.push(
            "as root of the machine: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, \
             or an AppArmor profile for this program with `userns,`"
                .to_owned(),
        );
    }
    ways.extend(filtered(here));
    if here.container {
        ways.push("Kubernetes: `hostUsers: false`".to_owned());
    }
    ways
}

fn direct_range(here: &Surroundings) -> Vec<String> {
    let way = match here.container {
        true => format!("run as root of the container: {ROOT}"),
        false => "run as root".to_owned(),
    };
    vec![way]
}

fn map_programs(here: &Surroundings) -> Vec<String> {
    let mut ways = Vec::new();
    if here.no_new_privileges {
        ways.push(
            "docker: no `--security-opt no-new-privileges`; Kubernetes: \
             `securityContext.allowPrivilegeEscalation: true`"
                .to_owned(),
        );
    }
    if here.container {
        // Run as root, they need more than containers have.
        ways.push(FILE_CAPABILITIES.to_owned());
        ways.extend(direct_range(here));
    } else {
        ways.push(SUBORDINATE_IDS.to_owned());
    }
    ways
}

fn mount_namespace(here: &Surroundings) -> Vec<String> {
    let mut ways = Vec::new();
    if here.restricted_by_apparmor {
        ways.extend(user_namespace(here));
    } else {
        ways.extend(filtered(here));
    }
    if !here.has(CAP_SYS_ADMIN) && here.container {
        ways.push(ADMIN.to_owned());
    }
    if here.apparmor.is_some() {
        ways.push(NO_APPARMOR.to_owned());
    }
    ways
}

fn filtered(here: &Surroundings) -> Vec<String> {
    match here.filtered {
        true => vec![NO_FILTER.to_owned()],
        false => Vec::new(),
    }
}

fn kernel_files(here: &Surroundings) -> Vec<String> {
    match here.container {
        true => vec![VISIBLE_PROC.to_owned()],
        false => Vec::new(),
    }
}

fn other_namespaces(here: &Surroundings) -> Vec<String> {
    let mut ways = filtered(here);
    if !here.has(CAP_SYS_ADMIN) && here.container {
        ways.push(ADMIN.to_owned());
    }
    ways
}
