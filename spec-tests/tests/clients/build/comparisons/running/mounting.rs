//! What commands are lent: files of the context, of stages and images, caches, memory
//! and secrets.

use crate::build::comparisons::{Comparison, buildah, docker, runs};
use crate::build::peers::Peer;

/// A case without buildah, which removes what is below a mount when the command ends.
const fn lent(name: &'static str, lines: &'static str) -> Comparison {
    runs(name, lines).only(&[Peer::Docker])
}

/// All cases. Debian's docker and buildah have no `--network` in `RUN` and no heredocs;
/// those are in [`written`](crate::build::written).
pub(crate) const MOUNTING: &[Comparison] = &[
    runs(
        "bind: the context",
        "FROM BASE\nRUN --mount=type=bind,target=/srv/empty cp -r /srv/empty/dir /x && \
         ls /srv/empty | wc -l > /y\n",
    )
    .differs(&[buildah("/srv/empty", "buildah-mounts")]),
    lent(
        "bind: a directory and a file of the context",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/srv/empty \
         --mount=type=bind,source=a.txt,target=/srv/file cat /srv/empty/one /srv/file > /x\n\
         RUN cat /srv/file > /y; ls /srv/empty | wc -l >> /y\n",
    ),
    lent(
        "bind: no type, and other names of options",
        "FROM BASE\nRUN --mount=src=dir,dst=/srv/empty cat /srv/empty/sub/three > /x\n\
         RUN --mount=target=/srv/empty,source=/other,readonly cat /srv/empty/one > /y\n",
    ),
    lent(
        "bind: of a stage",
        "FROM BASE AS one\nRUN mkdir /made && echo made > /made/f && chown app /made/f\n\
         FROM BASE\nRUN --mount=type=bind,from=one,source=/made,target=/srv/empty \
         cp -a /srv/empty/f /x && stat -c %U /srv/empty/f > /y\n",
    ),
    lent(
        "bind: all of a stage",
        "FROM BASE AS one\nRUN echo made > /made\nFROM BASE\n\
         RUN --mount=from=one,target=/srv/empty cat /srv/empty/made > /x && \
         cmp /srv/empty/bin/busybox /bin/busybox\n",
    ),
    lent(
        "bind: of an image",
        "FROM BASE\nRUN rm /etc/motd\n\
         RUN --mount=type=bind,from=BASE,source=/etc,target=/srv/empty cat /srv/empty/motd > /x\n",
    ),
    lent(
        "bind: what is written is gone",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/srv/empty,rw echo x > /srv/empty/new && \
         echo y > /srv/empty/one && rm -r /srv/empty/sub && cat /srv/empty/one /srv/empty/new > /x\n\
         RUN --mount=type=bind,source=dir,target=/srv/empty ls /srv/empty > /y\n\
         COPY dir /z\n",
    )
,
    lent(
        "bind: not to be written",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/srv/empty \
         (echo x > /srv/empty/one) 2> /dev/null || echo refused > /x\n",
    ),
    lent(
        "bind: over what is there",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/srv/nested ls /srv/nested > /x; \
         echo out > /srv/out\nRUN ls /srv/nested > /y\n",
    ),
    lent(
        "bind: through a link",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/opt/relative cat /srv/real/one > /x\n",
    ),
    runs(
        "bind: where nothing is",
        "FROM BASE\nRUN --mount=type=bind,source=dir,target=/made/by/mount cat /made/by/mount/one > /x\n",
    )
    .differs(&[docker("/made*", "mount-stubs"), buildah("/made*", "mount-stubs")]),
    lent(
        "bind: variables",
        "FROM BASE\nRUN --mount=type=bind,source=dir/sub,target=/srv/empty cd /srv/empty && \
         cat three deep/four.txt > /x\n",
    ),
    lent(
        "cache: kept between steps, and in no layer",
        "FROM BASE\nRUN --mount=type=cache,target=/srv/empty echo one > /srv/empty/f\n\
         RUN --mount=type=cache,target=/srv/empty cat /srv/empty/f > /x\n\
         RUN --mount=type=cache,target=/srv/nested ls /srv/nested > /y\n\
         RUN ls /srv/empty > /z\n",
    ),
    lent(
        "cache: one by another name",
        "FROM BASE\nRUN --mount=type=cache,id=own,target=/srv/empty echo one > /srv/empty/g\n\
         RUN --mount=type=cache,id=own,target=/srv/nested cat /srv/nested/g > /x\n",
    )
,
    runs(
        "cache: whose it is",
        "FROM BASE\nRUN --mount=type=cache,id=modes,target=/srv/empty,mode=0710,uid=1000,gid=50 \
         stat -c '%a %u %g' /srv/empty > /x\n",
    )
    .differs(&[buildah("/srv/empty", "buildah-mounts")]),
    lent(
        "cache: begun with a directory of a stage",
        "FROM BASE AS one\nRUN mkdir /seed && echo seed > /seed/f\nFROM BASE\n\
         RUN --mount=type=cache,id=seeded,from=one,source=/seed,target=/srv/empty \
         cat /srv/empty/f > /x && echo more > /srv/empty/g\n\
         RUN --mount=type=cache,id=seeded,from=one,source=/seed,target=/srv/empty \
         cat /srv/empty/g > /y\n",
    )
,
    lent(
        "cache: ways of sharing",
        "FROM BASE\nRUN --mount=type=cache,id=locked,sharing=locked,target=/srv/empty \
         echo l >> /srv/empty/f && cat /srv/empty/f > /x\n\
         RUN --mount=type=cache,id=private,sharing=private,target=/srv/empty \
         echo p >> /srv/empty/f && cat /srv/empty/f > /y\n",
    ),
    runs(
        "cache: where nothing is",
        "FROM BASE\nRUN --mount=type=cache,target=/var/cache/made echo f > /var/cache/made/f\n",
    )
    .differs(&[
        docker("/var/cache*", "mount-stubs"),
        buildah("/var/cache", "mount-stubs"),
    ]),
    lent(
        "tmpfs",
        "FROM BASE\nRUN --mount=type=tmpfs,target=/srv/nested ls -A /srv/nested | wc -l > /x && \
         echo f > /srv/nested/f && cat /srv/nested/f >> /x && stat -f -c %T /srv/nested >> /x\n\
         RUN ls /srv/nested > /y\n",
    ),
    lent(
        "tmpfs: over /tmp",
        "FROM BASE\nRUN --mount=type=tmpfs,target=/tmp echo f > /tmp/f && cp /tmp/f /x\n",
    ),
    runs(
        "secret: a file",
        "FROM BASE\nRUN --mount=type=secret,id=hosts wc -l < /run/secrets/hosts > /x && \
         stat -c '%a %u %g' /run/secrets/hosts >> /x\n",
    )
    .flags("--secret id=hosts,src=/etc/hosts")
    .differs(&[docker("/run/secrets", "mount-stubs"), buildah("/run/secrets", "mount-stubs")]),
    lent(
        "secret: its place, mode and owner",
        "FROM BASE\nRUN chmod 0777 /srv\nUSER app\n\
         RUN --mount=type=secret,id=hosts,target=/srv/file,mode=0440,uid=1000,gid=50 \
         stat -c '%a %u %g' /srv/file > /srv/x && wc -l < /srv/file >> /srv/x\n\
         RUN cat /srv/file > /srv/y\n",
    )
    .flags("--secret id=hosts,src=/etc/hosts"),
    runs(
        "secret: one that is not given",
        "FROM BASE\nRUN --mount=type=secret,id=absent test -e /run/secrets/absent || echo none > /x\n",
    ),
    lent(
        "several at once",
        "FROM BASE AS one\nRUN mkdir /made && echo made > /made/f\nFROM BASE\n\
         RUN --mount=type=bind,source=dir,target=/srv/empty --mount=type=tmpfs,target=/srv/set \
         --mount=type=cache,id=several,target=/srv/private --mount=from=one,source=/made,target=/srv/real \
         cat /srv/empty/one /srv/real/f > /srv/set/g && cp /srv/set/g /srv/private/g && \
         cp /srv/private/g /x\n",
    ),
    lent(
        "one in another",
        "FROM BASE\nRUN --mount=type=tmpfs,target=/srv/nested \
         --mount=type=bind,source=dir,target=/srv/nested/in cat /srv/nested/in/one > /x\n",
    )
,
    lent(
        "what is bound may be copied with its links and modes",
        "FROM BASE\nRUN --mount=target=/srv/empty cp -a /srv/empty/dir /srv/empty/linked \
         /srv/empty/private /srv/empty/link-to-a /srv/empty/run.sh /srv/deep/ && \
         chown -R 0:0 /srv/deep\n",
    ),
];
