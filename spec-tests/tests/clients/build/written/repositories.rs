//! `ADD` of git repositories.

use crate::build::written::{Written, Wrong, written, wrong};

/// All of the first commit, below `/x`; modes are those that git keeps.
const FIRST: &str = "/x 0755 0:0 directory
    /x/readme 0644 0:0 file first\\n
    /x/src 0755 0:0 directory
    /x/src/main 0644 0:0 file main\\n
    /x/src/deep 0755 0:0 directory
    /x/src/deep/run.sh 0755 0:0 file #!/bin/sh\\n";

/// All of the last commit, with its submodule.
const LAST: &str = "/x 0755 0:0 directory
    /x/.gitmodules 0644 0:0 file [submodule \"part\"]\\n\\tpath = part\\n\\turl = ../part.git\\n
    /x/link 0777 0:0 link to src/main
    /x/part 0755 0:0 directory
    /x/part/p.txt 0644 0:0 file a part\\n
    /x/readme 0644 0:0 file second\\n
    /x/src 0755 0:0 directory
    /x/src/main 0644 0:0 file main\\n
    /x/src/deep 0755 0:0 directory
    /x/src/deep/run.sh 0755 0:0 file #!/bin/sh\\n";

/// What is in `src` of either.
const SOURCES: &str = "/x 0755 0:0 directory
    /x/main 0644 0:0 file main\\n
    /x/deep 0755 0:0 directory
    /x/deep/run.sh 0755 0:0 file #!/bin/sh\\n";

/// All cases.
pub(crate) const CASES: &[Written] = &[
    written("the default branch", "FROM scratch\nADD GIT /x\n", LAST),
    written("a branch", "FROM scratch\nADD GIT#main /x/\n", LAST),
    written("a tag", "FROM scratch\nADD GIT#v1 /x\n", FIRST),
    written("a commit", "FROM scratch\nADD GIT#FIRST_COMMIT /x\n", FIRST),
    written("a full name", "FROM scratch\nADD GIT#refs/tags/v1 /x\n", FIRST),
    written("a directory of a tag", "FROM scratch\nADD GIT#v1:src /x\n", SOURCES),
    written("a directory", "FROM scratch\nADD GIT#:src /x\n", SOURCES),
    written(
        "another branch's directory",
        "FROM scratch\nADD GIT#other:/src/ /x\n",
        "/x 0755 0:0 directory
         /x/main 0644 0:0 file main\\n
         /x/other 0644 0:0 file other\\n
         /x/deep 0755 0:0 directory
         /x/deep/run.sh 0755 0:0 file #!/bin/sh\\n",
    ),
    written("by queries: a tag and a directory", "FROM scratch\nADD GIT?tag=v1&subdir=src /x\n", SOURCES),
    written("by queries: a branch", "FROM scratch\nADD GIT?branch=main /x\n", LAST),
    written("by queries: ref", "FROM scratch\nADD GIT?ref=v1 /x\n", FIRST),
    written(
        "by queries: a commit that is checked",
        "FROM scratch\nADD GIT?ref=v1&checksum=FIRST_COMMIT /x\n",
        FIRST,
    ),
    written(
        "by queries: without submodules",
        "FROM scratch\nADD GIT?submodules=false /x\n",
        "/x 0755 0:0 directory
         /x/.gitmodules 0644 0:0 file [submodule \"part\"]\\n\\tpath = part\\n\\turl = ../part.git\\n
         /x/link 0777 0:0 link to src/main
         /x/part 0755 0:0 directory
         /x/readme 0644 0:0 file second\\n
         /x/src 0755 0:0 directory
         /x/src/main 0644 0:0 file main\\n
         /x/src/deep 0755 0:0 directory
         /x/src/deep/run.sh 0755 0:0 file #!/bin/sh\\n",
    ),
    written("--checksum", "FROM scratch\nADD --checksum=FIRST_COMMIT GIT#v1 /x\n", FIRST),
    written(
        "--keep-git-dir",
        "FROM scratch\nADD --keep-git-dir GIT#v1 /x\n",
        FIRST,
    )
    .opaque("/x/.git"),
    written(
        "by queries: keep-git-dir",
        "FROM scratch\nADD GIT?tag=v1&keep-git-dir=true /x\n",
        FIRST,
    )
    .opaque("/x/.git"),
    written(
        "an owner and a mode",
        "FROM scratch\nADD --chown=7:8 --chmod=0700 GIT#v1:src/deep /x\n",
        "/x 0755 7:8 directory
         /x/run.sh 0700 7:8 file #!/bin/sh\\n",
    ),
    written(
        "into a directory that is there",
        "FROM BASE\nADD GIT#v1:src/deep /srv/real\n",
        "/srv/real/run.sh 0755 0:0 file #!/bin/sh\\n",
    ),
    written(
        "by a variable, and left out",
        "FROM scratch\nARG at=v1\nADD --exclude=**/run.sh GIT#${at}:src /x\n",
        "/x 0755 0:0 directory
         /x/main 0644 0:0 file main\\n
         /x/deep 0755 0:0 directory",
    ),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong("FROM scratch\nADD GIT#nowhere /x\n", "nowhere"),
    wrong("FROM scratch\nADD GIT#v1:none /x\n", "none"),
    wrong(
        "FROM scratch\nADD --checksum=LAST_COMMIT GIT#v1 /x\n",
        "LAST_COMMIT",
    ),
    wrong("FROM scratch\nADD --checksum=SUM GIT#v1 /x\n", "checksum"),
    wrong("FROM scratch\nADD GIT?colour=red /x\n", "colour"),
    wrong("FROM scratch\nCOPY GIT /x\n", "no git repositories"),
];
