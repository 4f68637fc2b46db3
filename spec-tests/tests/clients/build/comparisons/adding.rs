//! `ADD` of archives of the context: by what is in them, and never by their names.

use crate::build::comparisons::{Comparison, buildah, docker, small};

/// All cases.
pub(crate) const ADDING: &[Comparison] = &[
    small("tar", "FROM BASE\nADD packed/tree.tar /x/\n").timed("/x/tree"),
    small("tar.gz", "FROM BASE\nADD packed/tree.tar.gz /x/\n").timed("/x/tree"),
    small("tar.bz2", "FROM BASE\nADD packed/tree.tar.bz2 /x/\n").timed("/x/tree"),
    small("tar.xz", "FROM BASE\nADD packed/tree.tar.xz /x/\n").timed("/x/tree"),
    small(
        "GNU's headers and pax",
        "FROM BASE\nADD packed/gnu.tar /x\nADD packed/tree.tar /y\n",
    )
    .timed("/x/tree"),
    small(
        "long names",
        "FROM BASE\nADD packed/long-gnu.tar /x\nADD packed/long-pax.tar /y\n",
    )
    .timed("/x/long"),
    small(
        "to a new name it is a directory all the same",
        "FROM BASE\nADD packed/tree.tar.gz /x/new\n",
    ),
    small(
        "a root that the archive has itself",
        "FROM BASE\nADD packed/flat.tgz /x/\n",
    )
    .differs(&[buildah("/x", "buildah-archive-root")])
    .timed("/x/below"),
    small(
        "a root of its own onto a private directory",
        "FROM BASE\nADD packed/flat.tgz /srv/private\n",
    )
    .differs(&[buildah("/srv/private", "buildah-archive-root")]),
    small(
        "a name that says nothing",
        "FROM BASE\nADD packed/archive /x/\nADD packed/archive.txt /y/\n",
    )
    .differs(&[
        buildah("/x", "buildah-archive-root"),
        buildah("/y", "buildah-archive-root"),
    ]),
    small(
        "a name that says the wrong thing",
        "FROM BASE\nADD packed/wrong.tar.gz /x/\n",
    )
    .differs(&[buildah("/x", "buildah-archive-root")]),
    small(
        "text with the name of an archive",
        "FROM BASE\nADD packed/text.tar.gz /x/\n",
    ),
    small(
        "packed text is no archive",
        "FROM BASE\nADD packed/text.gz packed/text.bz2 packed/text.xz /x/\n",
    ),
    small("nothing at all", "FROM BASE\nADD packed/nothing.tar /x/\n"),
    small(
        "an archive without entries",
        "FROM BASE\nADD packed/empty.tar /x/\n",
    ),
    small(
        "several in one",
        "FROM BASE\nADD packed/tree.tar.gz packed/flat.tar a.txt /x/\n",
    )
    .differs(&[buildah("/x", "buildah-archive-root")]),
    small("by wildcard", "FROM BASE\nADD packed/tree.tar.[gx]z /x/\n"),
    small(
        "in a directory they stay what they are",
        "FROM BASE\nADD packed /x/\n",
    ),
    small(
        "COPY leaves them as they are",
        "FROM BASE\nCOPY packed/tree.tar packed/flat.tgz /x/\n",
    ),
    small("onto the root", "FROM BASE\nADD packed/onto.tar /\n").differs(&[
        docker("/bin*", "archive-links"),
        docker("/opt/relative*", "archive-links"),
        docker("/srv/real*", "archive-links"),
        docker("/usr/bin*", "archive-links"),
        buildah("/bin*", "archive-links"),
        buildah("/opt/relative*", "archive-links"),
        buildah("/srv/real*", "archive-links"),
        buildah("/usr/bin*", "archive-links"),
    ]),
    small(
        "through a link",
        "FROM BASE\nADD packed/flat.tar /opt/relative\n\
         ADD packed/tree.tar /opt/chain/y/\n",
    )
    .differs(&[buildah("/srv/real", "buildah-archive-root")]),
    small(
        "relative to WORKDIR",
        "FROM BASE\nWORKDIR /x/y\nADD packed/flat.tar .\nADD packed/tree.tar.xz z\n",
    )
    .differs(&[buildah("/x/y", "buildah-archive-root")]),
    small(
        "one over the other",
        "FROM BASE\nADD packed/tree.tar /x\nCOPY a.txt /x/tree/file\n\
         ADD packed/gnu.tar /x\n",
    ),
    small(
        "owned by somebody else",
        "FROM BASE\nADD --chown=7:8 packed/tree.tar.gz /x/\n",
    )
    .differs(&[
        docker("/x/tree*", "archive-owners"),
        buildah("/x/tree*", "archive-owners"),
    ]),
    small(
        "owned by a name",
        "FROM BASE\nADD --chown=app:staff packed/flat.tar /x/\n",
    )
    .differs(&[
        buildah("/x", "buildah-archive-root"),
        docker("/x/*", "archive-owners"),
        buildah("/x/*", "archive-owners"),
    ]),
    small(
        "a mode for what is in an archive",
        "FROM BASE\nADD --chmod=0600 packed/flat.tar /x/\n",
    )
    .differs(&[
        buildah("/x", "buildah-archive-root"),
        docker("/x/*", "archive-modes"),
        buildah("/x/*", "archive-modes"),
    ]),
    small(
        "a mode for what is no archive",
        "FROM BASE\nADD --chmod=0640 a.txt dir/one packed/text.gz /x/\n",
    ),
    small(
        "owner and mode of what is no archive",
        "FROM BASE\nADD --chown=app:staff --chmod=0705 dir /x/\n",
    ),
    small(
        "JSON form",
        "FROM BASE\nADD [\"packed/flat.tgz\", \"with space\", \"/x/a b/\"]\n",
    )
    .differs(&[buildah("/x/a b", "buildah-archive-root")]),
    small(
        "by variables",
        "FROM BASE\nARG kind=xz\nENV to=/x\nADD packed/tree.tar.${kind} ${to}/\n",
    ),
    small(
        "one of them ignored",
        "FROM BASE\nADD packed/tree.tar.* /x/\n",
    )
    .ignoring("packed/*.bz2\npacked/*.zst\n"),
    small("by a link", "FROM BASE\nADD packed/link /x/\n")
        .differs(&[buildah("/x", "buildah-archive-root")]),
    small(
        "directories that the archive has no entry of",
        "FROM BASE\nADD packed/bare.tar /x/\nADD packed/bare.tar /srv/nested\n",
    ),
    small(
        "an owner of directories that the archive has no entry of",
        "FROM BASE\nADD --chown=7:8 packed/bare.tar /x/\n",
    )
    .differs(&[
        docker("/x/below*", "archive-owners"),
        buildah("/x/below*", "archive-owners"),
    ]),
    small(
        "in the place of what is of another kind",
        "FROM BASE\nADD packed/kinds.tar /\n",
    ),
    small(
        "old formats",
        "FROM BASE\nADD packed/v7.tar /x/\nADD packed/ustar.tar /y/\n",
    ),
    small(
        "names that begin with a slash",
        "FROM BASE\nADD packed/absolute.tar /x/\n",
    ),
    small("devices", "FROM BASE\nADD packed/device.tar /x/\n"),
    small("one name twice", "FROM BASE\nADD packed/twice.tar /x/\n"),
    small(
        "two archives in one file",
        "FROM BASE\nADD packed/two.tar.gz /x/\n",
    ),
];
