//! Where `COPY` puts things, who owns them, and `WORKDIR`.

use crate::build::comparisons::{Comparison, buildah, docker, small};

/// Where things go.
pub(crate) const PLACING: &[Comparison] = &[
    // Where it goes.
    small(
        "through /bin, a relative link",
        "FROM BASE\nCOPY run.sh /bin/\nCOPY a.txt /bin/a\n",
    ),
    small(
        "through /var/run, an absolute link",
        "FROM BASE\nCOPY a.txt /var/run/\nCOPY dir /var/run/d/\n",
    ),
    small(
        "through a link to a directory",
        "FROM BASE\nCOPY a.txt /opt/absolute\nCOPY b.txt /opt/relative/\n\
         COPY dir /opt/relative\n",
    ),
    small(
        "through a link to a link",
        "FROM BASE\nCOPY a.txt /opt/chain/x/y\nCOPY dir /opt/chain\n",
    ),
    small(
        "through a link that climbs above the root",
        "FROM BASE\nCOPY a.txt /opt/up/\n",
    ),
    small(
        "through a link to nothing",
        "FROM BASE\nCOPY a.txt /opt/nowhere/\n",
    ),
    small("over a link to a file", "FROM BASE\nCOPY a.txt /opt/file\n").differs(&[
        buildah("/etc/motd", "buildah-links"),
        buildah("/opt/file", "buildah-links"),
    ]),
    small(
        "over a link to nothing",
        "FROM BASE\nCOPY a.txt /opt/nowhere\n",
    )
    .differs(&[buildah("/made/by/nobody*", "buildah-links")]),
    small(
        "through a link that an earlier step copied",
        "FROM BASE\nCOPY . /c\nCOPY run.sh /c/link-to-dir/\n",
    )
    .differs(&[buildah("/c/set", "buildah-set-id")]),
    small(
        "with dots above the root",
        "FROM BASE\nCOPY a.txt /../../x/../y\n",
    ),
    small(
        "into a root of mode 1777",
        "FROM BASE\nCOPY a.txt /tmp/\nCOPY dir /tmp/d\n",
    ),
    small(
        "into a directory nobody may write",
        "FROM BASE\nCOPY a.txt /var/lib/empty/\n",
    ),
    small(
        "a tree with files over links and links over files",
        "FROM BASE\nCOPY over /\n",
    ),
    small(
        "dots above the context",
        "FROM BASE\nCOPY ../a.txt /x\nCOPY dir/../../b.txt /y\n",
    ),
    small(
        "onto itself by another way",
        "FROM BASE\nCOPY srv/real /opt/relative\nCOPY srv/real /srv/real/\n",
    ),
    // Relative to what.
    small(
        "relative to WORKDIR",
        "FROM BASE\nWORKDIR /srv/new\nCOPY a.txt .\nCOPY b.txt sub/\n\
         COPY run.sh sub/run\n",
    ),
    small(
        "WORKDIR upon WORKDIR",
        "FROM BASE\nWORKDIR /one\nWORKDIR two\nWORKDIR ../three/./four\n\
         COPY a.txt ./\n",
    ),
    small(
        "WORKDIR through links",
        "FROM BASE\nWORKDIR /opt/relative/deeper\nCOPY a.txt .\nWORKDIR /var/run/x\n",
    ),
    small(
        "WORKDIR that is there",
        "FROM BASE\nWORKDIR /srv/private\nWORKDIR /tmp\nCOPY a.txt .\n",
    ),
    small(
        "WORKDIR as a user",
        "FROM BASE\nUSER app\nWORKDIR /made/by/app\nCOPY a.txt .\n",
    ),
    small(
        "WORKDIR as a number",
        "FROM BASE\nUSER 1000\nWORKDIR /made/by/app\nUSER 5\nWORKDIR ../nobody\n\
         USER 5:6\nWORKDIR /made/later\n",
    ),
    small(
        "ENV in paths",
        "FROM BASE\nENV A=/srv/env B=dir\nWORKDIR $A/${B}\n\
         COPY ${B}/one ${C:-none}/\nCOPY $B ${B:+set}/\n",
    ),
    small(
        "ARG in paths and values",
        "ARG V=1\nFROM BASE\nARG V\nARG W=w$V\nENV X=${V}-$W Y='$V' Z=\\$V\n\
         WORKDIR /$W\nCOPY a.txt $X\n",
    ),
    // Who owns it.
    small(
        "owned by numbers",
        "FROM BASE\nCOPY --chown=7:8 dir /d/e\nCOPY --chown=9 a.txt /f\n",
    ),
    small(
        "owned by names",
        "FROM BASE\nCOPY --chown=app:staff dir /d\nCOPY --chown=app a.txt /f\n\
         COPY --chown=alone a.txt /g\nCOPY --chown=app:99 a.txt /h\n\
         COPY --chown=5:appgroup a.txt /i\n",
    ),
    small(
        "owned, over what somebody else owns",
        "FROM BASE\nCOPY --chown=7:8 srv /srv\nCOPY --chown=7:8 a.txt /srv/file\n",
    ),
    small(
        "owned, in what others own, layer upon layer",
        "FROM BASE\nUSER app\nWORKDIR /work\nCOPY --chown=app a.txt y\n\
         COPY --chown=app dir /srv/data\nCOPY --chown=0 a.txt /srv/data/sub/f\n\
         COPY --chown=7 a.txt /srv/private/new/f\nCOPY a.txt /srv/set/f\n\
         COPY a.txt /srv/nested/y/\n",
    ),
    small(
        "USER does not own what is copied",
        "FROM BASE\nUSER app\nCOPY dir /d\n",
    ),
    small(
        "a mode",
        "FROM BASE\nCOPY --chmod=0750 a.txt /new/f\nCOPY --chmod=600 run.sh /g\n",
    ),
    small(
        "a mode for a directory",
        "FROM BASE\nCOPY --chmod=705 dir /d\n\
         COPY --chmod=0777 dir/sub /made/by/mode\n",
    ),
    small(
        "a mode with set-id and sticky bits",
        "FROM BASE\nCOPY --chmod=4755 run.sh /s\nCOPY --chmod=2711 run.sh /t\n",
    )
    .differs(&[docker("/s", "chmod-bits"), docker("/t", "chmod-bits")]),
    small(
        "owner and mode",
        "FROM BASE\nCOPY --chown=app:staff --chmod=0640 dir/one dir/two.txt /d/\n",
    ),
    // Debian.
    small(
        "debian: /bin, /lib and /sbin are links",
        "FROM BASE\nCOPY run.sh /bin/\nCOPY dir /lib/mine\nCOPY a.txt /sbin/x/y\n\
         COPY --chown=www-data:adm other /etc/apt\n",
    )
    .debian(),
    small(
        "debian: /var/run, /tmp, /var/mail",
        "FROM BASE\nWORKDIR /var/run/service\nCOPY a.txt ./\nCOPY a.txt /tmp/\n\
         COPY dir /var/spool/mail/\nUSER daemon\n",
    )
    .debian(),
    small(
        "debian: from a stage",
        "FROM BASE AS first\nCOPY a.txt /etc/motd\nFROM BASE\n\
         COPY --from=first /etc /copied\n\
         COPY --from=first /usr/bin/perl* /bin/tar /tools/\n",
    )
    .debian(),
];
