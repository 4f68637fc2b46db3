//! `--link`, `--parents`, `--exclude` and `--chmod` with letters.

use crate::build::written::{Written, Wrong, written, wrong};

/// All cases.
pub(crate) const CASES: &[Written] = &[
    // Layers of their own.
    written(
        "--link makes its directories",
        "FROM scratch\nCOPY --link a.txt run.sh /d/e/\n",
        "/d 0755 0:0 directory
         /d/e 0755 0:0 directory
         /d/e/a.txt 0644 0:0 file a
         /d/e/run.sh 0755 0:0 file #!/bin/sh\\necho run\\n",
    ),
    written(
        "--link does not follow a link on the way",
        "FROM BASE\nCOPY --link a.txt /opt/relative/new/\n",
        "/opt/relative 0755 0:0 directory
         /opt/relative/new 0755 0:0 directory
         /opt/relative/new/a.txt 0644 0:0 file a",
    ),
    written(
        "without it the link is followed",
        "FROM BASE\nCOPY --link=false a.txt /opt/relative/new/\n",
        "/srv/real/new 0755 0:0 directory
         /srv/real/new/a.txt 0644 0:0 file a",
    ),
    written(
        "--link overrides the mode of a directory",
        "FROM BASE\nCOPY --link a.txt /tmp/\n",
        "/tmp 0755 0:0 directory
         /tmp/a.txt 0644 0:0 file a",
    ),
    written(
        "--link leaves what else is in a directory",
        "FROM BASE\nCOPY --link srv/real /srv/real\n",
        "/srv/real/kept.txt 0644 0:0 file not that of the base",
    ),
    written(
        "--link and numbers of owners",
        "FROM scratch\nCOPY --link --chown=7:8 dir/one /d/\n",
        "/d 0755 7:8 directory
         /d/one 0644 7:8 file one",
    ),
    written(
        "--link and a mode",
        "FROM scratch\nCOPY --link --chmod=0600 dir/one /d/two\n",
        "/d 0755 0:0 directory
         /d/two 0600 0:0 file one",
    ),
    written(
        "--link and a mode stay together",
        "FROM BASE\nCOPY --link --chmod=0600 dir/one /opt/relative/two\n",
        "/opt/relative 0755 0:0 directory
         /opt/relative/two 0600 0:0 file one",
    )
    .differs("link-with-mode"),
    written(
        "--link from a stage, and one over the other",
        "FROM BASE AS first\nFROM scratch\nCOPY a.txt /n/x\n\
         COPY --link --from=first /srv/nested/x /n/\n",
        "/n 0755 0:0 directory
         /n/x 0644 1000:1000 file x of the base",
    ),
    written(
        "--link relative to WORKDIR",
        "FROM BASE\nWORKDIR /new\nCOPY --link a.txt b/\n",
        "/new 0755 0:0 directory
         /new/b 0755 0:0 directory
         /new/b/a.txt 0644 0:0 file a",
    ),
    // Parents.
    written(
        "--parents keeps the directories of a source",
        "FROM scratch\nCOPY --parents ./dir/one ./other/one /p/\n",
        "/p 0755 0:0 directory
         /p/dir 0755 0:0 directory
         /p/dir/one 0644 0:0 file one
         /p/other 0755 0:0 directory
         /p/other/one 0644 0:0 file other one",
    ),
    written(
        "--parents=false does not",
        "FROM scratch\nCOPY --parents=false dir/one other/five /p/\n",
        "/p 0755 0:0 directory
         /p/one 0644 0:0 file one
         /p/five 0644 0:0 file five",
    ),
    written(
        "--parents of a directory",
        "FROM scratch\nCOPY --parents dir/sub target/keep /p/\n",
        "/p 0755 0:0 directory
         /p/dir 0755 0:0 directory
         /p/dir/sub 0755 0:0 directory
         /p/dir/sub/three 0755 0:0 file three
         /p/dir/sub/deep 0755 0:0 directory
         /p/dir/sub/deep/four.txt 0644 0:0 file four
         /p/target 0755 0:0 directory
         /p/target/keep 0755 0:0 directory
         /p/target/keep/nine.txt 0644 0:0 file nine",
    ),
    written(
        "--parents behind a pivot",
        "FROM scratch\nCOPY --parents ./dir/./sub/deep/*.txt srv/./nested /p/\n",
        "/p 0755 0:0 directory
         /p/sub 0755 0:0 directory
         /p/sub/deep 0755 0:0 directory
         /p/sub/deep/four.txt 0644 0:0 file four
         /p/nested 0755 0:0 directory
         /p/nested/x 0644 0:0 file x of the context",
    ),
    written(
        "the first pivot counts",
        "FROM scratch\nCOPY --parents dir/./sub/./deep/four.txt /p/\n",
        "/p 0755 0:0 directory
         /p/sub 0755 0:0 directory
         /p/sub/deep 0755 0:0 directory
         /p/sub/deep/four.txt 0644 0:0 file four",
    ),
    written(
        "--parents with ** for any number of directories",
        "FROM scratch\nCOPY --parents ./dir/**/*.txt /p/\n",
        "/p 0755 0:0 directory
         /p/dir 0755 0:0 directory
         /p/dir/two.txt 0644 0:0 file two
         /p/dir/sub 0755 0:0 directory
         /p/dir/sub/deep 0755 0:0 directory
         /p/dir/sub/deep/four.txt 0644 0:0 file four",
    ),
    written(
        "--parents with ** behind a pivot",
        "FROM scratch\nCOPY --parents target/./**/*.o srv/./**/x /p/\n",
        "/p 0755 0:0 directory
         /p/debug 0755 0:0 directory
         /p/debug/eight.o 0644 0:0 file eight
         /p/nested 0755 0:0 directory
         /p/nested/x 0644 0:0 file x of the context",
    ),
    written(
        "--parents with a wildcard for a directory",
        "FROM scratch\nCOPY --parents [do]*/one /p/\n",
        "/p 0755 0:0 directory
         /p/dir 0755 0:0 directory
         /p/dir/one 0644 0:0 file one
         /p/other 0755 0:0 directory
         /p/other/one 0644 0:0 file other one",
    ),
    written(
        "--parents from a stage, owners and modes as there",
        "FROM BASE AS first\nFROM scratch\n\
         COPY --parents --from=first /srv/nested/y/z /p/\n\
         COPY --parents --from=first /srv/./nested/x /q/\n",
        "/p 0755 0:0 directory
         /p/srv 0755 0:0 directory
         /p/srv/nested 0755 1000:1000 directory
         /p/srv/nested/y 0711 0:0 directory
         /p/srv/nested/y/z 0644 1000:1000 file z of the base
         /q 0755 0:0 directory
         /q/nested 0755 1000:1000 directory
         /q/nested/x 0644 1000:1000 file x of the base",
    ),
    written(
        "--parents into the root, with an owner",
        "FROM scratch\nCOPY --parents --chown=7:8 dir/one /\n",
        "/dir 0755 7:8 directory
         /dir/one 0644 7:8 file one",
    ),
    // Left out.
    written(
        "--exclude of files by their names",
        "FROM scratch\nCOPY --exclude=*.txt *.* /e/\n",
        "/e 0755 0:0 directory
         /e/c.md 0644 0:0 file c
         /e/run.sh 0755 0:0 file #!/bin/sh\\necho run\\n",
    ),
    written(
        "--exclude more than once",
        "FROM scratch\nCOPY --exclude=*.txt --exclude=*.md *.* /e/\n",
        "/e 0755 0:0 directory
         /e/run.sh 0755 0:0 file #!/bin/sh\\necho run\\n",
    ),
    written(
        "--exclude in every directory",
        "FROM scratch\n\
         COPY --exclude=**/*.txt --exclude=**/up --exclude=**/absolute --exclude=**/nowhere \
         dir /e/\n",
        "/e 0755 0:0 directory
         /e/one 0644 0:0 file one
         /e/sub 0755 0:0 directory
         /e/sub/three 0755 0:0 file three
         /e/sub/deep 0755 0:0 directory",
    ),
    written(
        "--exclude for ADD, by a variable",
        "FROM scratch\nARG out=**/five\nADD --exclude=${out} other /e/\n",
        "/e 0755 0:0 directory
         /e/one 0644 0:0 file other one",
    ),
    written(
        "--exclude from a stage",
        "FROM BASE AS first\nFROM scratch\n\
         COPY --from=first --exclude=**/z /srv/nested /e/\n",
        "/e 0755 0:0 directory
         /e/x 0644 1000:1000 file x of the base
         /e/y 0711 0:0 directory",
    ),
    written(
        "--exclude from the source on",
        "FROM scratch\nCOPY --exclude=/one --exclude=five other /e/\n",
        "/e 0755 0:0 directory",
    )
    .differs("exclude-with-slash"),
    written(
        "--exclude and --parents",
        "FROM scratch\nCOPY --parents --exclude=**/four.txt dir/**/*.txt /e/\n",
        "/e 0755 0:0 directory
         /e/dir 0755 0:0 directory
         /e/dir/two.txt 0644 0:0 file two",
    ),
    // Modes with letters.
    written(
        "--chmod=u=rwX,go=rX",
        "FROM scratch\nCOPY --chmod=u=rwX,go=rX dir/sub /m/\n",
        "/m 0755 0:0 directory
         /m/three 0755 0:0 file three
         /m/deep 0755 0:0 directory
         /m/deep/four.txt 0644 0:0 file four",
    )
    .flags("--preserve-modes"),
    written(
        "--chmod=+x and what was there",
        "FROM scratch\nCOPY --chmod=+x b.txt /m/\n",
        "/m 0755 0:0 directory
         /m/b.txt 0751 0:0 file b",
    )
    .flags("--preserve-modes"),
    written(
        "--chmod=g=u",
        "FROM scratch\nCOPY --chmod=g=u b.txt run.sh /m/\n",
        "/m 0755 0:0 directory
         /m/b.txt 0660 0:0 file b
         /m/run.sh 0775 0:0 file #!/bin/sh\\necho run\\n",
    )
    .flags("--preserve-modes"),
    written(
        "--chmod with several clauses",
        "FROM scratch\nARG mode=u+s\nCOPY --chmod=go-rwx,${mode} run.sh /m/\n",
        "/m 0755 0:0 directory
         /m/run.sh 4700 0:0 file #!/bin/sh\\necho run\\n",
    ),
    written(
        "from a context with a name",
        "FROM scratch\nCOPY --from=extra two.txt /c/\n",
        "/c 0755 0:0 directory
         /c/two.txt 0644 0:0 file two",
    )
    .flags("--build-context extra=CONTEXT/dir"),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong("FROM BASE\nCOPY --link=perhaps a.txt /x\n", "--link"),
    wrong("FROM BASE\nCOPY --link --chown=app a.txt /x\n", "app"),
    wrong("FROM scratch\nCOPY --exclude=[ a.txt /x/\n", "no pattern"),
    wrong("FROM scratch\nCOPY --chmod=u=rwq a.txt /x\n", "u=rwq"),
    wrong("FROM scratch\nCOPY --parents none/**/x /p/\n", "none/**/x"),
    wrong(
        "FROM scratch\nCOPY --parents link-to-dir/one /p/\n",
        "link-to-dir",
    )
    .differs("parents-through-link"),
    wrong(
        "FROM scratch\nCOPY --unpack packed/tree.tar /x\n",
        "--unpack",
    ),
];
