//! `ONBUILD`: what a base asks of those who build on it.

use crate::build::comparisons::{Comparison, small};
use crate::build::peers::Peer;

/// All cases.
pub(crate) const INHERITING: &[Comparison] = &[
    small(
        "kept as it is written",
        "FROM BASE\nONBUILD COPY a.txt /x\nonbuild   env  A=\"b c\" D=$A\n\
         ONBUILD RUN [\"make\", \"-j\"]\nONBUILD RUN make && \\\n  make install\n",
    ),
    small("COPY", "FROM BASE\n").upon("FROM BASE\nONBUILD COPY a.txt /x\n"),
    small(
        "before what the child says",
        "FROM BASE\nCOPY b.txt /x\nWORKDIR y\n",
    )
    .upon("FROM BASE\nONBUILD COPY a.txt /x\nONBUILD WORKDIR /w\nONBUILD COPY dir d\n"),
    small("COPY with an owner and a mode", "FROM BASE\n")
        .upon("FROM BASE\nONBUILD COPY --chown=app:staff --chmod=0640 dir /x/\n"),
    small("ADD of an archive", "FROM BASE\nLABEL packed=yes\n")
        .upon("FROM BASE\nONBUILD ADD packed/tree.tar.gz /x/\n"),
    small("ADD from the web", "FROM BASE\n")
        .upon("FROM BASE\nONBUILD ADD http://WEB/file.txt /x/\n"),
    small("USER and WORKDIR", "FROM BASE\nWORKDIR z\n")
        .upon("FROM BASE\nONBUILD USER app\nONBUILD WORKDIR /x/y\n"),
    small("what configs say", "FROM BASE\n").upon(
        "FROM BASE\nONBUILD ENV A=b\nONBUILD LABEL c=d\nONBUILD EXPOSE 80/tcp\n\
         ONBUILD VOLUME /v\nONBUILD STOPSIGNAL 9\nONBUILD CMD [\"e\"]\n\
         ONBUILD ENTRYPOINT [\"f\"]\n",
    ),
    small("SHELL and HEALTHCHECK", "FROM BASE\n").upon(
        "FROM BASE\nONBUILD SHELL [\"/bin/sh\", \"-ec\"]\n\
         ONBUILD HEALTHCHECK --interval=5s CMD [\"true\"]\n",
    ),
    small(
        "variables of the child's time",
        "FROM BASE\nENV later=$set\n",
    )
    .upon("FROM BASE\nENV set=parent\nONBUILD ENV set=child\nONBUILD COPY a.txt /$set\n"),
    small("ARG of the child's time", "FROM BASE\nENV kept=$v\n")
        .upon("FROM BASE\nARG v=parent\nONBUILD ARG v=child\nONBUILD COPY a.txt /x/$v\n"),
    small("ARG that is given", "FROM BASE\nENV kept=$v\n")
        .upon("FROM BASE\nONBUILD ARG v=child\nONBUILD COPY a.txt /x/$v\n")
        .flags("--build-arg v=given"),
    small(
        "not for grandchildren",
        "FROM BASE AS child\nFROM child\nCOPY b.txt /y\n",
    )
    .upon("FROM BASE\nONBUILD COPY a.txt /x\n"),
    small(
        "a child with triggers of its own",
        "FROM BASE\nONBUILD COPY b.txt /y\n",
    )
    .upon("FROM BASE\nONBUILD COPY a.txt /x\n"),
    small(
        "in several stages",
        "FROM BASE AS one\nCOPY b.txt /y\nFROM BASE\nCOPY --from=one /x /y /z/\n",
    )
    .upon("FROM BASE\nONBUILD COPY a.txt /x\n"),
    small(
        "of a stage in the same file",
        "FROM BASE AS first\nONBUILD COPY a.txt /x\nFROM first\nCOPY b.txt /y\n",
    ),
    small(
        "an image to copy from asks for nothing",
        "FROM BASE AS one\nFROM BASE\nCOPY --from=BASE /etc/motd /z\n",
    )
    .upon("FROM BASE\nONBUILD COPY a.txt /x\n"),
    small("relative to the base's WORKDIR", "FROM BASE\n")
        .upon("FROM BASE\nWORKDIR /srv/nested\nUSER app\nONBUILD COPY dir ./here/\n"),
    small("the base's config stays", "FROM BASE\nENTRYPOINT [\"g\"]\n").upon(
        "FROM BASE\nENV A=b\nLABEL c=d\nEXPOSE 80\nVOLUME /v\nSTOPSIGNAL SIGINT\n\
         USER app\nCMD [\"e\"]\nHEALTHCHECK CMD true\nSHELL [\"/bin/sh\", \"-ec\"]\n\
         MAINTAINER somebody\n",
    ),
    small("on a base of docker's", "FROM BASE\nCOPY b.txt /y\n").upon_that_of(
        Peer::Docker,
        "FROM BASE\nONBUILD COPY --chown=7:8 dir /x/\nONBUILD ENV A=b C='d e'\n",
    ),
    small("on a base of buildah's", "FROM BASE\nCOPY b.txt /y\n").upon_that_of(
        Peer::Buildah,
        "FROM BASE\nONBUILD COPY --chown=7:8 dir /x/\nONBUILD ENV A=b C='d e'\n",
    ),
];
