use super::*;

fn said(check: Check, here: &Surroundings) -> String {
    hint_in(check, here).unwrap_or_default()
}

#[test]
fn a_filter_around_a_container_names_the_options_of_each_runner() {
    let here = Surroundings {
        filtered: true,
        container: true,
        ..Surroundings::default()
    };
    let text = said(Check::UserNamespace, &here);
    for part in [
        "--security-opt seccomp=unconfined",
        "seccompProfile.type: Unconfined",
        "security_opt = [\"seccomp=unconfined\"]",
        "hostUsers: false",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("sysctl"), "{text}");
    assert!(said(Check::MountNamespace, &here).contains("--cap-add SYS_ADMIN"));
    assert!(said(Check::Proc, &here).contains("systempaths=unconfined"));
    assert!(said(Check::Chroot, &here).contains("runAsUser: 0"));
    assert!(said(Check::MapPrograms, &here).contains("setcap cap_setuid+ep"));
}

#[test]
fn settings_of_the_kernel_are_named_where_they_are_set() {
    let none = Surroundings::default();
    assert_eq!(hint_in(Check::UserNamespace, &none), None);
    let cases = [
        (
            Surroundings {
                no_user_namespaces: true,
                ..none.clone()
            },
            "user.max_user_namespaces=15000",
        ),
        (
            Surroundings {
                user_namespaces_by_root: true,
                ..none.clone()
            },
            "kernel.unprivileged_userns_clone=1",
        ),
        (
            Surroundings {
                restricted_by_apparmor: true,
                ..none
            },
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    for (here, part) in cases {
        let text = said(Check::UserNamespace, &here);
        assert!(text.contains(part), "{part}: {text}");
    }
}
