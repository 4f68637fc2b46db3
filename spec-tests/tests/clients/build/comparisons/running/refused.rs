//! Dockerfiles with `RUN` that wharf or one of its peers refuses, on the base with all
//! commands of busybox.

use crate::build::comparisons::refused::{Refusal, all, some};

/// All cases.
pub(crate) const RUN_REFUSED: &[Refusal] = &[
    all("FROM BASE\nRUN false\n"),
    all("FROM BASE\nRUN true | false\n"),
    all("FROM BASE\nRUN exit 7\n"),
    all("FROM BASE\nRUN no-such-command\n"),
    all("FROM BASE\nRUN [\"no-such-command\"]\n"),
    all("FROM BASE\nRUN [\"/etc/motd\"]\n"),
    all("FROM BASE\nRUN [\"/etc\"]\n"),
    all("FROM BASE\nRUN [\"true && true\"]\n"),
    all("FROM scratch\nRUN true\n"),
    all("FROM BASE\nSHELL [\"/no/shell\"]\nRUN true\n"),
    all("FROM BASE\nUSER nobody-of-this-name\nRUN true\n"),
    all("FROM BASE\nUSER app:no-such-group\nRUN true\n"),
    all("FROM BASE\nUSER app\nRUN echo x > /etc/motd\n"),
    all("FROM BASE\nUSER app\nRUN chown app /etc/motd\n"),
    all("FROM BASE\nRUN --mount=type=strange,target=/x true\n"),
    all("FROM BASE\nRUN --mount=type=secret,id=absent,required=true cat /run/secrets/absent\n"),
    all("FROM BASE\nRUN --mount=type=bind,target=/x echo f > /x/f\n"),
    all("FROM BASE\nRUN echo x > /proc/sys/kernel/hostname\n"),
    all("FROM BASE\nRUN mount -t tmpfs none /srv\n"),
    all("FROM BASE\nRUN unshare -m true\n"),
    some(
        "FROM BASE\nRUN touch /x/.wh.a || { mkdir /x && touch /x/.wh.a; }\n",
        (false, true, true),
        "removing-names",
    ),
];
