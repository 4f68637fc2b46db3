//! Heredocs; docker 20.10's own reader of Dockerfiles has none, nor has buildah 1.28.

use crate::build::written::{Written, Wrong, written, wrong};

/// All cases.
pub(crate) const CASES: &[Written] = &[
    written(
        "to a new name",
        "FROM scratch\nCOPY <<EOF /h\none\n  two\n\nEOF\n",
        "/h 0644 0:0 file one\\n  two\\n\\n",
    ),
    written(
        "into a directory, by its own name",
        "FROM scratch\nCOPY <<one.txt /d/\none\none.txt\n",
        "/d 0755 0:0 directory
         /d/one.txt 0644 0:0 file one\\n",
    ),
    written(
        "several",
        "FROM scratch\nCOPY <<one <<two /d/\n1\none\n2\ntwo\n",
        "/d 0755 0:0 directory
         /d/one 0644 0:0 file 1\\n
         /d/two 0644 0:0 file 2\\n",
    ),
    written(
        "with a file",
        "FROM scratch\nCOPY a.txt <<one dir/one.* /d/\n1\none\n",
        "/d 0755 0:0 directory
         /d/a.txt 0644 0:0 file a
         /d/one 0644 0:0 file 1\\n",
    ),
    written(
        "variables",
        "FROM scratch\nARG a=1\nENV b=2\nCOPY <<EOF /h\n\
         $a ${b} ${c:-3} \\$a \"$b\" '$b'\nEOF\n",
        "/h 0644 0:0 file 1 2 3 $a \"2\" '2'\\n",
    ),
    written(
        "none in a quoted one",
        "FROM scratch\nARG a=1\nCOPY <<\"EOF\" /h\n$a \\$a\nEOF\n\
         COPY <<'EOF' /i\n${a}\nEOF\n",
        "/h 0644 0:0 file $a \\$a\\n
         /i 0644 0:0 file ${a}\\n",
    ),
    written(
        "tabs at the starts of lines",
        "FROM scratch\nCOPY <<-EOF /h\n\t\tone\n\t two\t3\n\tEOF\n",
        "/h 0644 0:0 file one\\n two\\t3\\n",
    ),
    written(
        "nothing in it",
        "FROM scratch\nCOPY <<EOF /h\nEOF\n",
        "/h 0644 0:0 file ",
    ),
    written(
        "what looks like an instruction or a comment",
        "FROM scratch\nCOPY <<EOF /h\n# no comment\nFROM nowhere\n\
         COPY a.txt \\\\\nEOF \n EOF\nEOF\n",
        "/h 0644 0:0 file # no comment\\nFROM nowhere\\nCOPY a.txt \\\\nEOF \\n EOF\\n",
    ),
    written(
        "an owner and a mode",
        "FROM scratch\nCOPY --chown=7:8 --chmod=0750 <<run /bin/\n#!/bin/sh\n\
         run\n",
        "/bin 0755 7:8 directory
         /bin/run 0750 7:8 file #!/bin/sh\\n",
    ),
    written(
        "over a file, by a link, by ADD",
        "FROM BASE\nADD <<EOF /opt/file\nnew\nEOF\n",
        "/etc/motd 0644 0:0 file new\\n",
    ),
    written(
        "relative to WORKDIR, --link",
        "FROM BASE\nWORKDIR /srv\nCOPY --link <<EOF new/h\nlinked\nEOF\n",
        "/srv/new 0755 0:0 directory
         /srv/new/h 0644 0:0 file linked\\n",
    ),
    written(
        "in the place of an archive nothing is unpacked",
        "FROM scratch\nADD <<tree.tar /d/\nno archive\ntree.tar\n",
        "/d 0755 0:0 directory
         /d/tree.tar 0644 0:0 file no archive\\n",
    ),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong("FROM scratch\nCOPY <<EOF /h\nnever ends\n", "EOF"),
    wrong("FROM scratch\nCOPY <<one <<two /h\n1\none\n2\ntwo\n", "/h"),
    wrong("FROM scratch\nCOPY a.txt <<EOF\n/h\nEOF\n", "heredoc"),
    wrong("FROM scratch\nENV <<EOF\na=b\nEOF\n", "missing-equals"),
];
