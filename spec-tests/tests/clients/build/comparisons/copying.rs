//! What `COPY` takes, from where, and what becomes of it.

use crate::build::comparisons::{Comparison, buildah, small};

/// What is copied.
pub(crate) const COPYING: &[Comparison] = &[
    // What is copied.
    small(
        "a file to a new name",
        "FROM BASE\nCOPY a.txt /new/place/b\n",
    ),
    small(
        "a file into a new directory",
        "FROM BASE\nCOPY a.txt /new/place/\n",
    ),
    small(
        "a file into a directory that is there",
        "FROM BASE\nCOPY a.txt /srv\n",
    ),
    small("a file over a file", "FROM BASE\nCOPY a.txt /srv/file\n"),
    small(
        "a file over an executable",
        "FROM BASE\nCOPY a.txt /usr/bin/busybox\n",
    ),
    small(
        "several files",
        "FROM BASE\nCOPY a.txt b.txt run.sh /srv/many/\n",
    ),
    small(
        "several files, JSON form, with a blank",
        "FROM BASE\nCOPY [\"with space\", \"a.txt\", \"/srv/a place/\"]\n",
    ),
    small(
        "wildcards",
        "FROM BASE\nCOPY *.txt /w/\nCOPY d?r/*.tx[t] /x/\nCOPY [^a].* /y/\n",
    ),
    small(
        "wildcards for directories",
        "FROM BASE\nCOPY d* /w/\nCOPY [do]*/one /x/\nCOPY d*/sub/thr?e /y/\n",
    ),
    small(
        "a wildcard for what may be there",
        "FROM BASE\nCOPY a.txt *.lock none*/deeper /w/\nWORKDIR /x\n\
         COPY *.none b.txt ./\n",
    ),
    small(
        "a directory is its contents",
        "FROM BASE\nCOPY dir /d\nCOPY other /d\n",
    ),
    small(
        "a directory with trailing slashes",
        "FROM BASE\nCOPY dir/ /d/\n",
    ),
    small(
        "a directory by /. and //",
        "FROM BASE\nCOPY dir/. /d//e/\nCOPY ./other//one /d/./f/../g\n",
    ),
    small("all of the context", "FROM BASE\nCOPY . /all\n")
        .differs(&[buildah("/all/set", "buildah-set-id")]),
    small("all of the context into the root", "FROM BASE\nCOPY . /\n")
        .differs(&[buildah("/set", "buildah-set-id")]),
    small(
        "a directory and a file",
        "FROM BASE\nCOPY dir a.txt /mixed/\n",
    ),
    small(
        "into nested directories that are there",
        "FROM BASE\nCOPY srv /srv\n",
    ),
    small(
        "an empty directory",
        "FROM BASE\nCOPY empty /e/f\nCOPY empty/inner /g\n",
    ),
    small(
        "private, sticky and set-id",
        "FROM BASE\nCOPY private /p\nCOPY sticky /s\nCOPY set /u\n",
    )
    .differs(&[buildah("/u", "buildah-set-id")]),
    small(
        "onto a private directory",
        "FROM BASE\nCOPY dir /srv/private\n",
    ),
    small(
        "into a set-group directory",
        "FROM BASE\nCOPY dir /srv/set/\nCOPY a.txt /srv/set/sub/\n",
    ),
    small(
        "hard links",
        "FROM BASE\nCOPY linked /h\nCOPY linked/first /h/third\n",
    ),
    small(
        "links in the context",
        "FROM BASE\nCOPY dir /l\nCOPY link-to-a /m/\nCOPY link-to-a /n\n",
    ),
    small(
        "a link to a directory in the context",
        "FROM BASE\nCOPY link-to-dir /l\nCOPY link-to-dir/ /m\n\
         COPY link-to-dir/sub /n\n",
    ),
    small("names that are not ASCII", "FROM BASE\nCOPY Ünï /ü/\n"),
    small(
        "one file twice, in two layers",
        "FROM BASE\nCOPY a.txt /f\nCOPY b.txt /f\n",
    ),
    // From where.
    small(
        "from a stage by name",
        "FROM BASE AS first\nCOPY dir /srv/dir\nFROM BASE\n\
         COPY --from=first /srv /out\n",
    ),
    small(
        "from a stage by number",
        "FROM BASE\nCOPY --chown=7:8 linked /k\nFROM BASE\n\
         COPY --from=0 /k /srv/nested /out/\n",
    ),
    small(
        "from a stage, through its links",
        "FROM BASE AS first\nFROM BASE\nCOPY --from=first /opt/chain /c\n\
         COPY --from=first /var/run /d\nCOPY --from=first /bin/sh /e/\n",
    ),
    small(
        "from a stage, owners and modes of the base",
        "FROM BASE AS first\nFROM BASE\nCOPY --from=first /srv/private /p\n\
         COPY --from=first /tmp /t\nCOPY --from=first /srv/set /s\n",
    ),
    small(
        "from a stage, relative and by wildcard",
        "FROM BASE AS first\nWORKDIR /srv\nFROM BASE\nCOPY --from=first srv/n* /n/\n\
         COPY --from=first /srv/*/x /x/\n",
    ),
    small(
        "from an image",
        "FROM BASE AS unused\nFROM BASE\nCOPY --from=BASE /srv/nested /n\n",
    ),
    small(
        "from scratch",
        "FROM BASE AS first\nFROM scratch\nCOPY --from=first / /\nCOPY dir /d/e/f\n",
    )
    .differs(&[buildah("WorkingDir", "buildah-working-directory")]),
    small(
        "a stage upon a stage",
        "FROM BASE AS first\nWORKDIR /w\nCOPY a.txt .\nFROM first\nCOPY b.txt .\n",
    ),
    // ADD of what is no archive, and ignore files.
    small(
        "ADD of files and directories",
        "FROM BASE\nADD a.txt run.sh /added/\nADD dir /added/dir/\n\
         ADD --chown=app:staff c.md /opt/relative/\n",
    ),
    small("ignored files", "FROM BASE\nCOPY . /c\n")
        .differs(&[buildah("/c/set", "buildah-set-id")])
        .ignoring("*.md\ndir/sub\n**/*.o\n"),
    small("ignored, and taken again", "FROM BASE\nCOPY . /c\n")
        .differs(&[buildah("/c/set", "buildah-set-id")])
        .ignoring("target\n!target/keep\ndir/*\n!dir/one\n# not this\n"),
    small("all ignored but two", "FROM BASE\nCOPY . /c\nCOPY dir /d\n")
        .differs(&[
            buildah("/c/dir/sub", "buildah-ignored"),
            buildah("/d/sub", "buildah-ignored"),
        ])
        .ignoring("*\n!a.txt\n!dir/sub/deep\n"),
    small(
        "ignored within a wildcard",
        "FROM BASE\nCOPY *.txt /c/\nCOPY *r/one /d/\n",
    )
    .ignoring("a.txt\n/other/\n"),
];
