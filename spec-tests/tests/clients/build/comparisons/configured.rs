//! Instructions that say how an image runs.

use crate::build::comparisons::{Comparison, buildah, docker, small};
use crate::build::peers::Peer;

/// What configs say.
pub(crate) const CONFIGURED: &[Comparison] = &[
    // The config.
    small(
        "VOLUME, and files in it",
        "FROM BASE\nCOPY dir /data\nVOLUME /data /more\nVOLUME [\"/a b\", \"/c\"]\n\
         COPY a.txt /data/later\n",
    ),
    small(
        "USER in every form",
        "FROM BASE AS a\nUSER app\nFROM a\nUSER 1000:50\nCOPY a.txt /x\n",
    ),
    small(
        "CMD and ENTRYPOINT",
        "FROM BASE\nENTRYPOINT [\"/bin/cat\"]\nCMD [\"/etc/motd\"]\n",
    ),
    small(
        "ENTRYPOINT forgets the base's CMD",
        "FROM BASE\nENTRYPOINT /bin/echo it $HOME\n",
    ),
    small(
        "SHELL and the rest",
        "FROM BASE\nSHELL [\"/bin/sh\", \"-ec\"]\nCMD echo x\nSTOPSIGNAL SIGINT\n\
         EXPOSE 80 53/udp 90-91/tcp\nLABEL a=b \"c d\"='e f' g=$PATH\nENV E one two\n\
         ENV PATH=/x:$PATH\n",
    )
    .differs(&[
        buildah("Cmd", "buildah-shell"),
        buildah("Env", "buildah-order"),
        buildah("ExposedPorts", "buildah-ports"),
    ]),
    // Health checks.
    small(
        "HEALTHCHECK in both forms",
        "FROM BASE AS a\nHEALTHCHECK CMD [\"/bin/true\", \"x y\"]\nFROM BASE\n\
         HEALTHCHECK CMD test -f /x || exit 1\n",
    ),
    small(
        "HEALTHCHECK as an array",
        "FROM BASE\nHEALTHCHECK CMD [\"/bin/true\", \"x y\"]\n",
    ),
    small(
        "HEALTHCHECK with every option",
        "FROM BASE\n\
         HEALTHCHECK --interval=1m30s --timeout=3s --start-period=0.5s --retries=5 CMD true\n",
    ),
    small(
        "HEALTHCHECK with some options",
        "FROM BASE\nHEALTHCHECK --retries=1 --interval=1h CMD [\"true\"]\n",
    ),
    small("HEALTHCHECK NONE", "FROM BASE\nHEALTHCHECK NONE\n"),
    small("the base's HEALTHCHECK", "FROM BASE\nCOPY a.txt /x\n")
        .upon("FROM BASE\nHEALTHCHECK --interval=7s CMD true\n"),
    small(
        "HEALTHCHECK in the place of the base's",
        "FROM BASE\nHEALTHCHECK --timeout=9s CMD false\n",
    )
    .upon("FROM BASE\nHEALTHCHECK --interval=7s CMD true\n"),
    small(
        "NONE in the place of the base's",
        "FROM BASE\nHEALTHCHECK NONE\n",
    )
    .upon("FROM BASE\nHEALTHCHECK --interval=7s CMD true\n"),
    small(
        "the last HEALTHCHECK counts",
        "FROM BASE\nHEALTHCHECK NONE\nHEALTHCHECK CMD one\n\
         HEALTHCHECK --retries=2 CMD two\n",
    ),
    small(
        "HEALTHCHECK and variables",
        "FROM BASE\nENV A=b\nHEALTHCHECK CMD echo $A ${A}\n",
    ),
    // Who made it.
    small(
        "MAINTAINER",
        "FROM BASE\nMAINTAINER Some Body <some@body.example>\n",
    ),
    small(
        "the last MAINTAINER counts",
        "FROM BASE\nMAINTAINER One\nMAINTAINER \"Two\" $PATH\n",
    ),
    small("the base's MAINTAINER", "FROM BASE\nCOPY a.txt /x\n")
        .upon("FROM BASE\nMAINTAINER One\n"),
    // Variables.
    small(
        "ENV in every form",
        "FROM BASE\nENV A=1 B=\"2 3\" C='4 $A' D=\\$A E=5\\ 6\nENV F 7  8 \"9\"\n\
         ENV G=\nENV A=$A$A H=${B}x I=$A\n",
    ),
    small(
        "expansion",
        "FROM BASE\nENV S=set N=\n\
         ENV A=${S:-no} B=${N:-empty} C=${U:-unset} D=${S:+yes} E=x${N:+yes} F=x${U:+yes} G=x$U H=\\${S}\n",
    ),
    small(
        "ARG and what is given",
        "ARG first=1\nFROM BASE\nARG first\nARG second=2\nARG third\n\
         ENV A=$first B=$second C=x$third D=$SECOND\n",
    )
    .flags("--build-arg second=two --build-arg third=three"),
    small(
        "ENV before ARG",
        "FROM BASE\nENV v=env\nARG v=arg\nENV kept=$v\nCOPY a.txt /x/$v\n",
    )
    .differs(&[
        docker("/x/env", "variable-over-argument"),
        docker("/x/given", "variable-over-argument"),
        docker("Env", "variable-over-argument"),
    ])
    .flags("--build-arg v=given"),
    small(
        "ARG above the first FROM",
        "ARG base=BASE\nFROM ${base} AS one\nCOPY a.txt /x\nFROM one\nCOPY b.txt /y\n",
    ),
    small(
        "ARG for a stage",
        "ARG stage=one\nFROM BASE AS one\nCOPY a.txt /x\nFROM ${stage}\n\
         COPY b.txt /y\n",
    )
    .only(&[Peer::Docker]),
    small(
        "platforms",
        "FROM BASE\nARG TARGETOS\nARG TARGETARCH\nARG BUILDARCH\n\
         ENV A=$TARGETOS/$TARGETARCH B=$BUILDARCH\n",
    ),
    small(
        "a target",
        "FROM BASE AS one\nCOPY a.txt /x\nFROM one AS two\nCOPY b.txt /y\n",
    )
    .flags("--target one"),
    // How it is run.
    small("USER", "FROM BASE\nUSER app:staff\n"),
    small(
        "USER by a variable",
        "FROM BASE\nARG who=1000\nUSER ${who}:${who}\n",
    ),
    small(
        "WORKDIR by a variable",
        "FROM BASE\nENV at=/x\nWORKDIR ${at}/y\nWORKDIR $none/z\n",
    ),
    small(
        "WORKDIR with a slash at its end",
        "FROM BASE\nWORKDIR /x/\nWORKDIR y//z/\n",
    ),
    small(
        "WORKDIR relative to the base's",
        "FROM BASE\nWORKDIR y\nCOPY a.txt .\n",
    )
    .upon("FROM BASE\nWORKDIR /x\n"),
    small("WORKDIR with a blank", "FROM BASE\nWORKDIR /x y\n"),
    small(
        "VOLUME in both forms",
        "FROM BASE\nVOLUME /one /two\nVOLUME [\"/three\", \"/four five\"]\n\
         VOLUME relative\n",
    )
    .differs(&[buildah("/relative", "buildah-volumes")]),
    small(
        "VOLUME by a variable",
        "FROM BASE\nENV at=/x\nVOLUME $at/y ${at}/z/\n",
    )
    .differs(&[buildah("/x*", "buildah-volumes")]),
    small(
        "VOLUME of what is there",
        "FROM BASE\nVOLUME /srv/private\n",
    ),
    small(
        "the base's VOLUME",
        "FROM BASE\nVOLUME /y\nCOPY a.txt /x/z\n",
    )
    .upon("FROM BASE\nCOPY dir /x\nVOLUME /x\n"),
    small(
        "EXPOSE",
        "FROM BASE\nARG port=8080\nEXPOSE 80 443/tcp 53/udp $port 9/sctp\n",
    ),
    small("the base's EXPOSE", "FROM BASE\nEXPOSE 81\n").upon("FROM BASE\nEXPOSE 80/udp\n"),
    small(
        "STOPSIGNAL",
        "FROM BASE\nARG signal=SIGTERM\nSTOPSIGNAL $signal\n",
    ),
    small("STOPSIGNAL as a number", "FROM BASE\nSTOPSIGNAL 9\n"),
    small(
        "LABEL in every form",
        "FROM BASE\nLABEL a=b c=\"d e\" 'f g'=h\nLABEL i j  k\nLABEL l=\"m\\\nn\"\n\
         LABEL o=$PATH p='$PATH'\n",
    ),
    small("the base's LABEL", "FROM BASE\nLABEL a=2 c=3\n").upon("FROM BASE\nLABEL a=1 b=1\n"),
    small(
        "the base's CMD and ENTRYPOINT",
        "FROM BASE\nCMD [\"new\"]\n",
    )
    .upon("FROM BASE\nENTRYPOINT [\"/e\"]\nCMD [\"old\"]\n"),
    small(
        "ENTRYPOINT upon the base's CMD",
        "FROM BASE\nENTRYPOINT [\"/new\"]\n",
    )
    .upon("FROM BASE\nENTRYPOINT [\"/e\"]\nCMD [\"old\"]\n"),
    small(
        "CMD before ENTRYPOINT",
        "FROM BASE\nCMD [\"kept\"]\nENTRYPOINT [\"/e\"]\n",
    ),
    small("empty arrays", "FROM BASE\nENTRYPOINT []\nCMD []\n")
        .upon("FROM BASE\nENTRYPOINT [\"/e\"]\nCMD [\"old\"]\n"),
    small(
        "what is no JSON is a line",
        "FROM BASE\nCMD ['a', 'b']\nENTRYPOINT [ \"x\", y ]\n",
    ),
    small(
        "SHELL for what follows",
        "FROM BASE\nSHELL [\"/bin/sh\", \"-ec\"]\nENTRYPOINT echo a\n",
    )
    .differs(&[buildah("Entrypoint", "buildah-shell")]),
    // How it is written.
    small(
        "another escape character",
        "# escape=`\nFROM BASE\nENV A=1 `\n  B=`$A C=\\x\nCOPY a.txt `\n /x\n",
    )
    .differs(&[buildah("Env", "buildah-escape")]),
    small(
        "comments and blanks inside",
        "  from BASE\n# one\n\ncopy a.txt \\\n  # two\n\n  b.txt \\\n\t/x/\nEnV A=b\n",
    ),
];
