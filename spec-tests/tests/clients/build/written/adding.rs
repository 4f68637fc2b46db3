//! `ADD --checksum`, `ADD --unpack`, and archives that Debian's programs do not read.

use crate::build::written::{Written, Wrong, written, wrong};

/// What `tree.tar` in every packing comes to below `/x`.
const TREE: &str = "/x 0755 0:0 directory
    /x/tree 0755 12:34 directory
    /x/tree/Ünï 0644 12:34 file non-ascii
    /x/tree/absolute 0777 12:34 link to /etc/passwd
    /x/tree/dir 0700 12:34 directory
    /x/tree/dir/inner 0600 12:34 file inner
    /x/tree/empty 0755 12:34 directory
    /x/tree/file 0640 12:34 file a file of the archive
    /x/tree/hard 0640 12:34 another name of /x/tree/file
    /x/tree/link 0777 12:34 link to file
    /x/tree/nowhere 0777 12:34 link to no/such/file
    /x/tree/pipe 0644 12:34 pipe
    /x/tree/run 0755 12:34 file #!/bin/sh\\n
    /x/tree/set 4755 12:34 file set user
    /x/tree/sticky 1777 12:34 directory";

/// A file that was fetched.
const FETCHED: &str = "/x 0755 0:0 directory
    /x/file.txt 0600 0:0 file from the web\\n";

/// All cases.
pub(crate) const CASES: &[Written] = &[
    written("zstd", "FROM scratch\nADD packed/tree.tar.zst /x/\n", TREE),
    written(
        "zstd by wildcard, and gzip over it",
        "FROM scratch\nADD packed/tree.tar.[gz]* /x/\n",
        TREE,
    ),
    written(
        "--unpack=false keeps an archive",
        "FROM scratch\n\
         ADD --unpack=false packed/flat.tgz packed/tree.tar.xz /x/\n",
        "/x 0755 0:0 directory
         /x/flat.tgz 0644 0:0 file @packed/flat.tgz
         /x/tree.tar.xz 0644 0:0 file @packed/tree.tar.xz",
    ),
    written(
        "--unpack=false to a new name",
        "FROM scratch\nADD --unpack=false --chmod=0600 packed/flat.tgz /x\n",
        "/x 0600 0:0 file @packed/flat.tgz",
    ),
    written(
        "--unpack, as it is for archives of the context anyway",
        "FROM scratch\nADD --unpack packed/tree.tar.bz2 /x/\n",
        TREE,
    ),
    written(
        "--unpack of what was fetched",
        "FROM scratch\nADD --unpack=true http://WEB/tree.tar.gz /x/\n",
        TREE,
    ),
    written(
        "--unpack of what was fetched, to what is no directory yet",
        "FROM scratch\nADD --unpack http://WEB/tree.tar.gz /x\n",
        TREE,
    ),
    written(
        "--exclude of what is in an archive",
        "FROM scratch\nADD --exclude=tree/* --exclude=!tree/run packed/tree.tar.gz /x/\n",
        "/x 0755 0:0 directory
         /x/tree 0755 12:34 directory
         /x/tree/run 0755 12:34 file #!/bin/sh\\n",
    )
    .differs("exclude-in-archives"),
    written(
        "--checksum that is right",
        "FROM scratch\nADD --checksum=SUM http://WEB/file.txt /x/\n",
        FETCHED,
    ),
    written(
        "--checksum by a variable, with a mode",
        "FROM scratch\nARG sum=SUM\n\
         ADD --checksum=${sum} --chmod=0640 --chown=7:8 http://WEB/undated /x\n",
        "/x 0640 7:8 file from the web\\n",
    ),
    written(
        "--link of what was fetched",
        "FROM BASE\nADD --link http://WEB/file.txt /opt/relative/\n",
        "/opt/relative 0755 0:0 directory
         /opt/relative/file.txt 0600 0:0 file from the web\\n",
    ),
    written(
        "--link of an archive",
        "FROM scratch\nADD --link packed/tree.tar.gz /x/\n",
        TREE,
    ),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong(
        "FROM scratch\nADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 \
         http://WEB/file.txt /x/\n",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ),
    wrong(
        "FROM scratch\nADD --checksum=sha256:12 http://WEB/file.txt /x/\n",
        "no checksum",
    ),
    wrong("FROM scratch\nADD --checksum=SUM a.txt /x/\n", "--checksum"),
    wrong("FROM scratch\nADD http://WEB/missing /x/\n", "404"),
    wrong("FROM scratch\nADD http://WEB/ /x/\n", "name"),
    wrong(
        "FROM scratch\nADD --keep-git-dir http://WEB/file.txt /x/\n",
        "--keep-git-dir",
    ),
];
