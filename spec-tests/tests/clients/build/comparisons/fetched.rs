//! `ADD` of what is on the web.

use crate::build::comparisons::{Comparison, docker, small};

/// All cases.
pub(crate) const FETCHED: &[Comparison] = &[
    small(
        "to a new name",
        "FROM BASE\nADD http://WEB/file.txt /x/new\n",
    )
    .timed("/x/new"),
    small(
        "into a directory",
        "FROM BASE\nADD http://WEB/file.txt /x/\n",
    )
    .timed("/x/file.txt"),
    small(
        "into a directory that is there",
        "FROM BASE\nADD http://WEB/deep/er/file.txt /srv\n",
    )
    .timed("/srv/file.txt"),
    small(
        "over a file",
        "FROM BASE\nADD http://WEB/file.txt /srv/file\n",
    )
    .timed("/srv/file"),
    small(
        "relative to WORKDIR",
        "FROM BASE\nWORKDIR /x\nADD http://WEB/file.txt .\n\
         ADD http://WEB/file.txt y\n",
    ),
    small("without a time", "FROM BASE\nADD http://WEB/undated /x/\n"),
    small(
        "an escaped name",
        "FROM BASE\nADD http://WEB/a%20b.txt /x/\n",
    ),
    small(
        "a query",
        "FROM BASE\nADD http://WEB/query.txt?v=1&w=a/b /x/\n",
    ),
    small(
        "a name that the server gives",
        "FROM BASE\nADD http://WEB/named /x/\n",
    ),
    small(
        "a slash at the end",
        "FROM BASE\nADD http://WEB/named/ /x/\n",
    ),
    small(
        "moved elsewhere",
        "FROM BASE\nADD http://WEB/moved.txt /x/\n",
    )
    .timed("/x/moved"),
    small(
        "an archive stays what it is",
        "FROM BASE\nADD http://WEB/tree.tar.gz /x/\n",
    )
    .timed("/x/tree.tar.gz"),
    small(
        "two, and a file",
        "FROM BASE\nADD http://WEB/file.txt a.txt http://WEB/undated /x/\n",
    ),
    small(
        "owned",
        "FROM BASE\nADD --chown=7:8 http://WEB/file.txt /x/y/\n",
    ),
    small(
        "owned by a name",
        "FROM BASE\nADD --chown=app http://WEB/file.txt /x/\n",
    ),
    small(
        "a mode",
        "FROM BASE\nADD --chmod=0755 http://WEB/file.txt /x/y/\n",
    )
    .differs(&[docker("/x/y/file.txt", "chmod-of-urls")]),
    small(
        "owner and mode",
        "FROM BASE\nADD --chown=app:staff --chmod=0644 http://WEB/file.txt /x\n",
    )
    .differs(&[docker("/x", "chmod-of-urls")]),
    small(
        "by a variable",
        "FROM BASE\nARG from=http://WEB\nENV name=file\nADD ${from}/${name}.txt /x/\n",
    ),
    small(
        "JSON form",
        "FROM BASE\nADD [\"http://WEB/file.txt\", \"/x/a b\"]\n",
    ),
    small(
        "through a link",
        "FROM BASE\nADD http://WEB/file.txt /opt/relative/\n",
    ),
];
