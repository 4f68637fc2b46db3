//! `ONBUILD` and `HEALTHCHECK` beyond what Debian's programs do of them.

use crate::build::written::{Written, Wrong, written, wrong};

/// All cases.
pub(crate) const CASES: &[Written] = &[
    written(
        "ONBUILD COPY --from of a stage of the child",
        "FROM BASE AS parent\nONBUILD COPY --from=made /out/x /x\n\
         FROM BASE AS made\nCOPY a.txt /out/x\nFROM parent\n",
        "/x 0644 0:0 file a",
    )
    .config(&[("OnBuild", "null")]),
    written(
        "ONBUILD with a heredoc",
        "FROM BASE AS parent\nONBUILD COPY <<EOF /x\nof the child\nEOF\n\
         FROM parent\nCOPY b.txt /y\n",
        "/x 0644 0:0 file of the child\\n
         /y 0644 0:0 file b",
    ),
    written(
        "ONBUILD with flags that are new",
        "FROM BASE AS parent\n\
         ONBUILD COPY --parents --exclude=**/one dir/./*/three other/one /x/\n\
         FROM parent\n",
        "/x 0755 0:0 directory
         /x/sub 0755 0:0 directory
         /x/sub/three 0755 0:0 file three",
    ),
    written(
        "ONBUILD is kept as it is written",
        "FROM BASE\nONBUILD COPY --link --from=made /x /y\n\
         ONBUILD RUN --mount=type=cache,target=/c make\n",
        "",
    )
    .config(&[(
        "OnBuild",
        "[\"COPY --link --from=made /x /y\", \"RUN --mount=type=cache,target=/c make\"]",
    )]),
    written(
        "HEALTHCHECK --start-interval",
        "FROM BASE\n\
         HEALTHCHECK --start-period=1m --start-interval=500ms --interval=10s CMD [\"true\"]\n",
        "",
    )
    .config(&[(
        "Healthcheck",
        "{\"Test\": [\"CMD\", \"true\"], \"Interval\": 10000000000, \"StartPeriod\": 60000000000, \
          \"StartInterval\": 500000000}",
    )]),
    written(
        "several arguments in one ARG",
        "FROM scratch\nARG a=1 b=2\nCOPY a.txt /$a$b\n",
        "/12 0644 0:0 file a",
    ),
    written(
        "values that are cut",
        "FROM scratch\nARG v=one.two.tar.gz\nENV A=${v#*.} B=${v##*.} C=${v%.*} D=${v%%.*} E=${v/t/T} F=${v//t/T}\n\
         COPY a.txt /x\n",
        "/x 0644 0:0 file a",
    )
    .config(&[(
        "Env",
        "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"A=two.tar.gz\", \"B=gz\", \
          \"C=one.two.tar\", \"D=one\", \"E=one.Two.tar.gz\", \"F=one.Two.Tar.gz\"]",
    )]),
    written(
        "unset is not empty",
        "FROM scratch\nARG none=\n\
         ENV A=${none-x}. B=${unset-x}. C=${none+y}. D=${unset+y}.\n\
         COPY a.txt /x\n",
        "/x 0644 0:0 file a",
    )
    .config(&[(
        "Env",
        "[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\", \"A=.\", \"B=x.\", \
          \"C=y.\", \"D=.\"]",
    )]),
    written(
        "a stage that stands below",
        "FROM scratch\nCOPY --from=Later /x /y\nFROM scratch AS later\n\
         COPY a.txt /x\nFROM scratch\nCOPY --from=0 /y /z\n",
        "/z 0644 0:0 file a",
    ),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong("FROM BASE\nONBUILD ONBUILD COPY a /x\n", "ONBUILD"),
    wrong("FROM BASE\nONBUILD FROM BASE\n", "ONBUILD"),
    wrong("FROM BASE\nONBUILD MAINTAINER me\n", "ONBUILD"),
    wrong(
        "FROM BASE\nHEALTHCHECK --interval=never CMD true\n",
        "never",
    ),
    wrong("FROM BASE\nHEALTHCHECK --retries=-1 CMD true\n", "-1"),
    wrong("FROM BASE\nHEALTHCHECK\n", "HEALTHCHECK"),
    wrong("FROM BASE\nSHELL /bin/sh\n", "json-required"),
    wrong("FROM BASE\nSTOPSIGNAL NEVER\n", "NEVER"),
    wrong(
        "FROM scratch AS a\nCOPY --from=b /x /x\nFROM scratch AS b\n\
         COPY --from=a /x /x\n",
        "circle",
    ),
];
