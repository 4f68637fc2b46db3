//! What commands leave: every kind of entry, what is removed, replaced, moved, linked and
//! given to somebody else.

use crate::build::comparisons::{Comparison, buildah, docker, runs};
use crate::build::peers::Peer;

/// All cases.
pub(crate) const LEAVING: &[Comparison] = &[
    runs(
        "every kind of entry",
        "FROM BASE\nRUN mkdir -p /x/d && cd /x && echo f > f && : > empty && mkfifo pipe && \
         ln -s f soft && ln -s /no/where nowhere && ln f hard && ln hard d/harder && \
         mkdir -m 1777 sticky && mkdir -m 2775 set && mkdir -m 0 closed && chmod 0 empty\n",
    ),
    runs(
        "devices",
        "FROM BASE\nRUN mkdir /x && mknod /x/null c 1 3 && mknod -m 0640 /x/disk b 8 1 && \
         chown 0:6 /x/disk\n",
    )
    .only(&[Peer::Docker]),
    runs("nothing", "FROM BASE\nRUN true\nRUN touch /etc/motd /srv\n"),
    // What is removed.
    runs(
        "a file is removed",
        "FROM BASE\nRUN rm /etc/motd /srv/nested/y/z\n",
    ),
    runs(
        "directories are removed",
        "FROM BASE\nRUN rm -r /srv/deep/a/b /srv/private /srv/empty\n",
    ),
    runs(
        "links are removed, not what they lead to",
        "FROM BASE\nRUN rm /opt/absolute /opt/file /opt/chain /var/run\n",
    ),
    runs(
        "all that is in a directory is removed",
        "FROM BASE\nRUN find /srv/deep -mindepth 1 -delete; rm -r /opt/*\n",
    ),
    runs(
        "directories at the top are removed",
        "FROM BASE\nRUN rm -r /srv /opt /var\n",
    ),
    runs(
        "removed, and made again by the next",
        "FROM BASE\nRUN rm -r /srv/deep /etc/motd\n\
         RUN mkdir -m 0750 /srv/deep && echo new > /srv/deep/new && echo again > /etc/motd\n\
         RUN mkdir -p /srv/deep/a && echo five > /srv/deep/a/five\n",
    ),
    runs(
        "removed and made again at once, with less",
        "FROM BASE\nRUN rm -r /srv/deep && mkdir -p /srv/deep/a/b && echo x > /srv/deep/a/two\n",
    ),
    runs(
        "removed and made again at once, the same",
        "FROM BASE\nRUN cp -a /srv/deep /tmp/deep && rm -r /srv/deep && mv /tmp/deep /srv/deep\n",
    ),
    runs(
        "what one makes the next removes",
        "FROM BASE\nRUN mkdir -p /x/y && echo f > /x/y/f && echo g > /etc/g\n\
         RUN rm -r /x/y /etc/g\nRUN mkdir /x/y\nRUN rmdir /x/y\n",
    ),
    runs(
        "what is copied is removed and moved",
        "FROM BASE\nCOPY . /c\nRUN rm -r /c/dir /c/a.txt && mv /c/other /c/moved && \
         mv '/c/with space' /c/without\n",
    )
    .differs(&[buildah("/c/set", "buildah-set-id")]),
    // What takes the place of another kind.
    runs(
        "a directory becomes a file, and a file a directory",
        "FROM BASE\nRUN rm -r /srv/deep && echo file > /srv/deep && \
         rm /srv/file && mkdir /srv/file && echo in > /srv/file/in\n",
    ),
    runs(
        "a directory becomes a link, and a link a directory",
        "FROM BASE\nRUN rm -r /srv/deep && ln -s real /srv/deep && \
         rm /opt/absolute && mkdir /opt/absolute && echo in > /opt/absolute/in\n",
    ),
    runs(
        "a file becomes a link, and a link a file",
        "FROM BASE\nRUN rm /srv/file && ln -s deep/one /srv/file && \
         rm /opt/file && echo file > /opt/file && ln -sf /srv/nested /opt/relative\n",
    ),
    runs(
        "files become pipes, and pipes files",
        "FROM BASE\nRUN rm /srv/file && mkfifo /srv/file\n\
         RUN rm /srv/file && echo again > /srv/file\n",
    ),
    runs(
        "a directory becomes a link, and what lies behind it is written to",
        "FROM BASE\nRUN mv /opt /srv/opt && ln -s srv/opt /opt\n\
         RUN echo behind > /opt/behind\nCOPY a.txt /opt/a\n",
    ),
    runs(
        "there and back",
        "FROM BASE\nRUN rm -r /srv/deep && echo file > /srv/deep\n\
         RUN rm /srv/deep && mkdir -p /srv/deep/a && echo two > /srv/deep/a/two\n\
         RUN rm -r /srv/deep && ln -s nested /srv/deep\n",
    ),
    // What is moved.
    runs(
        "files and directories are moved",
        "FROM BASE\nRUN mv /srv/nested /srv/moved && mv /etc/motd /etc/issue && \
         mv /srv/deep/a/b /srv/b && mv /srv/real /srv/deep/real\n",
    ),
    runs(
        "moved over another",
        "FROM BASE\nRUN mv /etc/motd /srv/file && mv /srv/empty /srv/nested/ && \
         rm -r /srv/set && mv /srv/deep /srv/set\n",
    ),
    // Metadata.
    runs(
        "modes alone",
        "FROM BASE\nRUN chmod 4711 /srv/file && chmod 0700 /srv/nested && \
         chmod -R go-rwx /srv/deep && chmod 1777 /srv/empty && chmod 0755 /tmp\n",
    ),
    runs(
        "owners alone",
        "FROM BASE\nRUN chown -R app:staff /srv/deep && chown 7 /srv/file && \
         chgrp 8 /srv/nested && chown -h 9:9 /opt/absolute && chown 70000:80000 /srv/empty\n",
    ),
    runs(
        "set-id bits, which a change of owner takes",
        "FROM BASE\nRUN chown 5:5 /srv/elevated && cp /srv/file /srv/x && chmod 6755 /srv/x\n\
         RUN chmod 4755 /srv/elevated && chown 6 /srv/x && chmod 2711 /srv/x\n",
    ),
    runs(
        "the root's own mode",
        "FROM BASE\nRUN chmod 0711 / && echo x > /x\n",
    ),
    runs(
        "times that are set",
        "FROM BASE\nRUN touch -d @1000000000 /etc/motd /srv/nested && mkdir /x && \
         echo f > /x/f && ln -s f /x/l && touch -d @1100000000 /x/f && \
         touch -h -d @1200000000 /x/l && touch -d @1300000000 /x\n",
    )
    .timed("/x"),
    runs(
        "attributes",
        "FROM BASE\nRUN odd user.colour 626c7565 /srv/file\n",
    )
    .differs(&[docker("/srv/file", "attributes")]),
    runs(
        "capabilities of files",
        "FROM BASE\nRUN cp /bin/cat /srv/ping && \
         odd security.capability 0100000200200000000000000000000000000000 /srv/ping && \
         cp -p /srv/ping /srv/other && odd security.capability \
         0000000200040000000000000000000000000000 /usr/bin/odd\n\
         RUN chmod 0700 /srv/ping\nRUN echo x >> /usr/bin/odd\n",
    ),
    // Links.
    runs(
        "a name more for a file that is there",
        "FROM BASE\nRUN ln /srv/file /srv/again && ln /usr/hard/first /usr/hard/fourth\n",
    )
    .differs(&[
        docker("/usr/hard*", "links-to-below"),
        buildah("/usr/hard*", "links-to-below"),
    ]),
    runs(
        "a name less for a file that is there",
        "FROM BASE\nRUN rm /usr/hard/second\nRUN rm /usr/hard/first && echo x > /usr/hard/first\n",
    ),
    runs(
        "a file of several names is made, split and joined",
        "FROM BASE\nRUN mkdir /x && cd /x && echo 1 > a && ln a b && ln a c\n\
         RUN cd /x && cp b d && mv d b\nRUN cd /x && ln -f b c && rm a\n",
    ),
    runs(
        "links over directories of one step",
        "FROM BASE\nRUN mkdir -p /z/y /a/b && echo 1 > /z/y/f && ln /z/y/f /a/b/f && \
         ln /z/y/f /srv/f && ln /z/y/f /z/g\n",
    ),
    // Names.
    runs(
        "strange names",
        "FROM BASE\nRUN mkdir /x && cd /x && touch 'a b' -- -dash 'quo\"te' \"ti'ck\" 'st*r' \
         'back\\slash' '~' '#hash' '日本' \"$(printf 'new\\nline')\" .hidden ..two ... '%41' \
         \"$(printf 'tab\\there')\" wh. .whx\n",
    ),
    runs(
        "names that are no text",
        "FROM BASE\nRUN mkdir /x && touch \"/x/$(printf 'a\\377b')\" \"/x/$(printf '\\303')\"\n",
    ),
    runs(
        "long names and deep paths",
        "FROM BASE\nRUN n=$(printf '%0200d' 7) && mkdir -p /x/$n/$n/$n && \
         echo f > /x/$n/$n/$n/$n && ln -s /x/$n/$n/$n/$n /x/l && ln /x/$n/$n/$n/$n /x/h\n",
    ),
    // Amounts.
    runs(
        "many files, and some of them removed",
        "FROM BASE\nRUN mkdir /x && cd /x && for i in $(seq 40); do mkdir d$i; \
         for j in $(seq 25); do echo $i $j > d$i/f$j; done; done\n\
         RUN rm -r /x/d1* && rm /x/d*/f2\n",
    ),
    runs(
        "a large file, and one with holes",
        "FROM BASE\nRUN seq 400000 > /large && truncate -s 20M /holes && \
         echo end >> /holes\nRUN echo more >> /large\n",
    ),
    runs(
        "sockets are left out",
        "FROM BASE\nRUN mkdir /x && odd socket /x/s && echo f > /x/f\n\
         RUN rm /srv/file && odd socket /srv/file\n",
    )
    .differs(&[
        docker("/srv/file", "sockets-over-files"),
        buildah("/srv/file", "sockets-over-files"),
    ]),
    // Steps beside others.
    runs(
        "one file by three steps",
        "FROM BASE\nRUN echo 1 >> /srv/file\nRUN echo 2 >> /srv/file\nCOPY a.txt /srv/b\n\
         RUN cat /srv/b >> /srv/file && sed -i s/1/one/ /srv/file\n",
    ),
    runs(
        "copied from a stage that ran",
        "FROM BASE AS one\nRUN mkdir -p /x/y && echo f > /x/y/f && ln /x/y/f /x/y/g && \
         chown -R app:staff /x && chmod 4755 /x/y/f && ln -s y/f /x/l && rm /srv/file\n\
         FROM BASE\nRUN mkdir /z\nCOPY --from=one /x /z/x\nCOPY --from=one /srv /z/srv\n\
         COPY --from=one /x/l /z/l\n",
    ),
    runs(
        "from a stage that ran",
        "FROM BASE AS one\nRUN rm -r /srv/deep && echo one > /one\n\
         FROM one AS two\nRUN mkdir /srv/deep && echo two > /two\nFROM two\n\
         RUN mv /one /three && chmod 0600 /two\n",
    ),
    runs(
        "into nothing",
        "FROM BASE AS one\nRUN mkdir -p /x/etc /x/bin && echo hello > /x/etc/word && \
         cp /bin/busybox /x/bin/sh && mkdir /x/dev /x/proc /x/sys && for f in hosts hostname \
         resolv.conf; do : > /x/etc/$f; done; mkdir /x/run /x/srv /x/srv/1 /x/srv/2\n\
         FROM scratch\nCOPY --from=one /x /\nRUN [\"/bin/sh\", \"-c\", \"echo $((1 + 1)) > /two\"]\n",
    )
    .differs(&[buildah("WorkingDir", "buildah-working-directory")]),
    runs("ONBUILD RUN", "FROM BASE\nRUN cat /x > /tmp/y\n").upon(
        "FROM BASE\nONBUILD RUN echo \"asked $WORD\" > /x\nENV WORD=later\nONBUILD USER app\n",
    ),
    runs(
        "a VOLUME that is written to",
        "FROM BASE\nVOLUME /srv/nested\nRUN echo lost > /srv/nested/new; rm /srv/nested/x\n",
    )
    .differs(&[buildah("/srv/nested*", "buildah-volume-writes")]),
    runs(
        "a WORKDIR that commands remove",
        "FROM BASE\nWORKDIR /w\nRUN echo f > f && rm -r /w\nRUN pwd > /seen\n",
    )
    .differs(&[
        docker("/w", "working-directory-again"),
        buildah("/w", "working-directory-again"),
    ]),
    runs(
        "WORKDIR and USER of files that are made",
        "FROM BASE\nWORKDIR /w\nRUN chown app:staff . && chmod 2775 .\nUSER app\n\
         WORKDIR /w/sub\nUSER 0\nRUN chown app .\nUSER app\nRUN umask > m && echo f > f && \
         mkdir d\nUSER app:staff\nRUN echo g > /w/g\n",
    )
    .differs(&[docker("/w/sub*", "working-directory-bits")]),
    runs(
        "what is written where containers mount",
        "FROM BASE\nRUN echo x > /dev/x; echo y > /dev/shm/y; mkdir /run/r; echo z > /run/z; \
         echo t > /tmp/t; echo r > /root/r; echo v > /var/run/v; true\n",
    ),
];
