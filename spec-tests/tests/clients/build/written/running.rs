//! `RUN` as neither docker 20.10's own reader of Dockerfiles nor buildah 1.28 knows it.

use crate::build::written::{Written, Wrong, written, wrong};

/// All cases; the base is the one with all commands of busybox.
pub(crate) const CASES: &[Written] = &[
    written(
        "a heredoc for the shell",
        "FROM BASE\nENV A=b\nRUN <<EOF\necho \"$A\" > /x\necho two >> /x\nEOF\n",
        "/x 0644 0:0 file b\\ntwo\\n",
    ),
    written(
        "a heredoc for another program",
        "FROM BASE\nRUN <<EOF\n#!/bin/awk -f\nBEGIN { print \"awk\" > \"/x\" }\nEOF\n",
        "/x 0644 0:0 file awk\\n",
    ),
    written(
        "a heredoc on standard input",
        "FROM BASE\nRUN cat <<EOF > /x\none $HOME\nEOF\n",
        "/x 0644 0:0 file one /root\\n",
    ),
    written(
        "a quoted heredoc on standard input",
        "FROM BASE\nRUN cat <<'EOF' > /x\none $HOME\nEOF\n",
        "/x 0644 0:0 file one $HOME\\n",
    ),
    written(
        "a heredoc without its tabs",
        "FROM BASE\nRUN <<-EOF\n\techo a > /x\n\t\techo b >> /x\n\tEOF\n",
        "/x 0644 0:0 file a\\nb\\n",
    ),
    written(
        "a heredoc and SHELL",
        "FROM BASE\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN <<EOF\nfalse || true\ncase $- in *e*) echo e > /x;; esac\nEOF\n",
        "/x 0644 0:0 file e\\n",
    ),
    written(
        "several heredocs",
        "FROM BASE\nRUN cat <<one > /x && cat <<two >> /x\n1\none\n2\ntwo\n",
        "/x 0644 0:0 file 1\\n2\\n",
    ),
    written(
        "heredocs leave no script behind",
        "FROM BASE\nRUN <<EOF\nls -A /dev/pipes /tmp 2> /dev/null | grep -v : | wc -w > /x\nEOF\n",
        "/x 0644 0:0 file 0\\n",
    ),
    written(
        "no network",
        "FROM BASE\nRUN --network=none ip -o link show up | cut -d ' ' -f 2 > /x; \
         ip route | wc -l >> /x\n",
        "/x 0644 0:0 file lo:\\n0\\n",
    ),
    written(
        "no network by a flag",
        "FROM BASE\nRUN ip route | wc -l > /x\n",
        "/x 0644 0:0 file 0\\n",
    )
    .flags("--network none"),
    written(
        "a secret in a variable",
        "FROM BASE\nRUN --mount=type=secret,id=word,env=WORD echo -n $WORD | wc -c > /x; \
         test -e /run/secrets/word || echo none >> /x\nRUN echo \"<$WORD>\" > /y\n",
        "/x 0644 0:0 file 10\\nnone\\n
         /y 0644 0:0 file <>\\n",
    )
    .flags("--secret id=word,src=CONTEXT/word.txt"),
    written(
        "after COPY --link",
        "FROM BASE\nCOPY --link dir /made/dir\nRUN stat -c '%a %u' /made /made/dir > /x; \
         rm -r /made/dir/sub; ls /made/dir | grep -v -E 'absolute|nowhere|up' >> /x; \
         rm -r /made\n",
        "/x 0644 0:0 file 755 0\\n755 0\\none\\ntwo.txt\\n",
    ),
    written(
        "before COPY --link",
        "FROM BASE\nRUN mkdir -m 0700 /made && echo x > /made/x\nCOPY --link a.txt /made/a\n\
         RUN cat /made/a /made/x > /y && rm -r /made\n",
        "/y 0644 0:0 file ax\\n",
    ),
    written(
        "a cache that nothing may write",
        "FROM BASE\nRUN --mount=type=cache,target=/srv/empty,ro \
         (echo x > /srv/empty/f) 2> /dev/null || echo refused > /x\n",
        "/x 0644 0:0 file refused\\n",
    ),
    written(
        "tmpfs with a size",
        "FROM BASE\nRUN --mount=type=tmpfs,target=/srv/empty,size=1m \
         (head -c 3000000 /dev/zero > /srv/empty/f) 2> /dev/null; \
         test $(stat -c %s /srv/empty/f) -le 1048576 && echo small > /x\n",
        "/x 0644 0:0 file small\\n",
    ),
    written(
        "variables in mounts",
        "FROM BASE\nARG from=dir to=/srv/empty\n\
         RUN --mount=type=bind,source=$from,target=${to} cat /srv/empty/one > /x\n",
        "/x 0644 0:0 file one",
    ),
    written(
        "a target relative to WORKDIR",
        "FROM BASE\nWORKDIR /srv\nRUN --mount=type=bind,source=dir,target=empty cat empty/one > /x\n",
        "/x 0644 0:0 file one",
    ),
    written(
        "hosts that are added",
        "FROM BASE\nRUN grep other.example /etc/hosts | tr -s '\\t ' ' ' > /x\n",
        "/x 0644 0:0 file 192.0.2.7 other.example\\n",
    )
    .flags("--add-host other.example:192.0.2.7"),
    written(
        "limits",
        "FROM BASE\nRUN ulimit -n > /x; ulimit -Hn >> /x\n",
        "/x 0644 0:0 file 777\\n888\\n",
    )
    .flags("--ulimit nofile=777:888"),
    written(
        "signals are neither blocked nor ignored",
        "FROM BASE\nRUN exec grep -E 'Sig(Blk|Ign)' /proc/self/status > /x\n",
        "/x 0644 0:0 file SigBlk:\\t0000000000000000\\nSigIgn:\\t0000000000000000\\n",
    ),
    written(
        "the time that layers have",
        "FROM BASE\nRUN echo $SOURCE_DATE_EPOCH > /x\n",
        "/x 0644 0:0 file 1700000000\\n",
    )
    .flags("--source-date-epoch 1700000000"),
    written(
        "every stub is gone",
        "FROM BASE AS one\nFROM scratch\nCOPY --from=one /bin/busybox /bin/sh\n\
         RUN [\"/bin/sh\", \"-c\", \"echo $(( 1 + 1 )) > /x\"]\n\
         RUN --mount=target=/deep/in/a [\"/bin/sh\", \"-c\", \"test -e /deep/in/a/a.txt\"]\n",
        "/bin 0755 0:0 directory
         /bin/sh 0755 0:0 file @busybox
         /x 0644 0:0 file 2\\n",
    ),
];

/// What is refused.
pub(crate) const WRONG: &[Wrong] = &[
    wrong("FROM BASE\nRUN exit 42\n", "42"),
    wrong("FROM BASE\nRUN kill -9 $$\n", "signal"),
    wrong("FROM BASE\nRUN\n", "RUN"),
    wrong(
        "FROM BASE\nRUN --mount=type=bind,source=missing,target=/x true\n",
        "missing",
    ),
    wrong("FROM BASE\nRUN --network=strange true\n", "strange"),
    wrong(
        "FROM BASE\nRUN --security=insecure true\n",
        "`--security=insecure` is not allowed",
    ),
    wrong(
        "FROM BASE\nRUN --device=vendor.com/class=name true\n",
        "--device",
    ),
    wrong(
        "FROM BASE\nRUN --mount=type=secret,id=absent,required true\n",
        "absent",
    ),
    wrong(
        "FROM BASE\nRUN --mount=type=ssh,required true\n",
        "no SSH agent `default`",
    ),
    wrong(
        "FROM BASE\nRUN mkdir /x && touch /x/.wh.y\n",
        "can be in no layer",
    ),
    wrong("FROM BASE\nRUN <<EOF\nfalse\nexit 9\nEOF\n", "9"),
];
